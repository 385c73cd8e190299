"""Stage crossmatch: test and validation sets, and the sources that leave training."""

from ojala import crossmatch as match
from pipelines import params, stage


def crossmatch() -> None:
    """Mocks and J-PAS table to data/crossmatch."""
    config = params.section("crossmatch", match.CrossmatchConfig)
    counts = match.crossmatch("data/mocks", "data/jpas", "data/crossmatch", config)
    stage.report("crossmatch", counts)


if __name__ == "__main__":
    stage.run(crossmatch)
