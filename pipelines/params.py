"""The parameter file: one section per stage, its keys the fields of the dataclass that reads it."""

from __future__ import annotations

import difflib
import importlib
import json
import sys
from collections.abc import Collection
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import ErrorDetails
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

PARAMS = Path("params.yaml")

UNKNOWN = "unexpected_keyword_argument"
"""What pydantic calls a key that is no field."""

SECTIONS = {
    "data": "pipelines.params:DataConfig",
    "simulate": "ojala.sky.sky_config:SkyConfig",
    "mocks": "ojala.training_set.mocks:MocksConfig",
    "jpas": "pipelines.jpas:JpasConfig",
    "crossmatch": "ojala.training_set.crossmatch:CrossmatchConfig",
    "noise": "pipelines.noise:NoiseConfig",
    "weights": "ojala.training_set.sampling:WeightsConfig",
    "train": "ojala.training.config:TrainConfig",
    "settings": "pipelines.params:SettingsConfig",
    "tune": "pipelines.cluster.space:TuneConfig",
    "evaluate": "ojala.evaluation.config:EvaluateConfig",
    "finetune": "pipelines.finetune:HeadStageConfig",
    "promote": "ojala.gate.config:PromoteConfig",
    "cluster": "pipelines.cluster.training:ClusterConfig",
}
"""Where the dataclass of each section stands; imported only by who reads the section."""

Section = TypeVar("Section")

UNIONS = (Union, UnionType)


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the surveys' files are.

    source: "simulated" (made by the first stage), "desi" (survey files as downloaded),
        or "release" (the released mocks and photometry)
    desi: directory of DESI coadds, redrock files and vac/, or of the released HDF5 mocks
    jpas: directory or file of J-PAS dual-mode tables, or the released CSV
    legacy: directory or file of Legacy Surveys photometry
    vocabulary: directory of the survey's tables, bands.ecsv, quantities.ecsv and jpas_depth.ecsv
        (docs/another-survey.md)
    """

    source: Literal["simulated", "desi", "release"]
    desi: str
    jpas: str
    legacy: str
    vocabulary: str


@dataclass(frozen=True, kw_only=True)
class SettingsConfig:
    """Where a stage finds its section: a file whose section of that name is the stage's.

    train: the parameter file itself, or what a search found, reports/tune/best.yaml
    """

    train: str


def section(name: str, kind: type[Section], path: Path = PARAMS) -> Section:
    """The parameters of one stage.

    Raises ValueError with one sentence for an unknown or missing key and for a value of the
    wrong type, at any depth.
    """
    sections = read(path)
    if name not in sections:
        raise ValueError(f"{path}: section {name} is missing")
    built: Section = build(kind, sections[name], f"{path}: {name}")
    return built


def read(path: Path = PARAMS) -> dict[str, Any]:
    """The sections of a parameter file, as they stand there; an unknown section is an error."""
    try:
        sections = YAML(typ="safe").load(Path(path))
    except FileNotFoundError:
        raise ValueError(f"{path}: no such parameter file") from None
    except YAMLError as error:
        raise ValueError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
    if not isinstance(sections, dict):
        raise ValueError(f"{path}: expected one section per stage")
    for name in sections:
        if name not in SECTIONS:
            raise ValueError(_unknown(name, SECTIONS, str(path)))
    return sections


def check(path: Path = PARAMS) -> None:
    """Raise ValueError unless every section is there and is what its stage expects."""
    for name in SECTIONS:
        section(name, kind(name), path)


def kind(name: str) -> type[Any]:
    """The dataclass of a section."""
    module, _, dataclass_name = SECTIONS[name].partition(":")
    found: type[Any] = getattr(importlib.import_module(module), dataclass_name)
    return found


def build(expected: Any, value: Any, where: str) -> Any:
    """``value`` from YAML as an ``expected``: a dataclass of dataclasses, tuples, dicts, scalars.

    Every field has its key, those with a default as well. where: file and key, for the sentence of
    the ValueError.
    """
    try:
        text = json.dumps({"it": value}, default=lambda odd: [str(odd)])  # a date is no text
        built = dict(_schema(expected).model_validate_json(text))["it"]
    except ValidationError as error:
        faults = sorted(error.errors(), key=lambda fault: fault["type"] != UNKNOWN)
        raise ValueError(_sentence(faults[0], expected, where)) from None
    _check_complete(built, value, where)
    return built


@cache
def _schema(expected: Any) -> type[BaseModel]:
    # Plain dataclasses take the rules of the model around them. From JSON, strict still makes
    # tuples of lists and dataclasses of mappings, and converts nothing else.
    rules = ConfigDict(strict=True, extra="forbid")
    return create_model("Around", __config__=rules, it=(expected, ...))


def _sentence(fault: ErrorDetails, expected: Any, where: str) -> str:
    """What pydantic found, in this project's words."""
    loc, kind = list(fault["loc"][1:]), fault["type"]
    if kind == "value_error":
        return f"{where.partition(':')[0]}: {fault['ctx']['error']}"
    name = loc.pop() if kind in (UNKNOWN, "missing") else None
    for step in loc:
        expected = _inside(expected, step)
        where += f"[{step}]" if isinstance(step, int) else f".{step}"
    if kind == UNKNOWN:
        return _unknown(name, _keys(expected), where)
    if isinstance(name, str):
        return f"{where}.{name} is missing"
    return f"{where} is {fault['input']!r}, expected {_in_words(expected)}"


def _check_complete(built: Any, given: Any, where: str) -> None:
    """Raise ValueError where a dataclass took a default for a key that is not there."""
    if is_dataclass(built):
        for key in _keys(type(built)):
            if key not in given:
                raise ValueError(f"{where}.{key} is missing")
            _check_complete(getattr(built, key), given[key], f"{where}.{key}")
    elif isinstance(built, tuple):
        for place, (element, each) in enumerate(zip(built, given, strict=True)):
            _check_complete(element, each, f"{where}[{place}]")


def _keys(expected: Any) -> list[str]:
    return [field.name for field in fields(_section_of(expected)) if field.init]


def _section_of(expected: Any) -> Any:
    """The dataclass among ``Dataclass | None``."""
    choices = get_args(expected) if get_origin(expected) in UNIONS else ()
    return next((choice for choice in choices if is_dataclass(choice)), expected)


def _inside(expected: Any, step: str | int) -> Any:
    """The type of a field, an element or a value."""
    section, kinds = _section_of(expected), get_args(expected)
    if is_dataclass(section):
        return get_type_hints(section)[str(step)]
    if isinstance(step, int):
        return kinds[0] if kinds[-1] is ... else kinds[step]
    return kinds[1]


def _unknown(name: Any, known: Collection[str], where: str) -> str:
    near = difflib.get_close_matches(str(name), list(known), 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"{where}: {name} is not a parameter{hint}"


def _in_words(expected: Any) -> str:
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    words[NoneType] = "null"
    if expected in words:
        return words[expected]
    if is_dataclass(expected):
        return "a section of named parameters"
    if get_origin(expected) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(expected))
    if get_origin(expected) in UNIONS:
        return " or ".join(_in_words(choice) for choice in get_args(expected))
    return str(expected).replace("typing.", "")


if __name__ == "__main__":
    try:
        for argument in sys.argv[1:] or [str(PARAMS)]:
            check(Path(argument))
    except ValueError as error:
        sys.exit(str(error))
