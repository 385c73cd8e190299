"""The noise of DESI's spectra: night sky, read-out and throughput of the three arms.

The sky is the emission of the Cerro Paranal atlas (Hanuschik 2003, A&A 407, 1157), shipped by
pypeit: airglow lines and continuum in the dark. Throughput and read noise are set so that the
inverse variances of a 1,000 s dark exposure are those of DESI's own spectra, to about ten per
cent over 3,650-9,800 Angstrom.
"""

from __future__ import annotations

from functools import cache
from importlib.metadata import distribution

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from ojala.surveys.desi.arms import ARMS, STEP

Floats = NDArray[np.float64]

FIBRE_AREA = 1.8
"""Square arcseconds of sky in a fibre of 1.5 arcsec (107 micron; DESI 2022, AJ 164, 207)."""

POINT_SOURCE_SHARE = 0.79
"""Share of a point source's light in the fibre: spectra are calibrated to its total flux."""

ELECTRONS = 68 / (0.3 * 6500 * 1000)
"""Electrons per pixel for a flux of 1e-17 erg/s/cm2/A, per second, Angstrom and throughput.

Area 8.66 m2, 0.8 Angstrom pixels: t A dlambda lambda / (h c).
"""

READ_NOISE = 6.0
"""Electrons per pixel of an extracted spectrum, per exposure: 3 per CCD pixel over 4 of them."""

READOUT_TIME = 1000.0
"""Seconds between two read-outs of the CCDs; a shorter exposure has one."""

LINE_SPREAD = {"b": 0.77, "r": 0.72, "z": 0.76}
"""Sigma of the line-spread function, Angstrom: R = 2,000 (3,600 A) to 5,500 (9,800 A)."""

THROUGHPUT = {
    "b": (
        (3600, 3650, 3750, 3850, 4000, 4200, 4500, 4800, 5100, 5400, 5650, 5720, 5760, 5800),
        (0.02, 0.025, 0.04, 0.06, 0.1, 0.14, 0.18, 0.22, 0.25, 0.26, 0.26, 0.18, 0.1, 0.02),
    ),
    "r": (
        (5760, 5800, 5850, 6000, 6400, 7000, 7400, 7500, 7560, 7620),
        (0.08, 0.18, 0.26, 0.28, 0.31, 0.33, 0.33, 0.3, 0.15, 0.03),
    ),
    "z": (
        (7520, 7580, 7640, 7700, 8000, 8500, 9250, 9330, 9600, 9824),
        (0.14, 0.24, 0.36, 0.41, 0.39, 0.41, 0.38, 0.28, 0.27, 0.22),
    ),
}
"""Wavelength (Angstrom) and share of photons kept by atmosphere, telescope, fibre and camera."""

TELLURIC = ((6875, 12, 0.3), (7605, 10, 0.85), (7640, 25, 0.5))
"""Oxygen bands of the atmosphere: centre, sigma (Angstrom) and depth of the absorption."""

MOONLIGHT = 2.5
"""Scattered moonlight of the bright programme, 1e-17 erg/s/cm2/A/arcsec2 at 5,000 Angstrom."""


@cache
def sky(arm: str, program: str) -> Floats:
    """Surface brightness of the sky on an arm's grid, 1e-17 erg/s/cm2/A/arcsec2."""
    wave, brightness = _atlas()
    step = wave[1] - wave[0]
    blurred = gaussian_filter1d(brightness, LINE_SPREAD[arm] / step)
    dark = np.interp(ARMS[arm], wave, blurred)
    moon = MOONLIGHT * (ARMS[arm] / 5000) ** -1.0 if program == "bright" else 0.0
    return np.asarray(dark + moon)


@cache
def electrons_per_second(arm: str) -> Floats:
    """Electrons per pixel and second of a flux of 1e-17 erg/s/cm2/A, point source, (num_wave,)."""
    wave = ARMS[arm]
    kept = np.interp(wave, *THROUGHPUT[arm])
    for centre, sigma, depth in TELLURIC:
        kept = kept * (1 - depth * np.exp(-0.5 * ((wave - centre) / sigma) ** 2))
    return np.asarray(ELECTRONS * POINT_SOURCE_SHARE * wave * kept)


def noise(
    flux: NDArray[np.float32], exposure_time: Floats, arm: str, program: str
) -> NDArray[np.float32]:
    """1 sigma of noise per pixel of an arm, 1e-17 erg/s/cm2/A.

    flux: noiseless, calibrated to point sources, (num_sources, num_wave); exposure_time: seconds
    """
    gain = electrons_per_second(arm).astype(np.float32)
    time = exposure_time[:, None].astype(np.float32)
    background = sky(arm, program) * FIBRE_AREA / POINT_SOURCE_SHARE
    rate = (np.maximum(flux, 0) + background.astype(np.float32)) * gain
    readouts = np.maximum(time / READOUT_TIME, 1)
    return np.asarray(np.sqrt(rate * time + READ_NOISE**2 * readouts) / (gain * time))


@cache
def _atlas() -> tuple[Floats, Floats]:
    """Wavelength (vacuum) and brightness of the atlas; gaps and absorption cut at the continuum."""
    path = distribution("pypeit").locate_file("pypeit/data/sky_spec/paranal_sky.fits")
    with fits.open(str(path)) as atlas:
        wave = atlas["WAVELENGTH"].data.astype(np.float64)
        brightness = atlas["FLUX"].data.astype(np.float64)
    gap = (wave > 8540) & (wave < 8625)
    floor = np.interp(wave, (3500, 4500, 6000, 7000, 10000), (1.2, 1.4, 1.1, 0.75, 0.65))
    return wave, np.where(gap, floor, np.maximum(brightness, floor))


assert STEP == 0.8, "ELECTRONS is for pixels of 0.8 Angstrom"
