"""Stellar mass and star formation of the galaxies that hold quasars, from their share of light."""

from __future__ import annotations

import numpy as np

from ojala.tables.shards import Columns

OPTICAL_SHARE = 5.15 / 9.26
"""nu L_nu of a quasar at 5100 over that at 3000 Angstrom (Richards et al. 2006, ApJS 166, 470)."""

SUN = np.log10(3.5e33)
"""log10 of lambda L_lambda of the Sun at 5100 Angstrom, erg/s."""

MASS_TO_LIGHT = {"old": 2.5, "young": 0.4}
"""Msun per solar luminosity at 5100 Angstrom of an old and of a star-forming population."""

YOUNG_RATE = 1e-9
"""Star formation per mass of the star-forming population, 1/yr."""


def host_masses(truth: Columns) -> Columns:
    """LOGM (Msun) and LOGSFR (Msun/yr) of quasars' hosts; NaN for other sources.

    truth: LOGL3000 (erg/s), host_fraction (at 5100 Angstrom), host_young (its star-forming share)
    """
    nucleus = 10 ** (truth["LOGL3000"] - SUN) * OPTICAL_SHARE
    luminosity = nucleus * truth["host_fraction"] / (1 - truth["host_fraction"])
    young = luminosity * truth["host_young"] * MASS_TO_LIGHT["young"]
    old = luminosity * (1 - truth["host_young"]) * MASS_TO_LIGHT["old"]
    with np.errstate(divide="ignore"):
        return {"LOGM": np.log10(young + old), "LOGSFR": np.log10(young * YOUNG_RATE + 1e-3)}
