"""The Predictor: catalogue columns in, physical quantities out.

Evaluation, catalogue, service and notebooks all predict through it, so that what was trained is
what is served. Sources are taken in groups of the same number of tokens, so that no token is
padded, and a group is filled up to EVEN_ROWS: on a CPU the answer for a source does not depend on
the sources beside it, nor on how many they are, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from ojala.measures.redshift_pdf import RedshiftPdf, gaussian
from ojala.model import joint_draws, redshift_columns
from ojala.model.answers import Answers
from ojala.model.bundle import LABEL_CONTEXT, Bundle
from ojala.model.context import Context, full_context
from ojala.model.device import autocast, default_device, known_precision, rows_per_batch
from ojala.model.distributions import Categories, Distribution, Gaussians, Redshifts
from ojala.model.head_protocol import Head, by_name
from ojala.model.likelihood import Stretch
from ojala.model.shown import Catalogue, Shown, shown
from ojala.tables.shards import Columns
from ojala.vocabulary.quantities import CLASSES, MORPHTYPES, REDSHIFTS, observations, vocabulary
from ojala.vocabulary.quantities import queries as all_queries

Array = NDArray[np.floating[Any]]

REDSHIFT_ERROR, OF_Z = "redshift_error", "of z"
"""Entry of a bundle's provenance whose network answers the error of z, not of dz / (1 + z)."""

CATEGORIES = {"SPECTYPE": CLASSES, "MORPHTYPE": MORPHTYPES}

EVEN_ROWS = 16
"""Sources are asked about in multiples of this, the last one repeated where there are fewer.

A product of matrices is summed in another order where its last rows do not fill a register block,
which has 4 rows with AVX2 and 8 with AVX-512, and where there is but one such block.
"""

READ_ROWS = 512
"""Sources whose p(z) are read at a time, if there are so many: each reading has a cost of its own,
and the steps of a large catalogue are never held at once."""

QUIET_ROWS = 20_000
"""Sources that are predicted without a progress bar."""


