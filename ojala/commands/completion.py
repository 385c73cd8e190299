"""``ojala completion``: commands, options and files by the tab key of a shell."""

from __future__ import annotations

import argparse
from pathlib import Path

import shtab

from ojala import cli

SHELLS = ("bash", "zsh", "fish")

EXAMPLE = """\
Print a script by which a shell completes the commands and options of ojala, and files where a
file is expected. It is of this version: write it anew after an update.

Examples:
    ojala completion bash > ~/.local/share/bash-completion/completions/ojala
    ojala completion zsh > ~/.zfunc/_ojala         # with ~/.zfunc in fpath, before compinit
    ojala completion fish > ~/.config/fish/completions/ojala.fish"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala completion``."""
    parser.description = EXAMPLE
    parser.add_argument("shell", choices=SHELLS, help="which shell the script is for")


def main(arguments: argparse.Namespace) -> None:
    """Print the script: ``ojala completion bash``."""
    print(script(arguments.shell), end="")


def script(shell: str) -> str:
    """The script that completes every command in ``shell``, one of SHELLS."""
    whole, of_command = cli.parsers(cli.commands())
    for parser in of_command.values():
        for action in parser._actions:  # argparse has no other way to them
            if action.type is Path:
                action.complete = shtab.FILE  # type: ignore[attr-defined]
    written: str = shtab.complete(whole, shell=shell)
    return written
