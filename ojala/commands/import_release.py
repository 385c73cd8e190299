"""``ojala import-release``: the published weights as a bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from ojala.published.release import import_release
from ojala.tables import result
from ojala.tables.writing import check_place

EXAMPLE = """\
Turns the model folder of the release (config.json and weights.pt) into a bundle that every command
and the service can use. The release's habits are kept, and written in the bundle's card.md and
provenance.json: errors are scales of a Student-t, MORPHTYPE is an ordinal, line widths linear.

Example:
    ojala import-release model_OJALA --out models/released
    ojala predict JPAS_EDR_photometry.csv --bundle models/released --out answers.parquet"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala import-release``."""
    parser.description = EXAMPLE
    parser.add_argument("model_dir", type=Path, metavar="MODEL_DIR", help="folder of the release")
    parser.add_argument("--out", type=Path, required=True, help="directory of the bundle to write")
    parser.add_argument(
        "--without-wavelength-bias",
        action="store_true",
        help="leave out the attention bias of wavelengths, as the release's own catalogue script "
        "does and its training does not: for its published numbers to the last digit",
    )
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Run ``ojala import-release``."""
    if not arguments.model_dir.is_dir():
        raise ValueError(f"{arguments.model_dir}: no such folder, expected the release's model")
    if arguments.out.exists():
        raise ValueError(f"{arguments.out} is there already: remove it, or name another --out")
    check_place(arguments.out)
    digest, num_parameters = import_release(
        arguments.model_dir,
        arguments.out,
        wavelength_bias=not arguments.without_wavelength_bias,
    )
    result.tell(
        arguments,
        [f"{arguments.out}: {num_parameters:,} parameters, bundle {digest[:12]}"],
        {"out": arguments.out, "parameters": num_parameters, "bundle_digest": digest},
    )
