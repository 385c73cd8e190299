"""Photometry of a set of sources, as the model's context holds it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ojala.vocabulary.bands import band


@dataclass(frozen=True, kw_only=True)
class Photometry:
    """Fluxes of a set of sources in named bands.

    flux: narrow bands f_lambda / f_lambda(i), may be negative; broad bands AB magnitude;
        shape (num_sources, num_bands), NaN where not observed
    flux_err: 1 sigma of flux, same shape, > 0 wherever observed
    observed: bool, same shape; True = usable
    bands: tokens in column order, e.g. ("J0378", ..., "MAG_i")

    Raises ValueError naming the band that is wrong.
    """

    flux: NDArray[np.float32]
    flux_err: NDArray[np.float32]
    observed: NDArray[np.bool_]
    bands: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.bands)) != len(self.bands):
            raise ValueError("a band is named twice")
        for token in self.bands:
            band(token)
        if self.flux.ndim != 2 or self.flux.shape[1] != len(self.bands):
            raise ValueError(
                f"flux has shape {self.flux.shape}, expected (sources, {len(self.bands)})"
            )
        for name in ("flux_err", "observed"):
            if getattr(self, name).shape != self.flux.shape:
                raise ValueError(f"{name} and flux differ in shape")
        usable = np.isfinite(self.flux) & np.isfinite(self.flux_err) & (self.flux_err > 0)
        wrong = np.any(self.observed & ~usable, axis=0)
        if np.any(wrong):
            name = self.bands[int(np.argmax(wrong))]
            raise ValueError(f"{name}: observed values need a finite flux and a positive error")

    def __len__(self) -> int:
        return len(self.flux)
