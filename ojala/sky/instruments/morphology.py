"""Shapes on the sky: light in an aperture, and the model the Legacy Surveys would choose."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

HALF_OF_FWHM = 0.5
"""Half-light radius over FWHM of a Gaussian point-spread function: exactly one half."""

LEGACY_SEEING = 1.2
"""FWHM, arcsec, of the Legacy Surveys' r images (Dey et al. 2019, AJ 157, 168)."""

ELLIPTICITY = 0.22
"""Of galaxies on the sky: scale of its Rayleigh distribution."""

ODD_SHARE = 0.003
"""Share of large galaxies that no model describes."""


def light_within(radius: float, r_half: Floats, sersic: Floats, seeing: Floats | float) -> Floats:
    """Share of a source's light within an aperture of ``radius``, after blurring by ``seeing``.

    radius, r_half, seeing (FWHM): arcsec; sersic: index, any where r_half is 0.

    The curve of growth is 1 - 2^-(R/h)^p with h the blurred half-light radius: exact for a
    Gaussian (p = 2). p = 1.5 n^-0.45 follows the curve of an exponential (n = 1) to 0.02 and of a
    de Vaucouleurs profile (n = 4) to 0.04 between a half and two half-light radii; a blurred one
    lies between the two by the share of the squared radius.

    r_half, sersic, and the share: (num_sources,)
    """
    blur = (HALF_OF_FWHM * np.asarray(seeing)) ** 2
    squared = r_half**2 + blur
    steepness = 1.5 * np.clip(np.where(sersic > 0, sersic, 1.0), 0.5, 6.0) ** -0.45
    power = (2 * blur + steepness * r_half**2) / squared
    return np.asarray(1 - 0.5 ** ((radius / np.sqrt(squared)) ** power))


def morphtype(
    rng: np.random.Generator, r_half: Floats, sersic: Floats, snr: Floats
) -> NDArray[np.str_]:
    """The Legacy Surveys' model of each source: PSF, REX, EXP, DEV or SER, rarely GGAL.

    r_half: arcsec, 0 for a point; snr: signal-to-noise ratio in r.

    The more complex a model, the more it must improve the fit. What tells a source from a point is
    its S/N times the squared ratio of its size to the seeing (second moments), with an error of
    order one; an ellipticity, or a profile that is neither exponential nor de Vaucouleurs', makes a
    difference that is smaller by its own square. So faint galaxies are PSF, round ones REX, and
    bright, large ones SER.

    All arrays: (num_sources,).
    """
    num_sources = len(r_half)
    extent = snr * (2 * r_half / LEGACY_SEEING) ** 2 + rng.standard_normal(num_sources)
    ellipticity = rng.rayleigh(ELLIPTICITY, num_sources)
    measured = np.where(sersic > 0, sersic, 1) * rng.lognormal(0, 0.15, num_sources)
    is_steep = measured > 2
    misfit = np.log(measured / np.where(is_steep, 4, 1))
    models = np.where(is_steep & (extent > 20), "DEV", "EXP")
    models = np.where((models == "EXP") & (extent * ellipticity**2 < 5), "REX", models)
    models = np.where(extent * misfit**2 > 60, "SER", models)
    models = np.where((extent > 80) & (rng.random(num_sources) < ODD_SHARE), "GGAL", models)
    return np.where(extent < 3, "PSF", models)