class Predictor:
    """Answers queries about the sources of a catalogue.

    device: by default the GPU, where the process has one
    precision: "bfloat16" is about twice as fast where the hardware has it, and moves answers by
        a few hundredths of their errors; where it has not, it is refused
    batch_size: sources of a batch, at most; it changes speed and memory, not the answers
    heads: fine-tuned heads, each asked by its name
    Raises ValueError for a head of another bundle, or two of one name or quantity, and for
    bfloat16 on a processor without instructions for it.
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
        if precision == "bfloat16" and known_precision("auto", self.device) != precision:
            raise ValueError(
                "this processor has no instructions for bfloat16, which would be many times slower "
                "than float32: predict in float32"
            )
        self.model = bundle.model.to(self.device).eval()
        self.stretch = Stretch(bundle.scaling).to(self.device)
        if bundle.provenance.get(REDSHIFT_ERROR) == OF_Z:
            self.stretch.redshift_scale.zero_()
        self.precision = precision
        self.batch_size = batch_size or rows_per_batch(self.device)

    def predict(
        self,
        catalogue: Catalogue | Shown,
        queries: Sequence[str] | None = None,
        *,
        context: Sequence[str] | None = None,
        embeddings: bool = False,
    ) -> Columns:
        """Physical values and 1 sigma of each query, one row per source, in the same order.

        catalogue: columns named as the release's (J0378, ..., MAG_i, MORPHTYPE) or in a layout
            of docs/tables.md; NaN, 99 and the like, and a value whose error is not positive, are
            not observed. Other columns are ignored. MORPHTYPE and SPECTYPE may be names or codes;
            None, "" and -1 are missing. Or what ``shown`` has found of it.
        queries: tokens of the vocabulary and names of heads, by default the 15 quantities and
            every head
        context: tokens that may be used, by default all observations; a quantity that is known
            (Z_GAL, say) may be named here. Leave out a band that is asked for.
        Returns <TOKEN> and <TOKEN>_ERR; of a redshift also what else is read from p(z)
        (``redshift_columns.SUFFIXES``); for a head <QUANTITY> and <QUANTITY>_ERR; for SPECTYPE
        CLASS, P_GALAXY, P_STAR and P_QSO; for MORPHTYPE its name and P_DEV ... P_SER; with
        ``embeddings`` EMBEDDING, (num_sources, width). A source that cannot be answered has NaN
        and "" there, and in REASON why; REASON is "" where there are answers.
        Raises ValueError as ``shown`` does, and for a query that is none.
        """
        seen = self.shown(catalogue, context)
        columns = self._answers(seen.values[seen.answered], queries, embeddings)
        return _of_everyone(columns, seen.answered) | {"REASON": seen.reason}

    def no_answers(self, queries: Sequence[str] | None = None) -> Columns:
        """The columns of ``predict`` without a row: what they will be called."""
        nobody = np.empty((0, len(vocabulary())), dtype=np.float32)
        columns = self._answers(nobody, queries, embeddings=False)
        return columns | {"REASON": np.empty(0, dtype=object)}

    def _answers(self, values: Array, queries: Sequence[str] | None, embeddings: bool) -> Columns:
        """Answers about the sources that can be answered, (num_answered, num_tokens) values."""
        asked = (*all_queries(), *self.heads) if queries is None else tuple(queries)
        self.check_queries(asked)
        tokens = tuple(query for query in asked if query not in self.heads)
        query_ids = torch.tensor([_token_id(token) for token in tokens], device=self.device)
        answers = self._in_batches(
            values,
            lambda given: self._answer(given, query_ids),
            lambda parts: self._read_from_steps(parts, query_ids),
        )
        columns: Columns = {}
        for query in asked:
            if query in self.heads:
                columns |= _of_head(self.heads[query], answers[-1])
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
        if self.model.heads.redshift is None:
            answers = self.predict(catalogue, REDSHIFTS, context=context)
            return {
                token: gaussian(
                    answers[token].astype(np.float64), answers[f"{token}_ERR"].astype(np.float64)
                )
                for token in REDSHIFTS
            }
        seen = self.shown(catalogue, context)
        query_ids = torch.tensor([_token_id(token) for token in REDSHIFTS], device=self.device)
        (steps,) = self._in_batches(
            seen.values[seen.answered], lambda given: (self._steps(given, query_ids),)
        )
        everyone = _of_everyone({"STEPS": steps}, seen.answered)["STEPS"]
        return self._pdfs(everyone)

    def sample(
        self,
        catalogue: Catalogue | Shown,
        queries: Sequence[str],
        num_draws: int,
        *,
        seed: int = 0,
        context: Sequence[str] | None = None,
    ) -> Columns:
        """Draws from the joint distribution of several quantities, (num_sources, num_draws) each.

        Draw k of one query belongs to draw k of the others: each query is asked for with those
        before it in the context (``joint_draws``).

        queries: tokens of the vocabulary, in the order in which they are drawn; all of one class
            (Z_GAL and LOGM are those the source has if it is a galaxy), or after SPECTYPE, and
            then NaN where the class that was drawn has no such quantity
        seed: 0 or more; the same seed draws the same of a source, whatever stands beside it
        catalogue, context: as of ``predict``
        Returns physical values by token, names of SPECTYPE and MORPHTYPE, and REASON: a source
        that cannot be answered has NaN or "" there, as ``predict`` has.
        Raises ValueError as ``predict`` does, for a head, a token that is shown as well or asked
        for twice, quantities that no class has, no draws, and a network that was not trained with
        labels in its context, where there are several queries.
        """
        seen, asked = self.shown(catalogue, context), tuple(queries)
        self.check_queries(asked)
        if head := next((query for query in asked if query in self.heads), None):
            raise ValueError(f"{head} is a head: it has no distribution that could be drawn from")
        joint_draws.check(asked, num_draws, seed, seen.used)
        if len(asked) > 1 and not self.bundle.provenance.get(LABEL_CONTEXT):
            raise ValueError(
                "this network was trained without labels in its context "
                "(masking.views.label_context): it cannot draw several quantities together"
            )
        values = seen.values[seen.answered]
        draws = joint_draws.drawn(values, asked, num_draws, seed, self._distribution)
        columns = {token: self._of_draws(token, draws[:, step]) for step, token in enumerate(asked)}
        return _of_everyone(columns, seen.answered) | {"REASON": seen.reason}

    def embed(self, catalogue: Catalogue | Shown, *, context: Sequence[str] | None = None) -> Array:
        """Embeddings of the sources: mean-pooled encoder tokens, (num_sources, width) float32.

        NaN for a source that cannot be answered. Raises ValueError as ``shown`` does.
        """
        seen = self.shown(catalogue, context)
        (embeddings,) = self._in_batches(
            seen.values[seen.answered], lambda given: (self.model.pooled(self._memory(given)),)
        )
        return _of_everyone({"EMBEDDING": embeddings}, seen.answered)["EMBEDDING"]

    def shown(self, catalogue: Catalogue | Shown, context: Sequence[str] | None = None) -> Shown:
        """What the network is shown of a catalogue, and why not of some sources.

        What was found by this method already is taken as it is.
        """
        if isinstance(catalogue, Shown):
            assert context is None, "its context was chosen when it was found"
            return catalogue
        return shown(catalogue, self.bundle.scaling, context or observations())

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
        """Scaled mean and 1 sigma, class and type probabilities per query; steps; embedding."""
        memory = self._memory(given)
        if not len(query_ids):
            return (self.model.pooled(memory),)
        query_ids = query_ids.expand(len(given), -1)
        answers = self.model.answer(memory, query_ids)
        error = (0.5 * answers.log_variance).exp() * self.stretch(query_ids, answers.mean)
        error = error * self.model.heads.error_factor_I[query_ids]
        spectype, morphtype = answers.spectype.softmax(-1), answers.morphtype.softmax(-1)
        steps, embedding = self._of_steps(answers), self.model.pooled(memory)
        return answers.mean, error, spectype, morphtype, steps, embedding

    def _steps(self, given: Context, query_ids: Tensor) -> Tensor:
        """Probabilities of the steps of both redshifts, (batch, kinds, steps)."""
        return self._of_steps(
            self.model.answer(self._memory(given), query_ids.expand(len(given), -1))
        )

    def _of_steps(self, answers: Answers) -> Tensor:
        """Probabilities of steps, (batch, kinds, steps); none of a network of Gaussians."""
        head = self.model.heads.redshift
        if head is None or answers.redshift is None:
            return answers.mean.new_empty((len(answers.mean), len(REDSHIFTS), 0))
        return head.probability(answers.redshift)

    def _read_from_steps(self, parts: tuple[Array, ...], query_ids: Tensor) -> tuple[Array, ...]:
        """Answers with what is said of each redshift that is asked for in place of its steps.

        (batch, kinds, numbers)
        """
        if len(parts) == 1:
            return parts
        *others, steps, embedding = parts
        num, kinds, num_steps = steps.shape
        said = np.full((num, kinds, len(redshift_columns.SUFFIXES)), np.nan, dtype=np.float32)
        if num_steps:
            for kind, (token, pdf) in enumerate(self._pdfs(steps).items()):
                if _token_id(token) in query_ids:
                    said[:, kind] = redshift_columns.summary(pdf)
        return (*others, said, embedding)

    def _pdfs(self, steps: Array) -> dict[str, RedshiftPdf]:
        """Distributions by token, of the probabilities of their steps, (num, kinds, steps)."""
        head = self.model.heads.redshift
        assert head is not None
        edges = head.edges_KS.double().cpu().numpy()
        return {
            token: RedshiftPdf(edges=edges[kind], probability=steps[:, kind])
            for kind, token in enumerate(REDSHIFTS)
        }

    def _distribution(self, values: Array, token: str) -> Distribution:
        """What is said of a token, scaled (``joint_draws.Ask``)."""
        query_ids = torch.tensor([_token_id(token)], device=self.device)
        if token in REDSHIFTS and self.model.heads.redshift is not None:
            kind = REDSHIFTS.index(token)
            (steps,) = self._in_batches(
                values, lambda given: (self._steps(given, query_ids)[:, kind],)
            )
            edges = self.model.heads.redshift.edges_KS[kind].double().cpu().numpy()
            scaling = self.bundle.scaling
            return Redshifts(
                RedshiftPdf(edges=edges, probability=steps),
                lambda z: scaling.scale(token, z, np.zeros_like(z))[0],
                lambda scaled: scaling.unscale(token, scaled, np.zeros_like(scaled))[0],
            )
        mean, error, spectype, morphtype = self._in_batches(
            values, lambda given: self._answer(given, query_ids)[:4]
        )
        if token in CATEGORIES:
            probability = spectype if token == "SPECTYPE" else morphtype
            return Categories(probability[:, 0])
        return Gaussians(mean[:, 0], error[:, 0])

    def _of_draws(self, token: str, scaled: Array) -> NDArray[Any]:
        """Physical values, or names of categories, of scaled draws of any shape."""
        if token in CATEGORIES:
            return np.array(CATEGORIES[token], dtype=object)[scaled.astype(np.intp)]
        value, _ = self.bundle.scaling.unscale(token, scaled, np.zeros_like(scaled))
        return value.astype(np.float32)

    @torch.inference_mode()
    def _in_batches(
        self,
        values: Array,
        answer: Callable[[Context], tuple[Tensor, ...]],
        read: Callable[[tuple[Array, ...]], tuple[Array, ...]] = lambda parts: parts,
    ) -> tuple[Array, ...]:
        """What ``answer`` says of all sources, asked in batches of one token count each.

        read: applied to the answers about READ_ROWS sources or more
        """
        if not len(values):  # the shapes of an answer are those about any source
            blank = np.zeros((1, values.shape[1]), dtype=np.float32)
            return tuple(part[:0] for part in self._in_batches(blank, answer, read))
        everything = torch.ones(values.shape[1], dtype=torch.bool, device=self.device)
        order: list[NDArray[np.intp]] = []
        unread, parts, num_unread = [], [], 0
        for rows in tqdm(
            list(_like_batches(values, self.batch_size)),
            desc="predict",
            unit="batch",
            disable=None if len(values) > QUIET_ROWS else True,
        ):
            given = full_context(torch.from_numpy(_even(values[rows])).to(self.device), everything)
            with autocast(self.device, self.precision):
                said = answer(given)
            unread.append([part[: len(rows)].float().cpu().numpy() for part in said])
            order.append(rows)
            num_unread += len(rows)
            if num_unread >= READ_ROWS:
                parts.append(read(_joined(unread)))
                unread, num_unread = [], 0
        if unread:
            parts.append(read(_joined(unread)))
        back = np.argsort(np.concatenate(order), kind="stable")
        return tuple(part[back] for part in _joined(parts))

    def _physical(self, token: str, answers: tuple[Array, ...], position: int) -> Columns:
        mean, error, spectype, morphtype, redshift, _ = answers
        if token == "SPECTYPE":
            return _probabilities("CLASS", CLASSES, spectype[:, position])
        if token == "MORPHTYPE":
            return _probabilities("MORPHTYPE", MORPHTYPES, morphtype[:, position])
        if token in REDSHIFTS and self.model.heads.redshift is not None:
            return redshift_columns.named(token, redshift[:, REDSHIFTS.index(token)])
        value, value_err = self.bundle.scaling.unscale(
            token, mean[:, position].astype(np.float64), error[:, position].astype(np.float64)
        )
        if token in REDSHIFTS:
            return redshift_columns.named(
                token, redshift_columns.gaussian_summary(value, value_err)
            )
        return {token: value.astype(np.float32), f"{token}_ERR": value_err.astype(np.float32)}


def _even(values: Array) -> Array:
    """Rows filled up to a multiple of EVEN_ROWS with the last one."""
    missing = -len(values) % EVEN_ROWS
    return np.concatenate([values, np.repeat(values[-1:], missing, axis=0)])


def _joined(parts: Sequence[Sequence[Array]]) -> tuple[Array, ...]:
    """Answers about some sources and others as answers about all."""
    return tuple(np.concatenate(part) for part in zip(*parts, strict=True))


def _of_head(head: Head, embeddings: Array) -> Columns:
    """What a head answers, asked about an even number of sources as the network is."""
    answers = head.answer(_even(embeddings)) if len(embeddings) else head.answer(embeddings)
    return {name: values[: len(embeddings)] for name, values in answers.items()}


def _of_everyone(columns: Columns, answered: NDArray[np.bool_]) -> Columns:
    """Answers of the sources that have any as those of all, NaN and "" for the others."""
    everyone: Columns = {}
    for name, values in columns.items():
        nothing = "" if values.dtype.kind == "O" else np.nan
        whole = np.full((len(answered), *values.shape[1:]), nothing, dtype=values.dtype)
        whole[answered] = values
        everyone[name] = whole
    return everyone


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
