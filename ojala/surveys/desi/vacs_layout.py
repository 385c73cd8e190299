"""Columns of DESI's value-added catalogues, and the values by which they say "not measured"."""

from __future__ import annotations

FASTSPECFIT = {
    "OIII_5007_EW": "OIII_5007_EW",
    "NII_6584_EW": "NII_6584_EW",
    "HBETA_4861_EW": "HBETA_EW",
    "HALPHA_6562_EW": "HALPHA_EW",
    "HBETA_CONT": "HBETA_CONT",
    "HALPHA_CONT": "HALPHA_CONT",
}
"""FastSpecFit's column of each token; the inverse variance is in <column>_IVAR."""

OII_DOUBLET = ("OII_3726_EW", "OII_3729_EW")
"""Its two lines of [OII]; their sum is OII_3727_EW."""

CIGALE = {"LOGM": "FLAG_MASSPDF", "LOGSFR": "FLAG_SFRPDF"}
"""CIGALE's tokens, each with the flag that judges it."""

FAILED_FIT = 0.0
"""LOGM and LOGSFR of a CIGALE fit that failed."""

SENTINEL = -90.0
"""At and below this a CIGALE value is a sentinel (-99)."""

RATIO_RANGE = (0.2, 5.0)
"""CIGALE's flags, ratios of best-fit to Bayesian value, that are kept (Siudek et al. 2024)."""

MWS = ("TEFF", "LOGG", "ALPHAFE", "FEH")
"""Tokens of RVSpecFit; the columns have the same names."""

PAN25 = "LOGMASS_DAS_PAN25"
"""Black-hole mass by the calibration of Pan et al. (2025), which corrects for iron emission."""
