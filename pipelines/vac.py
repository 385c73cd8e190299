"""Stage vac: predictions for every J-PAS source, as a catalogue with units and provenance."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from ojala.catalogue.flags import with_flags
from ojala.catalogue.vac import NO_DOMAIN, write_vac
from ojala.heads import head
from ojala.model import bundle
from ojala.model.head_protocol import check_base
from ojala.model.predictor import Predictor
from ojala.physics.cosmology import COSMOLOGY
from ojala.physics.derived import derived
from ojala.tables.shards import Columns, as_table, column, columns_of, jpas_schema, read_table
from ojala.vocabulary.quality_flags import bit
from pipelines import paths, stage


def vac() -> None:
    """Write data/vac: a row per source that J-PAS gave, also of those that were set aside.

    Every head of models/heads adds its columns; one that needs retraining stops the stage.
    """
    opened = bundle.load(paths.BUNDLE)
    _check_heads(opened.digest)
    heads = head.load_all(paths.HEADS, opened.digest)
    table = read_table(paths.JPAS)
    predictor = Predictor(opened, heads=heads)
    predicted = with_flags(predictor, predictor.shown(table))
    predicted |= derived(predicted, columns_of(table)["AUTO_iSDSS"])
    rejects = pq.read_table(paths.JPAS_REJECTS)
    unanswered = predicted.pop("REASON")
    reason = np.array([*unanswered, *rejects["reason"].to_pylist()])
    columns = columns_of(pa.concat_tables([table, _keys(rejects)])) | {"REJECTED": reason}
    columns |= {name: _padded(values, len(rejects)) for name, values in predicted.items()}
    described = [one.column for one in heads]
    write_vac(paths.VAC, columns, _provenance(opened, heads), described)
    counts = {
        "rows": len(reason),
        "predicted": int(np.sum(unanswered == "")),
        "rejected": len(rejects),
    }
    stage.report("vac", counts | _classes(predicted))


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


def _padded(values: np.ndarray, num_missing: int) -> np.ndarray:
    """Values with as many missing ones at the end; flags say that there is no answer."""
    missing = {"O": "", "U": "", "i": bit("NO_ANSWER")}.get(values.dtype.kind, np.nan)
    return np.concatenate([values, np.full(num_missing, missing, dtype=values.dtype)])


def _classes(predicted: Columns) -> dict[str, int]:
    names, counts = np.unique(predicted["CLASS"].astype(str), return_counts=True)
    counted = zip(names, counts, strict=True)
    return {f"class_{name}": int(count) for name, count in counted if name}


def _provenance(opened: bundle.Bundle, heads: list[head.Head]) -> dict[str, str]:
    registered = json.loads(paths.REGISTERED.read_text())
    made = opened.provenance
    return {
        "ojala_version": made["ojala_version"],
        "git_commit": made["git_commit"],
        "model_name": registered["name"],
        "model_version": registered["version"],
        "run_id": made["run_id"],
        "bundle_digest": opened.digest,
        "heads": ", ".join(f"{one.name} {one.digest}" for one in heads),
        "params_digest": made["params_digest"],
        "mocks_digest": made["data"].get("data/weights", ""),
        "jpas_digest": made["data"].get("data/jpas", ""),
        "data_source": made["data_source"],
        "domain": NO_DOMAIN,
        "cosmology": f"flat LCDM, H0 = {COSMOLOGY.H0.value:g}, Om = {COSMOLOGY.Om0:g}",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }


if __name__ == "__main__":
    stage.run(vac)
