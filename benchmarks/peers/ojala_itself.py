"""OJALA among its peers: the same rows, the same scores, one core."""

from __future__ import annotations

from typing import Any

import torch

from ojala import bundle
from ojala.predict import Predictor
from ojala.shards import Columns


class Itself:
    """A bundle that has been trained elsewhere."""

    name = "OJALA"
    given: tuple[str, ...] = ()

    def __init__(self, directory: str) -> None:
        torch.set_num_threads(1)
        self.predictor = Predictor(bundle.load(directory))

    def predict(self, sources: Columns) -> Columns:
        """The Predictor's own answers."""
        return self.predictor.predict(sources)

    def provenance(self) -> dict[str, Any]:
        """What tells one bundle from another."""
        opened = self.predictor.bundle
        size = sum(parameter.numel() for parameter in opened.model.parameters())
        return {"digest": opened.digest, "num_parameters": size}
