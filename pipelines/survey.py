"""The survey of a stage: the directory of tables that ``data.vocabulary`` of params.yaml names.

Names and numbers of bands are constants of a process (``ojala.vocabulary.directory``), so that a
stage whose survey is not the packaged one begins again, with it in the environment, before it
computes anything. What it starts, workers of Ray among it, inherits that environment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from ojala.vocabulary.directory import PACKAGED, VARIABLE, directory

DEFAULT = "ojala/vocabulary/data"
"""How params.yaml names the packaged tables of J-PAS."""


def chosen(sections: dict[str, Any], project: Path) -> Path:
    """The directory that a parameter file of a project names; the packaged one where it does not.

    Raises ValueError where it is no directory of tables.
    """
    data = sections.get("data")
    named = data.get("vocabulary", DEFAULT) if isinstance(data, dict) else DEFAULT
    if named == DEFAULT:
        return PACKAGED
    place = (project / str(named)).resolve()
    if not (place / "bands.ecsv").is_file():
        raise ValueError(
            f"params.yaml: data.vocabulary is {named!r}, expected a directory with bands.ecsv"
        )
    return place


def begin(sections: dict[str, Any], project: Path) -> None:
    """Begin this command again where its parameters name another survey than this process has.

    Raises ValueError where the environment names yet another one.
    """
    wanted = chosen(sections, project)
    if wanted == directory():
        return
    if os.environ.get(VARIABLE):
        raise ValueError(
            f"{VARIABLE} is {directory()}, and data.vocabulary of params.yaml {wanted}: "
            f"unset {VARIABLE}"
        )
    sys.stdout.flush()
    os.environ[VARIABLE] = str(wanted)
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
