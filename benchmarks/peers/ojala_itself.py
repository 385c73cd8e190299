"""OJALA among its peers: the same rows, the same scores, one core."""

from __future__ import annotations

from typing import Any

import torch

from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import Columns


class Itself:
    """A model that has been trained already."""

    name = "OJALA"
    given: tuple[str, ...] = ()

    def __init__(self, predictor: Predictor) -> None:
        self.predictor = predictor

    @classmethod
    def of_bundle(cls, directory: str) -> Itself:
        """What a directory of ``ojala.model.bundle`` holds."""
        return cls(Predictor(bundle.load(directory)))

    def predict(self, sources: Columns) -> Columns:
        """The Predictor's own answers, on one thread."""
        num_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return self.predictor.predict(sources)
        finally:
            torch.set_num_threads(num_threads)

    def provenance(self) -> dict[str, Any]:
        """What tells one bundle from another."""
        opened = self.predictor.bundle
        size = sum(parameter.numel() for parameter in opened.model.parameters())
        return {"digest": opened.digest, "num_parameters": size}
