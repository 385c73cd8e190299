"""The storage that all workers reach: what a training, or a search, keeps there by its name."""

from __future__ import annotations

import uuid
from pathlib import Path

from pyarrow.fs import FileSelector, FileSystem, FileType

BEGUN, FINISHED = "begun", "finished"
"""Files beside what Ray keeps of a training: the name of its run, and what it ended with."""


def whole(storage: str) -> str:
    """The storage as Ray takes it: a URI, or a full path."""
    return storage if "://" in storage else str(Path(storage).resolve())


def begin(storage: str, name: str, recorded: str | None = None) -> str:
    """What the run of an unfinished training is known by, written down before there is a run.

    name: of the training, a digest of all that its result depends on
    recorded: digest that DVC has of what such a training made, "" where it has none. One that
        finished with another was cut off before DVC recorded it, and goes on.
    It is the same until ``finish``; what a finished training kept is removed. Whoever gives it to
    the run as that is made finds the run again, wherever the training was cut off.
    """
    filesystem, place = _place(storage, name)
    finished, begun = f"{place}/{FINISHED}", f"{place}/{BEGUN}"
    if _is_there(filesystem, finished):
        made = _text(filesystem, finished)
        if made and recorded is not None and made != recorded and _is_there(filesystem, begun):
            filesystem.delete_file(finished)
        else:
            _remove_finished(filesystem, place)
    mark = _text(filesystem, begun)
    if not mark:  # nor where it was cut off in writing, before there could be a run
        mark = f"{name}-{uuid.uuid4().hex[:12]}"
        filesystem.create_dir(place)
        with filesystem.open_output_stream(begun) as file:
            file.write(mark.encode())
    return mark


def finish(storage: str, name: str, made: str = "") -> None:
    """Mark a training as finished, once all that it is for is written.

    made: digest of what it made, as DVC will record it; "" where that is not asked for again
    """
    filesystem, place = _place(storage, name)
    with filesystem.open_output_stream(f"{place}/{FINISHED}") as file:
        file.write(made.encode())


def forget(storage: str, name: str) -> None:
    """Remove what is kept under a name, if there is anything."""
    filesystem, place = _place(storage, name)
    if _is_there(filesystem, place):
        filesystem.delete_dir(place)


def _place(storage: str, name: str) -> tuple[FileSystem, str]:
    filesystem, path = FileSystem.from_uri(whole(storage))
    return filesystem, f"{path}/{name}"


def _remove_finished(filesystem: FileSystem, place: str) -> None:
    """The mark goes last: what is half removed is not taken for a training that was cut off."""
    for entry in filesystem.get_file_info(FileSelector(place)):
        if entry.type == FileType.Directory:
            filesystem.delete_dir(entry.path)
        elif entry.base_name != FINISHED:
            filesystem.delete_file(entry.path)
    filesystem.delete_dir(place)


def _is_there(filesystem: FileSystem, path: str) -> bool:
    return bool(filesystem.get_file_info(path).type != FileType.NotFound)


def _text(filesystem: FileSystem, path: str) -> str:
    if not _is_there(filesystem, path):
        return ""
    with filesystem.open_input_stream(path) as file:
        return str(file.read().decode())
