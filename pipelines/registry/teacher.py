"""The version of the model that a training learns from (``train.teacher``)."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ojala.model import bundle
from ojala.model.bundle import Bundle
from ojala.training.config import TrainConfig
from pipelines.registry import versions


def teacher(config: TrainConfig) -> Bundle | None:
    """Its bundle; None where there is none.

    Raises ValueError where the registry lacks the version, or its files.
    """
    if config.teacher is None:
        return None
    try:
        version = versions.find(config.teacher)
    except ValueError as error:
        raise ValueError(f"train.teacher: {error}") from None
    with tempfile.TemporaryDirectory() as place:
        return bundle.load(versions.fetch(version, Path(place)))
