"""``ojala responses``: fit the analytic narrow bands to measured curves."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from ojala.physics.passband_fit import deviation, fit
from ojala.physics.passbands import COLUMNS
from ojala.physics.responses import load
from ojala.tables import result
from ojala.tables.writing import written_whole
from ojala.vocabulary.bands import narrow_bands
from ojala.vocabulary.directory import directory, survey_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of ``ojala responses``."""
    parser.description = "Fit the analytic narrow bands to measured curves; print how close."
    parser.epilog = "example: ojala responses curves/ --out ojala/vocabulary/data/bands.ecsv"
    parser.add_argument("source", help='directory of curves J0378.txt ..., or "svo"')
    parser.add_argument("--out", type=Path, help="table of bands to write with the fitted numbers")
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Fit every narrow band, print its largest deviation, write the table of bands."""
    responses = load(arguments.source)
    table = survey_table("bands.ecsv")
    if missing := [name for name in COLUMNS if name not in table.colnames]:
        raise ValueError(f"bands.ecsv of {directory()} has no column {missing[0]} to fit")
    shares: dict[str, float] = {}
    for band in narrow_bands():
        numbers = fit(responses[band.token])
        position = np.flatnonzero(table["token"] == band.token)[0]
        for column in COLUMNS:
            table[column][position] = round(getattr(numbers, column), 4)
        shares[band.token] = float(deviation(numbers, responses[band.token]))
    if arguments.out:
        with written_whole(arguments.out) as partial:
            table.write(partial, format="ascii.ecsv")
    result.tell(
        arguments,
        [f"{token}: within {share:.3f} of the measured peak" for token, share in shares.items()],
        {"out": arguments.out, "within_of_peak": shares},
    )
