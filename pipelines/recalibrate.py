"""Stage recalibrate: what held-out mocks say of the bundle's probabilities and intervals."""

from __future__ import annotations

from ojala.catalogue.held_out import held_out
from ojala.catalogue.recalibration import by_sources, write
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import columns_of, read_table
from pipelines import paths, stage


def recalibrate() -> None:
    """Write models/recalibration.json, by the mocks that the network was not shown.

    Of too few of a class it leaves probabilities as they are, and the sets promise little.
    """
    mocks = columns_of(held_out(read_table(paths.WEIGHTS)))
    found = by_sources(Predictor(bundle.load(paths.BUNDLE)), mocks, mocks)
    write(found, paths.RECALIBRATION)


if __name__ == "__main__":
    stage.run(recalibrate)
