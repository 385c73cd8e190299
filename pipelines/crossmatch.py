"""Stage crossmatch: test and validation sets, and the sources that leave training."""

from ojala.training_set import crossmatch as match
from pipelines import params, paths, stage


def crossmatch() -> None:
    """Mocks and J-PAS table to data/crossmatch."""
    config = params.section("crossmatch", match.CrossmatchConfig)
    counts = match.crossmatch(paths.MOCKS, paths.JPAS, paths.CROSSMATCH, config)
    stage.report("crossmatch", counts)


if __name__ == "__main__":
    stage.run(crossmatch)
