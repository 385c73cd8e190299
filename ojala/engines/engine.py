"""The engine: what computes a network, in which precision, and the Predictor that runs on it.

``torch`` is what the network was trained with; with float32 it is the default of every command and
of the service, so that a source has one answer wherever it is asked about. ``openvino`` has it
converted for a CPU, which is faster where products are small, as in the preset ``demo``.
``compiled`` is torch.compile, with CUDA graphs on a GPU. ``auto`` takes the fastest here and now.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import numpy as np
import torch

from ojala.engines.agreement import as_shown, check_agreement, golden_sources
from ojala.engines.compiled import CompiledNetwork
from ojala.engines.openvino_network import OpenvinoNetwork
from ojala.model.bundle import Bundle
from ojala.model.device import Precision, default_device, known_precision, rows_per_batch
from ojala.model.head_protocol import Head
from ojala.model.network import Ojala
from ojala.model.predictor import Predictor
from ojala.vocabulary.quantities import vocabulary

Backend: TypeAlias = Literal["torch", "openvino", "compiled"]

AUTO = "auto"
BACKENDS = (AUTO, *get_args(Backend))
PRECISIONS = (AUTO, *get_args(Precision))

WORTHWHILE = 1.1
"""Times faster than torch that another backend must be: less is noise of the clock."""

TIMED_PASSES = 5


@dataclass(frozen=True, kw_only=True)
class Engine:
    """A backend and a precision, each of which may be "auto". Raises ValueError for unknown ones.

    beside: directory that keeps converted networks, by the digest of their bundle; None, or one
        that cannot be written: each process converts its own
    """

    backend: str = "torch"
    precision: str = "float32"
    beside: Path | None = None

    def __post_init__(self) -> None:
        for name, known in (("backend", BACKENDS), ("precision", PRECISIONS)):
            given = getattr(self, name)
            if given not in known:
                raise ValueError(f"{name} is {given!r}, expected one of {', '.join(known)}")

    @property
    def is_settled(self) -> bool:
        """Nothing is left to this machine."""
        return AUTO not in (self.backend, self.precision)

    def said(self) -> str:
        """As people name it."""
        return f"{self.backend}, {self.precision}"


PLAIN = Engine()


def predictor(
    opened: Bundle,
    engine: Engine,
    *,
    heads: Sequence[Head] = (),
    device: torch.device | None = None,
) -> Predictor:
    """The Predictor of a bundle on an engine, whose answers were compared with torch's in float32.

    Raises ValueError as the Predictor does, for a backend whose package is not installed or that
    the device is not for, and where its answers about golden sources are others.
    """
    device = device or default_device()
    return _predictor(opened, settled(opened, engine, device=device), heads, device)


def settled(opened: Bundle, engine: Engine, *, device: torch.device | None = None) -> Engine:
    """The engine with "auto" replaced by what is fastest here for this bundle.

    A backend that is not installed, or whose answers about golden sources are others, is none.
    """
    device = device or default_device()
    if engine.is_settled:
        return engine
    precision = engine.precision
    if precision == AUTO:
        precision = known_precision("auto", device)
    plain = replace(engine, backend="torch", precision=precision)
    if engine.backend != AUTO:
        return replace(engine, precision=precision)
    fastest, least = plain, _seconds(opened, plain, device) / WORTHWHILE
    for backend in _quick_to_begin(device):
        other = replace(plain, backend=backend)
        try:
            needed = _seconds(opened, other, device)
        except ValueError:
            continue
        if needed < least:
            fastest, least = other, needed
    return fastest


def _quick_to_begin(device: torch.device) -> tuple[Backend, ...]:
    """Backends that "auto" tries: on a GPU compilation is soon paid for."""
    if device.type != "cpu":
        return ("compiled",)
    return ("openvino",) if find_spec("openvino") else ()


def _predictor(
    opened: Bundle, engine: Engine, heads: Sequence[Head], device: torch.device
) -> Predictor:
    precision: Precision = "bfloat16" if engine.precision == "bfloat16" else "float32"
    plain = Predictor(opened, heads=heads, device=device, precision=precision)
    if engine.said() == PLAIN.said():
        return plain
    network = _network(opened, engine, device)
    made = Predictor(
        replace(opened, model=network), heads=heads, device=device, precision=precision
    )
    try:
        check_agreement(made, Predictor(opened, device=device))
    except ValueError as error:
        raise ValueError(f"engine {engine.said()}: {error}") from None
    return made


def _network(opened: Bundle, engine: Engine, device: torch.device) -> Ojala:
    if engine.backend == "torch":
        return opened.model
    if engine.backend == "compiled":
        return CompiledNetwork(opened.model)
    if device.type != "cpu":
        raise ValueError(f"backend openvino is for CPUs, and this is {device}")
    if not find_spec("openvino"):
        raise ValueError(
            "backend openvino needs the package openvino: pip install -r requirements/fast.txt"
        )
    kept = engine.beside / opened.digest if engine.beside and opened.digest else None
    return OpenvinoNetwork(opened.model, engine.precision, kept)


def _seconds(opened: Bundle, engine: Engine, device: torch.device) -> float:
    """Least processor time of a full batch of golden sources; waiting for a GPU counts as well."""
    made = _predictor(opened, engine, (), device)
    rows = np.resize(golden_sources()[:1], (rows_per_batch(device), len(vocabulary())))
    asked = as_shown(rows)
    clock = time.process_time if device.type == "cpu" else time.perf_counter
    made.predict(asked)
    taken = []
    for _ in range(TIMED_PASSES):
        begun = clock()
        made.predict(asked)
        taken.append(clock() - begun)
    return min(taken)
