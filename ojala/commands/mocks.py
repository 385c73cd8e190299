"""``ojala mocks``: mock photometry and labels from DESI spectra."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from ojala.tables import result
from ojala.training_set.mocks import MocksConfig
from ojala.training_set.mocks_table import write

EXAMPLE = """\
Reads coadd-*.fits and redrock-*.fits (or zbest-*.fits) below DIR, and the value-added catalogues
if they are there (fastspec-*.fits, IronPhysProp*.fits, mwsall-*.fits, VAC_BHmass*.fits), in DR1's
layout or flat, plain, gzipped or fpack'ed. Every spectrum becomes a row of the table or is set
aside with a reason, and so is a file that cannot be read; what is not read is named.

Example:
    ojala mocks data/dr1 --out mocks.parquet --workers 8"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala mocks``."""
    parser.description = EXAMPLE
    parser.add_argument("directory", type=Path, metavar="DIR", help="directory of DESI files")
    parser.add_argument(
        "--out", type=Path, required=True, help="a file *.parquet, or a directory of shards"
    )
    parser.add_argument("--rejects", type=Path, help="table of what is set aside (Parquet)")
    parser.add_argument(
        "--responses",
        default="packaged",
        help="J-PAS curves: packaged (default), svo, or a directory of measured ones",
    )
    parser.add_argument("--workers", type=int, default=1, help="processes (default 1)")
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Make the mocks: ``ojala mocks DIR --out FILE``."""
    out: Path = arguments.out
    if out.suffix not in ("", ".parquet") and not out.is_dir():
        raise ValueError(f"--out is {out}, expected a file *.parquet or a directory of shards")
    if arguments.workers < 1:
        raise ValueError(f"--workers is {arguments.workers}, expected 1 or more")
    rejects_path = arguments.rejects or out.with_name(f"{out.stem}_rejects.parquet")
    config = MocksConfig(responses=arguments.responses, num_workers=arguments.workers)
    summary = write(arguments.directory, out, rejects_path, config)
    num_rejects = sum(summary.rejects.values())
    lines = [
        f"{summary.num_rows} of {summary.num_spectra} spectra in {out}",
        f"{num_rejects} set aside in {rejects_path}",
        *(f"{count:12d} {reason}" for reason, count in summary.rejects.items()),
        *(f"set aside whole: {name}: {fault}" for name, fault in summary.faults.items()),
        *(f"not read: {phrase}" for phrase in summary.not_read),
        f"{summary.num_with_redshift} of {summary.num_rows} spectra have a redshift",
        f"synthetic r minus r in the fibre: median {summary.r_excess:+.3f} mag,"
        f" scatter {summary.r_scatter:.3f} mag ({summary.num_r} spectra);"
        f" the calibration to point sources explains {summary.r_point:+.3f} mag",
    ]
    result.tell(arguments, lines, {"out": out, "rejects_table": rejects_path} | asdict(summary))
