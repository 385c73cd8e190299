"""Where a result comes from: digests of its data, of a bundle, and the commit of the code."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from ruamel.yaml import YAML


def data_digests(paths: list[str], lock: str | Path = "dvc.lock") -> dict[str, str]:
    """DVC's digest of each path, as the last stage that wrote or read it recorded it.

    A path that DVC has not recorded is left out, as are all of them where there is no lock file.
    """
    lock = Path(lock)
    stages = YAML(typ="safe").load(lock)["stages"] if lock.exists() else {}
    known: dict[str, str] = {}
    for kind in ("deps", "outs"):  # what a stage wrote outlives what another one read before
        for stage in stages.values():
            known |= {entry["path"]: entry["md5"] for entry in stage.get(kind, ())}
    return {path: known[path] for path in paths if path in known}


def directory_digest(directory: str | Path) -> str:
    """SHA-256 of a directory: of the names and the content of its files, whatever their dates."""
    directory = Path(directory)
    whole = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        if path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            whole.update(f"{path.relative_to(directory).as_posix()} {content}\n".encode())
    return whole.hexdigest()


def git_commit() -> str:
    """The commit that is checked out, with "-dirty" where files differ; "unknown" without git.

    An image has no .git: there OJALA_GIT_COMMIT says what it was built from.
    """
    if "OJALA_GIT_COMMIT" in os.environ:
        return os.environ["OJALA_GIT_COMMIT"]
    try:
        commit = _git("rev-parse", "HEAD")
        return commit + ("-dirty" if _git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()
