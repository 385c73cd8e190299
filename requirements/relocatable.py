"""Make the environment at hand one that may be moved or copied with the project.

pip writes the full path of the environment into its scripts, and that of the project into the path
file of an editable install: those of a copy would run the original. Here both become relative.

Usage: .venv/bin/python requirements/relocatable.py
"""

import os
import re
import sys
import sysconfig
from pathlib import Path

FIRST_LINES = re.compile(rb"\A(#![^\n]*/bin/python[\d.]*|#!/bin/sh\n'''exec' [^\n]*\n' ''')\r?\n")
"""How a script of Python begins: with its interpreter, or where that path is long with a shell."""

BESIDE = b"""#!/bin/sh
'''exec' "$(dirname -- "$(realpath -- "$0")")/python" "$0" "$@"
' '''
"""
"""A beginning that runs the Python beside the script."""

ACTIVATED = re.compile(r"^(\s*(?:export )?)VIRTUAL_ENV=['\"]?/.*$", re.MULTILINE)
PLACE = r'\1VIRTUAL_ENV="$(cd -- "$(dirname -- "${BASH_SOURCE[0]:-$0}")/.." && pwd)"'


def scripts(directory: Path) -> None:
    """Let every script of a directory run the Python that is beside it."""
    for path in directory.iterdir():
        if path.is_file() and not path.is_symlink():
            text = path.read_bytes()
            relative = FIRST_LINES.sub(BESIDE, text)
            if relative != text:
                path.write_bytes(relative)
    activate = directory / "activate"
    if activate.is_file():
        activate.write_text(ACTIVATED.sub(PLACE, activate.read_text()))


def path_files(directory: Path, project: Path) -> None:
    """Name the project from where the packages are, not from the root of the machine."""
    for path in directory.glob("*.pth"):
        lines = path.read_text().splitlines()
        inside = [line.startswith("/") and Path(line).is_relative_to(project) for line in lines]
        if any(inside):
            lines = [
                os.path.relpath(line, directory) if own else line
                for line, own in zip(lines, inside, strict=True)
            ]
            path.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    scripts(Path(sys.prefix) / "bin")
    path_files(Path(sysconfig.get_path("purelib")), Path(sys.prefix).parent)
