"""Stage zero_points: what the network finds of J-PAS's zero points, and J-PAS without them."""

from __future__ import annotations

import numpy as np

from ojala.catalogue.zero_points import bright, measured, write
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import columns_of, jpas_schema, read_table, shard_paths, write_shards
from pipelines import paths, stage


def zero_points() -> None:
    """Write data/zero_points.parquet, and data/jpas_calibrated: data/jpas with them taken out."""
    shards = shard_paths(paths.JPAS)
    parts = [bright(columns_of(read_table(shard))) for shard in shards]
    told = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    found = measured(Predictor(bundle.load(paths.BUNDLE)), told)
    write(found, paths.ZERO_POINTS)
    blocks = (found.calibrated(columns_of(read_table(shard))) for shard in shards)
    write_shards(blocks, paths.CALIBRATED, jpas_schema())
    stage.report(
        "zero_points",
        {
            "tiles": len(found.tiles),
            "sources": len(told["tile_id"]),
            "rms offset (mag)": found.scatter(),
        },
    )


if __name__ == "__main__":
    stage.run(zero_points)
