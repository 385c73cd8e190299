"""What a candidate in the shadow says beside what was said."""

from __future__ import annotations

import time
from dataclasses import dataclass

from ojala.gate.shadow import Compared, compared
from ojala.tables.shards import Columns
from serving.answering import Answering
from serving.edition import Edition


@dataclass(frozen=True, kw_only=True)
class Overheard:
    """A request that was answered, and what it was told; asked of a candidate, it compares.

    edition: that answered it; sources, said: columns, equally long; queries: None for all
    """

    edition: Edition
    sources: Columns
    queries: tuple[str, ...] | None
    said: Columns

    def __call__(self, candidate: Answering) -> Compared | None:
        """What a candidate says beside what was said; None for queries that it does not know."""
        predictor = candidate.predictor
        try:
            predictor.check_queries(self.queries or ())
        except ValueError:
            return None
        began = time.monotonic()
        said = predictor.predict(self.sources, self.queries)
        return compared(self.said, said, time.monotonic() - began)
