"""How well the noise given to the mocks is that of J-PAS: by magnitude, and between bands.

Donors chosen by similarity are set beside the usual alternative, errors that follow the
magnitude alone. What J-PAS itself shows is the measure of both.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.bands import narrow_bands
from ojala.noise import magnitude_only_donors
from ojala.shards import Columns

ErrorSet = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""i magnitude (num_sources,), flux and 1 sigma error in narrow bands (num_sources, num_bands)."""

BRIGHT, FAINT = 17.0, 22.5
"""Range of i that is compared: mocks and J-PAS both have sources there."""

NARROW = tuple(band.token for band in narrow_bands())
COMPARED = ("MAG_i", *NARROW, *(f"{token}_ERR" for token in NARROW))
"""Columns that a comparison needs."""


def error_sets(noisy: Columns, jpas: Columns, rng: np.random.Generator) -> dict[str, ErrorSet]:
    """J-PAS, the mocks with similar donors, and the same mocks with errors by magnitude alone.

    noisy, jpas: columns COMPARED of the noisy mocks and of J-PAS. Sources with all narrow bands.
    """
    real, similar = _complete(jpas), _complete(noisy)
    alone = magnitude_only_donors(similar[0], real[2], real[0], rng)
    return {
        "J-PAS": real,
        "similar donor": similar,
        "magnitude alone": (similar[0], similar[1], real[2][alone]),
    }


def distances(sets: dict[str, ErrorSet]) -> dict[str, dict[str, float]]:
    """How far each set but the first is from the first.

    correlation: rms difference of the correlations between bands of log errors at fixed i
    log_snr: rms over bands and half magnitudes of the difference of median log10 S/N
    """
    (_, reference), *others = sets.items()
    correlation, snr = error_correlation(reference[0], reference[2]), _median_log_snr(reference)
    result = {}
    for name, members in others:
        difference = error_correlation(members[0], members[2]) - correlation
        by_magnitude = _median_log_snr(members) - snr
        result[name] = {
            "correlation": float(np.sqrt(np.mean(difference**2))),
            "log_snr": float(np.sqrt(np.nanmean(by_magnitude**2))),
        }
    return result


def error_correlation(mag_i: NDArray[Any], flux_err: NDArray[Any]) -> NDArray[Any]:
    """Correlation between bands of log errors, once their trend with i is taken out.

    flux_err: shape (num_sources, num_bands), all known. Returns (num_bands, num_bands).
    """
    log_err = np.log(flux_err)
    design = np.vander(mag_i - 20, 4)
    fit, *_ = np.linalg.lstsq(design, log_err, rcond=None)
    return np.asarray(np.corrcoef(log_err - design @ fit, rowvar=False))


def _complete(columns: Columns) -> ErrorSet:
    flux = np.stack([columns[token] for token in NARROW], axis=1)
    flux_err = np.stack([columns[f"{token}_ERR"] for token in NARROW], axis=1)
    mag_i = columns["MAG_i"]
    usable = np.all(np.isfinite(flux) & (flux_err > 0), axis=1)
    usable &= (mag_i > BRIGHT) & (mag_i < FAINT)
    return mag_i[usable], flux[usable], flux_err[usable]


def _median_log_snr(members: ErrorSet) -> NDArray[Any]:
    """Median log10 S/N by half magnitude and band; NaN where fewer than 20 sources are."""
    mag_i, flux, flux_err = members
    edges = np.arange(BRIGHT, FAINT + 0.01, 0.5)
    medians = np.full((len(edges) - 1, flux.shape[1]), np.nan)
    for number, low in enumerate(edges[:-1]):
        inside = (mag_i >= low) & (mag_i < low + 0.5)
        if inside.sum() >= 20:
            snr = np.maximum(flux[inside] / flux_err[inside], 0.1)
            medians[number] = np.median(np.log10(snr), axis=0)
    return medians
