"""What ionised gas emits: line ratios of star formation, active nuclei and old stars.

Every function gives line luminosities relative to H-beta, before dust, by line name.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ratios = dict[str, Floats]

SOLAR_OH = 8.69
"""12 + log(O/H) of the Sun (Asplund et al. 2009)."""

HALPHA_PER_SFR = 1 / (0.94 * 10**-41.27)
"""erg/s of H-alpha per Msun/yr, Chabrier IMF (Kennicutt & Evans 2012, Kroupa, times 0.94)."""

BALMER = {
    "HALPHA_6562": 2.863,
    "HBETA_4861": 1.0,
    "HGAMMA_4340": 0.468,
    "HDELTA_4101": 0.259,
    "HEPSILON_3970": 0.159,
    "H8_3889": 0.105,
}
"""Case B at 10,000 K and 100 cm^-3 (Osterbrock & Ferland 2006, Table 4.4)."""

CURTI = {
    "R2": (0.418, -0.961, -3.505, -1.949),
    "R3": (-0.277, -3.549, -3.593, -0.981),
    "N2": (-0.489, 1.513, -2.554, -5.293, -2.867),
    "S2": (-0.442, -0.360, -6.271, -8.339, -3.559),
}
"""log of [O II]/Hb, [O III]/Hb, [N II]/Ha, [S II]/Ha as polynomials of 12 + log(O/H) - 8.69:
Curti et al. (2017, 2020)."""

MAX_LOG_R3 = 0.97
"""log [O III]/Hb that H II regions approach but do not reach."""

OIII_DOUBLET, NII_DOUBLET, SIII_DOUBLET = 2.98, 3.05, 2.47
"""[O III] 5007/4959, [N II] 6584/6548, [S III] 9532/9069: ratios of transition rates."""


def star_forming(
    metallicity: ArrayLike, ionization: ArrayLike, nitrogen: ArrayLike = 0.0
) -> Ratios:
    """H II regions of 12 + log(O/H) ``metallicity``.

    ionization: dex by which the ionisation parameter exceeds that of local galaxies of the same
    metallicity; it raises high-ionisation lines and lowers the others
    nitrogen: dex by which N/O exceeds that of local galaxies of the same metallicity
    All three, and each ratio to H-beta: (num_sources,).
    """
    u = np.asarray(ionization, dtype=np.float64)
    x = np.clip(np.asarray(metallicity, dtype=np.float64), 7.4, 8.95) - SOLAR_OH
    log = {name: np.polynomial.polynomial.polyval(x, np.array(c)) for name, c in CURTI.items()}
    oiii = (10 ** (-4 * (log["R3"] + 0.75 * u)) + 10 ** (-4 * MAX_LOG_R3)) ** -0.25
    oii = 10 ** (log["R2"] - 0.25 * u)
    halpha = BALMER["HALPHA_6562"]
    nii = halpha * 10 ** (log["N2"] - 0.35 * u + np.asarray(nitrogen))
    sii = halpha * 10 ** (log["S2"] - 0.35 * u)
    temperature = np.clip(10 ** (4.0 - 0.35 * (x + 0.55)), 6e3, 2.2e4)
    return _assembled(
        oiii=oiii,
        oii=oii,
        nii=nii,
        sii=sii,
        oi=halpha * 10 ** (-1.75 - 0.4 * u + 0.6 * (log["S2"] + 0.5)),
        neiii=oiii * 10**-1.1,
        siii=halpha * 0.055 * 10 ** (0.2 * u),
        auroral=oiii * 10 ** (-14290.0 / temperature - 0.77),
        heii=0.01 * 10 ** np.clip(-x - 0.7, -2.0, 0.5),
        nev=np.zeros_like(x),
    )


def active(hardness: ArrayLike, offset: ArrayLike, metallicity: ArrayLike) -> Ratios:
    """Gas ionised by a nucleus: LINER at hardness 0, Seyfert at 1, and what is between.

    offset: dex of scatter in ionisation; metallicity: 12 + log(O/H), which sets [N II].
    Loci after Kewley et al. (2006), Figs. 4 and 5.

    All three, and each ratio to H-beta: (num_sources,).
    """
    h = np.asarray(hardness, dtype=np.float64)
    d = np.asarray(offset, dtype=np.float64)
    x = np.clip(np.asarray(metallicity, dtype=np.float64), 8.2, 8.9) - 8.75
    halpha = 3.1
    oiii = 10 ** (0.32 + 0.62 * h + d)
    return _assembled(
        oiii=oiii,
        oii=10 ** (0.62 - 0.22 * h - 0.2 * d),
        nii=halpha * 10 ** (0.10 - 0.12 * h + 0.9 * x - 0.2 * d),
        sii=halpha * 10 ** (-0.02 - 0.28 * h - 0.2 * d),
        oi=halpha * 10 ** (-0.62 - 0.28 * h - 0.2 * d),
        neiii=oiii * 0.085,
        siii=halpha * 0.1 * 10 ** (0.3 * h),
        auroral=oiii * 0.012,
        heii=0.05 + 0.2 * h,
        nev=0.6 * h**2 * 10**d,
        halpha=halpha,
    )


def _assembled(
    *,
    oiii: Floats,
    oii: Floats,
    nii: Floats,
    sii: Floats,
    oi: Floats,
    neiii: Floats,
    siii: Floats,
    auroral: Floats,
    heii: Floats,
    nev: Floats,
    halpha: float = BALMER["HALPHA_6562"],
) -> Ratios:
    """All lines from the strong ones: doublets by transition rates, Balmer lines by case B."""
    ones = np.ones_like(oiii)
    balmer = {name: ratio * ones for name, ratio in BALMER.items()}
    return balmer | {
        "HALPHA_6562": halpha * ones,
        "NEV_3426": nev,
        "OII_3726": oii * 0.43,
        "OII_3729": oii * 0.57,
        "NEIII_3869": neiii,
        "NEIII_3968": neiii * 0.31,
        "OIII_4363": auroral,
        "HEII_4686": heii,
        "OIII_4959": oiii / OIII_DOUBLET,
        "OIII_5007": oiii,
        "HEI_5876": 0.12 * ones,
        "OI_6300": oi,
        "OI_6364": oi / 3.0,
        "NII_6548": nii / NII_DOUBLET,
        "NII_6584": nii,
        "SII_6716": sii * 0.575,
        "SII_6731": sii * 0.425,
        "ARIII_7135": 0.33 * siii,
        "OII_7325": 0.03 * oii,
        "SIII_9069": siii,
        "SIII_9532": siii * SIII_DOUBLET,
    }


def mixed(parts: list[tuple[Floats, Ratios]]) -> Ratios:
    """Line luminosities of several kinds of gas together: (H-beta luminosity, ratios) of each."""
    return {
        name: sum((hbeta * r[name] for hbeta, r in parts), np.zeros(())) for name in parts[0][1]
    }
