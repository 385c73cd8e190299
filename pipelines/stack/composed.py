"""What infra/ says of the stack: stack.env, and the services of compose.yaml with its values."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

INFRA = Path(__file__).parents[2] / "infra"
COMPOSE = INFRA / "compose" / "compose.yaml"
VARIABLE = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}|\$\$")
WITH_SECRETS = "/opt/ojala/infra/with_secrets"
IN_ENVIRONMENT = "/run/secrets/env/"
"""Secrets that are put here become variables of the environment (infra/with_secrets)."""


@dataclass(frozen=True, kw_only=True)
class Service:
    """A service of compose.yaml, as far as a process has it too.

    secrets: names of files, by the variable that is to hold what they say
    volumes: places of the host, or names of volumes, by places of the container
    after: services that are to be well first
    check: the command that says whether it is well, () where nothing does
    """

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    secrets: Mapping[str, str]
    volumes: Mapping[str, str]
    after: tuple[str, ...]
    check: tuple[str, ...]
    restarts: bool
    stops_by: str
    replicas: int


def written_settings(file: Path = INFRA / "stack.env") -> dict[str, str]:
    """NAME=VALUE of stack.env."""
    lines = [line for line in file.read_text().splitlines() if line and line[0] != "#"]
    return dict(line.split("=", 1) for line in lines)


def settings(environment: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The same, with what the environment says in its place, as in compose.

    Raises ValueError where a port is none.
    """
    found = {name: environment.get(name) or was for name, was in written_settings().items()}
    for name, value in found.items():
        if name.endswith("_PORT") and not (value.isdigit() and 0 < int(value) < 55536):
            raise ValueError(f"{name} is {value!r}, expected a port from 1 to 55535")
    return found


def services(values: Mapping[str, str]) -> dict[str, Service]:
    """The services of compose.yaml, in its order, with the values of ``settings``.

    Raises ValueError where compose.yaml asks for a variable that is not among them.
    """
    stack = YAML(typ="safe").load(COMPOSE)
    return {name: _service(name, _filled(one, values)) for name, one in stack["services"].items()}


def _service(name: str, one: Mapping[str, Any]) -> Service:
    command = [*_words(one.get("entrypoint", ())), *_words(one.get("command", ()))]
    command = [word for word in command if word != WITH_SECRETS]
    check = one.get("healthcheck", {}).get("test", ["CMD"])
    secrets = [entry for entry in one.get("secrets", ()) if isinstance(entry, dict)]
    return Service(
        name=name,
        command=tuple(command),
        environment={key: str(value) for key, value in dict(one.get("environment", {})).items()},
        secrets={
            entry["target"].removeprefix(IN_ENVIRONMENT): entry["source"]
            for entry in secrets
            if entry["target"].startswith(IN_ENVIRONMENT)
        },
        volumes=dict(_volumes(one.get("volumes", ()))),
        after=tuple(one.get("depends_on", ())),
        check=tuple(word for word in check[1:] if word != WITH_SECRETS),
        restarts=one.get("restart") == "unless-stopped",
        stops_by=one.get("stop_signal", "SIGTERM"),
        replicas=int(one.get("deploy", {}).get("replicas", 1)),
    )


def _words(command: str | list[str]) -> list[str]:
    return shlex.split(command) if isinstance(command, str) else list(command)


def _volumes(volumes: list[str]) -> Iterator[tuple[str, str]]:
    for volume in volumes:
        source, place = volume.split(":")[:2]
        is_path = source.startswith(".")
        yield place, str((COMPOSE.parent / source).resolve()) if is_path else source


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    """The same with every ${NAME} replaced."""
    if isinstance(value, dict):
        return {key: _filled(inner, values) for key, inner in value.items()}
    if isinstance(value, list):
        return [_filled(inner, values) for inner in value]
    if not isinstance(value, str):
        return value
    return VARIABLE.sub(lambda found: _value(found, values), value)


def _value(found: re.Match[str], values: Mapping[str, str]) -> str:
    name, default = found.groups()
    if name is None:  # "$$" stands for a dollar
        return "$"
    if name not in values and default is None:
        raise ValueError(f"{COMPOSE.name} asks for {name}, which infra/stack.env has not")
    return values.get(name) or str(default)
