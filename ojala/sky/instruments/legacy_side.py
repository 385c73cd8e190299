"""What the Legacy Surveys measure of simulated sources: g, r, z, W1, W2 and morphology."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ojala.sky.instruments.fibres import FIBRE_RADIUS
from ojala.sky.instruments.light import BandLight
from ojala.sky.instruments.morphology import LEGACY_SEEING, light_within, morphtype
from ojala.tables.shards import Columns
from ojala.vocabulary.constants import NANOMAGGIE_ZERO

Floats = NDArray[np.float64]

DEPTH = {"G": 24.0, "R": 23.4, "Z": 22.5, "W1": 21.0, "W2": 20.3}
"""AB magnitude at 5 sigma of a point source (Dey et al. 2019, AJ 157, 168; unWISE)."""

DEPTH_SCATTER = 0.15
"""Scatter of the depth from source to source, mag: numbers of exposures differ."""

BRIGHT_ERROR = 0.003
"""Error of a bright source's flux, relative: of the model and the calibration."""


FIBRE_SEEING = 1.0
"""FWHM, arcsec, that FIBERFLUX is defined for."""


def observe(
    rng: np.random.Generator, truth: Columns, light: BandLight, photsys: NDArray[np.str_]
) -> Columns:
    """Fluxes with noise, nanomaggies, their inverse variances, MORPHTYPE and FIBERFLUX.

    truth: r_half and sersic at least; photsys: "N" or "S" per source. Not corrected for the
    Milky Way's dust.

    photsys, and every column: (num_sources,)
    """
    columns: Columns = {}
    spread = 1 + (truth["r_half"] / LEGACY_SEEING) ** 2  # sky noise of extended sources
    for band, depth in DEPTH.items():
        flux = light.nanomaggies(band, photsys)
        limit = depth + DEPTH_SCATTER * rng.standard_normal(len(flux))
        sigma = 10 ** (-0.4 * (limit - NANOMAGGIE_ZERO)) / 5
        if band in "GRZ":
            sigma = sigma * np.sqrt(spread)
        flux_err = np.hypot(sigma, BRIGHT_ERROR * flux)
        columns[f"FLUX_{band}"] = flux + flux_err * rng.standard_normal(len(flux))
        columns[f"FLUX_IVAR_{band}"] = flux_err**-2
    snr = columns["FLUX_R"] * np.sqrt(columns["FLUX_IVAR_R"])
    columns["MORPHTYPE"] = morphtype(rng, truth["r_half"], truth["sersic"], snr)
    share = light_within(FIBRE_RADIUS, truth["r_half"], truth["sersic"], FIBRE_SEEING)
    for band in "GRZ":
        columns[f"FIBERFLUX_{band}"] = columns[f"FLUX_{band}"] * share
    columns["PHOTSYS"] = photsys
    return columns
