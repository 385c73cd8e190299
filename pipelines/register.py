"""Stage register: the bundle as a version of the model, under the alias candidate."""

from __future__ import annotations

import json
from dataclasses import asdict

from ojala import bundle
from ojala.predict import Predictor
from ojala.quantities import MORPHTYPES, observations
from ojala.shards import read_table, shard_paths
from ojala.writing import written_whole
from pipelines import paths, stage, tracking

NUM_EXAMPLES = 5


def register() -> None:
    """Register models/ojala once per digest; models/registered.json tells name and version.

    It may be run again at any time: where DVC took a bundle from its cache, MLflow has not heard
    of it, or the alias stands elsewhere.
    """
    shard = read_table(shard_paths(paths.JPAS)[0], observations())
    example = shard.slice(0, NUM_EXAMPLES).to_pandas()
    names = dict(enumerate(MORPHTYPES))
    example["MORPHTYPE"] = [names.get(code) for code in example["MORPHTYPE"]]
    opened = bundle.load(paths.BUNDLE)
    version = tracking.register(
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
    print(f"{version.name} version {version.version} is {tracking.CANDIDATE}")


if __name__ == "__main__":
    stage.run(register)
