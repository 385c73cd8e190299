"""Emission lines of quasars beyond their principal components, and the mass that Mg II tells.

Equivalent widths and widths: Vanden Berk et al. 2001 (Table 2) in the ultraviolet and optical,
Glikman et al. 2006 (Table 4) in the near infrared.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ojala.sky.quasars.shapes import REST_WAVE
from ojala.vocabulary.constants import SPEED_OF_LIGHT
from ojala.vocabulary.emission_lines import near_wave

Array = NDArray[np.float64]

UV_LINES = ((949.7, 2.0), (977.0, 4.5), (991.6, 2.5), (1033.0, 10.0), (1065.0, 3.0), (1123.0, 1.5))
"""Blueward of the components: wavelength, equivalent width (both Angstrom)."""

BROAD_RATIOS = (
    (5877.2, 0.06),
    (near_wave("HALPHA_6562"), 1.0),
    (7067.1, 0.03),
    (8449.0, 0.07),
    (8580.0, 0.04),
    (9548.6, 0.025),
    (10052.1, 0.04),
    (10833.3, 0.13),
    (10941.1, 0.075),
    (12821.6, 0.10),
    (18756.1, 0.10),
)
"""Broad lines redward of the components: wavelength and flux relative to broad H-alpha."""

NARROW_RATIOS = (
    (near_wave("NII_6548"), 0.2),
    (near_wave("HALPHA_6562"), 0.7),
    (near_wave("NII_6584"), 0.6),
    (near_wave("SII_6716"), 0.18),
    (near_wave("SII_6731"), 0.16),
)
"""Narrow lines: wavelength and flux relative to [OIII] 5007."""

BALDWIN = (
    (1200.0, 1285.0, 0.10, 46.1),
    (1460.0, 1690.0, 0.20, 46.1),
    (1820.0, 1980.0, 0.10, 46.1),
    (2690.0, 2910.0, 0.13, 45.2),
    (4943.0, 5050.0, 0.20, 45.4),
)
"""Windows (Angstrom) of lines whose equivalent width falls as L^-slope: slope and the log of
L3000 (erg/s) at which the components' quasars were seen (Baldwin 1977; Dietrich et al. 2002)."""


def baldwin_effect(log_flux: Array, log_l3000: Array) -> Array:
    """Strengthen lines of fainter quasars; ``log_flux`` is ln f_lambda on REST_WAVE.

    log_flux: (num_sources, len(REST_WAVE)); log_l3000: erg/s, (num_sources,)
    """
    boosted = log_flux.copy()
    for start, end, slope, pivot in BALDWIN:
        window = slice(*np.searchsorted(REST_WAVE, (start, end)))
        continuum = line_continuum(log_flux, window)
        excess = np.expm1(log_flux[:, window] - continuum)
        boost = np.clip(10 ** (-slope * (log_l3000 - pivot)), 0.4, 2.5)[:, None]
        boosted[:, window] = continuum + np.log1p(np.maximum(boost * excess, -0.9))
    return boosted


def line_continuum(log_flux: Array, window: slice) -> Array:
    """Power law through the two ends of ``window`` (its red end alone for Lyman alpha).

    log_flux: (num_sources, len(REST_WAVE)); returns (num_sources, width of the window)
    """
    log_wave = np.log(REST_WAVE[window])
    red = log_flux[:, window.stop - 1, None]
    if REST_WAVE[window.start] < 1216:
        return np.asarray(red - 1.5 * (log_wave - log_wave[-1]))
    blue = log_flux[:, window.start, None]
    return np.asarray(blue + (red - blue) * (log_wave - log_wave[0]) / (log_wave[-1] - log_wave[0]))


def measure_line(log_flux: Array, start: float, end: float) -> tuple[Array, Array, Array]:
    """Equivalent width (Angstrom), FWHM (km/s) and flux of the line between two wavelengths.

    log_flux: ln f_lambda on REST_WAVE, (num_sources, num_wave); the continuum is the power law
    through ``start`` and ``end``.
    """
    window = slice(*np.searchsorted(REST_WAVE, (start, end)))
    wave = REST_WAVE[window]
    continuum = line_continuum(log_flux, window)
    excess = np.exp(log_flux[:, window]) - np.exp(continuum)
    width = np.trapezoid(excess * np.exp(-continuum), wave, axis=1)
    return width, _fwhm(excess, wave), np.trapezoid(excess, wave, axis=1)


def _fwhm(excess: Array, wave: Array) -> Array:
    """Full width at half maximum around the peak, km/s, to a fraction of a pixel."""
    peak = excess.argmax(axis=1)
    half = excess.max(axis=1) / 2
    rows, pixel = np.arange(len(excess)), np.arange(len(wave))
    below = excess < half[:, None]
    right = np.where(below & (pixel > peak[:, None]), pixel, len(wave) - 1).min(axis=1)
    left = np.where(below & (pixel < peak[:, None]), pixel, 0).max(axis=1)
    edges = []
    for outer, inner in ((left, np.minimum(left + 1, peak)), (right, np.maximum(right - 1, peak))):
        rise = excess[rows, inner] - excess[rows, outer]
        share = (half - excess[rows, outer]) / np.where(rise > 0, rise, np.inf)
        edges.append(wave[outer] + np.clip(share, 0, 1) * (wave[inner] - wave[outer]))
    return np.asarray((edges[1] - edges[0]) / wave[peak] * SPEED_OF_LIGHT)


def add_line(flux: Array, wave: float, line_flux: Array, fwhm: Array, reach: float = 0.12) -> None:
    """Add Gaussian lines of ``line_flux`` and ``fwhm`` (km/s), each (num_sources,), in place.

    reach: share of ``wave`` on either side that is touched; it must not depend on the block, lest
    a spectrum did
    """
    window = slice(*np.searchsorted(REST_WAVE, (wave * (1 - reach), wave * (1 + reach))))
    sigma = (fwhm / 2.3548 / SPEED_OF_LIGHT * wave)[:, None]
    profile = np.exp(-0.5 * ((REST_WAVE[window] - wave) / sigma) ** 2)
    flux[:, window] += line_flux[:, None] / (sigma * np.sqrt(2 * np.pi)) * profile


def virial_mass(fwhm: Array, log_l3000: Array) -> Array:
    """log10 of the black-hole mass, Msun: 6.86 + 2 log(FWHM / 1000 km/s) + 0.5 log(L3000 / 10^44).

    fwhm: of Mg II, km/s; log_l3000: log10 of lambda L_lambda at 3000 Angstrom, erg/s
    (Vestergaard & Osmer 2009, Eq. 1).

    fwhm, log_l3000: (num_sources,)
    """
    return np.asarray(6.86 + 2 * np.log10(fwhm / 1000) + 0.5 * (log_l3000 - 44))
