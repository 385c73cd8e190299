"""What is answered with, named so that any process can load it: versions of the registry."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

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
    if found is None:
        return None
    heads = tuple((str(name), str(version)) for name, version in found["heads"])
    return Edition(version=found["version"], heads=heads)
