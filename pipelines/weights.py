"""Stage weights: the table to train on, with sampling weights and the split."""

from ojala.crossmatch import CrossmatchConfig
from ojala.sampling import WeightsConfig, training_table
from pipelines import params, stage


def weights() -> None:
    """Mocks without the excluded sources to data/weights."""
    counts = training_table(
        "data/mocks",
        "data/crossmatch/excluded.parquet",
        "data/jpas",
        "data/weights",
        params.section("weights", WeightsConfig),
        params.section("crossmatch", CrossmatchConfig),
    )
    stage.report("weights", counts)


if __name__ == "__main__":
    stage.run(weights)
