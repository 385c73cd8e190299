"""What the network is shown of a catalogue: columns in anyone's layout in, scaled values out.

Every source is judged by itself. One that cannot be answered says why, and the rest go on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ojala.model.scaling import Scaling
from ojala.physics.jpas_filters import ARCHIVE_I_WAVE, FILTERS, flux_of_mag, mag_of_flux, pivots
from ojala.physics.photometry import Photometry
from ojala.tables.sentinels import (
    ENOUGH_BANDS,
    MAGNITUDES,
    RATIOS,
    are_ratios,
    is_mark,
    row_median,
    within,
    without_marks,
)
from ojala.tables.shards import CATEGORICAL, Columns, codes_given, column, numbers
from ojala.vocabulary.band_columns import BROAD, NARROW, BandColumns, band_columns
from ojala.vocabulary.bands import reference_band
from ojala.vocabulary.quantities import NO_CODE, vocabulary

Array = NDArray[np.floating[Any]]
Catalogue: TypeAlias = Mapping[str, NDArray[Any]] | pa.Table | Photometry

REFERENCE = reference_band().token
NO_I = f"no usable {REFERENCE}"
NO_RATIOS = "narrow bands that are no ratios to i"
NOTHING = "no observed band or type"
"""Why a source has no answers."""

LIMITS = dict.fromkeys(NARROW, RATIOS) | dict.fromkeys(BROAD, MAGNITUDES)
KINDS = {"narrow bands": (NARROW, "ratio to i"), "broad bands": (BROAD, "AB magnitude")}


@dataclass(frozen=True, kw_only=True)
class Remark:
    """Values of a kind of band that were taken for not observed, for one cause.

    kind: of KINDS; tokens: the bands, in the order of the catalogue's tokens
    num_sources: how many have such a value
    example: the first such value of the first band; None: they have no positive error
    """

    kind: str
    tokens: tuple[str, ...]
    num_sources: int
    example: float | None = None

    def __str__(self) -> str:
        bands, meaning = KINDS[self.kind]
        tokens, num = self.tokens, self.num_sources
        seen = (
            ", ".join(tokens)
            if len(tokens) < 4
            else f"{tokens[0]} ... {tokens[-1]} ({len(tokens)})"
        )
        counted = f"{seen} of {num} source{'s' if num > 1 else ''}"
        if self.example is None:
            return f"{self.kind}: {counted} without a positive error: taken for not observed"
        limits = "{:g} to {:g}".format(*LIMITS[next(iter(bands))])
        return (
            f"{self.kind}: {counted} no {meaning} ({limits}), such as {self.example:g}: "
            "taken for not observed"
        )


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What there is of the sources of a catalogue.

    values: scaled, (num_sources, num_tokens) float32 in the order of the vocabulary, NaN where
        missing
    reason: why a source cannot be answered, "" where it can, (num_sources,)
    used: tokens that at least one source has
    remarks: on values that were taken for not observed
    """

    values: NDArray[np.float32]
    reason: NDArray[np.object_]
    used: frozenset[str]
    remarks: tuple[Remark, ...]

    @property
    def answered(self) -> NDArray[np.bool_]:
        """True for the sources that can be answered, (num_sources,)."""
        return np.asarray(self.reason == "")

    @property
    def notes(self) -> tuple[str, ...]:
        """The remarks as sentences."""
        return tuple(map(str, self.remarks))

    def bands_used(self) -> str:
        """How many of the bands there are, in words."""
        return bands_used(self.used)


def bands_used(used: frozenset[str]) -> str:
    """How many of the bands are among tokens, in words."""
    narrow, broad = (len(used & bands) for bands in (NARROW, BROAD))
    return f"{narrow} of {len(NARROW)} narrow bands, {broad} of {len(BROAD)} broad bands used"


