"""Stage jpas: J-PAS and Legacy files to the J-PAS table."""

from dataclasses import dataclass

from ojala.tables.rejects import Rejects
from ojala.training_set.jpas_table import table, write
from ojala.vocabulary.bands import narrow_bands
from pipelines import params, paths, stage


@dataclass(frozen=True, kw_only=True)
class JpasConfig:
    """Which J-PAS sources are kept.

    min_bands: narrow bands that a source needs, of J-PAS's 54 (Section 2.2)
    """

    min_bands: int

    def __post_init__(self) -> None:
        most = len(narrow_bands())
        if not 1 <= self.min_bands <= most:
            raise ValueError(f"jpas.min_bands is {self.min_bands}, expected 1 ... {most}")


def jpas() -> None:
    """Survey files to data/jpas; what is set aside to data/jpas_rejects.parquet."""
    config = params.section("jpas", JpasConfig)
    files = params.section("data", params.DataConfig)
    rejects = Rejects()
    blocks = table(files.jpas, files.legacy, rejects, min_bands=config.min_bands)
    num_rows = write(blocks, paths.JPAS)
    rejects.write(paths.JPAS_REJECTS)
    stage.report(
        "jpas",
        {
            "read": num_rows + len(rejects),
            "rows": num_rows,
            "rejected": len(rejects),
            "rejects": rejects.counts(),
        },
    )


if __name__ == "__main__":
    stage.run(jpas)
