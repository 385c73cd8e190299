"""What a command says of an error: one sentence, and where it came from if that is asked for."""

from __future__ import annotations

import os

TRACEBACK = "OJALA_TRACEBACK"
"""Set to 1, an error ends in Python's traceback instead of a sentence."""

FRAMEWORKS = ("mlflow", "ray", "dvc", "bentoml")
"""Packages whose own exceptions tell of a server or a store, not of a defect here."""


def traceback_is_wanted() -> bool:
    """Whether the user asked to see where an error comes from."""
    return os.environ.get(TRACEBACK, "0") not in ("", "0")


def sentence(error: Exception, switch: str = f"{TRACEBACK}=1") -> str:
    """One line about an error.

    What a user can put right (ValueError, OSError, a package that is missing) says so itself;
    anything else is a defect, and the line tells by which switch to see where.
    """
    said = " ".join(str(error).split())
    if isinstance(error, ValueError | OSError | ImportError) and said:
        return said
    kind = type(error).__name__
    what = f"{kind}: {said}" if said else kind
    if type(error).__module__.partition(".")[0] in FRAMEWORKS:
        return f"{what} ({switch} shows where)"
    return f"unexpected {what}: this is a defect; run with {switch} to see where"
