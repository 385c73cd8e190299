"""The parameter file: one section per stage, its keys the fields of the dataclass that reads it."""

from __future__ import annotations

import difflib
import importlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

PARAMS = Path("params.yaml")

SECTIONS = {
    "data": "pipelines.params:DataConfig",
    "simulate": "ojala.sky.sky_config:SkyConfig",
    "mocks": "ojala.mocks:MocksConfig",
    "jpas": "pipelines.jpas:JpasConfig",
    "crossmatch": "ojala.crossmatch:CrossmatchConfig",
    "noise": "pipelines.noise:NoiseConfig",
    "weights": "ojala.sampling:WeightsConfig",
    "train": "ojala.train:TrainConfig",
    "settings": "pipelines.params:SettingsConfig",
    "tune": "pipelines.space:SearchConfig",
    "evaluate": "ojala.evaluate_config:EvaluateConfig",
    "finetune": "pipelines.finetune:HeadStageConfig",
    "promote": "ojala.gate_config:PromoteConfig",
    "cluster": "pipelines.cluster:ClusterConfig",
}
"""Where the dataclass of each section stands; imported only by who reads the section."""

Section = TypeVar("Section")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where the surveys' files are.

    source: "simulated" (made by the first stage), "desi" (survey files as downloaded),
        or "release" (the released mocks and photometry)
    desi: directory of DESI coadds, redrock files and vac/, or of the released HDF5 mocks
    jpas: directory or file of J-PAS dual-mode tables, or the released CSV
    legacy: directory or file of Legacy Surveys photometry
    """

    source: Literal["simulated", "desi", "release"]
    desi: str
    jpas: str
    legacy: str


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
    _check_names(sections, SECTIONS, str(path))
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
    """``value`` from YAML as an ``expected``: a dataclass, tuple, dict, Literal, union or scalar.

    where: file and key, for the sentence of the ValueError.
    """
    if is_dataclass(expected) and isinstance(expected, type):
        return _build_dataclass(expected, value, where)
    origin, arguments = get_origin(expected), get_args(expected)
    if origin in (Union, UnionType):
        return _build_union(arguments, value, where)
    if origin is Literal and value in arguments:
        return value
    if origin is tuple and isinstance(value, list):
        return _build_tuple(expected, value, where)
    if origin in (dict, Mapping) and isinstance(value, dict):
        return {key: build(arguments[1], v, f"{where}.{key}") for key, v in value.items()}
    if expected is float and type(value) is int:
        return float(value)
    if expected in (int, float, str, bool, NoneType) and type(value) is expected:
        return value
    raise ValueError(f"{where} is {value!r}, expected {_in_words(expected)}")


def _build_dataclass(expected: type[Any], value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is {value!r}, expected a section of named parameters")
    names = [field.name for field in fields(expected) if field.init]
    _check_names(value, names, where)
    missing = [name for name in names if name not in value]
    if missing:
        raise ValueError(f"{where}.{missing[0]} is missing")
    kinds = get_type_hints(expected)
    filled = {name: build(kinds[name], value[name], f"{where}.{name}") for name in names}
    try:
        return expected(**filled)
    except ValueError as error:
        raise ValueError(f"{where.partition(':')[0]}: {error}") from None


def _build_tuple(expected: Any, value: list[Any], where: str) -> Any:
    kinds = get_args(expected)
    if kinds[-1] is ...:
        kinds = kinds[:1] * len(value)
    if len(kinds) != len(value):
        raise ValueError(f"{where} is {value!r}, expected {_in_words(expected)}")
    return tuple(
        build(kind, element, f"{where}[{position}]")
        for position, (kind, element) in enumerate(zip(kinds, value, strict=True))
    )


def _build_union(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    for choice in choices:
        try:
            return build(choice, value, where)
        except ValueError as error:
            last = error
            if is_dataclass(choice) and isinstance(value, dict):
                raise
    expected = " or ".join(_in_words(choice) for choice in choices)
    raise ValueError(f"{where} is {value!r}, expected {expected}") from last


def _check_names(found: Mapping[Any, Any], known: Any, where: str) -> None:
    for name in found:
        if name not in known:
            near = difflib.get_close_matches(str(name), list(known), 1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"{where}: {name} is not a parameter{hint}")


def _in_words(expected: Any) -> str:
    words = {int: "a whole number", float: "a number", str: "text", bool: "true or false"}
    if expected in words:
        return words[expected]
    if expected is NoneType:
        return "null"
    if get_origin(expected) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(expected))
    return str(expected).replace("typing.", "")


if __name__ == "__main__":
    try:
        for argument in sys.argv[1:] or [str(PARAMS)]:
            check(Path(argument))
    except ValueError as error:
        sys.exit(str(error))
