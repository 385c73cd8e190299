"""What is answered with, named so that any process can load it: versions of the registry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

UNREGISTERED = "unregistered"


@dataclass(frozen=True, kw_only=True)
class Edition:
    """A version of the model, and of each head beside it.

    version: "unregistered" where a directory is served; heads: (registered model, version)
    """

    version: str
    heads: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        heads = "".join(f", {name} {version}" for name, version in self.heads)
        return f"version {self.version}{heads}"


def written(edition: Edition | None) -> str:
    """An edition as JSON, "null" for none."""
    return json.dumps(asdict(edition) if edition else None)


def read(text: str) -> Edition | None:
    """The edition that was written."""
    found = json.loads(text)
    return None if found is None else of(found)


def of(entry: Mapping[str, Any]) -> Edition:
    """The edition of an entry of JSON, as ``dataclasses.asdict`` made it."""
    heads = tuple((str(name), str(version)) for name, version in entry["heads"])
    return Edition(version=entry["version"], heads=heads)
