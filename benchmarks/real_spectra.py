"""What the trained bundle makes of real DESI spectra that no part of it was built from.

    python benchmarks/real_spectra.py --bundle models/ojala [--spectra DIR]

Reads the coadds that ship with specutils and fastspecfit (or those of DIR), makes mocks of them
and prints class and redshift beside redrock's.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from importlib.metadata import distribution
from pathlib import Path

import numpy as np

from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.model.redshift_columns import SECOND
from ojala.tables.shards import columns_of, read_table
from ojala.training_set.mocks import MocksConfig
from ojala.training_set.mocks_table import write

SHIPPED = {
    "specutils": "specutils/io/default_loaders/tests/desi_test_data",
    "fastspecfit": "fastspecfit/test/data",
}


def main() -> None:
    """Predict and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", type=Path, default=Path("models/ojala"))
    parser.add_argument("--spectra", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        spectra = options.spectra or shipped(Path(directory) / "spectra")
        out, rejects = Path(directory) / "mocks.parquet", Path(directory) / "rejects.parquet"
        write(spectra, out, rejects, MocksConfig())
        table = read_table(out)
    answer = Predictor(bundle.load(options.bundle)).predict(table)
    columns = columns_of(table)
    print("TARGETID              i      redrock            OJALA     P(GALAXY)  z_phot")
    for row in range(len(table)):
        redrock = f"{columns['spectype'][row] or '-':7s} z = {columns['z'][row]:.4f}"
        found = f"{answer['CLASS'][row]:7s}   {answer['P_GALAXY'][row]:.3f}"
        z_phot = f"{answer['Z_GAL'][row]:.4f} +- {answer['Z_GAL_ERR'][row]:.4f}"
        source = f"{columns['targetid'][row]:<20d} {columns['MAG_i'][row]:6.2f}"
        print(f"{source}  {redrock:20s} {found}  {z_phot}")
    numbers = [  # a p(z) of one mode has no second
        values for name, values in answer.items() if values.dtype.kind == "f" and SECOND not in name
    ]
    print("all answers finite:", all(np.all(np.isfinite(values)) for values in numbers))


def shipped(directory: Path) -> Path:
    """A directory with the spectra of the installed packages."""
    directory.mkdir(parents=True)
    for package, folder in SHIPPED.items():
        for path in Path(str(distribution(package).locate_file(folder))).glob("*.fits"):
            if path.name.startswith(("coadd-", "redrock-")):
                shutil.copy(path, directory / path.name)
    return directory


if __name__ == "__main__":
    main()
