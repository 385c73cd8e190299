"""What was used of a catalogue that is answered in pieces, told as of the whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import reduce

import numpy as np

from ojala.model.shown import NO_RATIOS, Remark, Shown, bands_used
from ojala.vocabulary.quantities import vocabulary


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What there was of some rows of a catalogue.

    used: tokens that a source has; remarks: on values that were taken for not observed
    unanswered: how many sources have no answers, and the first row (from 0), by the reason why
    """

    num_rows: int
    used: frozenset[str] = frozenset()
    remarks: tuple[Remark, ...] = ()
    unanswered: dict[str, tuple[int, int]]

    @classmethod
    def of(cls, shown: Shown, first: int = 0) -> Seen:
        """Of what the network was shown of the rows from ``first`` on."""
        reasons = sorted(set(shown.reason) - {""})
        wrong = {reason: np.flatnonzero(shown.reason == reason) for reason in reasons}
        return cls(
            num_rows=len(shown.reason),
            used=shown.used,
            remarks=shown.remarks,
            unanswered={why: (len(rows), first + int(rows[0])) for why, rows in wrong.items()},
        )

    @classmethod
    def from_json(cls, text: bytes) -> Seen:
        """What ``to_json`` wrote."""
        said = json.loads(text)
        remarks = [Remark(**one | {"tokens": tuple(one["tokens"])}) for one in said["remarks"]]
        unanswered = {why: (num, first) for why, (num, first) in said["unanswered"].items()}
        return cls(
            num_rows=said["num_rows"],
            used=frozenset(said["used"]),
            remarks=tuple(remarks),
            unanswered=unanswered,
        )

    def to_json(self) -> bytes:
        """The same as JSON."""
        return json.dumps(asdict(self) | {"used": sorted(self.used)}).encode()

    def lines(self) -> Iterator[str]:
        """What a user is told."""
        yield bands_used(self.used)
        yield from map(str, self.remarks)
        for reason, (num, first) in sorted(self.unanswered.items()):
            yield (
                f"{num} of {self.num_rows} sources have {reason} and no answers, "
                f"the first in row {first + 1} (rows count from 1)"
            )

    def is_no_ratios(self) -> bool:
        """Whether narrow bands are no ratios of any source: they must mean another thing."""
        return bool(self.num_rows) and self.unanswered.get(NO_RATIOS, (0, 0))[0] == self.num_rows


def together(pieces: Iterable[Seen]) -> Seen:
    """What there was of all pieces of a catalogue, in the order of its rows."""
    return reduce(_both, pieces, Seen(num_rows=0, unanswered={}))


def _both(one: Seen, other: Seen) -> Seen:
    unanswered = dict(one.unanswered)
    for reason, (num, first) in other.unanswered.items():
        before, earlier = unanswered.get(reason, (0, first))
        unanswered[reason] = (before + num, min(earlier, first))
    return Seen(
        num_rows=one.num_rows + other.num_rows,
        used=one.used | other.used,
        remarks=_remarks((*one.remarks, *other.remarks)),
        unanswered=unanswered,
    )


def _remarks(remarks: Iterable[Remark]) -> tuple[Remark, ...]:
    """One for each kind of band and cause, in the order of a catalogue that was seen whole."""
    found: dict[tuple[str, bool], Remark] = {}
    for remark in remarks:
        key = (remark.kind, remark.example is None)
        known = found.get(key)
        found[key] = remark if known is None else _summed(known, remark)
    return tuple(found[key] for key in sorted(found, key=_place))


def _place(key: tuple[str, bool]) -> tuple[bool, bool]:
    kind, without_error = key
    return kind != "narrow bands", without_error


def _summed(one: Remark, other: Remark) -> Remark:
    order = vocabulary().index
    tokens = tuple(sorted({*one.tokens, *other.tokens}, key=order))
    first = other if order(other.tokens[0]) < order(one.tokens[0]) else one
    num = one.num_sources + other.num_sources
    return replace(first, tokens=tokens, num_sources=num)
