"""The calibration of RVSpecFit's [Fe/H] that the DESI DR1 stellar catalogue recommends.

A quadratic in x = log10(Teff / 5000 K) / 0.1 is subtracted, one for giants and one for dwarfs,
made from stars in common with APOGEE and GALAH; there is none outside a range of Teff and log g
(Koposov et al. 2025, arXiv 2505.14787, Section 4.2).

The numbers are those of the authors' script (feh_correct.py of desimilkyway/dr1_vac_plots) with
the cut at log g 4.3. They were not checked against the printed table of the paper. An earlier
state of that script cuts at 4.4 with coefficients 0.197, -0.785, 0.417 and 0.038, -0.281, 0.084
and admits log g of -0.5 ... 5.1: the two differ by 0.03 dex at most, but between the two cuts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, kw_only=True)
class FehCalibration:
    """What is to be subtracted from a measured [Fe/H], dex.

    giants, dwarfs: c0, c1, c2 of c0 + c1 x + c2 x^2, below and from ``dwarf_logg`` on
    teff_range (K), logg_range (dex): where it holds, upper ends excluded
    """

    giants: tuple[float, float, float]
    dwarfs: tuple[float, float, float]
    dwarf_logg: float
    teff_range: tuple[float, float]
    logg_range: tuple[float, float]

    def offset(self, teff: NDArray[np.floating], logg: NDArray[np.floating]) -> NDArray[np.float64]:
        """Measured minus true [Fe/H], dex; NaN outside the range. teff in K, logg in dex.

        All arrays: (num_stars,).
        """
        x = np.log10(np.where(teff > 0, teff, np.nan) / 5000) / 0.1
        offset = np.where(
            logg < self.dwarf_logg,
            np.polynomial.polynomial.polyval(x, self.giants),
            np.polynomial.polynomial.polyval(x, self.dwarfs),
        )
        inside = (teff >= self.teff_range[0]) & (teff < self.teff_range[1])
        inside &= (logg >= self.logg_range[0]) & (logg < self.logg_range[1])
        return np.asarray(np.where(inside, offset, np.nan))


RVS_DR1 = FehCalibration(
    giants=(0.197, -0.809, 0.441),
    dwarfs=(0.039, -0.284, 0.079),
    dwarf_logg=4.3,
    teff_range=(4200.0, 6600.0),
    logg_range=(1.8, 5.5),
)
"""RVSpecFit, DESI DR1."""


def calibrated_feh(
    feh: NDArray[np.floating],
    teff: NDArray[np.floating],
    logg: NDArray[np.floating],
    calibration: FehCalibration = RVS_DR1,
) -> NDArray[np.floating]:
    """[Fe/H] of the catalogue less its systematic error; NaN where no calibration exists.

    feh (dex), teff (K), logg (dex), and the answer: (num_stars,)
    """
    return np.asarray(feh - calibration.offset(teff, logg))
