"""The code behind each stage, found from its imports.

`python -m pipelines.stage_code` writes it into dvc.yaml and tune/dvc.yaml, where DVC compares it.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ojala.tables import project

CODE = Path(__file__).parents[1]
"""Where the packages of this project stand; its data may be elsewhere (``tables.project``)."""

ROOMS = ("ojala", "pipelines")
STAGE_FILES = ("dvc.yaml", "tune/dvc.yaml")

CARRIERS = frozenset(
    (
        "ojala/tables/faults.py",
        "ojala/tables/project.py",
        "ojala/tables/writing.py",
        "pipelines/cluster/training.py",
        "pipelines/registry/digests.py",
        "pipelines/params.py",
        "pipelines/paths.py",
        "pipelines/registry/head_states.py",
        "pipelines/registry/registration.py",
        "pipelines/registry/versions.py",
        "pipelines/stage.py",
        "pipelines/survey.py",
        "pipelines/registry/store.py",
        "pipelines/stage_code.py",
        "pipelines/registry/tracking.py",
        "pipelines/registry/trials.py",
    )
)
"""What carries a stage without entering what it computes."""


@cache
def behind(stage: str) -> tuple[str, ...]:
    """Modules and tables that a stage computes with, relative to the root of the project, sorted.

    A module is behind a stage if the stage imports it at any place, or if what it imports does; so
    is the ``__init__`` of every package on the way, and each file of data/ that one of them names.
    """
    found: set[Path] = set()
    left = [CODE / "pipelines" / f"{stage}.py"]
    while left:
        module = left.pop()
        if module not in found:
            found.add(module)
            left += _project_modules(module)
    code = {path for path in found if str(path.relative_to(CODE)) not in CARRIERS}
    tables = {table for path in code for table in _tables_named_by(path)}
    return tuple(sorted(str(path.relative_to(CODE)) for path in code | tables))


SURVEY_TABLES = frozenset(
    f"ojala/vocabulary/data/{name}" for name in ("bands.ecsv", "quantities.ecsv", "jpas_depth.ecsv")
)
"""Packaged tables in whose place another survey has its own."""


def survey_tables(stage: str) -> list[str]:
    """The survey's tables behind a stage, where params.yaml says that they are."""
    return [
        f"${{data.vocabulary}}/{Path(name).name}" for name in behind(stage) if name in SURVEY_TABLES
    ]


def dependencies(stage: str) -> list[str]:
    """``behind``, with a package by its name where all of its modules are there.

    Without the survey's tables.
    """
    files = set(behind(stage)) - SURVEY_TABLES
    for room in ROOMS:
        for package in sorted({path.parent for path in (CODE / room).rglob("*.py")}):
            modules = {str(path.relative_to(CODE)) for path in package.rglob("*.py")}
            if modules <= files and package != CODE / room:
                files = files - modules | {str(package.relative_to(CODE))}
    return sorted(files)


def imported(path: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, wherever in the file.

    Of ``from a import b`` both a and a.b, as b may be a module. Raises ValueError for a relative
    import.
    """
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            if node.level or node.module is None:
                raise ValueError(f"{path}, line {node.lineno}: import by full name")
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def written(text: str) -> tuple[YAML, Any]:
    """A file of stages with the code of each brought up to date; what is no code stays."""
    yaml = YAML()
    yaml.width = 100
    yaml.indent(mapping=2, sequence=4, offset=2)
    content = yaml.load(text)
    for name, stage in content["stages"].items():
        data = [dep for dep in stage["deps"] if dep.partition("/")[0] not in ROOMS]
        data = [dep for dep in data if not dep.startswith("${data.vocabulary}/")]
        stage["deps"][:] = [*data, *survey_tables(name), *dependencies(name)]
    return yaml, content


def main() -> None:
    """Write the lists."""
    for name in STAGE_FILES:
        path = project.find() / name
        yaml, content = written(path.read_text())
        yaml.dump(content, path)


@cache
def _project_modules(path: Path) -> frozenset[Path]:
    """Files of this project that a file's imports run, packages' own included, but not the face.

    The face of the library is lazy: here modules are imported by their full names.
    """
    ours = [name.split(".") for name in imported(path) if name.partition(".")[0] in ROOMS]
    places = {CODE.joinpath(*parts[:end]) for parts in ours for end in range(2, len(parts) + 1)}
    files = {place.with_suffix(".py") for place in places}
    return frozenset(filter(Path.is_file, files | {place / "__init__.py" for place in places}))


def _tables_named_by(path: Path) -> Iterator[Path]:
    for name in re.findall(r'"(\w+\.(?:ecsv|html))"', path.read_text()):
        table = CODE / "ojala" / "vocabulary" / "data" / name
        if table.is_file():
            yield table


if __name__ == "__main__":
    main()
