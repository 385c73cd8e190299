"""``ojala lineage``: from a product back to the bytes that it was made from."""

from __future__ import annotations

import argparse
import hashlib
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from ojala.catalogue.provenance import of_catalogue, source_of_row
from ojala.tables import project, result
from pipelines import paths
from pipelines.registry import digests, dvc_bytes, store, tracking, versions
from pipelines.registry.store import MODEL
from pipelines.registry.versions import Version

SHOWN_FILES = 5
CATALOGUES = (".fits", ".parquet")

EXAMPLE = """\
Print what a catalogue, a version or a run was made from, down to the md5 of every file, and the
commands that bring it back.

Examples:
    ojala lineage data/vac/ojala_vac.fits --row 18
    ojala lineage ojala@champion
    ojala lineage ojala-head-bh-mass/2"""


@dataclass(kw_only=True)
class Link:
    """One link of the chain, and what it was made from."""

    text: str
    origins: list[Link] = field(default_factory=list)

    def lines(self, indent: str = "") -> Iterator[str]:
        """The chain as a tree."""
        for position, origin in enumerate(self.origins):
            last = position == len(self.origins) - 1
            first, *rest = [origin.text, *origin.lines()]
            yield f"{indent}{'`-- ' if last else '|-- '}{first}"
            for line in rest:
                yield f"{indent}{'    ' if last else '|   '}{line}"


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to bring something back.

    stage: that makes it; data: digests that went in; outs: what DVC keeps of it
    files: md5 of files among what DVC keeps, by which a lock of this product is known
    """

    commit: str
    stage: str
    data: dict[str, str]
    outs: tuple[str, ...]
    files: dict[str, str] = field(default_factory=dict)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala lineage``."""
    parser.description = EXAMPLE
    parser.add_argument(
        "what",
        type=_named,
        help="a catalogue, MODEL@ALIAS, MODEL/VERSION, or the id of a run",
    )
    parser.add_argument("--row", type=int, help="of the catalogue, from 1: its shard")
    project.add_argument(parser)
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Print the chain and the commands."""
    link, recipe = _of(str(arguments.what), arguments.row)
    steps = commands(recipe)
    back = ["", "to bring it back:", *(f"    {line}" for line in steps)]
    record = {"chain": asdict(link), "stage": recipe.stage, "commands": steps}
    result.tell(arguments, [link.text, *link.lines(), *back], record)


def _named(what: str) -> Path | str:
    """A path if it is, or is to be, a file's, so that it is of where the user stands."""
    path = Path(what)
    return path if path.is_file() or path.suffix in CATALOGUES else what


def _of(what: str, row: int | None) -> tuple[Link, Recipe]:
    """The chain behind what somebody names."""
    if Path(what).is_file():
        is_vac = "model_name" in of_catalogue(what)
        return of_vac(Path(what), row) if is_vac else of_answers(Path(what), row)
    if row is not None:
        raise ValueError(f"{what}: only a catalogue has rows, and there is no such file")
    if Path(what).suffix in CATALOGUES:
        raise ValueError(f"{what}: no such file")
    if re.fullmatch(r"[0-9a-f]{32}", what):
        return of_run(what)
    return of_version(versions.find(what))


def of_answers(path: Path, row: int | None = None) -> tuple[Link, Recipe]:
    """The chain behind answers of ``ojala predict``: the version of the bundle in their header."""
    if row is not None:
        raise ValueError(f"{path}: answers of ojala predict, whose rows are those of its input")
    header = of_catalogue(path)
    version = versions.registered(header["bundle_digest"])
    if version is None:
        raise ValueError(
            f"{path}: no version in this registry is of its bundle {header['bundle_digest']}"
        )
    behind, recipe = of_version(version)
    return Link(text=f"{path}: answers of {header['created']}", origins=[behind]), recipe