def shown(catalogue: Catalogue, scaling: Scaling, context: Sequence[str]) -> Shown:
    """What the network is shown of the tokens of ``context``.

    Raises ValueError for a token that is none, columns that are not understood (``band_columns``)
    or differ in length, a catalogue without i where the context has it or without any token of
    the context, and a cell that is no number or no type, by its row (the first is 1).
    """
    for token in context:
        if token not in vocabulary():
            raise ValueError(f"{token!r} of the context is not a token of the vocabulary")
    columns = token_columns(catalogue)
    if REFERENCE in context and REFERENCE not in columns:
        raise ValueError(
            f"the catalogue has no column {REFERENCE}: narrow bands are fluxes over that of "
            f"{reference_band().name}"
        )
    tokens = [token for token in context if token in columns]
    if not tokens:
        raise ValueError(f"the catalogue has none of the columns {', '.join(context)}")
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise ValueError(f"columns of the catalogue differ in length: {sorted(lengths)}")
    given = {token: _given(columns, token) for token in tokens}
    narrow = [given[token] for token in tokens if token in NARROW]
    are_over_i = are_ratios(np.stack(narrow, axis=1)) if narrow else np.ones(lengths.pop(), bool)
    observed = {token: _observed(columns, token, value) for token, value in given.items()}
    values = np.full((len(are_over_i), len(vocabulary())), np.nan, dtype=np.float32)
    for token, value in observed.items():
        index = vocabulary().index(token)
        values[:, index], _ = scaling.scale(token, value, np.zeros_like(value))
    return Shown(
        values=values,
        reason=_reasons(values, are_over_i, REFERENCE in context),
        used=frozenset(token for token, value in observed.items() if np.isfinite(value).any()),
        remarks=tuple(_remarks(columns, given, observed, are_over_i)),
    )


def token_columns(catalogue: Catalogue) -> Columns:
    """The columns of the vocabulary, and AUTO_iSDSS, of a catalogue in any layout that is known.

    Narrow bands are ratios to f_lambda(i), magnitudes AB; <TOKEN>_ERR is an error as it was given
    (it tells whether a value is usable). The magnitude of the reference, MAG_i, is taken from
    AUTO_iSDSS where it is not there.
    Raises ValueError as ``band_columns`` does, and for a cell that is no number.
    """
    if isinstance(catalogue, Photometry):
        flux = np.where(catalogue.observed, catalogue.flux, np.nan)
        return {band: flux[:, i] for i, band in enumerate(catalogue.bands)}
    names = catalogue.column_names if isinstance(catalogue, pa.Table) else list(catalogue)
    found, others = band_columns(names), other_columns(names)
    if isinstance(catalogue, pa.Table):
        given = {name: column(catalogue, name) for name in found.names() | set(others.values())}
    else:
        given = {n: np.asarray(catalogue[n]) for n in found.names() | set(others.values())}
    columns: Columns = {name: given[theirs] for name, theirs in others.items()}
    columns |= {token: given[name] for token, name in found.values.items()}
    columns |= {f"{token}_ERR": given[name] for token, name in found.errors.items()}
    if found.auto:
        auto = without_marks(_numbers(given, found.auto))
        columns["AUTO_iSDSS"] = auto
        if REFERENCE not in columns:
            columns[REFERENCE], _ = mag_of_flux(auto, np.zeros_like(auto), ARCHIVE_I_WAVE)
    if found.kind != "ratio":
        columns |= _over_i(given, found)
    return columns


def other_columns(names: Sequence[str]) -> dict[str, str]:
    """Columns of the tokens that are no bands: MORPHTYPE in any case, labels by their own names.

    Raises ValueError where there are two of MORPHTYPE.
    """
    types = [name for name in names if name.strip().lower() == "morphtype"]
    if len(types) > 1:
        raise ValueError(f"columns {' and '.join(types)} could both be MORPHTYPE: rename one")
    labels = set(vocabulary()) - NARROW - BROAD - {"MORPHTYPE"}
    wanted = labels | {f"{token}_ERR" for token in labels}
    found = {name: name for name in names if name in wanted}
    return found | dict(zip(["MORPHTYPE"], types, strict=False))


