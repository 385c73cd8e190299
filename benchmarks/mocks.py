"""How long a whole pass of the mocks takes, over the time of reading the same FITS bytes.

    python benchmarks/mocks.py [--spectra 1000] [--files 4] [--desi DIR]

Writes coadds as DESI writes them (MASK compressed), redrock files and a FastSpecFit catalogue,
then times in one run, turn by turn, best of several: astropy reading the FLUX, IVAR and MASK
images of every coadd; and ojala's whole pass from the same files to a Parquet table on disk:
repeats, catalogues, arms merged, 57 bands with errors, labels joined, rows and rejects written.
With --desi the files of that directory serve instead.
"""

import argparse
import os
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
from astropy.io import fits

from ojala.surveys.desi.arms import ARMS
from ojala.surveys.desi.coadds import write_coadd, write_redrock
from ojala.surveys.desi.vacs import write_fastspecfit
from ojala.surveys.desi.vacs_layout import FASTSPECFIT
from ojala.training_set.mocks import MocksConfig
from ojala.training_set.mocks_table import write


def write_files(directory, num_files, num_spectra):
    rng = np.random.default_rng(0)
    for file in range(num_files):
        arms, masks = {}, {}
        for arm, wave in ARMS.items():
            shape = (num_spectra, len(wave))
            flux = rng.normal(1, 0.3, shape).astype(np.float32)
            arms[arm] = (wave, flux, rng.uniform(5, 15, shape).astype(np.float32))
            masks[arm] = 2 * (rng.uniform(size=shape) < 0.002)
        targetid = ids(file, num_spectra)
        fibermap = {
            "TARGETID": targetid,
            "TARGET_RA": rng.uniform(0, 1, num_spectra),
            "TARGET_DEC": rng.uniform(0, 1, num_spectra),
            "FLUX_R": np.full(num_spectra, 3.0),
            "FLUX_IVAR_R": np.full(num_spectra, 100.0),
        }
        redshifts = {
            "TARGETID": targetid,
            "Z": rng.uniform(0, 1, num_spectra),
            "ZERR": np.full(num_spectra, 1e-5),
            "ZWARN": np.zeros(num_spectra, int),
            "SPECTYPE": np.full(num_spectra, "GALAXY"),
        }
        group = {"survey": "main", "program": "dark", "healpix": file}
        write_coadd(
            directory / f"coadd-main-dark-{file}.fits",
            targetid=targetid,
            fibermap=fibermap,
            arms=arms,
            masks=masks,
            **group,
        )
        write_redrock(
            directory / f"redrock-main-dark-{file}.fits",
            redshifts=redshifts,
            fibermap=fibermap,
            **group,
        )
    write_catalogue(
        directory, np.concatenate([ids(file, num_spectra) for file in range(num_files)])
    )


def ids(file, num_spectra):
    return np.arange(num_spectra) + 10**16 * (file + 1)


def write_catalogue(directory, targetid):
    labels = {"targetid": targetid}
    labels |= {"survey": np.full(len(targetid), "main"), "program": np.full(len(targetid), "dark")}
    for token in (*FASTSPECFIT, "OII_3727_EW"):
        labels |= {token: np.ones(len(targetid)), f"{token}_ERR": np.ones(len(targetid))}
    write_fastspecfit(directory / "fastspec-iron-main-dark.fits", labels)


def read_bytes(directory):
    """Every FLUX, IVAR and MASK image, in memory."""
    num_spectra = 0
    for path in sorted(directory.rglob("coadd-*.fits")):
        with fits.open(path, memmap=False) as hdus:
            for letter in "BRZ":
                for kind in ("FLUX", "IVAR", "MASK"):
                    assert hdus[f"{letter}_{kind}"].data is not None
            num_spectra += len(hdus["Z_FLUX"].data)
    return num_spectra


def make_table(directory):
    with tempfile.TemporaryDirectory() as out:
        paths = Path(out, "mocks.parquet"), Path(out, "rejects.parquet")
        return write(directory, *paths, MocksConfig()).num_spectra


def timed(work, directory):
    start = time.perf_counter()
    num_spectra = work(directory)
    return (time.perf_counter() - start) / num_spectra


def compare(directory, repeats):
    turns = [(timed(read_bytes, directory), timed(make_table, directory)) for _ in range(repeats)]
    reading, making = (min(times) for times in zip(*turns, strict=True))
    print(f"reading the FITS bytes  {1e3 * reading:7.3f} ms per spectrum")
    print(f"the whole mocks pass    {1e3 * making:7.3f} ms per spectrum, one process")
    print(f"ratio                   {making / reading:7.2f}  (goal: at most 2)")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--spectra", type=int, default=1000, help="per file")
    parser.add_argument("--files", type=int, default=4)
    parser.add_argument("--desi", type=Path, help="a directory of DESI files to use instead")
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    if arguments.desi:
        compare(arguments.desi, arguments.repeats)
        return
    with tempfile.TemporaryDirectory() as name:
        write_files(Path(name), arguments.files, arguments.spectra)
        print(f"{arguments.files} files of {arguments.spectra} spectra")
        compare(Path(name), arguments.repeats)


if __name__ == "__main__":
    main()
