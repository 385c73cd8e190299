"""The Predictor: catalogue columns in, physical quantities out.

Evaluation, catalogue, service and notebooks all predict through it, so that what was trained is
what is served. Sources are taken in groups of the same number of tokens: nothing is padded, and
the answer for a source does not depend on the sources beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ojala import redshift_columns
from ojala.bands import narrow_bands
from ojala.batch import Context, full_context
from ojala.bundle import Bundle
from ojala.device import default_device, rows_per_batch
from ojala.heads import Head, by_name
from ojala.loss import Likelihood, autocast
from ojala.model.ojala import pooled
from ojala.photometry import Photometry
from ojala.quantities import CLASSES, MORPHTYPES, NO_CODE, observations, vocabulary
from ojala.quantities import queries as all_queries
from ojala.redshift_columns import REDSHIFTS
from ojala.redshift_pdf import RedshiftPdf, gaussian
from ojala.resident import IS_BAND, observed_values
from ojala.scaling import Scaling
from ojala.shards import (
    CATEGORICAL,
    Columns,
    check_codes,
    codes_of_names,
    column,
    numbers,
)

Array = NDArray[np.floating[Any]]
NARROW = frozenset(band.token for band in narrow_bands())
Catalogue: TypeAlias = Mapping[str, NDArray[Any]] | pa.Table | Photometry

MAGNITUDES = (0.0, 40.0)
"""AB magnitudes lie between; 99 and -99, a survey's marks of a missing one, do not."""

RATIOS = (0.01, 20.0)
"""The median narrow-band ratio to i lies between; of single sources it is 0.15 ... 2.5."""

ENOUGH_BANDS = 10
"""Fewer bands may all lie where a red source has no light, and say nothing of the lower limit."""

QUIET_ROWS = 20_000
"""Sources that are predicted without a progress bar."""


