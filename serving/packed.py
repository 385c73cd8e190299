"""What a Bento holds beside its code, in one directory.

packed/edition.json       what the registry called them, and the digest of the bundle
packed/ojala/             the bundle, with its signature beside it where it has one
packed/golden.parquet     the golden objects of its registration, where it has them
packed/heads/NAME/        each head that answers beside it, with its signature

A Bento answers with that alone: it asks no registry and follows no alias.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path

from ojala.gate import golden
from serving import edition
from serving.edition import Edition

FOLDER = "packed"
PLACE = Path(__file__).parents[1] / FOLDER
"""Where a Bento has it; in a clone there is none."""

ELSEWHERE = ("OJALA_BUNDLE", "OJALA_HEADS", "OJALA_ALIAS")
"""Settings that name something else to serve."""


def bundle_in(place: Path) -> Path:
    """The bundle of a packed directory."""
    return place / "ojala"


def heads_in(place: Path) -> Path:
    """The directory of its heads."""
    return place / "heads"


def golden_in(place: Path) -> Path:
    """Its golden objects."""
    return place / golden.GOLDEN


def write(place: Path, chosen: Edition, digest: str) -> None:
    """Say what is packed."""
    entry = {"edition": asdict(chosen), "digest": digest}
    (place / "edition.json").write_text(json.dumps(entry, indent=1) + "\n")


def standing() -> tuple[Edition, str] | None:
    """The edition that is packed, and the digest of its bundle; None outside of a Bento.

    Raises ValueError where a setting names something else, which a Bento does not serve.
    """
    file = PLACE / "edition.json"
    if not file.is_file():
        return None
    for name in ELSEWHERE:
        if os.environ.get(name):
            raise ValueError(f"a Bento serves what is packed in it alone: unset {name}")
    found = json.loads(file.read_text())
    return edition.of(found["edition"]), found["digest"]
