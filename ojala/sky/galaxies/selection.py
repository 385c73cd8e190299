"""The galaxy samples: DESI's target selections, and all galaxies to a limit in i."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Chosen = NDArray[np.bool_]

FIBER_RADIUS, SEEING_RADIUS = 0.75, 0.5
"""Radius of a DESI fibre, and half-light radius of the Legacy reference seeing (1 arcsec FWHM)."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A selection: redshift range, bands it looks at, and the cut on their magnitudes.

    select(magnitudes by band, fibre loss in mag) -> chosen
    """

    redshifts: tuple[float, float]
    bands: tuple[str, ...]
    select: Callable[[dict[str, Floats], Floats], Chosen]


def fiber_loss(r_half: Floats) -> Floats:
    """Magnitudes by which the fibre falls short of the total, in 1 arcsec seeing.

    r_half: arcsec, (num_sources,)
    """
    smeared = np.hypot(r_half, SEEING_RADIUS)
    return np.asarray(-2.5 * np.log10(1 - 2 ** -((FIBER_RADIUS / smeared) ** 2)))


def _bgs(mag: dict[str, Floats], loss: Floats) -> Chosen:
    """Bright Galaxy Survey, bright and faint (Hahn et al. 2023)."""
    return np.asarray((mag["r"] > 12) & (mag["r"] < 20.2) & (mag["r"] + loss < 22.9))


def _lowz(mag: dict[str, Floats], loss: Floats) -> Chosen:
    """Dwarfs of the LOW-Z programme (Darragh-Ford et al. 2023), and what is nearer and brighter."""
    return np.asarray((mag["r"] > 12) & (mag["r"] < 21) & (mag["r"] + loss < 22.9))


def _lrg(mag: dict[str, Floats], loss: Floats) -> Chosen:
    """Luminous red galaxies (Zhou et al. 2023, Eq. 1; the cuts of the southern photometry)."""
    r_w1, w1 = mag["r"] - mag["W1"], mag["W1"]
    not_star = mag["z"] - w1 > 0.8 * (mag["r"] - mag["z"]) - 0.6
    distant = (mag["g"] - w1 > 2.9) | (r_w1 > 1.8)
    sliding = (r_w1 > 1.8 * (w1 - 17.14)) & (r_w1 > w1 - 16.33)
    bright = mag["z"] + loss < 21.60
    return np.asarray(not_star & distant & (sliding | (r_w1 > 3.3)) & bright)


def _elg(mag: dict[str, Floats], loss: Floats) -> Chosen:
    """Emission-line galaxies, LOP and VLO (Raichoor et al. 2023, Table 2)."""
    g_r, r_z = mag["g"] - mag["r"], mag["r"] - mag["z"]
    bright = (mag["g"] > 20) & (mag["g"] + loss < 24.1)
    blue = (g_r < 0.5 * r_z + 0.1) & (g_r < -1.2 * r_z + 1.6)
    return np.asarray(bright & (r_z > 0.15) & blue)


def _dc3r2(mag: dict[str, Floats], loss: Floats) -> Chosen:
    """Galaxies of every colour, whose redshifts calibrate it (McCullough et al. 2024)."""
    return np.asarray((mag["r"] > 12) & (mag["z"] + loss < 22.1))


def _field(mag: dict[str, Floats], loss: Floats) -> Chosen:
    """Every galaxy that J-PAS sees well."""
    return np.asarray((mag["i"] > 12) & (mag["i"] < 22.7))


SAMPLES = {
    "bgs": Sample(redshifts=(0.01, 0.6), bands=("r",), select=_bgs),
    "lrg": Sample(redshifts=(0.3, 1.2), bands=("g", "r", "z", "W1"), select=_lrg),
    "elg": Sample(redshifts=(0.05, 1.63), bands=("g", "r", "z"), select=_elg),
    "lowz": Sample(redshifts=(0.0005, 0.03), bands=("r",), select=_lowz),
    "dc3r2": Sample(redshifts=(0.01, 1.65), bands=("r", "z"), select=_dc3r2),
    "field": Sample(redshifts=(0.003, 1.65), bands=("i",), select=_field),
}
"""The samples of galaxies, by name."""


def sample_of(name: str) -> Sample:
    """The sample of a name. Raises ValueError for an unknown one."""
    if name not in SAMPLES:
        raise ValueError(f"galaxy sample {name!r} is not known: expected {', '.join(SAMPLES)}")
    return SAMPLES[name]
