"""Fine-tuned heads beside one another on a bundle: who may answer there, and by what name.

What a head is made of stands in ``ojala.heads.head``; whoever only asks heads needs this alone.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ojala.tables.shards import Columns


class Head(Protocol):
    """What answers from embeddings: a fine-tuned head (``ojala.heads.head``).

    name: what it is asked by; quantity: its column; base: digest of the bundle that it belongs to
    """

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def quantity(self) -> str: ...  # noqa: D102
    @property
    def base(self) -> str: ...  # noqa: D102

    def answer(self, embeddings: NDArray[np.floating[Any]]) -> Columns:
        """<QUANTITY> and <QUANTITY>_ERR of embeddings (num_sources, width)."""


def check_base(name: str, trained_on: str, base: str) -> None:
    """Raise ValueError unless a head was trained on the bundle of digest ``base``."""
    if trained_on != base:
        raise ValueError(
            f"retrain needed: head {name} was trained on bundle {trained_on[:12]}, not {base[:12]}"
        )


def by_name(heads: Iterable[Head], base: str) -> dict[str, Head]:
    """Heads by name that answer on the bundle of digest ``base``.

    Raises ValueError for a head of another bundle, and a name or a quantity that comes twice.
    """
    named: dict[str, Head] = {}
    for head in heads:
        check_base(head.name, head.base, base)
        if head.name in named:
            raise ValueError(f"two heads are named {head.name}")
        for other in named.values():
            if head.quantity == other.quantity:
                names = f"{other.name} and {head.name}"
                raise ValueError(f"heads {names} both answer {head.quantity}")
        named[head.name] = head
    return named
