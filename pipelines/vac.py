"""Stage vac: predictions for every J-PAS source, as a catalogue with units and provenance."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ojala.catalogue import job, pieces
from ojala.catalogue.answerer import Recipe, VacRows
from ojala.catalogue.answers import Asked, judged_by
from ojala.catalogue.ids import check_unique
from ojala.catalogue.vac import write_vac_tables
from ojala.heads import head
from ojala.model import bundle
from ojala.model.head_protocol import check_base
from ojala.physics.cosmology import COSMOLOGY
from ojala.tables.shards import as_table, column, columns_of, jpas_schema
from ojala.vocabulary.quality_flags import FLAGS_COLUMN, bit
from pipelines import params, paths, stage
from pipelines.cluster import catalogue
from pipelines.cluster.training import ClusterConfig

SHARDS = Path(".ojala/vac")
"""Where the finished shards of a catalogue wait for the others; not an out, which DVC empties."""


def vac() -> None:
    """Write data/vac: a row per source that J-PAS gave, also of those that were set aside.

    The catalogue job on the workers of the parameters' cluster; cut off, it goes on from the shards
    that are finished. Every head of models/heads adds its columns; one that needs retraining stops
    the stage.
    """
    _check_heads(bundle.load(paths.BUNDLE).digest)
    recipe = Recipe(
        bundle=paths.BUNDLE.resolve(),
        heads=paths.HEADS.resolve(),
        domain=paths.DOMAIN.resolve(),
        recalibration=paths.RECALIBRATION.resolve(),
        as_vac=True,
    )
    asked = recipe.asked()
    made_by = recipe.made_by(asked)
    plan = pieces.planned(paths.CALIBRATED, SHARDS)
    work = job.job_of(plan, SHARDS.resolve() / job.digest(made_by)[:16], made_by)
    check_unique(work.pieces)
    catalogue.make_shards(work, recipe, params.section("cluster", ClusterConfig))
    provenance = _provenance(asked)
    write_vac_tables(paths.VAC, _tables(work, VacRows(asked)), provenance)
    stage.report("vac", _counts())
    shutil.rmtree(SHARDS)


def _tables(work: job.Job, rows: VacRows) -> Iterator[pa.Table]:
    """All rows of the catalogue: those that were answered about, then those that were set aside."""
    yield from job.tables_of(work)
    for batch in pq.ParquetFile(paths.JPAS_REJECTS).iter_batches(pieces.ROWS):
        rejects = pa.Table.from_batches([batch])
        yield rows.unanswered(columns_of(_keys(rejects)), column(rejects, "reason"))


def _counts() -> dict[str, int]:
    """How many sources there are, by what became of them."""
    written = pq.read_table(
        paths.VAC / "ojala_vac.parquet", columns=["REJECTED", "CLASS", FLAGS_COLUMN]
    )
    counted = pc.value_counts(written["CLASS"]).to_pylist()
    classes = {f"class_{one['values']}": one["counts"] for one in counted if one["values"]}
    rejected = pq.read_metadata(paths.JPAS_REJECTS).num_rows
    predicted = pc.sum(pc.equal(written["REJECTED"], "")).as_py()
    outside = pc.bit_wise_and(written[FLAGS_COLUMN], bit("OUTSIDE_TRAINING"))
    counts = {"rows": len(written), "predicted": predicted, "rejected": rejected}
    return counts | {"outside_training": int(np.count_nonzero(outside))} | classes


def _check_heads(base: str) -> None:
    """Raise ValueError for a head that does not fit the bundle, with both ways to go on."""
    for place in head.places(paths.HEADS):
        config = head.read_config(place)
        try:
            check_base(config.name, config.base, base)
        except ValueError as error:
            again = f"ojala finetune LABELS --quantity {config.quantity} --name {config.name}"
            raise ValueError(
                f"{place}: {error}; train it anew ({again}), or remove {place}"
            ) from None


def _keys(rejects: pa.Table) -> pa.Table:
    """Rows of the J-PAS table for the sources that were set aside: their keys and positions."""
    columns = {name: column(rejects, name) for name in ("ra", "dec")}
    keys = [source.split("-") for source in rejects["source_id"].to_pylist()]
    if all(len(parts) == 2 for parts in keys):  # released photometry has no keys
        tile_id, number = np.array(keys, dtype=np.int64).reshape(-1, 2).T
        columns |= {"tile_id": tile_id, "number": number}
    return as_table(columns, jpas_schema())


def _provenance(asked: Asked) -> dict[str, str]:
    registered = json.loads(paths.REGISTERED.read_text())
    opened, heads = asked.predictor.bundle, asked.heads
    made = opened.provenance
    return {
        "ojala_version": made["ojala_version"],
        "git_commit": made["git_commit"],
        "model_name": registered["name"],
        "model_version": registered["version"],
        "run_id": made["run_id"],
        "bundle_digest": opened.digest,
        "engine": asked.engine,
        "heads": ", ".join(f"{one.name} {one.digest}" for one in heads),
        "params_digest": made["params_digest"],
        "mocks_digest": made["data"].get("data/weights", ""),
        "jpas_digest": made["data"].get("data/jpas", ""),
        "data_source": made["data_source"],
        **judged_by(asked),
        "cosmology": f"flat LCDM, H0 = {COSMOLOGY.H0.value:g}, Om = {COSMOLOGY.Om0:g}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


if __name__ == "__main__":
    stage.run(vac)
