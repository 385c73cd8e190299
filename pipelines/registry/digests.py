"""Where a result comes from: digests of its data, parameters and code, and the commit."""

from __future__ import annotations

import hashlib
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipelines import stage_code

WRITTEN = ("reports", "dvc.lock", "tune/dvc.lock")
"""What runs write among the files of git: it differs after any run, and enters none."""

PICTURES = "ojala/figures/"


def data_digests(paths: Sequence[str], lock: str | Path = "dvc.lock") -> dict[str, str]:
    """DVC's digest of each path, as the last stage that wrote or read it recorded it.

    A path that DVC has not recorded is left out, as are all of them where there is no lock file.
    """
    lock = Path(lock)
    stages = YAML(typ="safe").load(lock)["stages"] if lock.exists() else {}
    known: dict[str, str] = {}
    for kind in ("deps", "outs"):  # what a stage wrote counts more than what another one once read
        for stage in stages.values():
            known |= {entry["path"]: entry["md5"] for entry in stage.get(kind, ())}
    return {path: known[path] for path in paths if path in known}


def recorded(path: Path) -> str:
    """DVC's digest of a file that a stage wrote, "" where it has recorded none."""
    return data_digests([str(path)]).get(str(path), "")


def of_file(path: Path) -> str:
    """Digest of a file as DVC takes it."""
    return hashlib.md5(path.read_bytes()).hexdigest()


def inputs_digest(
    data: Mapping[str, str], parameters: Mapping[str, Any], stage: str = "train"
) -> str:
    """SHA-256 of all that a stage's training depends on: data, parameters and the code behind it.

    Pictures are left out: they show what comes, and enter nothing that a cut-off run goes on with.
    """
    code = hashlib.sha256()
    for name in stage_code.behind(stage):
        if not name.startswith(PICTURES):
            code.update(name.encode() + (stage_code.CODE / name).read_bytes())
    content = {"data": dict(data), "parameters": dict(parameters), "code": code.hexdigest()}
    return parameters_digest(content)


def run_note(run_id: str, digest: str) -> str:
    """The text of models/run.json: the run, and the digest of the bundle that it made."""
    return json.dumps({"run_id": run_id, "digest": digest}, indent=1) + "\n"


def parameters_digest(parameters: Mapping[str, Any]) -> str:
    """SHA-256 of nested parameters, whatever the order of their keys."""
    text = json.dumps(parameters, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def git_commit() -> str:
    """The commit that is checked out, with "-dirty" where files differ; "unknown" without git.

    Where git refuses the clone, as it does one of another user, that is said on stderr.
    What runs write themselves does not count: DVC removes and writes it while they go on.
    An image has no .git: there OJALA_GIT_COMMIT says what it was built from.
    """
    if "OJALA_GIT_COMMIT" in os.environ:
        return os.environ["OJALA_GIT_COMMIT"]
    try:
        commit = _git("rev-parse", "HEAD")
        counted = [":/", *(f":(exclude){path}" for path in WRITTEN)]
        differs = _git("status", "--porcelain", "--untracked-files=no", "--", *counted)
        return commit + ("-dirty" if differs else "")
    except (OSError, subprocess.CalledProcessError):
        if why := git_refuses():
            print(f"no commit is recorded: {why}", file=sys.stderr)
        return "unknown"


def git_refuses() -> str:
    """Why git does not read this clone though there is one, "" where it does or there is none."""
    try:
        _git("rev-parse", "HEAD")
    except FileNotFoundError:
        return ""
    except subprocess.CalledProcessError as error:
        if "safe.directory" in str(error.stderr):
            command = f"git config --global --add safe.directory {shlex.quote(str(Path.cwd()))}"
            return f"git refuses a clone of another user; {command} lets it"
    return ""


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()
