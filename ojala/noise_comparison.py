"""How well the noise given to the mocks is that of J-PAS: by magnitude, and between bands.

Donors chosen by similarity are set beside the usual alternative, errors that follow the
magnitude alone. The measure of both is what J-PAS itself states for the same sources: those of
the cross-match, whose own errors no donor knew of.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.bands import narrow_bands
from ojala.metrics import error_correlation
from ojala.noise import magnitude_only_donors
from ojala.shards import Columns

ErrorSet = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
"""i magnitude (num_sources,), flux and 1 sigma error in narrow bands (num_sources, num_bands)."""

BRIGHT, FAINT = 17.0, 22.5
"""Range of i that is compared: mocks and J-PAS both have sources there."""

NARROW = tuple(band.token for band in narrow_bands())
COMPARED = ("MAG_i", *NARROW, *(f"{token}_ERR" for token in NARROW))
"""Columns that a comparison needs."""


def error_sets(
    matched: Columns, noisy: Columns, jpas: Columns, rng: np.random.Generator
) -> dict[str, ErrorSet]:
    """The matched sources with J-PAS's errors, with a similar donor's, and by magnitude alone.

    matched, noisy: columns COMPARED and targetid of the matched sources in J-PAS, and of the
    noisy mocks; jpas: COMPARED of J-PAS. Sources with all narrow bands in both.
    """
    _, rows, mock_rows = np.intersect1d(matched["targetid"], noisy["targetid"], return_indices=True)
    real = {name: matched[name][rows] for name in COMPARED}
    mock = {name: noisy[name][mock_rows] for name in COMPARED}
    both = _usable(real) & _usable(mock)
    donors, (mag_i, flux, flux_err) = _stacked(jpas, _usable(jpas)), _stacked(mock, both)
    alone = donors[2][magnitude_only_donors(mag_i, donors[2], donors[0], rng)]
    return {
        "J-PAS": _stacked(real, both),
        "similar donor": (mag_i, flux, flux_err),
        "magnitude alone": (mag_i, flux, alone),
    }


def distances(sets: dict[str, ErrorSet]) -> dict[str, dict[str, float]]:
    """How far each set but the first is from the first.

    correlation: rms difference of the correlations between bands of log errors at fixed i
    log_error: rms over sources and bands of the log10 ratio of errors, source by source
    log_snr: rms over bands and half magnitudes of the difference of median log10 S/N
    """
    (_, reference), *others = sets.items()
    correlation, snr = error_correlation(reference[0], reference[2]), _median_log_snr(reference)
    result = {}
    for name, members in others:
        result[name] = {
            "correlation": _rms(error_correlation(members[0], members[2]) - correlation),
            "log_error": _rms(np.log10(members[2] / reference[2])),
            "log_snr": _rms(_median_log_snr(members) - snr),
        }
    return result


def _usable(columns: Columns) -> NDArray[np.bool_]:
    """All narrow bands observed, i within the range that is compared."""
    _, flux, flux_err = _stacked(columns, np.ones(len(columns["MAG_i"]), dtype=bool))
    complete = np.all(np.isfinite(flux) & (flux_err > 0), axis=1)
    return np.asarray(complete & (columns["MAG_i"] > BRIGHT) & (columns["MAG_i"] < FAINT))


def _stacked(columns: Columns, chosen: NDArray[np.bool_]) -> ErrorSet:
    flux = np.stack([columns[token][chosen] for token in NARROW], axis=1)
    flux_err = np.stack([columns[f"{token}_ERR"][chosen] for token in NARROW], axis=1)
    return columns["MAG_i"][chosen], flux, flux_err


def _rms(difference: NDArray[Any]) -> float:
    return float(np.sqrt(np.nanmean(difference**2)))


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
