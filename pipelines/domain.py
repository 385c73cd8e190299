"""Stage domain: where the embeddings of held-out mocks lie: beyond, a source is a stranger."""

from __future__ import annotations

from ojala.catalogue.domain import LEAST_SOURCES, everywhere, measured, write
from ojala.catalogue.held_out import held_out
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import read_table
from pipelines import paths, stage


def domain() -> None:
    """Write models/domain.safetensors: the domain of the mocks that the network was not shown.

    Of too few mocks it is one that nobody is outside of, and the catalogue says so.
    """
    opened = bundle.load(paths.BUNDLE)
    mocks = held_out(read_table(paths.WEIGHTS))
    if len(mocks) < LEAST_SOURCES:
        found = everywhere(len(mocks), opened.model.config.width, opened.digest)
    else:
        found = measured(Predictor(opened).embed(mocks), opened.digest)
    write(found, paths.DOMAIN)


if __name__ == "__main__":
    stage.run(domain)
