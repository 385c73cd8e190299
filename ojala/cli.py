"""The ``ojala`` command: one sub-command per thing that is made, each in the module that makes it.

A module takes part with two functions, ``add_arguments(parser)`` and ``main(arguments)``, and one
line in COMMANDS. Only the module of the command that was asked for is imported.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from argparse import RawDescriptionHelpFormatter
from collections.abc import Sequence

from ojala import __version__
from ojala.faults import TRACEBACK, sentence, traceback_is_wanted, while_heard

COMMANDS = {
    "simulate": ("ojala.sky.survey", "a simulated sky in the formats of DESI, J-PAS and Legacy"),
    "sky-figures": ("ojala.sky.pictures", "figures of a simulated sky"),
    "mocks": ("ojala.mocks_table", "mock photometry and labels from DESI spectra"),
    "jpas": ("ojala.jpas_table", "the J-PAS table, without labels"),
    "fetch-desi": ("ojala.surveys.desi_files", "public DESI DR1 files"),
    "fetch-jpas": ("ojala.surveys.jpas_pages", "J-PAS photometry from the CEFCA archive"),
    "predict": ("ojala.prediction", "class, redshift and quantities of a catalogue's sources"),
    "finetune": ("ojala.finetune", "a head of your own on a trained bundle"),
    "heads": ("pipelines.heads", "the heads there are, and whether their base is the bundle"),
    "promote": ("pipelines.promote", "the candidate through the gate: the champion from now on"),
    "rollback": ("pipelines.rollback", "the champion of before, back in one command"),
    "lineage": ("pipelines.lineage", "what a catalogue, a version or a run was made from"),
    "responses": ("ojala.passband_fit", "fit the analytic narrow bands to measured curves"),
}
"""Module and one line of help of each sub-command."""

SWITCH = "--traceback"


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ojala``; returns the exit code.

    An error is one sentence on stderr and exit code 1, or with --traceback raised as it came.
    """
    # Threads that spin while they wait take ten times as long where other jobs share the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with while_heard():
        return _run(sys.argv[1:] if argv is None else list(argv))


def _run(argv: list[str]) -> int:
    """Run a sub-command; returns the exit code."""
    arguments = _parse(argv)
    try:
        with while_heard():
            importlib.import_module(COMMANDS[arguments.command][0]).main(arguments)
    except Exception as error:
        if arguments.traceback or traceback_is_wanted():
            raise
        said = sentence(error, f"{SWITCH} or {TRACEBACK}=1")
        print(f"ojala {arguments.command}: {said}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"ojala {arguments.command}: stopped", file=sys.stderr)
        return 130
    return 0


def _parse(argv: list[str]) -> argparse.Namespace:
    """The arguments, checked by the sub-command's own parser."""
    parser = argparse.ArgumentParser(
        prog="ojala",
        description="A foundation model for the light of galaxies, quasars and stars.",
        epilog="ojala COMMAND --help shows what a command needs, with an example.\n\n"
        "example: ojala predict sources.fits --bundle models/ojala --out answers.fits",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ojala {__version__}")
    parser.set_defaults(traceback=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, summary) in COMMANDS.items():
        command = commands.add_parser(
            name, help=summary, formatter_class=RawDescriptionHelpFormatter
        )
        if argv[:1] == [name]:
            importlib.import_module(module).add_arguments(command)
            command.add_argument(
                SWITCH, action="store_true", help="of an error show where it comes from"
            )
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
