"""What answers about a piece of a catalogue: beside its own columns, or as rows of the VAC."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ojala.catalogue import domain, recalibration
from ojala.catalogue.answers import Asked, answered, understood
from ojala.catalogue.flags import with_flags
from ojala.catalogue.job import Answerer
from ojala.catalogue.pieces import Piece, told_of
from ojala.catalogue.seen import Seen
from ojala.catalogue.vac import vac_table
from ojala.engines import engine
from ojala.engines.engine import PLAIN, Engine
from ojala.heads import head
from ojala.model import bundle
from ojala.physics.derived import derived
from ojala.tables.shards import Columns, columns_of
from ojala.vocabulary.quality_flags import FLAGS_COLUMN, bit


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How a worker opens what answers; plain, so that it travels to any machine.

    bundle, heads: their directories, which every worker reaches; queries: as of ``Asked``
    engine: what computes the network
    domain: file of the training domain, by which QUALITY_FLAGS tells who is outside
    recalibration: file by which probabilities and intervals hold what they state
    as_vac: rows of the J-PAS table become rows of the value-added catalogue
    """

    bundle: Path
    heads: Path | None = None
    queries: tuple[str, ...] | None = None
    engine: Engine = PLAIN
    domain: Path | None = None
    recalibration: Path | None = None
    as_vac: bool = False

    def asked(self) -> Asked:
        """The Predictor, opened, and its queries.

        Raises ValueError for a query that is none, an engine that cannot be used, and a domain or
        a recalibration of another bundle.
        """
        opened = bundle.load(self.bundle)
        heads = head.load_all(self.heads, opened.digest) if self.heads else []
        within = domain.read(self.domain) if self.domain else None
        honest = recalibration.read(self.recalibration) if self.recalibration else None
        for measured in (within, honest):
            if measured:
                measured.check(opened.digest)
        settled = engine.settled(opened, self.engine)
        predictor = engine.predictor(opened, settled, heads=heads)
        predictor.check_queries(self.queries or ())
        return Asked(
            predictor=predictor,
            queries=self.queries,
            heads=heads,
            engine=settled.said(),
            domain=within,
            recalibration=honest,
        )

    def settled(self) -> Recipe:
        """The same, whose engine is left to no machine: every worker answers with this one's."""
        if self.engine.is_settled:
            return self
        return replace(self, engine=engine.settled(bundle.load(self.bundle), self.engine))

    def opened(self) -> Answerer:
        """What answers, with its own network."""
        asked = self.asked()
        return VacRows(asked) if self.as_vac else OwnColumns(asked)

    def made_by(self, asked: Asked) -> dict[str, Any]:
        """All that an answer depends on beside its source, for the digest of a shard."""
        return {
            "bundle": asked.predictor.bundle.digest,
            "heads": [one.digest for one in asked.heads],
            "queries": self.queries,
            "engine": asked.engine,
            "domain": asked.domain and asked.domain.digest(),
            "recalibration": asked.recalibration and asked.recalibration.digest(),
            "as_vac": self.as_vac,
        }


@dataclass(frozen=True)
class OwnColumns:
    """Answers beside the columns that a catalogue has."""

    asked: Asked

    def __call__(self, table: pa.Table, piece: Piece) -> tuple[pa.Table, Seen]:
        """As ``Answerer``."""
        with told_of(piece.path, piece.first):
            given = understood(table, self.asked)
        return answered(table, given, self.asked), Seen.of(given.shown, piece.before)


@dataclass(frozen=True)
class VacRows:
    """Rows of the value-added catalogue: the J-PAS table's columns, REJECTED, the answers."""

    asked: Asked

    def __call__(self, table: pa.Table, piece: Piece) -> tuple[pa.Table, Seen]:
        """As ``Answerer``."""
        with told_of(piece.path, piece.first):
            shown = self.asked.predictor.shown(table)
        asked = self.asked
        predicted = with_flags(
            asked.predictor, shown, domain=asked.domain, recalibration=asked.recalibration
        )
        columns = columns_of(table)
        predicted |= derived(predicted, columns["AUTO_iSDSS"])
        reason = predicted.pop("REASON")
        return self._table(columns, reason, predicted), Seen.of(shown, piece.before)

    def unanswered(self, columns: Columns, reason: Any) -> pa.Table:
        """Rows of sources that were set aside, with the reasons why.

        columns, reason: each (num_sources,)
        """
        blank = self.asked.no_answers() | {FLAGS_COLUMN: np.empty(0, dtype=np.int32)}
        blank |= derived(blank, columns["AUTO_iSDSS"][:0])
        del blank["REASON"]
        return self._table(
            columns, reason, {name: _missing(of, len(reason)) for name, of in blank.items()}
        )

    def _table(self, columns: Columns, reason: Any, predicted: Columns) -> pa.Table:
        extra = [one.column for one in self.asked.heads]
        return vac_table(columns | {"REJECTED": reason} | predicted, extra)


def _missing(like: Any, num: int) -> Any:
    """As many missing values of a column's type; flags say that there is no answer."""
    blank = {"O": "", "U": "", "i": bit("NO_ANSWER")}.get(like.dtype.kind, np.nan)
    return np.full(num, blank, dtype=like.dtype)