def _over_i(given: Columns, found: BandColumns) -> Columns:
    """Narrow bands that are fluxes or magnitudes as ratios to i of the same aperture.

    A source whose fluxes are ratios already, by the median of its own bands, is left as it is.
    """
    tokens = sorted(NARROW & found.values.keys())
    i_light = _usable(given, found.i_value, found.i_error)
    light = np.stack([_numbers(given, found.values[token]) for token in tokens], axis=1)
    odd = is_mark(light)  # they stay as they are, to be counted among what is not observed
    if found.kind == "mag":
        waves = dict(zip(FILTERS, pivots(ARCHIVE_I_WAVE), strict=True))
        odd |= ~within(light, MAGNITUDES)
        i_light = np.where(within(i_light, MAGNITUDES), i_light, np.nan)
        flux, _ = flux_of_mag(
            np.where(odd, np.nan, light), np.zeros(1), np.array([waves[token] for token in tokens])
        )
        i_light, _ = flux_of_mag(i_light, np.zeros(1), ARCHIVE_I_WAVE)
    else:
        flux = np.where(odd, np.nan, light)
    norm = np.where(i_light > 0, i_light, np.nan)
    if found.kind == "flux":
        middle = row_median(np.abs(flux))
        with np.errstate(divide="ignore"):
            already = np.abs(np.log(middle)) < np.abs(np.log(middle / norm))
        already &= np.isfinite(flux).sum(axis=1) >= ENOUGH_BANDS
        norm = np.where(already, 1.0, norm)
    marked = np.where(is_mark(light) | np.isnan(light), light, np.inf)
    ratios = np.where(odd, marked, flux / norm[:, None])
    return {token: ratios[:, place] for place, token in enumerate(tokens)}


def _usable(given: Columns, name: str, error_name: str) -> Array:
    values = without_marks(_numbers(given, name))
    if not error_name:
        return values
    errors = without_marks(_numbers(given, error_name))
    return np.where(np.abs(errors) > 0, values, np.nan)


def _numbers(given: Mapping[str, NDArray[Any]], name: str) -> Array:
    if np.ndim(given[name]) != 1:
        raise ValueError(f"column {name} holds several values in a row")
    return numbers(given[name], name)


def _given(columns: Columns, token: str) -> Array:
    """Values or codes of a token, NaN where blank or where the error says not observed."""
    if token in CATEGORICAL:
        if np.ndim(columns[token]) != 1:
            raise ValueError(f"column {token} holds several values in a row")
        codes = codes_given(columns[token], token)
        return np.where(codes == NO_CODE, np.nan, codes)
    values = _numbers(columns, token)
    if token not in LIMITS or f"{token}_ERR" not in columns:
        return values
    errors = without_marks(_numbers(columns, f"{token}_ERR"))
    return np.where(errors > 0, values, np.nan)


def _observed(columns: Columns, token: str, value: Array) -> Array:
    """The values that can be what the token is, NaN where not."""
    if token in LIMITS:
        return np.where(within(value, LIMITS[token]) & ~is_mark(value), value, np.nan)
    return value


def _reasons(values: Array, are_over_i: NDArray[np.bool_], needs_i: bool) -> NDArray[np.object_]:
    reason = np.full(len(values), "", dtype=object)
    reason[~np.isfinite(values).any(axis=1)] = NOTHING
    reason[~are_over_i] = NO_RATIOS
    if needs_i:
        reason[~np.isfinite(values[:, vocabulary().index(REFERENCE)])] = NO_I
    return reason


def _remarks(
    columns: Columns, given: Columns, observed: Columns, rows: NDArray[np.bool_]
) -> Iterator[Remark]:
    """What was taken for not observed of the sources ``rows``, by kind of band and cause."""
    for kind, (bands, _) in KINDS.items():
        seen = {t: v for t, v in given.items() if t in bands}
        odd = {t: rows & ~np.isnan(v) & np.isnan(observed[t]) for t, v in seen.items()}
        if tokens := tuple(token for token, wrong in odd.items() if wrong.any()):
            example = float(given[tokens[0]][odd[tokens[0]]][0])
            yield Remark(kind=kind, tokens=tokens, num_sources=_sources(odd), example=example)
        bad = {t: rows & ~np.isnan(_numbers(columns, t)) & np.isnan(v) for t, v in seen.items()}
        if tokens := tuple(token for token, wrong in bad.items() if wrong.any()):
            yield Remark(kind=kind, tokens=tokens, num_sources=_sources(bad))


def _sources(wrong: Mapping[str, NDArray[np.bool_]]) -> int:
    """How many sources have anything wrong."""
    return int(np.any(list(wrong.values()), axis=0).sum())
