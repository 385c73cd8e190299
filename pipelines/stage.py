"""What every stage does: run, say in one sentence what is wrong, report its counts."""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ojala.tables import project
from ojala.tables.faults import sentence, traceback_is_wanted, while_heard
from ojala.tables.writing import written_whole
from pipelines import params, paths, survey


def run(stage: Callable[[], None]) -> None:
    """Run a stage as a command: an error is one sentence and exit code 1.

    It works from the directory of the project, wherever it was begun, with the bands of the survey
    that params.yaml names. With OJALA_TRACEBACK=1 in
    the environment the error is raised as it came.
    """
    try:
        place = _project()
        if (place / params.PARAMS).is_file():
            survey.begin(params.read(place / params.PARAMS), place)
        with while_heard(), project.standing_in(place):
            stage()
    except Exception as error:
        if traceback_is_wanted():
            raise
        sys.exit(f"{stage.__name__}: {sentence(error)}")
    except KeyboardInterrupt:
        sys.exit(130)


def _project() -> Path:
    """The project; that of DVC, which begins a stage there, whatever else is named."""
    return Path.cwd() if "DVC_ROOT" in os.environ else project.find()


def report(name: str, counts: Mapping[str, Any]) -> None:
    """Write ``reports/NAME.json``: what DVC shows and compares. NaN becomes null."""
    text = json.dumps(with_nulls(counts), indent=2, sort_keys=True, allow_nan=False)
    with written_whole(paths.REPORTS / f"{name}.json") as partial:
        partial.write_text(text + "\n")


def with_nulls(value: Any) -> Any:
    """The same with None for numbers that are not finite, which JSON does not know."""
    if isinstance(value, Mapping):
        return {str(key): with_nulls(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [with_nulls(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
