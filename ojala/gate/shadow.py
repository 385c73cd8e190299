"""A candidate in the shadow of the champion: asked the same, compared, and shown to nobody."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ojala.catalogue.recalibration import REDSHIFT_OF
from ojala.model.redshift_columns import SECOND
from ojala.tables.shards import Columns

ALIAS = "shadow"
"""Of the version that running services ask beside the champion."""

SHARE, SESSION = "shadow_share", "shadow_session"
"""Tags of that version: the share of requests that it is asked too, and since when it stands."""

FAR = 3.0
"""Standard errors of the champion beyond which a redshift is another one."""


@dataclass(frozen=True, kw_only=True)
class Compared:
    """How many sources both were asked about, and how many of them came out otherwise.

    sources: that the champion answered; lost: of them, where the candidate lacks an answer
    classed: that both gave a class; class_changes: another one
    redshifts: that both gave for the champion's class; far: beyond FAR of the champion's errors
    requests, seconds: that the candidate was asked, and took
    """

    requests: int = 0
    sources: int = 0
    lost: int = 0
    classed: int = 0
    class_changes: int = 0
    redshifts: int = 0
    far: int = 0
    seconds: float = 0.0

    def __add__(self, other: Compared) -> Compared:
        names = [one.name for one in fields(self)]
        return Compared(**{name: getattr(self, name) + getattr(other, name) for name in names})

    def __str__(self) -> str:
        return (
            f"{self.sources} sources: {self.class_changes} of {self.classed} classes changed, "
            f"{self.far} of {self.redshifts} redshifts by more than {FAR:.0f} sigma, "
            f"{self.lost} answers lost"
        )


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a candidate may do otherwise and still be promoted.

    sources: whose classes are compared before it is judged
    lost, class_changes, far: largest shares of what is compared
    """

    sources: int = 1000
    lost: float = 0.0
    class_changes: float = 0.03
    far: float = 0.03

    def __post_init__(self) -> None:
        if self.sources < 1:
            raise ValueError(f"{self.sources} sources to compare, expected 1 or more")
        for name in ("lost", "class_changes", "far"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"a share of {getattr(self, name)} for {name}, expected 0 ... 1")

    def exceeded(self, found: Compared) -> list[str]:
        """What is beyond a limit, each in words."""
        judged = (
            ("answers lost", found.lost, found.sources, self.lost),
            ("classes changed", found.class_changes, found.classed, self.class_changes),
            (f"redshifts beyond {FAR:.0f} sigma", found.far, found.redshifts, self.far),
        )
        return [
            f"{number} of {total} {what}, at most {limit:g} of them may be"
            for what, number, total, limit in judged
            if number > limit * total
        ]


def compared(champion: Columns, candidate: Columns, seconds: float) -> Compared:
    """What a candidate says of the sources of a request, beside what the champion said.

    Columns of answers, (num_sources,) each, with REASON; those that only one has are left out.
    seconds: that the candidate took
    """
    answered = _is_answered(champion)
    has_lost = ~_is_answered(candidate)
    for name in _numbers(champion) & _numbers(candidate):
        has_lost |= np.isfinite(champion[name]) & ~np.isfinite(candidate[name])
    classed = changed = np.zeros_like(answered)
    if "CLASS" in champion and "CLASS" in candidate:
        classed = answered & ~has_lost
        changed = classed & (champion["CLASS"] != candidate["CLASS"])
    redshifts = far = 0
    for spectype, token in REDSHIFT_OF.items():
        if {token, f"{token}_ERR"} <= champion.keys() and token in candidate:
            is_of_class = champion["CLASS"] == spectype if "CLASS" in champion else True
            off = np.abs(champion[token].astype(float) - candidate[token].astype(float))
            known = answered & is_of_class & np.isfinite(off)
            redshifts += int(known.sum())
            far += int((off > FAR * champion[f"{token}_ERR"])[known].sum())
    return Compared(
        requests=1,
        sources=int(answered.sum()),
        lost=int((answered & has_lost).sum()),
        classed=int(classed.sum()),
        class_changes=int(changed.sum()),
        redshifts=redshifts,
        far=far,
        seconds=seconds,
    )


def _is_answered(answers: Columns) -> NDArray[np.bool_]:
    return np.array([not reason for reason in answers["REASON"]], dtype=bool)


def _numbers(answers: Columns) -> set[str]:
    """Columns of which an answer has a number in every row; a second mode comes and goes."""
    return {
        name
        for name, values in answers.items()
        if values.dtype.kind == "f" and not name.endswith(SECOND)
    }
