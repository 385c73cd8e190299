"""A service of containers as processes of one machine: its names, ports and places here."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from pipelines.stack import composed, programs
from pipelines.stack.composed import Service

LOOPBACK = "127.0.0.1"
PROCESSES = (
    "postgres",
    "seaweedfs",
    "buckets",
    "mlflow",
    "ray-head",
    "ray-worker",
    "service",
    "prometheus",
    "alertmanager",
)
"""Services that are begun; the proxy, Grafana and the pipeline are left to others."""

ASKS = "import sys, urllib.request as r; r.urlopen(sys.argv[1], timeout=4)"
WGET = ("wget", "-q", "-O", "/dev/null")
WORKER_METRICS = 1
"""Nodes of Ray share an address here: workers' ports of metrics begin so much above the head's."""


@dataclass(frozen=True, kw_only=True)
class Process:
    """A service of the stack as it is begun here."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    after: tuple[str, ...]
    check: tuple[str, ...]
    restarts: bool
    stops_by: signal.Signals
    user: str | None = None


@dataclass(frozen=True)
class Stack:
    """Where a stack keeps what it knows, and with what settings it runs."""

    place: Path
    values: Mapping[str, str]

    @property
    def secrets(self) -> Path:
        """Its passwords."""
        return self.place / "secrets"

    @cached_property
    def services(self) -> dict[str, Service]:
        """The services of compose.yaml."""
        return composed.services(self.values)

    def processes(self) -> list[Process]:
        """What is begun, in this order.

        Raises ValueError where a program is absent, or a file of infra/ names an unknown port.
        """
        return [process for name in PROCESSES for process in self._of(self.services[name])]

    def client(self) -> dict[str, str]:
        """Variables with which the project's commands work on the stack."""
        return self._environment(self.services["pipeline"])

    def _of(self, service: Service) -> Iterator[Process]:
        for number in range(service.replicas):
            name = f"{service.name}-{number + 1}" if service.replicas > 1 else service.name
            command = self._here(service, service.command)
            own = self._environment(service)
            if service.name == "postgres":
                own |= {"PGHOST": LOOPBACK, "PGPORT": self.values["POSTGRES_PORT"]}
            if service.name.startswith("ray-"):
                command = self._node(command, number)
            yield Process(
                name=name,
                command=programs.begun(service.name, command, self.place),
                environment=own,
                after=service.after,
                check=_asked(self._here(service, service.check)),
                restarts=service.restarts,
                stops_by=signal.Signals[service.stops_by],
                user=programs.user_of(service.name),
            )

    def _node(self, command: tuple[str, ...], number: int) -> tuple[str, ...]:
        """A node of Ray beside others of this machine."""
        own = [f"--node-ip-address={LOOPBACK}"]
        if "--head" in command:
            return (*command, *own, f"--temp-dir={self.sockets}")
        port = int(self.values["RAY_METRICS_PORT"]) + WORKER_METRICS + number
        metrics = f"--metrics-export-port={port}"
        kept = [word for word in command if not word.startswith("--metrics-export-port=")]
        return (*kept, *own, metrics, "--dashboard-agent-listen-port=0")

    @property
    def sockets(self) -> Path:
        """Where Ray keeps its sockets, whose names may not be long."""
        return Path("/tmp") / f"ojala-stack-{os.getuid()}-{self.values['RAY_PORT']}"

    def _environment(self, service: Service) -> dict[str, str]:
        named = {key: self._here(service, (one,))[0] for key, one in service.environment.items()}
        return named | {
            variable: (self.secrets / file).read_text()
            for variable, file in service.secrets.items()
        }

    def _here(self, service: Service, words: tuple[str, ...]) -> tuple[str, ...]:
        places = {"/run/secrets": str(self.secrets)}
        for inside, outside in service.volumes.items():
            places[inside] = outside if "/" in outside else str(self.place / outside)
            if Path(outside).is_file():
                places[inside] = str(self._rendered(Path(outside), service))
        return tuple(_moved(self._on_loopback(word), places) for word in words)

    def _on_loopback(self, text: str) -> str:
        """A text with the hosts and ports of the containers, with those of this machine.

        Raises ValueError for a port that stack.env does not have.
        """
        ports = {was: self.values[name] for name, was in composed.written_settings().items()}
        ports |= {port: port for name, port in self.values.items() if name.endswith("_PORT")}
        hosts = "|".join(self.services)

        def here(found: re.Match[str]) -> str:
            if found[2] not in ports:
                raise ValueError(f"{found[0]} is named below infra/, and no port of stack.env")
            return f"{LOOPBACK}:{ports[found[2]]}"

        text = re.sub(rf"(?<![\w.-])({hosts}):(\d+)", here, text)
        text = re.sub(rf"=({hosts})$", f"={LOOPBACK}", text)
        return re.sub(r"=:(?=\d)", f"={LOOPBACK}:", text.replace("0.0.0.0", LOOPBACK))

    def _rendered(self, file: Path, service: Service) -> Path:
        """A file of settings, written anew as of this machine."""
        text = self._on_loopback(file.read_text())
        places = {"/run/secrets": str(self.secrets)}
        places |= {inside: outside for inside, outside in service.volumes.items() if "/" in outside}
        target = self.place / "settings" / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch(mode=0o600)
        target.write_text(_addressed(self._nodes_listed(_moved(text, places))))
        return target

    def _nodes_listed(self, text: str) -> str:
        """Prometheus' settings with the nodes of Ray by port, who have no name to be asked for."""
        first = int(self.values["RAY_METRICS_PORT"])
        ports = range(first, first + WORKER_METRICS + int(self.values["RAY_WORKERS"]))
        targets = ", ".join(f'"{LOOPBACK}:{port}"' for port in ports)
        return re.sub(
            r"dns_sd_configs:.*\n\s+- names: \[ray.*\n.*\n.*\n",
            f"static_configs:\n      - targets: [{targets}]\n",
            text,
        )


def _moved(text: str, places: Mapping[str, str]) -> str:
    """A text with places of a container replaced where a path begins with one."""
    for inside in sorted(places, key=len, reverse=True):
        text = re.sub(rf"(?<![\w./]){re.escape(inside)}(?=[/\s,\]]|$)", places[inside], text)
    return text


def _addressed(text: str) -> str:
    """Alertmanager's settings with the address itself: Debian's, 0.25, reads none from a file."""
    return re.sub(r"url_file: (\S+)", lambda at: f"url: {Path(at[1]).read_text()}", text)


def _asked(check: tuple[str, ...]) -> tuple[str, ...]:
    """A check of health; wget, which a machine may lack, is Python here."""
    if check[: len(WGET)] == WGET:
        return (sys.executable, "-c", ASKS, *check[len(WGET) :])
    return (sys.executable, *check[1:]) if check[:1] == ("python",) else check
