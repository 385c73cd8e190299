"""Draws of several quantities of a source together: each is shown before the next is asked for.

    p(a, b, c | light) = p(a | light) p(b | light, a) p(c | light, a, b)

Every draw of a source is a chain of its own, so that its quantities vary together as the network
says they do: mass with redshift, star-formation rate with mass. Each of them alone is distributed
as it is answered directly. Seeds and values of a source decide its draws; the sources beside it do
not.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from hashlib import blake2b
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ojala.measures.redshift_pdf import Floats
from ojala.model.distributions import Categories, Distribution
from ojala.vocabulary.quantities import CLASSES, quantities, vocabulary

Array = NDArray[np.floating[Any]]

Ask: TypeAlias = Callable[[Array, str], Distribution]
"""What is said of a token of sources that are shown scaled values, (num_sources, num_tokens)."""

ROWS = 4096
"""Chains that are held at a time."""

REFERENCE = 64
"""First chains of a source, drawn always: what they are told on average is its marginal."""

OUTERMOST = 1e-12
"""Of a rank from 0 and 1, where a Gaussian has no value."""

QUIET_DRAWS = 20_000
"""Chains that are drawn without a progress bar."""

SPECTYPE = vocabulary().index("SPECTYPE")


def drawn(values: Array, tokens: Sequence[str], num_draws: int, seed: int, ask: Ask) -> Floats:
    """Scaled draws, (num_sources, num_queries, num_draws).

    NaN where a class that is known or was drawn before has no such quantity.
    values: scaled, NaN where missing, (num_sources, num_tokens)
    """
    found = np.full((len(values), len(tokens), num_draws), np.nan)
    with tqdm(
        total=len(values),
        desc="sample",
        unit="source",
        disable=None if len(values) * num_draws > QUIET_DRAWS else True,
    ) as bar:
        for rows in _slices(len(values), max(ROWS // max(num_draws, REFERENCE), 1)):
            share = _uniform(values[rows], len(tokens), max(num_draws, REFERENCE), seed)
            for part in _slices(num_draws, ROWS - REFERENCE):
                chains = np.union1d(np.arange(REFERENCE), np.arange(num_draws)[part])
                draws = _chains(values[rows], tokens, share[:, :, chains], ask)
                asked = np.searchsorted(chains, np.arange(num_draws)[part])
                found[rows, :, part] = draws[:, :, asked]
            bar.update(len(share))
    return found


def _chains(values: Array, tokens: Sequence[str], share: Floats, ask: Ask) -> Floats:
    """Draws at the probabilities ``share``; both (num_sources, num_queries, num_draws).

    The first REFERENCE draws are those of the source whatever else is drawn.
    """
    found = np.empty(share.shape)
    shown = np.repeat(values, share.shape[2], axis=0)
    for step, token in enumerate(tokens):
        has = _has(shown, token)
        said = ask(values, token)
        if step == 0:
            draws = said.quantile(share[:, step])
        else:
            draws = said.quantile(_ranks(ask(shown, token), share[:, step], has))
        if isinstance(said, Categories):
            draws = np.floor(draws)
        draws = np.where(has.reshape(draws.shape), draws, np.nan)
        shown[:, vocabulary().index(token)] = draws.ravel()
        found[:, step] = draws
    return found


def _ranks(told: Distribution, share: Floats, has: NDArray[np.bool_]) -> Floats:
    """Probability below each chain's draw in what the chains of its source are told on average.

    told: of each chain, which was shown its draws before
    share: where in it the chain draws, (num_sources, num_draws)
    has: whether the class of the chain has the quantity, (num_sources * num_draws,)
    A network that is asked for a mass with a redshift beside the light answers on average a
    little otherwise than without. Ranks keep how the quantities go together, and leave to the
    direct answer how each is distributed: an ensemble copula (Schefzik et al. 2013, Stat. Sci. 28).
    """
    draws = told.quantile(share.reshape(-1, 1)).reshape(share.shape)
    below, num_told = np.zeros(share.shape), np.zeros((len(share), 1))
    for chain in range(REFERENCE):
        rows = np.arange(len(share)) * share.shape[1] + chain
        below += np.where(has[rows, None], told[rows].cdf(draws), 0.0)
        num_told += has[rows, None]
    ranks = np.where(num_told > 0, below / np.maximum(num_told, 1), share)
    return np.clip(ranks, OUTERMOST, 1 - OUTERMOST)


def check(tokens: Sequence[str], num_draws: int, seed: int, shown: Collection[str]) -> None:
    """Raise ValueError for tokens that cannot be drawn together, in one sentence.

    shown: tokens that the network is shown of at least one source
    """
    if not tokens:
        raise ValueError("no quantity to draw: expected such as Z_GAL, LOGM, LOGSFR")
    if num_draws < 1:
        raise ValueError(f"{num_draws} draws: expected 1 or more")
    if seed < 0:
        raise ValueError(f"seed is {seed}, expected 0 or more")
    for token in tokens:
        if tokens.count(token) > 1:
            raise ValueError(f"{token} is to be drawn twice")
        if token in shown:
            raise ValueError(
                f"{token} is to be drawn and is shown as well: leave it out of the context"
            )
    before = tokens[: tokens.index("SPECTYPE")] if "SPECTYPE" in tokens else tokens
    if "SPECTYPE" not in shown and not set(CLASSES).intersection(*map(_classes, before)):
        raise ValueError(
            f"no class of sources has all of {', '.join(before)}: draw SPECTYPE before them, or "
            "those of one class"
        )


def _classes(token: str) -> tuple[str, ...]:
    """The classes whose sources have a token."""
    return next((entry.classes for entry in quantities() if entry.token == token), CLASSES)


def _has(shown: Array, token: str) -> NDArray[np.bool_]:
    """Whether the class that is shown of a source, if one is, has a quantity, (num_sources,)."""
    code = shown[:, SPECTYPE]
    return np.isnan(code) | np.isin(code, [CLASSES.index(name) for name in _classes(token)])


def _uniform(values: Array, num_queries: int, num_draws: int, seed: int) -> Floats:
    """Random numbers that a source has wherever it stands, (num_sources, num_queries, num_draws).

    Of more draws the first are the same.
    """
    streams = (
        np.random.default_rng([seed, int.from_bytes(blake2b(of, digest_size=8).digest(), "big")])
        for of in map(np.ndarray.tobytes, values)
    )
    return np.stack([stream.random((num_draws, num_queries)).T for stream in streams])


def _slices(length: int, step: int) -> Iterator[slice]:
    """Parts of a range, each of ``step`` but the last."""
    for start in range(0, length, step):
        yield slice(start, min(start + step, length))
