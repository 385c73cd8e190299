"""OJALA: a foundation model for the light of galaxies, quasars and stars."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ojala.model.bundle import load
    from ojala.model.predictor import Predictor

__version__ = "0.1.0"
__all__ = ["Predictor", "__version__", "load"]

_HOMES = {"Predictor": "ojala.model.predictor", "load": "ojala.model.bundle"}


def __getattr__(name: str) -> Any:
    """What the face names, imported when it is first asked for: torch takes a second."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
