"""Stage noise: J-PAS errors and missing bands for the mocks, from similar J-PAS sources."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from ojala.model.bundle import Bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import PERTURBED, Columns
from ojala.training.config import TrainConfig
from ojala.training_set.noise import DonorConfig, Floats, noisy_table
from pipelines import params, paths, stage
from pipelines.cluster import learning, storage, training
from pipelines.registry import digests


@dataclass(frozen=True, kw_only=True)
class NoiseConfig:
    """How the noise of J-PAS comes to the mocks (Section 2.3).

    donors: how a source's donor is chosen; embedding: the training of the model on J-PAS fluxes
        alone in whose embedding sources are similar
    """

    donors: DonorConfig
    embedding: TrainConfig

    def __post_init__(self) -> None:
        if self.embedding.teacher is not None:
            raise ValueError(
                f"noise.embedding.teacher is {self.embedding.teacher!r}, expected null: bands that "
                "are asked for have no teacher"
            )


def noise() -> None:
    """Write data/noise: the mocks with J-PAS noise."""
    config = params.section("noise", NoiseConfig)
    predictor = _embedding(config.embedding)

    def embed(columns: Columns) -> Floats:
        return predictor.embed(columns, context=PERTURBED)

    stage.report("noise", noisy_table(paths.MOCKS, paths.JPAS, paths.NOISE, embed, config.donors))


def _embedding(config: TrainConfig) -> Predictor:
    """A model of J-PAS fluxes alone."""
    settings = {
        "config": config,
        "table": str(paths.JPAS.resolve()),
        "labelled": False,
        "jpas": None,
        "tokens": PERTURBED,
    }
    machines = params.section("cluster", training.ClusterConfig)
    inputs = digests.inputs_digest(digests.data_digests([str(paths.JPAS)]), asdict(config), "noise")
    with tempfile.TemporaryDirectory() as kept:
        last = Path(kept) / "last"
        name = f"noise-{inputs[:16]}"
        reports = training.train(
            learning.learn, settings, machines, name=name, last_checkpoint=last
        )
        for _ in learning.shown(reports, config.num_epochs):
            pass
        model, scaling = learning.learnt(last, config)
    storage.finish(machines.storage, name)
    return Predictor(Bundle(model=model, scaling=scaling))


if __name__ == "__main__":
    stage.run(noise)
