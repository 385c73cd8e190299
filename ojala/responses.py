"""The response of every band: atmosphere, telescope, filter and detector together.

Only the shape of a response matters: its scale cancels in every flux density and AB magnitude.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import speclite.filters
from numpy.typing import NDArray

from ojala.bands import Band, broad_bands, narrow_bands
from ojala.passbands import passband

FAINTEST = 1e-4
"""Throughput, relative to the peak, at which an analytic curve ends."""

LEGACY = {
    "S": {"MAG_G": "decamDR1-g", "MAG_R": "decamDR1-r", "MAG_Z": "decamDR1-z"},
    "N": {"MAG_G": "BASS-g", "MAG_R": "BASS-r", "MAG_Z": "MzLS-z"},
}
"""speclite's names of the Legacy Surveys' curves, by PHOTSYS: DECam south, BASS and MzLS north."""


@dataclass(frozen=True, slots=True)
class Response:
    """The curve of a band.

    wave: Angstrom, strictly increasing, shape (num_wave,)
    throughput: photons kept, any scale, >= 0, linear between the given points, 0 outside

    Raises ValueError naming what is wrong.
    """

    wave: NDArray[np.float64]
    throughput: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.wave.ndim != 1 or self.wave.shape != self.throughput.shape or len(self.wave) < 3:
            raise ValueError("a response needs three or more pairs of wavelength and throughput")
        if not (np.all(np.isfinite(self.wave)) and np.all(np.diff(self.wave) > 0)):
            raise ValueError("the wavelengths of a response must be finite and increase strictly")
        if not np.all(np.isfinite(self.throughput)) or np.any(self.throughput < 0):
            raise ValueError("the throughput of a response must be finite and not negative")
        if not np.any(self.throughput > 0):
            raise ValueError("the throughput of a response is zero everywhere")


def packaged() -> dict[str, Response]:
    """The response of every band by token: analytic narrow bands, broad bands of speclite."""
    narrow = {band.token: _analytic(band) for band in narrow_bands()}
    return narrow | {band.token: _speclite(band.response) for band in broad_bands()}


def legacy(photsys: str) -> dict[str, Response]:
    """The Legacy Surveys' g, r and z responses of "S" (DECam) or "N" (BASS and MzLS)."""
    if photsys not in LEGACY:
        raise ValueError(f"photsys {photsys!r} is not known: expected 'N' or 'S'")
    return {token: _speclite(name) for token, name in LEGACY[photsys].items()}


def _analytic(band: Band) -> Response:
    shape = passband(band.token)
    reach = 4 * shape.half_width
    wave = np.arange(np.floor(shape.centre - reach), shape.centre + reach + 1)
    throughput = shape.throughput(wave)
    kept = np.flatnonzero(throughput > FAINTEST * throughput.max())
    around = slice(kept[0] - 1, kept[-1] + 2)
    throughput[: kept[0]] = throughput[kept[-1] + 1 :] = 0.0
    return Response(wave[around], throughput[around])


def _speclite(name: str) -> Response:
    curve = speclite.filters.load_filter(name)
    return Response(np.array(curve.wavelength, float), np.array(curve.response, float))
