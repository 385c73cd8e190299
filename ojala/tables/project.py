"""The project: the directory that data/, models/, reports/, mlflow.db and params.yaml stand in.

It is found once, where a command or a stage begins, which then works from there: every path in the
code is relative to it. What a user names stays relative to where she stands. Where the code itself
is (``stage_code.CODE``) is another question.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

PROJECT = "OJALA_PROJECT"
"""The environment's name for the directory."""

SIGNS = ("dvc.yaml", "params.yaml")
"""What a directory holds that is a project."""


def find(named: Path | None = None) -> Path:
    """The directory that is named, or OJALA_PROJECT, or the nearest upwards that is a project.

    Where there is none, it is the working directory. Raises ValueError where one that is named
    is no directory.
    """
    here = Path.cwd()
    said = os.environ.get(PROJECT, "")
    for name, place in (("--project", named), (PROJECT, Path(said) if said else None)):
        if place is not None:
            if not place.is_dir():
                raise ValueError(f"{name} is {place}, expected a directory")
            return place.resolve()
    upwards = (here, *here.parents)
    return next((at for at in upwards if all((at / sign).is_file() for sign in SIGNS)), here)


@contextmanager
def standing_in(place: Path) -> Iterator[None]:
    """Work from a project; so does what the block starts."""
    before = os.environ.get(PROJECT)
    with chdir(place):
        os.environ[PROJECT] = str(place)
        try:
            yield
        finally:
            os.environ.pop(PROJECT)
            if before is not None:
                os.environ[PROJECT] = before


def add_argument(parser: argparse.ArgumentParser) -> None:
    """The option of a command that reads or writes in the project."""
    parser.add_argument(
        "--project",
        type=Path,
        metavar="DIR",
        help=f"of models/ and mlflow.db (default {PROJECT}, or the nearest upwards)",
    )


@contextmanager
def of(arguments: argparse.Namespace, parser: argparse.ArgumentParser) -> Iterator[None]:
    """Work from the project of a command that has ``add_argument``; any other stays where it is.

    Paths that were given, which are not the parser's defaults, lead where they led.
    """
    if not hasattr(arguments, "project"):
        yield
        return
    place, here = find(arguments.project), Path.cwd()
    if place != here:
        for name, value in vars(arguments).items():
            if isinstance(value, Path) and value is not parser.get_default(name):
                setattr(arguments, name, here / value)
    with standing_in(place):
        yield
