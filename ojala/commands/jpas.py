"""``ojala jpas``: the J-PAS table, without labels."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from ojala.surveys.jpas.dual_mode import count_rows
from ojala.tables import result
from ojala.tables.rejects import Rejects
from ojala.tables.shards import Columns
from ojala.training_set.jpas_table import MIN_BANDS, table, write
from ojala.vocabulary.bands import narrow_bands

EXAMPLE = """\
Reads J-PAS dual-mode tables as the archive gives them (jpas.MagABDualObj or FLambdaDualObj: FITS,
VOTable, CSV or Parquet) and adds g, r, z, W1, W2 and morphology of the nearest Legacy source.
Every source becomes a row of the table or is set aside with a reason.

Example:
    ojala jpas data/real/jpas --legacy data/real/legacy --out jpas.parquet"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala jpas``."""
    parser.description = EXAMPLE
    parser.add_argument("dual", type=Path, help="J-PAS dual-mode table, or a directory of tables")
    parser.add_argument("--legacy", type=Path, help="Legacy sweep, or a directory of sweeps")
    parser.add_argument(
        "--out", type=Path, required=True, help="a file *.parquet, or a directory of shards"
    )
    parser.add_argument("--rejects", type=Path, help="table of the sources set aside (Parquet)")
    parser.add_argument(
        "--min-bands",
        type=int,
        default=MIN_BANDS,
        help=f"narrow bands needed of {len(narrow_bands())} (%(default)s)",
    )
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Make the J-PAS table: ``ojala jpas DUAL --legacy SWEEP --out FILE``."""
    out, most = arguments.out, len(narrow_bands())
    if out.suffix not in ("", ".parquet") and not out.is_dir():
        raise ValueError(f"--out is {out}, expected a file *.parquet or a directory of shards")
    if not 1 <= arguments.min_bands <= most:
        raise ValueError(f"--min-bands is {arguments.min_bands}, expected 1 ... {most}")
    rejects = Rejects()
    blocks = table(arguments.dual, arguments.legacy, rejects, min_bands=arguments.min_bands)
    num_rows = write(_with_progress(blocks, count_rows(arguments.dual), rejects), out)
    rejects_path = arguments.rejects or _beside(out)
    rejects.write(rejects_path)
    reasons = rejects.counts()
    result.tell(
        arguments,
        [
            f"{num_rows} sources in {out}, {len(rejects)} set aside in {rejects_path}",
            *(f"{count:12d} {reason}" for reason, count in reasons.items()),
        ],
        {"out": out, "sources": num_rows, "rejects_table": rejects_path, "rejects": reasons},
    )


def _beside(out: Path) -> Path:
    return out.with_name(f"{out.stem}_rejects.parquet")


def _with_progress(
    blocks: Iterator[Columns], total: int | None, rejects: Rejects
) -> Iterator[Columns]:
    num_rows = 0
    with tqdm(total=total, unit="source", disable=not sys.stderr.isatty()) as bar:
        for block in blocks:
            num_rows += len(block["tile_id"])
            bar.update(num_rows + len(rejects) - bar.n)
            yield block
