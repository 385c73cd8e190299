"""Populations and dust of real galaxies: fits to the photometry that the kcorrect package carries.

10,000 galaxies of SDSS (ugriz), 2MASS (JHK) and GALEX (FUV, NUV), redshift 0.01 to 0.5.
A subset is fitted once per process, in about a second, with non-negative least squares.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import combinations

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from ojala.physics.cosmology import sphere_area
from ojala.sky.galaxies.dust import transmission
from ojala.sky.galaxies.templates import (
    POPULATIONS,
    WITH_LINES,
    package_file,
    population_masses,
    populations,
)
from ojala.vocabulary.constants import AB_ZERO_FLUX, ANGSTROM_PER_SECOND

Floats = NDArray[np.float64]

CURVES = (
    *(f"sdss_{band}0.dat" for band in "ugriz"),
    *(f"twomass_{band}.dat" for band in ("J", "H", "Ks")),
    *(f"galex_{band}.dat" for band in ("NUV", "FUV")),
)
TWOMASS_AB = {"J": 0.91, "H": 1.39, "K": 1.85}
"""AB minus Vega magnitude of the 2MASS bands (Blanton & Roweis 2007)."""

GALEX_COUNT_AB = {"NUV": 20.08, "FUV": 18.82}
"""AB magnitude of one count per second (Morrissey et al. 2007)."""

GALEX_EXTINCTION = 8.2 / 2.751
"""Galactic extinction in the GALEX bands over that in SDSS r."""

FLOOR = np.array([0.05, 0.025, 0.02, 0.02, 0.03, 0.1, 0.1, 0.1, 0.15, 0.2])
"""Relative errors added in quadrature: calibration, apertures, templates."""

EVERY = 3
"""One galaxy in so many of the file is fitted."""

DUST_SLOPE = -0.2
"""Tilt of the attenuation curve in the fits: the mean of the simulated galaxies."""

EBV_GRID = np.array([0.0, 0.03, 0.06, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.65])
EBV_SCALE = 0.18
"""E(B-V) of stars, mag: the fitted grid, and the scale of its exponential prior."""


@dataclass(frozen=True, kw_only=True)
class RealGalaxies:
    """What the fits say of each real galaxy.

    formed: solar masses formed in each of ``POPULATIONS``, shape (num_galaxies, 5)
    ebv: E(B-V) of the stars, mag; z: redshift; chi2: of the fit with FLOOR, per galaxy
    """

    formed: Floats
    ebv: Floats
    z: Floats
    chi2: Floats


@cache
def real_galaxies() -> RealGalaxies:
    """The fitted galaxies; E(B-V) is drawn from its posterior on ``EBV_GRID``."""
    flux, flux_err, z = _photometry()
    rng = np.random.default_rng(5)
    formed, chi2 = _fit_dust_grid(flux, flux_err, z)
    chance = np.exp(-0.5 * (chi2 - chi2.min(axis=0)) - EBV_GRID[:, None] / EBV_SCALE)
    chance *= np.gradient(EBV_GRID)[:, None]
    cumulative = np.cumsum(chance, axis=0) / chance.sum(axis=0)
    drawn = np.argmax(cumulative > rng.random(len(z)), axis=0)
    rows = np.arange(len(z))
    good = chi2[drawn, rows] < 60.0
    return RealGalaxies(
        formed=formed[drawn, rows][good],
        ebv=EBV_GRID[drawn][good],
        z=z[good],
        chi2=chi2[drawn, rows][good],
    )


def nonnegative(gram: Floats, projection: Floats) -> tuple[Floats, Floats]:
    """Exact non-negative least squares of many small problems at once.

    Minimises x G x - 2 b x over x >= 0 by trying every set of positive coefficients.
    gram: G, shape (num_problems, k, k); projection: b, shape (num_problems, k)
    Returns x, and the minimum (chi2 less the sum of squared data).
    """
    num_problems, k = projection.shape
    best, lowest = np.zeros((num_problems, k)), np.zeros(num_problems)
    for size in range(1, k + 1):
        for chosen in combinations(range(k), size):
            some = np.array(chosen)
            block = gram[:, some[:, None], some[None, :]]
            x = np.linalg.solve(block, projection[:, some, None])[..., 0]
            value = -np.einsum("nk,nk->n", x, projection[:, some])
            better = np.all(x >= 0, axis=1) & (value < lowest)
            lowest[better] = value[better]
            best[better] = 0.0
            best[np.ix_(better, some)] = x[better]
    return best, lowest


def _fit_dust_grid(flux: Floats, flux_err: Floats, z: Floats) -> tuple[Floats, Floats]:
    """Masses formed (num_ebv, num_galaxies, 5) and chi2 (num_ebv, num_galaxies)."""
    z_grid = np.linspace(0.0, 0.6, 61)
    model = _model_fluxes(z_grid)
    place = np.clip(z / (z_grid[1] - z_grid[0]), 0, len(z_grid) - 1.001)
    lower = place.astype(int)
    share = (place - lower)[:, None, None]
    weight = 1 / flux_err
    formed, chi2 = [], []
    for ebv in range(len(EBV_GRID)):
        unit = model[ebv, lower] * (1 - share) + model[ebv, lower + 1] * share
        unit = unit / sphere_area(z)[:, None, None] * weight[:, None, :]
        scale = np.sqrt((unit**2).sum(axis=2))
        unit = unit / scale[:, :, None]
        gram = np.einsum("nkb,nlb->nkl", unit, unit) + 1e-6 * np.eye(len(POPULATIONS))
        x, gain = nonnegative(gram, np.einsum("nkb,nb->nk", unit, flux * weight))
        formed.append(x / scale)
        chi2.append(gain + ((flux * weight) ** 2).sum(axis=1))
    return np.array(formed), np.array(chi2)


def _model_fluxes(z_grid: Floats) -> Floats:
    """Luminosity per Hz in each band, in maggies times cm^2 per solar mass formed.

    Shape (num_ebv, num_z, 5, num_bands). Lines are in, as in real photometry.
    """
    stars = populations(WITH_LINES)
    five = population_masses(np.eye(len(POPULATIONS)), np.full(len(POPULATIONS), 6.0))
    spectra = five @ stars.luminosity
    steps = np.gradient(stars.wave)
    dusty = transmission(stars.wave, EBV_GRID[:, None], DUST_SLOPE)
    fluxes = np.empty((len(EBV_GRID), len(z_grid), len(POPULATIONS), len(CURVES)))
    for band, name in enumerate(CURVES):
        wave, throughput = _curve(name)
        for row, z in enumerate(z_grid):
            response = np.interp(stars.wave * (1 + z), wave, throughput, left=0, right=0)
            photons = response * stars.wave * steps * (1 + z)
            norm = ANGSTROM_PER_SECOND * (response / stars.wave * steps).sum() * AB_ZERO_FLUX
            fluxes[:, row, :, band] = (dusty * photons) @ spectra.T / norm
    return fluxes


def _curve(name: str) -> tuple[Floats, Floats]:
    """Wavelength (Angstrom) and throughput of a response of the kcorrect package."""
    lines = package_file("kcorrect", name).read_text().splitlines()
    cells = [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith("|")]
    column = cells[0].index("pass")
    rows = [(float(row[1]), float(row[column])) for row in cells[1:]]
    wave, throughput = np.array(sorted(rows)).T
    return wave, np.clip(throughput, 0.0, None)


def _photometry() -> tuple[Floats, Floats, Floats]:
    """Fluxes (maggies, no Galactic extinction), errors (huge where absent) and redshifts."""
    table = fits.getdata(package_file("kcorrect", "gst_tests_small.fits"))[::EVERY]
    fainter = 10 ** (0.4 * table["EXTINCTION"].astype(np.float64))
    flux = list((table["PETROFLUX"] * fainter * 1e-9).T.astype(np.float64))
    with np.errstate(divide="ignore"):
        err = list((fainter * 1e-9 / np.sqrt(table["PETROFLUX_IVAR"].astype(np.float64))).T)
    for band, offset in TWOMASS_AB.items():
        flux.append(10 ** (-0.4 * (table[f"{band}_M_EXT"].astype(np.float64) + offset)))
        err.append(flux[-1] * 0.921 * np.clip(table[f"{band}_MSIG_EXT"], 0.02, None))
        err[-1][table[f"{band}_M_EXT"] <= 0] = np.inf
    for band, zero in GALEX_COUNT_AB.items():
        counts = table[f"{band}_FLUX_AUTO"].astype(np.float64)
        maggies = 10 ** (-0.4 * zero) * fainter[:, 2] ** GALEX_EXTINCTION
        flux.append(counts * maggies)
        sigma = table[f"{band}_FLUXERR_AUTO"].astype(np.float64) * maggies
        err.append(np.where((counts > 0) & (sigma > 0), sigma, np.inf))
    fluxes, errors = np.array(flux).T, np.array(err).T
    used = np.isfinite(errors) & (fluxes > 0)
    errors = np.where(used, np.hypot(errors, FLOOR * fluxes), 1e3 * np.abs(fluxes) + 1.0)
    return np.where(used, fluxes, 0.0), errors, table["Z"].astype(np.float64)
