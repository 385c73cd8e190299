"""``ojala doctor``: what this machine has, what of it is wrong, and which parameters fit it."""

from __future__ import annotations

import argparse
import platform
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

import torch
from packaging.requirements import Requirement

from ojala import __version__
from ojala.model import bundle
from ojala.model.device import known_precision
from ojala.tables import project, result
from ojala.tables.faults import sentence
from pipelines import machine, params, paths
from pipelines.registry import store, versions

GOOD, NOTE, FAULT = "ok", "note", "wrong"
EXTRAS = ("", "pipeline", "serve", "dev", "gpu")
"""Of the project's requirements: "" are those without which nothing runs."""

EXAMPLE = """\
Say what this machine and this project have: processor, GPU, memory, disk, packages, model and
registry, and which of the parameter files make sense here. Nothing is changed.

Every line is "ok", a "note" (something is not there that not everyone needs), or "wrong"; with one
that is wrong the exit code is 1.

Example:
    ojala doctor
    ojala doctor --json | jq '.findings[] | select(.state != "ok")'"""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found of one thing; state: GOOD, NOTE or FAULT."""

    thing: str
    said: str
    state: str = GOOD


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala doctor``."""
    parser.description = EXAMPLE
    project.add_argument(parser)
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Print what there is. Raises ValueError where something is wrong."""
    found = [*of_machine(), *of_packages(), *of_project(), *of_parameters()]
    lines = [f"{one.state:5s}  {one.thing:22s} {one.said}" for one in found]
    result.tell(arguments, lines, {"findings": [asdict(one) for one in found]})
    wrong = [one.thing for one in found if one.state == FAULT]
    if wrong:
        raise ValueError(f"not as it should be: {', '.join(wrong)}")


def of_machine() -> Iterator[Finding]:
    """Processor, GPU, memory and disk."""
    where = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    yield Finding(thing="ojala", said=f"{__version__} on {where}")
    features = ", ".join(machine.features()) or "none that speed up a network"
    yield Finding(thing="processor", said=f"{machine.cores()} cores; {features}")
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    yield Finding(thing="precision: auto", said=f"{known_precision('auto', device)} on {device}")
    gpus = machine.gpus()
    yield Finding(
        thing="GPU", said="; ".join(gpus) or "none: all runs on the processor",
        state=GOOD if gpus else NOTE,
    )  # fmt: skip
    total, free = (machine.gigabytes(size) for size in machine.memory())
    yield Finding(thing="memory", said=f"{free} free of {total}")
    yield Finding(thing="disk of the project", said=f"{machine.gigabytes(machine.disk())} free")


def of_packages() -> Iterator[Finding]:
    """The project's requirements against what is installed, a line per extra."""
    try:
        asked = [Requirement(line) for line in requires("ojala") or []]
    except PackageNotFoundError:
        said = "ojala is not installed, so that what it asks for is not known: make install"
        yield Finding(thing="packages", said=said, state=FAULT)
        return
    for extra in EXTRAS:
        own = [one for one in asked if _is_of(one, extra)]
        lacking = [said for one in own if (said := _lacking(one))]
        said = f"{len(own) - len(lacking)} of {len(own)}"
        if lacking:
            said += f": {', '.join(lacking)}"
        state = GOOD if not lacking else NOTE if extra else FAULT
        yield Finding(thing=f"packages {extra}".strip(), said=said, state=state)


def _is_of(asked: Requirement, extra: str) -> bool:
    """Whether a requirement is of an extra; of "" if it is of none."""
    if asked.marker is None:
        return not extra
    return bool(extra) and asked.marker.evaluate({"extra": extra})


def _lacking(asked: Requirement) -> str:
    """What is wrong with an installed package, "" where nothing is."""
    try:
        there = version(asked.name)
    except PackageNotFoundError:
        return f"{asked.name} is not there"
    if asked.specifier.contains(there, prereleases=True):
        return ""
    return f"{asked.name} is {there}, expected {asked.specifier}"


def of_project() -> Iterator[Finding]:
    """The project's directory, its bundle and its registry."""
    yield Finding(thing="project", said=str(Path.cwd()))
    if paths.BUNDLE.is_dir():
        try:
            said = f"{paths.BUNDLE}, digest {bundle.load(paths.BUNDLE).digest[:12]}"
            yield Finding(thing="model", said=said)
        except (ValueError, OSError) as error:
            yield Finding(thing="model", said=sentence(error), state=FAULT)
    else:
        yield Finding(thing="model", said=f"no {paths.BUNDLE}: make repro trains it", state=NOTE)
    yield _registry()


def _registry() -> Finding:
    address = store.uri()
    place = store.database(address)
    if place is not None and not place.is_file():
        return Finding(thing="registry", said=f"no {place}: make repro begins it", state=NOTE)
    try:
        num, champion = len(versions.versions()), versions.named(store.CHAMPION)
    except Exception as error:  # of a server: anything
        return Finding(thing="registry", said=sentence(error), state=FAULT)
    who = f"{champion} is champion" if champion else "no champion yet"
    return Finding(thing="registry", said=f"{num} versions of the model, {who}")


def of_parameters() -> Iterator[Finding]:
    """Whether each parameter file of the project makes sense on this machine."""
    for path in sorted(Path().glob("params*.yaml")):
        try:
            params.check(path)
            sections = params.read(path)
        except ValueError as error:
            yield Finding(thing=path.name, said=str(error), state=FAULT)
            continue
        against = [*_too_much(sections["cluster"]), *_not_there(sections["data"])]
        said = f"preset {sections['train']['preset']}: " + ("; ".join(against) or "fits")
        yield Finding(thing=path.name, said=said, state=NOTE if against else GOOD)


def _too_much(cluster: dict[str, Any]) -> Iterator[str]:
    """What the workers of a training ask for that this machine has not."""
    workers, cores = cluster["num_workers"], machine.cores()
    if cluster["use_gpu"] and len(machine.gpus()) < workers:
        yield f"asks for {workers} GPUs (cluster.num_workers), and {len(machine.gpus())} are here"
    asked = workers * cluster["cpus_per_worker"]
    if asked > cores:
        yield f"asks for {asked} cores (num_workers x cpus_per_worker), and {cores} are here"


def _not_there(data: dict[str, Any]) -> Iterator[str]:
    """Survey files that have not been fetched; a simulated sky is made."""
    if data["source"] != "simulated":
        lacking = [
            data[name] for name in ("desi", "jpas", "legacy") if not Path(data[name]).exists()
        ]
        if lacking:
            yield f"needs {', '.join(lacking)} (docs/real-data.md)"
