"""Stage register: the bundle as a version of the model, under the alias candidate."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

import pandas as pd

from ojala.gate.golden import golden_objects
from ojala.heads import head
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import columns_of, read_table, shard_paths
from ojala.tables.writing import written_whole
from ojala.vocabulary.quantities import MORPHTYPES, observations
from pipelines import paths, stage
from pipelines.registry import head_states, registration, store, tracking, versions


def register() -> None:
    """Register models/ojala and its heads once per digest; models/registered.json tells which.

    It may be run again at any time: where DVC took a bundle from its cache, MLflow has not heard
    of it, or the alias stands elsewhere.
    """
    tracking.client()  # where it is away, that is said before the work
    shard = read_table(shard_paths(paths.JPAS)[0], observations())
    example = pd.DataFrame(golden_objects(columns_of(shard)))
    names = dict(enumerate(MORPHTYPES))
    example["MORPHTYPE"] = [names.get(code) for code in example["MORPHTYPE"]]
    opened = bundle.load(paths.BUNDLE)
    version = registration.register(
        paths.BUNDLE,
        digest=opened.digest,
        run_id=json.loads(paths.RUN.read_text())["run_id"],
        example=example,
        answer=Predictor(opened).predict({name: example[name].to_numpy() for name in example}),
    )
    out = paths.REGISTERED
    if not out.exists() or json.loads(out.read_text()) != asdict(version):
        with written_whole(out) as partial:
            partial.write_text(json.dumps(asdict(version), indent=1) + "\n")
    print(f"{version.name} version {version.version} is {store.CANDIDATE}")
    _register_heads(version)


def _register_heads(base: versions.Version) -> None:
    """Every head that belongs to the bundle, tied to its version; of any other its state."""
    for place, state in zip(
        head.places(paths.HEADS), head.states(paths.HEADS, base.digest).values(), strict=True
    ):
        if state == head.READY:
            made = _register_head(place, base)
            print(f"{made.name} version {made.version} is {store.CANDIDATE}")
        else:
            print(f"register: {place}: {state}", file=sys.stderr)
    head_states.follow()


def _register_head(place: Path, base: versions.Version) -> versions.Version:
    opened = head.load(place, base.digest)
    return registration.register_head(
        place,
        name=opened.name,
        digest=opened.digest,
        run_id=str(opened.provenance.get("run_id", "")),
        base=base,
        about={"quantity": opened.quantity, "description": opened.config.description},
    )


if __name__ == "__main__":
    stage.run(register)
