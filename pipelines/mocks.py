"""Stage mocks: DESI spectra, or the released mocks, to mock photometry with labels."""

from dataclasses import asdict

from ojala.surveys import release
from ojala.tables.rejects import Rejects
from ojala.training_set.mocks import MocksConfig
from ojala.training_set.mocks_table import write, write_table
from pipelines import params, paths, stage


def mocks() -> None:
    """Survey files to data/mocks; what is set aside to data/mocks_rejects.parquet."""
    config = params.section("mocks", MocksConfig)
    files = params.section("data", params.DataConfig)
    if files.source == "release":
        rejects = Rejects()
        num_rows = write_table(release.mocks(files.desi, rejects), paths.MOCKS)
        rejects.write(paths.MOCKS_REJECTS)
        stage.report("mocks", {"num_rows": num_rows, "rejects": rejects.counts()})
    else:
        summary = write(files.desi, paths.MOCKS, paths.MOCKS_REJECTS, config)
        stage.report("mocks", asdict(summary))


if __name__ == "__main__":
    stage.run(mocks)
