"""Photometry as flux densities per frequency, which template fits add up."""

from __future__ import annotations

import numpy as np

from benchmarks.peers import features
from ojala.physics.responses import packaged
from ojala.physics.synphot import pivot_wave
from ojala.tables.shards import Columns
from ojala.vocabulary.constants import AB_ZERO_FLUX

TOKENS = (*features.NARROW, *features.BROAD)

MICROJANSKY = 1e-29
"""erg/s/cm2/Hz."""

ZERO_FLUX = AB_ZERO_FLUX / MICROJANSKY

BROAD_ERROR = 0.1
"""Error floor of g, r, z, W1 and W2 as a share of the flux: another survey, another aperture."""


def microjanskys(columns: Columns) -> tuple[features.Floats, features.Floats]:
    """Fluxes and errors in the order of TOKENS, microjansky; NaN where missing.

    A narrow band's flux density is its ratio times that of i, both per Angstrom.
    """
    pivot = {token: pivot_wave(packaged()[token]) for token in TOKENS}
    i_flux = ZERO_FLUX * 10 ** (-0.4 * columns["MAG_i"])
    flux, flux_err = np.empty((2, len(columns["MAG_i"]), len(TOKENS)))
    for place, token in enumerate(TOKENS):
        value, error = columns[token], columns[f"{token}_ERR"]
        if token in features.BROAD:
            floor = 0.0 if token == "MAG_i" else BROAD_ERROR
            flux[:, place] = ZERO_FLUX * 10 ** (-0.4 * value)
            flux_err[:, place] = flux[:, place] * np.hypot(0.4 * np.log(10) * error, floor)
        else:
            scale = i_flux * (pivot[token] / pivot["MAG_i"]) ** 2
            flux[:, place], flux_err[:, place] = value * scale, error * scale
    return flux, flux_err
