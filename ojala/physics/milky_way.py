"""Extinction by the dust of the Milky Way, as DESI's catalogues correct for it."""

from __future__ import annotations

from functools import cache

import numpy as np
from astropy import units
from dust_extinction.parameter_averages import F99
from numpy.typing import ArrayLike, NDArray

R_V = 3.1

PER_EBV = 1.029
"""Extinction at 1 micron, mag, per E(B-V) of the map of Schlegel, Finkbeiner & Davis (1998):
the recalibration of Schlafly & Finkbeiner (2011, ApJ 737, 103)."""

WAVE_RANGE = (1000.0, 33_000.0)
"""Angstrom; bluer, the curve is constant, redder it falls as wave^-1.6."""


def transmission(wave: ArrayLike, ebv: ArrayLike) -> NDArray[np.float64]:
    """Share of the light that gets through, 10^(-0.4 A); wave and ebv broadcast.

    A = PER_EBV E(B-V) k(wave) / k(1 micron), k the curve of Fitzpatrick (1999) with R_V = 3.1.
    DESI's pipelines and FastSpecFit correct spectra by the same law.

    wave: Angstrom; ebv: E(B-V), mag, of the SFD map, as in FIBERMAP; any shapes that broadcast,
        (num_wave,) and (num_sources, 1) say
    """
    wave = np.asarray(wave, np.float64)
    beyond = np.maximum(wave / WAVE_RANGE[1], 1) ** -1.6
    extinction = PER_EBV * np.asarray(ebv) * np.interp(wave, *_curve()) * beyond
    return np.asarray(10 ** (-0.4 * extinction))


@cache
def _curve() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Wavelengths and k / k(1 micron): the curve is a spline, slow to ask once per source."""
    nodes = np.geomspace(*WAVE_RANGE, 4000)
    law = F99(Rv=R_V)
    return nodes, np.asarray(law(nodes * units.AA) / law(1.0 * units.micron))
