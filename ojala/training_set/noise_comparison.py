"""How well the noise given to the mocks is that of J-PAS: by magnitude, and between bands.

Donors chosen by similarity are set beside the usual alternative, errors that follow the
magnitude alone. The measure of both is what J-PAS itself states for the same sources: those of
the cross-match, whose own errors no donor knew of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.measures.metrics import error_correlation
from ojala.tables.shards import Columns
from ojala.training_set.noise import same_magnitude
from ojala.vocabulary.bands import narrow_bands, reference_band
from ojala.vocabulary.quantities import CLASSES

BRIGHT, FAINT = 17.0, 22.5
"""Range of i that is compared: mocks and J-PAS both have sources there."""

NARROW = tuple(band.token for band in narrow_bands())
REFERENCE = reference_band().token
COMPARED = (REFERENCE, *NARROW, *(f"{token}_ERR" for token in NARROW))
"""Columns that a comparison needs of J-PAS."""

KEYED = ("targetid", "SPECTYPE", *COMPARED)
"""Columns that it needs of matched sources and of mocks."""


@dataclass(frozen=True, kw_only=True)
class ErrorSet:
    """Sources with all narrow bands observed.

    spectype: codes of classes, (num_sources,); mag_i: (num_sources,)
    flux, flux_err: in the narrow bands, (num_sources, num_bands)
    """

    spectype: NDArray[Any]
    mag_i: NDArray[Any]
    flux: NDArray[Any]
    flux_err: NDArray[Any]

    def of_class(self, code: int) -> ErrorSet:
        """Those of one class."""
        chosen = self.spectype == code
        return ErrorSet(
            spectype=self.spectype[chosen],
            mag_i=self.mag_i[chosen],
            flux=self.flux[chosen],
            flux_err=self.flux_err[chosen],
        )


def error_sets(
    matched: Columns, noisy: Columns, jpas: Columns, rng: np.random.Generator
) -> dict[str, ErrorSet]:
    """The matched sources with J-PAS's errors, with a similar donor's, and by magnitude alone.

    matched, noisy: columns COMPARED, SPECTYPE and targetid of the matched sources in J-PAS, and
    of the noisy mocks; jpas: COMPARED of J-PAS. Sources with all narrow bands in both.
    """
    _, rows, mock_rows = np.intersect1d(matched["targetid"], noisy["targetid"], return_indices=True)
    real = {name: matched[name][rows] for name in KEYED}
    mock = {name: noisy[name][mock_rows] for name in KEYED}
    both = _usable(real) & _usable(mock)
    spectype = real["SPECTYPE"][both]
    similar = ErrorSet(spectype=spectype, **_stacked(mock, both))
    donors = _stacked(jpas, _usable(jpas))
    bands = np.arange(len(NARROW))
    alone = same_magnitude(similar.mag_i, donors["mag_i"], rng, num_draws=len(bands))
    return {
        "J-PAS": ErrorSet(spectype=spectype, **_stacked(real, both)),
        "similar donor": similar,
        "magnitude alone": replace(similar, flux_err=donors["flux_err"][alone, bands]),
    }


def distances(sets: dict[str, ErrorSet]) -> dict[str, dict[str, float]]:
    """How far each set but the first is from the first.

    correlation: rms difference of the correlations between bands of log errors at fixed i
    log_error: rms over sources and bands of the log10 ratio of errors, source by source
    log_snr: rms over bands and half magnitudes of the difference of median log10 S/N
    log_snr_of_class: the same of galaxies, stars and quasars apart, over all three
    """
    (_, reference), *others = sets.items()
    correlation = error_correlation(reference.mag_i, reference.flux_err)
    snr, snr_of_class = _median_log_snr(reference), _median_log_snr_of_class(reference)
    result = {}
    for name, members in others:
        result[name] = {
            "correlation": _rms(error_correlation(members.mag_i, members.flux_err) - correlation),
            "log_error": _rms(np.log10(members.flux_err / reference.flux_err)),
            "log_snr": _rms(_median_log_snr(members) - snr),
            "log_snr_of_class": _rms(_median_log_snr_of_class(members) - snr_of_class),
        }
    return result


def _usable(columns: Columns) -> NDArray[np.bool_]:
    """All narrow bands observed, i within the range that is compared."""
    found = _stacked(columns, np.full(len(columns[REFERENCE]), True))
    complete = np.all(np.isfinite(found["flux"]) & (found["flux_err"] > 0), axis=1)
    return np.asarray(complete & (found["mag_i"] > BRIGHT) & (found["mag_i"] < FAINT))


def _stacked(columns: Columns, chosen: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    return {
        "mag_i": columns[REFERENCE][chosen],
        "flux": np.stack([columns[token][chosen] for token in NARROW], axis=1),
        "flux_err": np.stack([columns[f"{token}_ERR"][chosen] for token in NARROW], axis=1),
    }


def _rms(difference: NDArray[Any]) -> float:
    return float(np.sqrt(np.nanmean(difference**2)))


def _median_log_snr(members: ErrorSet) -> NDArray[Any]:
    """Median log10 S/N by half magnitude and band; NaN where fewer than 20 sources are."""
    edges = np.arange(BRIGHT, FAINT + 0.01, 0.5)
    medians = np.full((len(edges) - 1, members.flux.shape[1]), np.nan)
    for number, low in enumerate(edges[:-1]):
        inside = (members.mag_i >= low) & (members.mag_i < low + 0.5)
        if inside.sum() >= 20:
            snr = np.maximum(members.flux[inside] / members.flux_err[inside], 0.1)
            medians[number] = np.median(np.log10(snr), axis=0)
    return medians


def _median_log_snr_of_class(members: ErrorSet) -> NDArray[Any]:
    """The same of each class, one under the other."""
    return np.concatenate([_median_log_snr(members.of_class(code)) for code in range(len(CLASSES))])
