"""A fine-tuned head: a quantity that the model was not trained for, from its embeddings.

    weights.safetensors   tensors of a small network
    config.json           what it answers, its scaling, and the digest of its base (HeadConfig)
    provenance.json       what it was made from

Section 4.6 of the paper. A head reads the embeddings of one bundle, its base. Those of any other
mean something else, even if it was trained in the same way: a head whose base is gone or changed
refuses to load.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ojala.model import bundle
from ojala.model.answers import LOG_VARIANCE_RANGE
from ojala.model.head_protocol import check_base
from ojala.tables.shards import Columns
from ojala.tables.writing import written_whole
from ojala.vocabulary.catalogue_columns import VacColumn
from ojala.vocabulary.quantities import CLASSES, vocabulary

WEIGHTS, CONFIG, PROVENANCE = "weights.safetensors", "config.json", "provenance.json"
READY, NO_BASE = "ready", "retrain needed: its base is gone"

HEAD_NAME = "[a-z0-9]+(-[a-z0-9]+)*"
"""Pattern of a head's name: no token of the vocabulary looks like it."""

ROWS_PER_BATCH = 65_536

Array = NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class HeadConfig:
    """What a head answers, and which bundle's embeddings it reads.

    name: what it is asked by; quantity: the column of its answers
    unit, ucd, description: of that column; classes: spectral classes that it was trained on
    median, sigma: of the training labels, in their unit
    base: digest of the bundle; width: of its embeddings; dropout: in training

    Raises ValueError naming the entry that does not fit.
    """

    name: str
    quantity: str
    base: str
    width: int
    unit: str = ""
    ucd: str = ""
    description: str = ""
    classes: tuple[str, ...] = CLASSES
    median: float = 0.0
    sigma: float = 1.0
    dropout: float = 0.1

    def __post_init__(self) -> None:
        if not re.fullmatch(HEAD_NAME, self.name):
            raise ValueError(
                f"head {self.name!r}: expected a name of small letters, digits and hyphens"
            )
        if not re.fullmatch(r"[A-Za-z]\w*", self.quantity, re.ASCII):
            raise ValueError(f"head {self.name}: {self.quantity!r} is not the name of a column")
        if self.quantity in vocabulary() or self.quantity.endswith("_ERR"):
            raise ValueError(
                f"head {self.name}: {self.quantity} is the model's own, another needs its own name"
            )
        if not self.classes or set(self.classes) - set(CLASSES):
            raise ValueError(
                f"head {self.name}: classes are {', '.join(self.classes) or 'none'}, "
                f"expected some of {', '.join(CLASSES)}"
            )
        if not (np.isfinite(self.median) and np.isfinite(self.sigma) and self.sigma > 0):
            raise ValueError(
                f"head {self.name}: cannot scale with median {self.median}, sigma {self.sigma}"
            )


class HeadNetwork(nn.Module):
    """Embeddings (batch, width) to scaled mean and log variance, (batch,) each.

    The released layout for its width of 128: 512, 256, then mean and log variance.
    """

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.centre: Tensor
        self.spread: Tensor
        self.register_buffer("centre", torch.zeros(width))
        self.register_buffer("spread", torch.ones(width))
        self.hidden = nn.Sequential(
            *_layer(width, 4 * width, dropout), *_layer(4 * width, 2 * width, dropout)
        )
        self.answer = nn.Linear(2 * width, 2)

    def forward(self, embeddings: Tensor) -> tuple[Tensor, Tensor]:
        """Scaled mean and log variance.

        embeddings: (num_sources, width); both answers: (num_sources,)
        """
        hidden = self.hidden((embeddings - self.centre) / self.spread)
        mean, log_variance = self.answer(hidden).unbind(-1)
        return mean, log_variance.clamp(*LOG_VARIANCE_RANGE)


def _layer(num_inputs: int, num_outputs: int, dropout: float) -> tuple[nn.Module, ...]:
    linear = nn.Linear(num_inputs, num_outputs)
    return linear, nn.GELU(), nn.LayerNorm(num_outputs), nn.Dropout(dropout)


