"""Stage weights: the table to train on, with sampling weights and the split."""

from ojala import figures
from ojala.crossmatch import CrossmatchConfig
from ojala.sampling import COLUMNS, WeightsConfig, training_table
from ojala.shards import columns_of, read_table
from pipelines import params, paths, stage


def weights() -> None:
    """Noisy mocks without the excluded sources to data/weights; what sampling does, as a figure."""
    counts = training_table(
        paths.NOISE,
        paths.CROSSMATCH / "excluded.parquet",
        paths.JPAS,
        paths.WEIGHTS,
        params.section("weights", WeightsConfig),
        params.section("crossmatch", CrossmatchConfig),
    )
    columns = columns_of(read_table(paths.WEIGHTS, [*COLUMNS, "weight", "split"]))
    train = columns["split"] == "train"
    columns = {name: values[train] for name, values in columns.items()}
    figure = figures.sampling(columns, columns.pop("weight"))
    figures.save(figure, paths.FIGURES / "sampling.png")
    stage.report("weights", counts)


if __name__ == "__main__":
    stage.run(weights)
