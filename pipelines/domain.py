"""Stage domain: where the embeddings of held-out mocks lie: beyond, a source is a stranger."""

from __future__ import annotations

import pyarrow.compute as pc

from ojala.catalogue.domain import LEAST_SOURCES, everywhere, measured, write
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import read_table
from pipelines import paths, stage

HELD_OUT = "val"


def domain() -> None:
    """Write models/domain.safetensors: the domain of the mocks that the network was not shown.

    Of too few mocks it is one that nobody is outside of, and the catalogue says so.
    """
    opened = bundle.load(paths.BUNDLE)
    mocks = read_table(paths.WEIGHTS)
    held_out = mocks.filter(pc.equal(mocks["split"], HELD_OUT))
    if len(held_out) < LEAST_SOURCES:
        found = everywhere(len(held_out), opened.model.config.width, opened.digest)
    else:
        found = measured(Predictor(opened).embed(held_out), opened.digest)
    write(found, paths.DOMAIN)


if __name__ == "__main__":
    stage.run(domain)
