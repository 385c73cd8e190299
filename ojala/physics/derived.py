"""Quantities derived from what the model predicts: line fluxes, L(Ha), SFR(Ha).

Definitions of the released catalogue. A line's flux is the continuum (over the i flux) times the
rest-frame equivalent width times (1 + z) times the source's i flux; [OIII] stands on the H-beta
continuum and [NII] on that of H-alpha (Appendix C of the paper).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.physics.cosmology import COSMOLOGY
from ojala.tables.shards import Columns

Floats = NDArray[Any]

I_FLUX_UNIT = 1e-19  # erg/s/cm2/Angstrom, of AUTO_iSDSS
CASE_B = 2.86  # H-alpha / H-beta, Osterbrock & Ferland (2006), 10,000 K
CALZETTI_EXPONENT = 2.36  # of the Balmer decrement in the correction of H-alpha
KENNICUTT = 7.9e-42  # Msun/yr per erg/s of H-alpha, Kennicutt (1998)

LINES = {
    "FLUX_HALPHA": ("HALPHA_CONT", "HALPHA_6562_EW"),
    "FLUX_HBETA": ("HBETA_CONT", "HBETA_4861_EW"),
    "FLUX_OIII5007": ("HBETA_CONT", "OIII_5007_EW"),
    "FLUX_NII6584": ("HALPHA_CONT", "NII_6584_EW"),
}
"""Continuum and equivalent width of each line flux."""


def derived(predicted: Columns, i_flux: Floats) -> Columns:
    """Line fluxes, Balmer ratio, extinction-corrected L(Ha) and SFR(Ha), with 1 sigma errors.

    predicted: the Predictor's columns (values and _ERR) of the continua, equivalent widths, Z_GAL
    i_flux: total i flux density, 1e-19 erg/s/cm2/Angstrom (AUTO_iSDSS), NaN where unknown
    Returns FLUX_* in erg/s/cm2, HA_HB_RATIO, L_HALPHA_CORR in erg/s, LOGSFR_HA in dex(Msun/yr).
    Errors are propagated from both continua, both widths and z, to first order.

    All columns: (num_sources,).
    """
    columns: Columns = {}
    for name, (continuum, width) in LINES.items():
        columns[name] = _line_flux(predicted, continuum, width, i_flux)
        columns[f"{name}_ERR"] = np.abs(columns[name]) * _relative(predicted, continuum, width, "z")
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio = columns["FLUX_HALPHA"] / columns["FLUX_HBETA"]
    columns["HA_HB_RATIO"] = ratio
    columns["HA_HB_RATIO_ERR"] = np.abs(ratio) * _relative(predicted, *_both_lines())
    factor = np.where(ratio > CASE_B, (np.maximum(ratio, CASE_B) / CASE_B) ** CALZETTI_EXPONENT, 1)
    area = 4 * np.pi * _luminosity_distance_cm(predicted["Z_GAL"]) ** 2
    luminosity = columns["FLUX_HALPHA"] * area * np.where(np.isfinite(ratio), factor, np.nan)
    columns["L_HALPHA_CORR"] = luminosity
    error = _log_luminosity_error(predicted, ratio > CASE_B)
    columns["L_HALPHA_CORR_ERR"] = np.abs(luminosity) * error
    with np.errstate(invalid="ignore", divide="ignore"):
        columns["LOGSFR_HA"] = np.log10(KENNICUTT * luminosity)
    columns["LOGSFR_HA_ERR"] = np.where(luminosity > 0, error / np.log(10), np.nan)
    return columns


def _line_flux(predicted: Columns, continuum: str, width: str, i_flux: Floats) -> Floats:
    scale = predicted[continuum] * i_flux * I_FLUX_UNIT
    return np.asarray(scale * predicted[width] * (1 + predicted["Z_GAL"]), dtype=np.float64)


def _both_lines() -> tuple[str, ...]:
    return (*LINES["FLUX_HALPHA"], *LINES["FLUX_HBETA"])


def _relative(predicted: Columns, *names: str) -> Floats:
    """Quadratic sum of relative errors; "z" stands for the factor (1 + z)."""
    total = np.zeros(len(predicted["Z_GAL"]))
    for name in names:
        if name == "z":
            relative = predicted["Z_GAL_ERR"] / (1 + predicted["Z_GAL"])
        else:
            relative = _ratio(predicted[f"{name}_ERR"], predicted[name])
        total = total + relative**2
    return np.sqrt(total)


def _log_luminosity_error(predicted: Columns, corrected: NDArray[np.bool_]) -> Floats:
    """Error of ln L(Ha): H-alpha counts 1 + 2.36 times and H-beta 2.36 times where corrected."""
    weight = np.where(corrected, CALZETTI_EXPONENT, 0.0)
    halpha = _relative(predicted, *LINES["FLUX_HALPHA"]) * (1 + weight)
    hbeta = _relative(predicted, *LINES["FLUX_HBETA"])
    z, z_err = predicted["Z_GAL"], predicted["Z_GAL_ERR"]
    step = 1e-4
    log_distance = [np.log(_luminosity_distance_cm(z + s)) for s in (-step, step)]
    slope = 1 / (1 + z) + (log_distance[1] - log_distance[0]) / step
    # H-beta enters only through the correction; without one an undefined error must not spread.
    from_hbeta = np.where(corrected, (weight * hbeta) ** 2, 0)
    return np.asarray(np.sqrt(halpha**2 + from_hbeta + (slope * z_err) ** 2))


def _luminosity_distance_cm(z: Floats) -> Floats:
    grid = np.linspace(0.0, 8.0, 4001)
    distance = COSMOLOGY.luminosity_distance(grid).to_value("cm")
    return np.asarray(np.interp(np.maximum(z, 1e-4), grid, distance))


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(numerator / np.abs(denominator))
