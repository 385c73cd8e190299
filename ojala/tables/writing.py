"""Files that are either whole or not there."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EIO}
"""Of a disk that is full or broken: whoever writes a file meets them, and seldom says which."""


def check_place(path: Path) -> None:
    """Raise OSError naming ``path`` where no file can be written: before the work, not after."""
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    if there == path:
        number = errno.EISDIR if path.is_dir() else 0
    else:
        number = 0 if there.is_dir() else errno.ENOTDIR
    if not number and not os.access(there, os.W_OK):
        number = errno.EACCES
    if number:
        raise _refusal(path, os.strerror(number))


def _refusal(path: Path, reason: str) -> OSError:
    return OSError(f"{path}: cannot be written ({reason})")


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside ``path``; rename it to ``path`` when the block ends well.

    On an exception the temporary file (or directory) is removed and ``path`` is left as it was.
    The temporary name keeps the suffix, since writers choose a format by it.
    Raises OSError naming ``path`` where it cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".{os.getpid()}.partial.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        if partial.is_dir() and path.is_dir():
            shutil.rmtree(path)
        os.replace(partial, path)
    except OSError as error:
        places = {str(place) for place in (path.parent, *path.parent.parents)}
        number = _no_room(error) or error.errno
        if not (partial.name in str(error) or str(error.filename) in places or number in NO_ROOM):
            raise
        # Where a directory should be made, a file stands in its way.
        number = errno.ENOTDIR if isinstance(error, FileExistsError) else number
        reason = os.strerror(number) if number else "the place is not writable"
        raise _refusal(path, reason) from error
    finally:
        if partial.is_dir():
            shutil.rmtree(partial)
        elif partial.exists():
            partial.unlink()


def _no_room(error: OSError) -> int:
    """The number of NO_ROOM that an error tells of, or 0; astropy says it in words alone."""
    if error.errno in NO_ROOM:
        return error.errno
    return errno.ENOSPC if "Not enough space on disk" in str(error) else 0
