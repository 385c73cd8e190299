"""The ``ojala`` command: one sub-command per thing that is made, each a file of ``ojala/commands``.

A module takes part with two functions, ``add_arguments(parser)`` and ``main(arguments)``, and the
first line of its docstring. Other packages add theirs as entry points of the group GROUP, as
``pipelines.registry`` does. Only the module of the command that was asked for is imported.

Exit codes are those of EXIT_CODES, which ``ojala --help`` and docs/commands.md tell.
"""

from __future__ import annotations

import ast
import importlib
import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Collection, Sequence
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from ojala import __version__
from ojala.tables import project
from ojala.tables.faults import TRACEBACK, UNHEARD, sentence, traceback_is_wanted, while_heard

OWN = (
    "simulate",
    "sky-figures",
    "mocks",
    "jpas",
    "fetch-desi",
    "fetch-jpas",
    "predict",
    "zero-points",
    "domain",
    "recalibrate",
    "reference",
    "publish",
    "finetune",
    "import-release",
    "responses",
    "show",
    "completion",
)
"""Sub-commands of the library itself, in the order of its data."""

GROUP = "ojala.commands"
"""Entry points by which another package adds a sub-command: its name, and its module."""

SWITCH = "--traceback"

EXIT_CODES = {
    0: "done",
    1: "not done; standard error says why in one sentence",
    2: "options or arguments that are not understood",
    130: "stopped by Ctrl-C",
    UNHEARD: "the reader of the output went away, as in | head -1",
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run ``ojala``; returns one of EXIT_CODES.

    An error is one sentence on stderr and exit code 1, or with --traceback raised as it came.
    Options that are not understood end in argparse's SystemExit(2).
    """
    # Threads that spin while they wait take ten times as long where other jobs share the cores.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    with while_heard():
        return _run(sys.argv[1:] if argv is None else list(argv))


def commands() -> dict[str, str]:
    """Sub-commands and their modules: the library's own, then those that are entry points."""
    own = {name: f"ojala.commands.{name.replace('-', '_')}" for name in OWN}
    return own | {point.name: point.value for point in sorted(entry_points(group=GROUP))}


def summary(module: str) -> str:
    """What a sub-command is for: the first line of its module's docstring, read, not imported."""
    spec = find_spec(module)
    assert spec is not None and spec.origin is not None, module
    said = ast.get_docstring(ast.parse(Path(spec.origin).read_text())) or ""
    return said.partition("\n")[0].partition(": ")[2].rstrip(".")


def _run(argv: list[str]) -> int:
    """Run a sub-command; returns the exit code."""
    whole, of_command = parsers(argv[:1])
    arguments = whole.parse_args(argv)
    parser = of_command[arguments.command]
    try:
        with while_heard(), project.of(arguments, parser):
            importlib.import_module(commands()[arguments.command]).main(arguments)
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


def parsers(asked: Collection[str]) -> tuple[ArgumentParser, dict[str, ArgumentParser]]:
    """The parser of ``ojala``, and those of its sub-commands by name.

    asked: commands whose module is imported and whose arguments are known; the others have a name
        and a summary
    """
    codes = "\n".join(f"  {code:3d}  {meaning}" for code, meaning in EXIT_CODES.items())
    parser = ArgumentParser(
        prog="ojala",
        description="A foundation model for the light of galaxies, quasars and stars.",
        epilog="ojala COMMAND --help shows what a command needs, with an example.\n\n"
        "example: ojala predict sources.fits --bundle models/ojala --out answers.fits\n\n"
        f"exit codes:\n{codes}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"ojala {__version__}")
    parser.set_defaults(traceback=False)
    added = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, module in commands().items():
        command = added.add_parser(
            name, help=summary(module), formatter_class=RawDescriptionHelpFormatter
        )
        if name in asked:
            importlib.import_module(module).add_arguments(command)
            command.add_argument(
                SWITCH, action="store_true", help="of an error show where it comes from"
            )
    return parser, dict(added.choices)


if __name__ == "__main__":
    sys.exit(main())
