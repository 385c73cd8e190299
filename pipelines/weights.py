"""Stage weights: the table to train on, with sampling weights and the split."""

import numpy as np

from ojala.figures import training_set
from ojala.figures.style import save
from ojala.tables.shards import columns_of, read_table
from ojala.training_set.crossmatch import CrossmatchConfig
from ojala.training_set.noise_comparison import COMPARED, KEYED, distances, error_sets
from ojala.training_set.sampling import COLUMNS, WeightsConfig, training_table
from pipelines import params, paths, stage


def weights() -> None:
    """Noisy mocks without the excluded sources to data/weights; noise and sampling as figures."""
    counts = training_table(
        paths.NOISE,
        paths.CROSSMATCH / "excluded.parquet",
        paths.JPAS,
        paths.WEIGHTS,
        params.section("weights", WeightsConfig),
        params.section("crossmatch", CrossmatchConfig),
    )
    matched = columns_of(read_table(paths.CROSSMATCH / "test_real.parquet", KEYED))
    noisy = columns_of(read_table(paths.NOISE, KEYED))
    jpas = columns_of(read_table(paths.JPAS, COMPARED))
    sets = error_sets(matched, noisy, jpas, np.random.default_rng(0))
    save(training_set.noise(sets), paths.FIGURES / "noise.png")
    columns = columns_of(read_table(paths.WEIGHTS, [*COLUMNS, "weight", "split"]))
    train = columns["split"] == "train"
    columns = {name: values[train] for name, values in columns.items()}
    figure = training_set.sampling(columns, columns.pop("weight"))
    save(figure, paths.FIGURES / "sampling.png")
    stage.report("weights", counts | {"noise: rms difference to J-PAS": distances(sets)})


if __name__ == "__main__":
    stage.run(weights)
