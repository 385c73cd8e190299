"""Spectra of a set of sources on one wavelength grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Spectra:
    """Spectra of a set of sources; ivar 0 marks pixels without data.

    wave: Angstrom, vacuum, strictly increasing, shape (num_wave,)
    flux: 1e-17 erg/s/cm2/Angstrom, shape (num_sources, num_wave)
    ivar: inverse variance of flux, same shape, >= 0
    targetid: shape (num_sources,), unique

    Raises ValueError naming what is wrong.
    """

    wave: NDArray[np.float64]
    flux: NDArray[np.float32]
    ivar: NDArray[np.float32]
    targetid: NDArray[np.int64]

    def __post_init__(self) -> None:
        if self.wave.ndim != 1 or not np.all(np.isfinite(self.wave)):
            raise ValueError("wavelengths must be finite and one-dimensional")
        if not np.all(np.diff(self.wave) > 0):
            raise ValueError("wavelengths must increase strictly")
        shape = (len(self.targetid), len(self.wave))
        for name, values in (("flux", self.flux), ("ivar", self.ivar)):
            if values.shape != shape:
                raise ValueError(f"{name} has shape {values.shape}, expected {shape}")
        if np.any(self.ivar < 0) or not np.all(np.isfinite(self.ivar)):
            raise ValueError("ivar must be finite and not negative")
        ids, counts = np.unique(self.targetid, return_counts=True)
        if np.any(counts > 1):
            raise ValueError(
                f"TARGETID {ids[counts > 1][0]} appears {counts.max()} times, expected once"
            )

    def __len__(self) -> int:
        return len(self.targetid)