class Predictor:
    """Answers queries about the sources of a catalogue.

    device: by default the GPU, where the process has one
    precision: "bfloat16" is about twice as fast where the hardware has it, and moves answers by
        a few hundredths of their errors
    batch_size: sources of a batch, at most; it changes speed and memory, not the answers
    heads: fine-tuned heads, each asked by its name
    Raises ValueError for a head of another bundle, or two of one name or quantity.
    """

    def __init__(
        self,
        bundle: Bundle,
        *,
        heads: Sequence[Head] = (),
        device: torch.device | None = None,
        precision: Literal["float32", "bfloat16"] = "float32",
        batch_size: int | None = None,
    ) -> None:
        self.bundle = bundle
        self.heads = by_name(heads, bundle.digest)
        self.device = device or default_device()
        self.model = bundle.model.to(self.device).eval()
        self.likelihood = Likelihood(bundle.scaling).to(self.device)
        self.precision = precision
        self.batch_size = batch_size or rows_per_batch(self.device)

    def predict(
        self,
        catalogue: Catalogue,
        queries: Sequence[str] | None = None,
        *,
        context: Sequence[str] | None = None,
        embeddings: bool = False,
    ) -> Columns:
        """Physical values and 1 sigma of each query, one row per source, in the same order.

        catalogue: columns with the released names (J0378, ..., MAG_i, MORPHTYPE), NaN where not
            observed; where J0378_ERR is given, a value with an error that is not positive is
            missing. Other columns are ignored. MORPHTYPE and SPECTYPE may be names or codes;
            None, "" and -1 are missing.
        queries: tokens of the vocabulary and names of heads, by default the 15 quantities and
            every head
        context: tokens that may be used, by default all observations; a quantity that is known
            (Z_GAL, say) may be named here. Leave out a band that is asked for.
        Returns <TOKEN> and <TOKEN>_ERR; of a redshift also what else is read from p(z)
        (``redshift_columns.SUFFIXES``); for a head <QUANTITY> and <QUANTITY>_ERR; for SPECTYPE
        CLASS, P_GALAXY, P_STAR and P_QSO; for MORPHTYPE its name and P_DEV ... P_SER; with
        ``embeddings`` EMBEDDING, (num_sources, width).
        Raises ValueError naming the column and row (the first is 0) that is wrong, for a source
        without a usable MAG_i, and for narrow bands that are not ratios to i.
        """
        asked = (*all_queries(), *self.heads) if queries is None else tuple(queries)
        self.check_queries(asked)
        tokens = tuple(query for query in asked if query not in self.heads)
        query_ids = torch.tensor([_token_id(token) for token in tokens], device=self.device)
        values = scaled_values(catalogue, self.bundle.scaling, context or observations())
        answers = self._in_batches(values, lambda given: self._answer(given, query_ids))
        columns: Columns = {}
        for query in asked:
            if query in self.heads:
                columns |= self.heads[query].answer(answers[-1])
            else:
                columns |= self._physical(query, answers, tokens.index(query))
        if embeddings:
            columns["EMBEDDING"] = answers[-1]
        return columns

    def redshifts(
        self, catalogue: Catalogue, *, context: Sequence[str] | None = None
    ) -> dict[str, RedshiftPdf]:
        """p(z) of the sources, by token: Z_GAL if they are galaxies, Z_QSO if they are quasars.

        A network that answers with Gaussians has them put into steps. Raises as ``predict`` does.
        """
        answers = self.predict(catalogue, REDSHIFTS, context=context)
        return {
            token: gaussian(
                answers[token].astype(np.float64), answers[f"{token}_ERR"].astype(np.float64)
            )
            for token in REDSHIFTS
        }

    def embed(self, catalogue: Catalogue, *, context: Sequence[str] | None = None) -> Array:
        """Embeddings of the sources: mean-pooled encoder tokens, (num_sources, width)."""
        values = scaled_values(catalogue, self.bundle.scaling, context or observations())
        (embeddings,) = self._in_batches(values, lambda given: (pooled(self._memory(given)),))
        return embeddings

    def check_queries(self, queries: Sequence[str]) -> None:
        """Raise ValueError for the first query that is neither a token nor a head."""
        for query in queries:
            if query in self.heads:
                continue
            if self.heads and query not in vocabulary():
                raise ValueError(
                    f"{query!r} is neither a token nor one of the heads {', '.join(self.heads)}"
                )
            _token_id(query)

    def _memory(self, given: Context) -> Tensor:
        memory: Tensor = self.model.encode(given.ids, given.values)
        return memory

    def _answer(self, given: Context, query_ids: Tensor) -> tuple[Tensor, ...]:
        """Scaled mean and 1 sigma, class and type probabilities per query; embedding."""
        memory = self._memory(given)
        if not len(query_ids):
            return (pooled(memory),)
        query_ids = query_ids.expand(len(given), -1)
        answers = self.model.answer(memory, query_ids)
        error = (0.5 * answers.log_variance).exp() * self.likelihood.stretch(
            query_ids, answers.mean
        )
        spectype, morphtype = answers.spectype.softmax(-1), answers.morphtype.softmax(-1)
        return answers.mean, error, spectype, morphtype, pooled(memory)

    @torch.inference_mode()
    def _in_batches(
        self, values: Array, answer: Callable[[Context], tuple[Tensor, ...]]
    ) -> tuple[Array, ...]:
        """What ``answer`` says of all sources, asked in batches of one token count each."""
        everything = torch.ones(values.shape[1], dtype=torch.bool, device=self.device)
        order, parts = [], []
        for rows in tqdm(
            list(_like_batches(values, self.batch_size)),
            desc="predict",
            unit="batch",
            disable=None if len(values) > QUIET_ROWS else True,
        ):
            given = full_context(torch.from_numpy(values[rows]).to(self.device), everything)
            with autocast(self.device, self.precision):
                parts.append([part.float().cpu().numpy() for part in answer(given)])
            order.append(rows)
        back = np.argsort(np.concatenate(order), kind="stable")
        return tuple(np.concatenate(part)[back] for part in zip(*parts, strict=True))

    def _physical(self, token: str, answers: tuple[Array, ...], position: int) -> Columns:
        mean, error, spectype, morphtype, _ = answers
        if token == "SPECTYPE":
            return _probabilities("CLASS", CLASSES, spectype[:, position])
        if token == "MORPHTYPE":
            return _probabilities("MORPHTYPE", MORPHTYPES, morphtype[:, position])
        value, value_err = self.bundle.scaling.unscale(
            token, mean[:, position].astype(np.float64), error[:, position].astype(np.float64)
        )
        if token in REDSHIFTS:
            return redshift_columns.named(
                token, redshift_columns.gaussian_summary(value, value_err)
            )
        return {token: value.astype(np.float32), f"{token}_ERR": value_err.astype(np.float32)}