@dataclass(frozen=True, kw_only=True)
class Head:
    """An opened head.

    network: in evaluation mode, on the CPU; digest: of all that an answer depends on
    """

    config: HeadConfig
    network: HeadNetwork
    digest: str
    provenance: dict[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is asked by."""
        return self.config.name

    @property
    def quantity(self) -> str:
        """The column of its answers."""
        return self.config.quantity

    @property
    def base(self) -> str:
        """Digest of the bundle whose embeddings it reads."""
        return self.config.base

    @property
    def column(self) -> VacColumn:
        """What its answers mean, for a catalogue."""
        settings = self.config
        return VacColumn(
            name=settings.quantity,
            unit=settings.unit,
            ucd=settings.ucd,
            description=settings.description,
        )

    @torch.inference_mode()
    def answer(self, embeddings: Array) -> Columns:
        """Physical value and 1 sigma, <QUANTITY> and <QUANTITY>_ERR, of (num_sources, width)."""
        given = torch.from_numpy(np.ascontiguousarray(embeddings, dtype=np.float32))
        parts = [self.network(rows) for rows in given.split(ROWS_PER_BATCH)]
        mean, log_variance = (torch.cat(part).double().numpy() for part in zip(*parts, strict=True))
        value = mean * self.config.sigma + self.config.median
        error = np.exp(0.5 * log_variance) * self.config.sigma
        return {
            self.quantity: value.astype(np.float32),
            f"{self.quantity}_ERR": error.astype(np.float32),
        }


def save(
    directory: str | Path, network: HeadNetwork, config: HeadConfig, provenance: dict[str, Any]
) -> str:
    """Write a head, whole or not at all; returns its digest.

    Raises ValueError for a directory that holds something else.
    """
    directory = Path(directory)
    check_place(directory)
    with written_whole(directory) as partial:
        partial.mkdir()
        bundle.write_tensors(partial / WEIGHTS, network.state_dict())
        bundle.write_json(partial / CONFIG, asdict(config))
        bundle.write_json(partial / PROVENANCE, provenance)
        return digest(partial)


def check_place(directory: Path) -> None:
    """Raise ValueError for a place that holds anything but a head: it would be replaced."""
    empty = directory.is_dir() and not any(directory.iterdir())
    if directory.exists() and not empty and not is_head(directory):
        raise ValueError(f"{directory}: holds something that is not a head, it is left as it is")


def is_head(directory: Path) -> bool:
    """Whether a directory looks like a head; a bundle has token tables beside its tensors."""
    names = {path.name for path in directory.iterdir()} if directory.is_dir() else set()
    return names == {WEIGHTS, CONFIG, PROVENANCE}


def load(directory: str | Path, base: str) -> Head:
    """Open a head for the bundle of digest ``base``.

    Raises ValueError with one sentence for a head of another bundle, a missing file, and tensors
    that are missing, of the wrong shape or not finite.
    """
    directory = Path(directory)
    config = read_config(directory)
    try:
        check_base(config.name, config.base, base)
    except ValueError as error:
        raise ValueError(f"{directory}: {error}") from None
    network = HeadNetwork(config.width, config.dropout)
    network.load_state_dict(bundle.read_tensors(directory / WEIGHTS, network.state_dict()))
    return Head(
        config=config,
        network=network.eval(),
        digest=digest(directory),
        provenance=bundle.read_json(directory / PROVENANCE),
    )


def read_config(directory: Path) -> HeadConfig:
    """What a head says of itself, whatever its base. Raises ValueError naming the file."""
    for name in (WEIGHTS, CONFIG, PROVENANCE):
        if not (directory / name).is_file():
            raise ValueError(f"{directory}: not a head, {name} is missing")
    entries = bundle.read_json(directory / CONFIG)
    try:
        return HeadConfig(**entries | {"classes": tuple(entries["classes"])})
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{directory / CONFIG}: not the settings of a head ({error})") from None


def load_all(directory: str | Path, base: str) -> list[Head]:
    """Every head of a directory, by name. Raises ValueError where one of them needs retraining."""
    return [load(place, base) for place in places(directory)]


def places(directory: str | Path) -> list[Path]:
    """The directories of heads in a directory, by name; none where it is absent."""
    found = sorted(Path(directory).glob(f"*/{CONFIG}"))
    return [path.parent for path in found if not path.parent.name.startswith(".")]


def states(directory: str | Path, base: str | None) -> dict[str, str]:
    """READY for each head of a directory, or why not; base: None where there is no bundle."""
    return {place.name: _state(place, base) for place in places(directory)}


def _state(place: Path, base: str | None) -> str:
    if base is None:
        return NO_BASE
    try:
        load(place, base)
    except ValueError as error:
        return str(error).removeprefix(f"{place}: ")
    return READY


def digest(directory: str | Path) -> str:
    """SHA-256 of what an answer depends on: weights and settings, the base's digest among them."""
    whole = hashlib.sha256()
    for name in (CONFIG, WEIGHTS):
        content = (Path(directory) / name).read_bytes()
        whole.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()
