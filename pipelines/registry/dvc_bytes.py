"""What DVC stored under a digest: the files of a directory, and where their bytes lie.

Its cache and its remote are where DVC's settings say. Only this file imports dvc.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from dvc.config import NoRemoteError
from dvc.exceptions import NotDvcRepoError
from dvc.repo import Repo
from ruamel.yaml import YAML

LOCK = Path("dvc.lock")


@dataclass(frozen=True, kw_only=True)
class StoredFile:
    """A file of a directory that DVC keeps, with the md5 of its bytes."""

    name: str
    md5: str

    def place(self, directory: str) -> Path | None:
        """Where its bytes lie: the cache, or the working tree if they are the same there."""
        for path in (_cached(self.md5), Path(directory) / self.name):
            if path is not None and path.is_file() and md5(path) == self.md5:
                return path
        return None


def files(directory: str, digest: str) -> list[StoredFile]:
    """Files of a directory by its digest, "....dir", from the listing that DVC keeps of it.

    Raises ValueError where neither the cache nor the remote has such a listing.
    """
    path = _cached(digest)
    content = path.read_bytes() if path is not None and path.is_file() else _pushed(digest)
    if content is None:
        raise ValueError(f"{directory}: {digest} is not in the cache; dvc fetch brings it")
    if hashlib.md5(content).hexdigest() != digest.removesuffix(".dir"):
        raise ValueError(f"{directory}: DVC keeps another listing as {digest} than its name says")
    return [StoredFile(name=one["relpath"], md5=one["md5"]) for one in json.loads(content)]


def stages(commit: str | None = None) -> dict[str, Any]:
    """Stages of dvc.lock, of the working tree or of a commit; none where it has none."""
    if commit is None:
        text = LOCK.read_text() if LOCK.exists() else ""
    else:
        shown = subprocess.run(
            ["git", "show", f"{commit}:./{LOCK}"], capture_output=True, text=True, check=False
        )
        text = shown.stdout if shown.returncode == 0 else ""
    found = YAML(typ="safe").load(text) if text else None
    return dict(found["stages"]) if found else {}


def locking_commits(digests: Sequence[str]) -> list[str]:
    """Commits whose dvc.lock names all these digests, the newest first; none outside git."""
    commits = _git("log", "--all", "--format=%H", "--", str(LOCK))
    if not commits or not digests:
        return []
    words = [word for one in digests for word in ("-e", one)]
    found = _git("grep", "-l", "--all-match", *words, *commits, "--", str(LOCK))
    return [name.partition(":")[0] for name in found]


def _git(*arguments: str) -> list[str]:
    """The lines that git prints; none where it fails or finds nothing."""
    done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    return done.stdout.splitlines() if done.returncode == 0 else []


def outs(locked: Mapping[str, Any]) -> dict[str, str]:
    """Digest of everything that the stages wrote."""
    return {out["path"]: out["md5"] for stage in locked.values() for out in stage.get("outs", ())}


def origins(locked: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """What other stages wrote and the stage of ``path`` read: paths and digests."""
    written = outs(locked)
    for stage in locked.values():
        if any(out["path"] == path for out in stage.get("outs", ())):
            for dep in stage.get("deps", ()):
                if any(dep["path"] == out or dep["path"].startswith(f"{out}/") for out in written):
                    yield dep["path"], dep.get("md5", "")


def _cached(digest: str) -> Path | None:
    """Where the cache keeps bytes of that digest, be they there or not; None without DVC."""
    repo = _repo(Path.cwd())
    return Path(repo.cache.local.oid_to_path(digest)) if repo else None


def _pushed(digest: str) -> bytes | None:
    """What the remote keeps under a digest; None where it keeps nothing, or there is none.

    Raises ValueError where it cannot be asked.
    """
    repo = _repo(Path.cwd())
    try:
        remote = repo.cloud.get_remote_odb() if repo else None
        if remote is None or not remote.exists(digest):
            return None
        return bytes(remote.fs.cat_file(remote.oid_to_path(digest)))
    except NoRemoteError:
        return None
    except Exception as error:  # of whatever library speaks to it
        why = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(
            f"{digest} is not in the cache, and DVC's remote cannot be asked: {why}"
        ) from error


@cache
def _repo(directory: Path) -> Repo | None:
    """The project of DVC that a directory is in."""
    try:
        return Repo(str(directory))
    except NotDvcRepoError:
        return None


def md5(path: Path) -> str:
    """The md5 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()