def scaled_values(catalogue: Catalogue, scaling: Scaling, context: Sequence[str]) -> Array:
    """The catalogue as the network sees it, (num_sources, 76) float32, NaN where missing.

    Raises ValueError for an unknown token of ``context``, a catalogue without i, a magnitude that
    is none, narrow bands that are not ratios to i, or a source without any token.
    """
    columns = _columns(catalogue)
    if "MAG_i" in context and "MAG_i" not in columns:
        raise ValueError(
            "the catalogue has no column MAG_i: narrow bands are fluxes over that of i"
        )
    lengths = {len(values) for values in columns.values()}
    if len(lengths) > 1:
        raise ValueError(f"columns of the catalogue differ in length: {sorted(lengths)}")
    if lengths <= {0}:
        raise ValueError("the catalogue has no sources")
    values = np.full((lengths.pop(), len(vocabulary())), np.nan, dtype=np.float32)
    medians = []
    for token in context:
        index = _token_id(token) - 1
        if token in columns:
            value = observed_column(columns, token)
            values[:, index], _ = scaling.scale(token, value, np.zeros_like(value))
            if token in NARROW and np.isfinite(value).any():
                medians.append(float(np.nanmedian(np.abs(value))))
    _check_ratios(medians)
    without = ~np.isfinite(values).any(axis=1)
    if "MAG_i" in context:
        without |= ~np.isfinite(values[:, vocabulary().index("MAG_i")])
    if without.any():
        needed = (
            "MAG_i that is finite, and of positive error where it has one"
            if "MAG_i" in context
            else "token of the context"
        )
        raise ValueError(
            f"row {int(np.argmax(without))} of the catalogue has no {needed} (rows count from 0)"
        )
    return values


def _columns(catalogue: Catalogue) -> Mapping[str, NDArray[Any]]:
    """Columns of the vocabulary that a catalogue has, with their errors."""
    if isinstance(catalogue, Photometry):
        flux = np.where(catalogue.observed, catalogue.flux, np.nan)
        return {band: flux[:, i] for i, band in enumerate(catalogue.bands)}
    wanted = {name for token in vocabulary() for name in (token, f"{token}_ERR")}
    if isinstance(catalogue, pa.Table):
        return {name: column(catalogue, name) for name in catalogue.column_names if name in wanted}
    return {name: np.asarray(catalogue[name]) for name in catalogue if name in wanted}


def observed_column(columns: Mapping[str, NDArray[Any]], token: str) -> Array:
    """Physical values, or codes, of one token, NaN where it is missing.

    Raises ValueError naming the column, and the row (the first is 0) that is wrong.
    """
    if np.ndim(columns[token]) != 1:
        raise ValueError(f"column {token} holds several values in a row")
    if token in CATEGORICAL:
        codes = _codes(columns[token], token)
        return np.where(codes == NO_CODE, np.nan, codes)
    value: Array = numbers(columns[token], token)
    error = columns.get(f"{token}_ERR")
    error = None if error is None else numbers(error, f"{token}_ERR")
    if IS_BAND[vocabulary().index(token)]:
        value = observed_values(value, error)
    if token.startswith("MAG_"):
        _check_magnitudes(value, token)
    return value


def _codes(column: NDArray[Any], token: str) -> NDArray[Any]:
    """Codes of a column of names or of codes. Raises ValueError for one that is neither."""
    if column.dtype.kind in "OUS":
        return codes_of_names(column.tolist(), token)
    if column.dtype.kind not in "iuf":
        known = ", ".join(CATEGORICAL[token])
        raise ValueError(
            f"column {token} holds {column.dtype}, expected the names {known} or codes"
        )
    check_codes(column, token)
    return column


def _check_ratios(medians: Sequence[float]) -> None:
    """Raise ValueError where the medians of narrow bands tell of fluxes that are not over i.

    A median over sources and bands: a few odd ratios are as they may be.
    """
    if not medians:
        return
    middle = float(np.median(medians))
    lowest = RATIOS[0] if len(medians) >= ENOUGH_BANDS else 0.0
    if not lowest <= middle <= RATIOS[1]:
        raise ValueError(
            "narrow bands are ratios to f_lambda(i), of order 1, but their median is "
            f"{middle:.3g}: divide f_lambda of each band by that of i"
        )


def _check_magnitudes(values: Array, token: str) -> None:
    wrong = (values < MAGNITUDES[0]) | (values > MAGNITUDES[1])
    if np.any(wrong):
        row = int(np.argmax(wrong))
        raise ValueError(
            f"column {token}, row {row}: {values[row]:g} is not an AB magnitude; missing is NaN"
        )


def _like_batches(values: Array, batch_size: int) -> Iterator[NDArray[np.intp]]:
    """Rows in batches whose sources have the same number of tokens."""
    counts = np.isfinite(values).sum(axis=1)
    for count in np.unique(counts):
        rows = np.flatnonzero(counts == count)
        for start in range(0, len(rows), batch_size):
            yield rows[start : start + batch_size]


def _probabilities(name: str, categories: tuple[str, ...], probability: Array) -> Columns:
    most_likely = np.array(categories, dtype=object)[probability.argmax(axis=1)]
    columns: Columns = {name: most_likely}
    for code, category in enumerate(categories):
        columns[f"P_{category}"] = probability[:, code]
    return columns


def _token_id(token: str) -> int:
    if token not in vocabulary():
        raise ValueError(
            f"{token!r} is not a token: expected a band, MORPHTYPE, {', '.join(all_queries())}"
        )
    return vocabulary().index(token) + 1
