"""The diagnostic diagrams of emission-line galaxies: BPT and WHAN, and their dividing lines.

x is log10 [NII]6584/H-alpha, y is log10 [OIII]5007/H-beta (BPT) or EW(H-alpha) (WHAN).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[Any]
Text = NDArray[np.str_]

WHAN_CUTS = {"S06": 0.40, "Ka03": 0.48, "Ke01": 0.79}
"""[NII]/H-alpha that divides star formation from AGN in the WHAN diagram (paper, Table 3)."""

STRONG_EW, WEAK_EW = 6.0, 3.0
"""EW(H-alpha) in Angstrom above which an AGN is strong, and below which a galaxy is passive."""


def kewley(x: Floats) -> Floats:
    """Ke01: the limit of pure star formation (Kewley et al. 2001, Eq. 5); -inf right of it."""
    return _hyperbola(x, 0.47, 1.19)


def kauffmann(x: Floats) -> Floats:
    """Ka03: the limit of what looks like star formation (Kauffmann et al. 2003, Eq. 1)."""
    return _hyperbola(x, 0.05, 1.30)


def stasinska(x: Floats) -> Floats:
    """S06: the limit of less than 3 % of AGN light (Stasinska et al. 2006, Eq. 11)."""
    polynomial = -30.787 + 1.1358 * x + 0.27297 * x**2
    return np.asarray(np.where(x < -0.1, polynomial * np.tanh(5.7409 * x) - 31.093, -np.inf))


BPT_LINES = {"Ke01": kewley, "Ka03": kauffmann, "S06": stasinska}


def bpt(oiii: Floats, hbeta: Floats, nii: Floats, halpha: Floats, *, line: str) -> Text:
    """Name each galaxy "SF" below a line of BPT_LINES, "AGN" above it.

    A galaxy where one of the four is not positive is "".

    oiii, hbeta, nii, halpha: equivalent widths or fluxes; each ratio is of neighbours.

    All arrays: (num_sources,).
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y = np.log10(nii / halpha), np.log10(oiii / hbeta)
    measured = (oiii > 0) & (hbeta > 0) & (nii > 0) & (halpha > 0)
    below = y < BPT_LINES[line](np.where(measured, x, 0.0))
    return np.where(measured, np.where(below, "SF", "AGN"), "")


def whan(nii: Floats, halpha: Floats, *, line: str) -> Text:
    """Name each galaxy "SF", "sAGN", "wAGN" (LINERs) or "passive" (Cid Fernandes et al. 2011).

    nii, halpha: equivalent widths, Angstrom; line: of WHAN_CUTS. Galaxies with EW(H-alpha) < 3
    are passive whatever their [NII], absorption included; "" where H-alpha is not known, or where
    it is strong and [NII] is not known.

    All arrays: (num_sources,).
    """
    passive = halpha < WEAK_EW
    with np.errstate(invalid="ignore", divide="ignore"):
        star_forming = nii / halpha <= WHAN_CUTS[line]
    active = np.where(halpha >= STRONG_EW, "sAGN", "wAGN")
    named = np.where(passive, "passive", np.where(star_forming, "SF", active))
    known = np.isfinite(halpha) & (passive | np.isfinite(nii))
    return np.where(known, named, "")


def _hyperbola(x: Floats, pole: float, offset: float) -> Floats:
    left = x < pole
    return np.asarray(np.where(left, 0.61 / np.where(left, x - pole, -1.0) + offset, -np.inf))
