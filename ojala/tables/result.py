"""What a command says when its work is done: lines for a person, or JSON for a program."""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


def add_argument(parser: argparse.ArgumentParser) -> None:
    """The option of a command that has a result."""
    parser.add_argument(
        "--json", action="store_true", help="the result as one JSON object on standard output"
    )


def tell(arguments: argparse.Namespace, lines: Sequence[str], record: Mapping[str, Any]) -> None:
    """Print the lines or, where --json asks for it, the record alone.

    record: plain values, paths, numpy numbers, and lists and mappings of them; a number that is
        not finite is null, since JSON has none
    """
    if getattr(arguments, "json", False):
        print(json.dumps(_plain(record), allow_nan=False))
    elif lines:
        print("\n".join(lines))


def _plain(value: Any) -> Any:
    """A value in the types that JSON has."""
    if isinstance(value, Mapping):
        return {str(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
