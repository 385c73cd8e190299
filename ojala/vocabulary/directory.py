"""Where the tables of the survey stand: the packaged ones of J-PAS, or another directory's.

The survey is chosen once per process, by OJALA_VOCABULARY in the environment it begins with: names
and numbers of bands are constants of the code from the first import on, and processes that it
starts inherit the choice. Stages are begun with what params.yaml says (``pipelines.survey``).
"""

from __future__ import annotations

import os
from functools import cache
from importlib.resources import files
from pathlib import Path

from astropy.table import Table

VARIABLE = "OJALA_VOCABULARY"
"""Of the environment: a directory of tables. Unset or empty: the packaged tables of J-PAS."""

PACKAGED = Path(str(files("ojala.vocabulary.data")))


@cache
def directory() -> Path:
    """The directory of this process's survey.

    The environment has its absolute path from then on, for processes that stand elsewhere.
    """
    named = os.environ.get(VARIABLE, "")
    if not named:
        return PACKAGED
    place = Path(named).resolve()
    os.environ[VARIABLE] = str(place)
    return place


def survey_table(name: str) -> Table:
    """A table of the survey. Raises ValueError naming the file that is missing or unreadable."""
    path = directory() / name
    if not path.is_file():
        raise ValueError(f"{path}: no such table; {VARIABLE} names the directory of a survey")
    try:
        return Table.read(path, format="ascii.ecsv")
    except Exception as error:
        raise ValueError(f"{path}: not a readable table ({error})") from None


def has_table(name: str) -> bool:
    """Whether the survey has a table of that name."""
    return (directory() / name).is_file()
