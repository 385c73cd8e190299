"""Stage weights: the table to train on, with sampling weights and the split."""

from ojala import figures
from ojala.crossmatch import CrossmatchConfig
from ojala.sampling import COLUMNS, WeightsConfig, training_table
from ojala.shards import columns_of, read_table
from pipelines import params, stage


def weights() -> None:
    """Mocks without the excluded sources to data/weights; what sampling does, as a figure."""
    counts = training_table(
        "data/mocks",
        "data/crossmatch/excluded.parquet",
        "data/jpas",
        "data/weights",
        params.section("weights", WeightsConfig),
        params.section("crossmatch", CrossmatchConfig),
    )
    columns = columns_of(read_table("data/weights", [*COLUMNS, "weight", "split"]))
    train = columns["split"] == "train"
    columns = {name: values[train] for name, values in columns.items()}
    figure = figures.sampling(columns, columns.pop("weight"))
    figures.save(figure, stage.REPORTS / "figures" / "sampling.png")
    stage.report("weights", counts)


if __name__ == "__main__":
    stage.run(weights)
