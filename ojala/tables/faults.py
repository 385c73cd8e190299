"""What a command says of an error: one sentence, and where it came from if that is asked for."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TRACEBACK = "OJALA_TRACEBACK"
"""Set to 1, an error ends in Python's traceback instead of a sentence."""

FRAMEWORKS = ("mlflow", "ray", "dvc", "bentoml", "sqlalchemy", "sqlite3")
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
    if "database is locked" in said:
        return "the database of runs is locked by another process; try again when that one is done"
    kind = type(error).__name__
    what = f"{kind}: {said}" if said else kind
    if type(error).__module__.partition(".")[0] in FRAMEWORKS:
        return f"{what} ({switch} shows where)"
    return f"unexpected {what}: this is a defect; run with {switch} to see where"


UNHEARD = 141
"""Exit code of a command whose reader went away, as in ``| head -1``: a shell's 128 + SIGPIPE."""


@contextmanager
def while_heard() -> Iterator[None]:
    """End quietly, with exit code UNHEARD, where nobody reads what the block prints any more."""
    try:
        try:
            yield
        finally:
            sys.stdout.flush()
    except BrokenPipeError:
        if _is_heard():
            raise
        sys.exit(UNHEARD)


def _is_heard() -> bool:
    """Whether standard output has a reader; where it has none, Python is kept from saying so."""
    try:
        output = sys.stdout.fileno()
    except OSError:  # it is no file of the system's
        return True
    asked = select.poll()
    asked.register(output, 0)
    if not any(event & select.POLLERR for _, event in asked.poll(0)):
        return True
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return False
