"""``ojala fetch-desi``: public DESI DR1 files."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ojala.surveys.desi.download import SOURCES, Release, catalogue_files, fetch_all, spectra_files
from ojala.tables import result
from ojala.tables.array_cells import whole
from ojala.tables.catalogues import open_catalogue
from ojala.tables.pixels import NSIDE
from ojala.tables.shards import shard_paths


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala fetch-desi``."""
    parser.description = "Download coadds, redshifts and value-added catalogues of DESI DR1."
    parser.add_argument("--out", type=Path, required=True, help="directory of DESI files")
    parser.add_argument("--healpix", type=int, nargs="+", default=[], help="nside 64, nested")
    parser.add_argument("--healpix-of", type=Path, help="all of a table's column healpix")
    parser.add_argument("--survey", default="main", help="main, sv1, sv2, sv3, special, cmx")
    parser.add_argument("--program", default="dark", help="dark, bright, backup, other")
    parser.add_argument("--source", choices=SOURCES, default="https", help="server")
    parser.add_argument("--root", help="URL of another copy of the release")
    parser.add_argument("--vacs", action="store_true", help="value-added catalogues as well")
    parser.add_argument("--workers", type=int, default=4, help="downloads at a time")
    parser.add_argument("--unverified", action="store_true", help="for copies without sums")
    result.add_argument(parser)
    parser.epilog = """example: ojala fetch-desi --healpix 27247 27248 --out data/real/desi --vacs

Files that are there already are left alone; a download that stopped goes on where it stopped.
"""


def main(arguments: argparse.Namespace) -> None:
    """Download the DESI files of sky pixels: ``ojala fetch-desi --healpix 27247 --out DIR``."""
    if arguments.workers < 1:
        raise ValueError(f"--workers is {arguments.workers}, expected 1 or more")
    healpix = list(arguments.healpix)
    if arguments.healpix_of:
        healpix += pixels_of(arguments.healpix_of)
    if not healpix:
        raise ValueError("no sky pixels given: --healpix 27247 ... or --healpix-of TABLE")
    where = (healpix, arguments.survey, arguments.program, arguments.out)
    files = spectra_files(*where)
    if arguments.vacs:
        files += catalogue_files(*where)
    root = arguments.root or SOURCES[arguments.source]
    release = Release(root=root.rstrip("/"), verify=not arguments.unverified)
    absent = fetch_all(release, files, num_workers=arguments.workers)
    num_files, missing = len(files) - len(absent), [file.remote for file in absent]
    result.tell(
        arguments,
        [
            f"{num_files} files in {arguments.out}",
            *(f"not in the release: {one}" for one in missing),
        ],
        {"out": arguments.out, "files": num_files, "not_in_the_release": missing},
    )


def pixels_of(path: Path) -> list[int]:
    """The sky pixels of a table's sources, each once; those without one (null, -1) have none.

    Raises ValueError naming file and row for a table without column healpix (in any case), and
    for what is no pixel of NSIDE.
    """
    found: set[int] = set()
    for part in shard_paths(path):
        for first_row, block, _ in open_catalogue(part).blocks(["healpix"]):
            where = f"{part}: column healpix"
            given = [-1 if v is None or v != v else v for v in block["healpix"].tolist()]
            pixels = whole(np.array(given, dtype=object), where, first_row)
            wrong = (pixels < -1) | (pixels >= 12 * NSIDE**2)
            if wrong.any():
                row = int(np.argmax(wrong))
                raise ValueError(
                    f"{where}, row {first_row + row + 1} is {pixels[row]}, "
                    f"expected a pixel of nside {NSIDE}, 0 ... {12 * NSIDE**2 - 1}"
                )
            found |= set(pixels[pixels >= 0].tolist())
    return sorted(found)
