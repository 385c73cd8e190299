"""What environment variables set, each checked: docs/service.md has the table."""

from __future__ import annotations

import math
import os
from pathlib import Path

from ojala.catalogue.drift import LEAST_SOURCES


def seconds(name: str, default: float) -> float:
    """A time of a setting. Raises ValueError unless it is a number above zero."""
    text = os.environ.get(name) or str(default)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise ValueError(f"{name} is {text!r}, expected seconds above zero")
    return value


def count(name: str, default: int, most: int) -> int:
    """A whole number of a setting. Raises ValueError unless it is 1 ... ``most``."""
    text = os.environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise ValueError(f"{name} is {text!r}, expected a number from 1 to {most}")
    return int(text)


def workers() -> int:
    """Processes that answer."""
    return count("OJALA_WORKERS", 1, 256)


def threads() -> int:
    """Threads for the arithmetic of each process: their share of the cores it may run on."""
    return max(1, len(os.sched_getaffinity(0)) // workers())


def apart() -> bool:
    """Whether the network may have a process of its own: by default where a core is left for it.

    Raises ValueError unless OJALA_APART is yes or no, where it is set.
    """
    text = os.environ.get("OJALA_APART") or ""
    if text not in ("", "yes", "no"):
        raise ValueError(f"OJALA_APART is {text!r}, expected yes or no")
    return text == "yes" if text else len(os.sched_getaffinity(0)) > workers()


def drift_window() -> int:
    """Sources that drift is judged by."""
    number = count("OJALA_DRIFT_WINDOW", 1000, 1_000_000)
    if number < LEAST_SOURCES:
        raise ValueError(f"OJALA_DRIFT_WINDOW is {number}, expected {LEAST_SOURCES} or more")
    return number


def follow_seconds() -> float:
    """How often the registry is asked where the alias is."""
    return seconds("OJALA_FOLLOW_SECONDS", 5.0)


def jobs() -> Path | None:
    """The directory of jobs that outlives the server; None: they end with it."""
    named = os.environ.get("OJALA_JOBS")
    return Path(named) if named else None


def trusted_key() -> Path | None:
    """The file of the keys of which one must have signed what is served; None: nothing must be."""
    named = os.environ.get("OJALA_TRUSTED_KEY")
    return Path(named) if named else None


def wait_seconds() -> float:
    """How long a request may have to wait for others, by estimate, before it is refused."""
    return seconds("OJALA_WAIT_SECONDS", 2.0)
