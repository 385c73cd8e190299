"""The three arms of DESI's spectrographs, and how they become one spectrum.

All arms are sampled on one grid of 0.8 Angstrom, so merging is a weighted mean where two of
them overlap (5760-5800 and 7520-7620 Angstrom) and a copy elsewhere: nothing is resampled.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

STEP = 0.8
"""Angstrom per pixel, vacuum, in every arm (DESI Collaboration 2022, AJ 164, 207)."""


def _grid(first: float, last: float) -> NDArray[np.float64]:
    return np.asarray(first + STEP * np.arange(round((last - first) / STEP) + 1), np.float64)


ARMS: dict[str, NDArray[np.float64]] = {
    "b": _grid(3600.0, 5800.0),
    "r": _grid(5760.0, 7620.0),
    "z": _grid(7520.0, 9824.0),
}
"""Wavelength grids of the arms, Angstrom."""

WAVE: NDArray[np.float64] = _grid(3600.0, 9824.0)
"""The common grid, Angstrom, shape (7781,)."""

FIRST = {arm: round((wave[0] - WAVE[0]) / STEP) for arm, wave in ARMS.items()}
"""Pixel of the common grid on which an arm begins."""

TOLERANCE = 1e-3
"""Angstrom by which a file's wavelengths may miss the grid (real files: below 1e-8)."""


def check_grid(wave: NDArray[np.floating], arm: str) -> None:
    """Raise ValueError unless ``wave`` is the arm's grid.

    wave: Angstrom, (num_wave,)
    """
    expected = ARMS[arm]
    if not np.all(np.isfinite(wave)):
        raise ValueError("wavelengths are not finite")
    if wave.shape != expected.shape or np.max(np.abs(wave - expected)) > TOLERANCE:
        raise ValueError(
            f"wavelengths are not {expected[0]:.0f} ... {expected[-1]:.0f} Angstrom"
            f" in steps of {STEP} Angstrom"
        )


def merge_arms(
    arms: Mapping[str, tuple[NDArray[np.floating], NDArray[np.floating]]],
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """One spectrum per source on WAVE from (flux, ivar) per arm, each (num_sources, num_pixels).

    Where arms overlap the flux is the mean weighted by inverse variance, and ivar is the sum.
    """
    num_sources = len(arms["b"][0])
    flux = np.empty((num_sources, len(WAVE)), np.float32)
    ivar = np.empty_like(flux)
    for arm, (arm_flux, arm_ivar) in arms.items():
        span = slice(FIRST[arm], FIRST[arm] + len(ARMS[arm]))
        flux[:, span], ivar[:, span] = arm_flux, arm_ivar
    for blue, red in (("b", "r"), ("r", "z")):
        num_shared = FIRST[blue] + len(ARMS[blue]) - FIRST[red]
        shared = slice(FIRST[red], FIRST[red] + num_shared)
        (flux_blue, ivar_blue), (flux_red, ivar_red) = arms[blue], arms[red]
        weight, total = ivar_blue[:, -num_shared:], ivar_red[:, :num_shared]
        summed = weight * flux_blue[:, -num_shared:] + total * flux_red[:, :num_shared]
        total = weight + total
        flux[:, shared] = np.divide(summed, total, out=np.zeros_like(total), where=total > 0)
        ivar[:, shared] = total
    return flux, ivar


def split_arms(values: NDArray[np.floating]) -> dict[str, NDArray[np.floating]]:
    """The pixels of each arm from values on WAVE, (..., 7781); overlaps are in both arms."""
    return {arm: values[..., FIRST[arm] : FIRST[arm] + len(wave)] for arm, wave in ARMS.items()}
