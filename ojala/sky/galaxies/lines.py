"""How emission lines are laid on a spectrum."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from ojala.vocabulary.constants import SPEED_OF_LIGHT
from ojala.vocabulary.emission_lines import rest_waves

Floats = NDArray[np.float64]

REACH = 5.0
"""A Gaussian line is laid over this many sigma to each side."""


def pixel_edges(wave: ArrayLike) -> Floats:
    """Edges half way between the centres of pixels; shape (num_wave + 1,)."""
    wave = np.asarray(wave, dtype=np.float64)
    middle = 0.5 * (wave[1:] + wave[:-1])
    return np.concatenate(
        [[1.5 * wave[0] - 0.5 * wave[1]], middle, [1.5 * wave[-1] - 0.5 * wave[-2]]]
    )


def add_line(
    spectra: NDArray[np.float32], wave: ArrayLike, centre: Floats, line_flux: Floats, sigma: Floats
) -> None:
    """Add one Gaussian line to each spectrum, in place.

    spectra: flux per Angstrom, shape (num_sources, num_wave); wave: Angstrom, increasing
    centre: observed wavelength; sigma: km/s; line_flux: flux per Angstrom times Angstrom
    Each pixel gets the mean of the profile over it, so that flux is kept on any grid.
    """
    edges = pixel_edges(wave)
    width = centre * sigma / SPEED_OF_LIGHT
    first = np.searchsorted(edges, centre - REACH * width) - 1
    last = np.searchsorted(edges, centre + REACH * width)
    rows = np.flatnonzero((line_flux != 0) & (last > 0) & (first < len(edges) - 1))
    if len(rows) == 0:
        return
    span = int((last[rows] - first[rows]).max())
    pixels = first[rows, None] + np.arange(span + 1)
    inside = np.clip(pixels, 0, len(edges) - 1)
    below = ndtr((edges[inside] - centre[rows, None]) / width[rows, None])
    share = np.diff(below, axis=1) / np.maximum(np.diff(edges[inside], axis=1), 1e-9)
    row, column = np.nonzero((share != 0) & (pixels[:, :-1] < last[rows, None]))
    spectra[rows[row], pixels[row, column]] += (share * line_flux[rows, None])[row, column]


def add_lines(
    spectra: NDArray[np.float32],
    wave: ArrayLike,
    z: Floats,
    fluxes: dict[str, Floats],
    sigma: Floats,
) -> None:
    """Add lines by name to spectra in the observed frame, in place.

    z: redshift; fluxes: observed flux of each named line, (num_sources,); sigma: km/s
    """
    for name, flux in fluxes.items():
        add_line(spectra, wave, rest_waves()[name] * (1 + z), flux, sigma)
