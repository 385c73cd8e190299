"""Files that are packed with gzip, bzip2 or xz, opened as if they were not."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, cast

_OPENERS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}
"""How a file is opened that begins so."""

_OTHERS = {b"PK\x03\x04": "zip", b"\x28\xb5\x2f\xfd": "zstd", b"\x1f\x9d": "compress (.Z)"}


def opened(path: Path) -> BinaryIO:
    """A file's own bytes, whatever it is packed with; told by its first ones.

    Raises ValueError for a kind of packing that is not read.
    """
    with path.open("rb") as raw:
        head = raw.read(8)
    for start, name in _OTHERS.items():
        if head.startswith(start):
            raise ValueError(f"it is packed with {name}: unpack it first")
    for start, opener in _OPENERS.items():
        if head.startswith(start):
            return cast(BinaryIO, opener(path, "rb"))
    return path.open("rb")


def is_packed(path: Path) -> bool:
    """Whether a file is packed, told by its first bytes."""
    with path.open("rb") as raw:
        head = raw.read(8)
    return any(head.startswith(start) for start in _OPENERS)


def pack(plain: Path, packed: Path) -> None:
    """Write a gzip file of another's bytes; the same bytes give the same file."""
    with (
        plain.open("rb") as source,
        packed.open("wb") as raw,
        gzip.GzipFile(filename="", mode="wb", fileobj=raw, mtime=0) as target,
    ):
        shutil.copyfileobj(source, target)