def of_vac(path: Path, row: int | None = None) -> tuple[Link, Recipe]:
    """The chain behind a catalogue: its header, the version, the run, its data."""
    header = of_catalogue(path)
    version = versions.get(header["model_name"], header["model_version"])
    if version is None:
        raise ValueError(
            f"{path}: it names {header['model_name']} version {header['model_version']}, "
            "which this registry does not have"
        )
    behind, recipe = of_version(version)
    said = _agreement(version.digest, header["bundle_digest"])
    behind.text += f", {said} the catalogue's header"
    link = Link(text=f"{path}: catalogue of {header['created']}", origins=[behind])
    for name, key in ((paths.WEIGHTS, "mocks_digest"), (paths.JPAS, "jpas_digest")):
        if header.get(key) != recipe.data.get(str(name)):
            link.text += f"; its header says {name} {header.get(key) or 'nothing'}"
    if header.get("heads"):
        link.text += f"; heads {header['heads']}"
    if row is not None:
        link.origins.append(of_row(path, row, header["jpas_digest"]))
    made = replace(
        recipe,
        commit=header["git_commit"],
        stage="vac",
        outs=(*recipe.outs, str(paths.VAC)),
        files=_run_file(header["run_id"], version.digest)
        | {str(paths.VAC / path.name): dvc_bytes.md5(path)},
    )
    return link, made


def of_row(path: Path, row: int, digest: str) -> Link:
    """The shard of the J-PAS table that holds the source of a row, by its md5."""
    tile_id, number = source_of_row(path, row)
    link = Link(text=f"row {row}: source tile_id {tile_id}, number {number}")
    for file in dvc_bytes.files(str(paths.JPAS), digest):
        place = file.place(str(paths.JPAS))
        if place is None:
            link.origins.append(Link(text=f"{file.name}, md5 {file.md5}: dvc fetch brings it"))
            continue
        keys = pq.read_table(place, columns=["tile_id", "number"])
        found = (keys["tile_id"].to_numpy() == tile_id) & (keys["number"].to_numpy() == number)
        if found.any():
            at = f"row {int(np.argmax(found)) + 1} of {paths.JPAS / file.name}, md5 {file.md5}"
            link.origins = [Link(text=at)]
            return link
    if not link.origins:
        why = f"set aside before prediction, see {paths.JPAS_REJECTS}"
        link.origins.append(Link(text=why))
    return link


def of_version(version: Version) -> tuple[Link, Recipe]:
    """The chain behind a version of the model, or of a head and its base."""
    found = versions.aliases(version.name)
    names = [alias for alias, number in found.items() if number == version.version]
    called = f" ({', '.join(sorted(names))})" if names else ""
    notes = versions.tags(version)
    link = Link(text=f"{version}{called}, digest {version.digest}")
    if "promoted_at" in notes:
        link.text += f", promoted {notes['promoted_at']} by {notes.get('promoted_by', '?')}"
    behind, recipe = of_run(version.run_id)
    link.origins.append(behind)
    outs: tuple[str, ...] = (str(paths.BUNDLE),)
    files = {} if versions.is_head(version.name) else _run_file(version.run_id, version.digest)
    if versions.is_head(version.name):
        outs += (str(paths.HEADS / version.name.removeprefix(store.HEAD_PREFIX)),)
        base = versions.get(MODEL, notes.get("base_version", ""))
        if base is not None:
            link.origins.append(of_version(base)[0])
    return link, replace(recipe, stage="register", outs=outs, files=files)


def _run_file(run_id: str, digest: str) -> dict[str, str]:
    """models/run.json by its md5: beside the bundle of another training it is another one."""
    content = digests.run_note(run_id, digest).encode()
    return {str(paths.RUN): hashlib.md5(content).hexdigest()}


def of_run(run_id: str) -> tuple[Link, Recipe]:
    """The chain behind a run: its commit and the digests of its data."""
    if not tracking.is_known(run_id):
        raise ValueError(f"run {run_id}: the tracking server does not know it")
    run = tracking.client().get_run(run_id)
    commit = run.data.tags.get("git_commit", "unknown")
    began = datetime.fromtimestamp(run.info.start_time / 1000, UTC).isoformat(timespec="seconds")
    text = f'run {run_id} "{run.info.run_name}", {run.info.status}, {began}, commit {commit}'
    prefix = "data."
    data = {
        key.removeprefix(prefix): value
        for key, value in sorted(run.data.tags.items())
        if key.startswith(prefix)
    }
    link = Link(text=text, origins=[_of_data(path, digest) for path, digest in data.items()])
    if not data:
        link.origins.append(Link(text="no digests of data: it ran without DVC"))
    stage = "finetune" if str(run.info.run_name).startswith("finetune") else "train"
    return link, Recipe(commit=commit, stage=stage, data=data, outs=())


def _of_data(path: str, digest: str) -> Link:
    """A directory by its digest, its files by theirs, and what it was made from in its turn."""
    link = Link(text=f"{path}  {digest}")
    try:
        found = dvc_bytes.files(path, digest) if digest.endswith(".dir") else []
    except ValueError as error:
        link.origins.append(Link(text=str(error)))
        found = []
    link.origins += [Link(text=f"{one.name}  {one.md5}") for one in found[:SHOWN_FILES]]
    if len(found) > SHOWN_FILES:
        link.origins.append(Link(text=f"and {len(found) - SHOWN_FILES} files more"))
    locked = dvc_bytes.stages()
    if dvc_bytes.outs(locked).get(path) == digest:
        read = [f"{name}  {md5}" for name, md5 in dvc_bytes.origins(locked, path)]
        link.origins += [Link(text=f"made from {one}") for one in read]
    return link


def _agreement(one: str, other: str) -> str:
    return "as in" if one == other else f"NOT the {other[:12]} of"


def commands(recipe: Recipe) -> list[str]:
    """Commands of git and DVC that bring the data, and what was made of it, back.

    ``dvc checkout`` only where a lock holds all of it: that of the commit or, as a lock is
    committed after its run, of another one. Else it is made anew.
    """
    commit, dirty = recipe.commit.removesuffix("-dirty"), recipe.commit.endswith("-dirty")
    if not re.fullmatch(r"[0-9a-f]{40}", commit):
        why = "it ran outside git, or in a clone of another user, which git does not read"
        return [f"# no commit was recorded: {why}", f"dvc repro {recipe.stage}"]
    if refused := digests.git_refuses():
        return [f"# its lock cannot be looked for: {refused}", f"git checkout {commit}"]
    named = set(recipe.data.values()) | {recipe.files.get(str(paths.RUN), "")}
    for one in (commit, *dvc_bytes.locking_commits(sorted(named - {""}))):
        if not any(_lacking(recipe, one)):
            wanted = dict.fromkeys([*recipe.data, *recipe.outs])
            return [f"git checkout {one}", f"dvc checkout {' '.join(wanted)}"]
    lacking = ", ".join(dict.fromkeys(_lacking(recipe, commit)))
    lines = [
        f"# dvc.lock of this commit does not hold this {lacking}: the lock of that run was not "
        "committed, so it is made anew (commit dvc.lock after a run, and it is kept)"
    ]
    if dirty:
        lines.append("# files differed from this commit when it ran; that was not kept")
    data = ", ".join(f"{path} {md5}" for path, md5 in recipe.data.items()) or "none recorded"
    last = f"dvc repro {recipe.stage}  # data must come out as {data}"
    return [*lines, f"git checkout {commit}", last]


def _lacking(recipe: Recipe, commit: str) -> Iterator[str]:
    """What the lock of a commit does not hold, or holds with other bytes."""
    kept = dvc_bytes.outs(dvc_bytes.stages(commit))
    yield from (path for path, digest in recipe.data.items() if kept.get(path) != digest)
    yield from (path for path in recipe.outs if path not in kept)
    for path, md5 in recipe.files.items():
        if _known_md5(Path(path), kept) != md5:
            yield path


def _known_md5(path: Path, kept: dict[str, str]) -> str | None:
    """md5 of a file by a lock, which names it or the directory that it is in; None without it."""
    directory = str(path.parent)
    if directory not in kept:
        return kept.get(str(path))
    try:
        found = {file.name: file.md5 for file in dvc_bytes.files(directory, kept[directory])}
    except ValueError:
        return None
    return found.get(path.name)
