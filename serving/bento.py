"""``make bento``: the whole service as a Bento, with the model that is served now inside.

A Bento is what BentoML ships: code, packages by their versions, and here the champion, so that it
needs no registry and answers the same for ever (docs/service.md).
"""

from __future__ import annotations

import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import bentoml

from ojala.gate import signature
from ojala.tables.faults import sentence
from pipelines.registry.store import HEAD_PREFIX
from serving import packed
from serving.answering import Answering, rehearsed
from serving.edition import Edition
from serving.heads import ServedHead
from serving.registered import Served, opened, standing

ROOT = Path(__file__).parents[1]
CODE = (
    "ojala",
    "serving",
    "pipelines/__init__.py",
    "pipelines/registry/__init__.py",
    "pipelines/registry/store.py",
)
"""What the service runs, as in the image ``serve``."""

NAME = "ojala-service"
"""Of the Bento: ``ojala`` alone BentoML would take for the package, wherever that is installed."""

REQUIREMENTS = "requirements.txt"
UNWANTED = shutil.ignore_patterns("__pycache__", "*.py[co]")


def built() -> tuple[bentoml.Bento, Answering]:
    """A Bento of what is served now, in the store of BENTOML_HOME, and what answers in it.

    Raises ValueError where nothing can be served, or what is to be packed fails its check.
    """
    if packed.standing() is not None:
        raise ValueError("this is a Bento itself, made from a clone of the project")
    chosen = standing()
    answering = rehearsed(chosen)
    with tempfile.TemporaryDirectory(prefix="ojala-bento-") as directory:
        place = Path(directory)
        _write_code(place)
        (place / REQUIREMENTS).write_text("\n".join(locked(ROOT / "requirements")) + "\n")
        pack(opened(chosen), place / packed.FOLDER)
        bento = bentoml.bentos.build(
            "serving.service:OjalaService",
            name=NAME,
            build_ctx=str(place),
            labels=_labels(answering),
            description=f"# OJALA\n\n{_contents(answering)}\n",
            python={
                "requirements_txt": REQUIREMENTS,
                "lock_packages": False,  # they are locked
                "pack_git_packages": False,
            },
            docker={"python_version": f"{sys.version_info.major}.{sys.version_info.minor}"},
        )
    return bento, answering


def pack(found: Served, place: Path) -> None:
    """Write a bundle, its golden objects and the heads that answer beside it to ``place``."""
    place.mkdir()
    _copy(found.place, packed.bundle_in(place), found.signed)
    if found.golden is not None:
        shutil.copyfile(found.golden, packed.golden_in(place))
    ready = [one for one in found.heads if one.opened is not None]
    for one in ready:
        assert one.place is not None
        _copy(one.place, packed.heads_in(place) / one.name, one.signed)
    packed.write(place, Edition(version=found.version, heads=_names(ready)), found.bundle.digest)


def locked(directory: Path) -> Iterator[str]:
    """The packages of the service and torch, each with the version of the lock.

    directory: of the lists; raises ValueError where the lock lacks one
    """
    lists = {name: _listed(directory / f"{name}.txt") for name in ("lock", "torch", "serve")}
    pinned = {_plain(line): line for name in ("lock", "torch") for line in lists[name]}
    for name in (*lists["torch"], *lists["serve"]):
        if _plain(name) not in pinned:
            raise ValueError(f"{directory / 'lock.txt'}: no version of {name}, which is served")
        yield pinned[_plain(name)]


def _listed(path: Path) -> list[str]:
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def _plain(line: str) -> str:
    """The name of a package, as every spelling of it comes out."""
    return re.sub(r"[-_.]+", "-", re.split("[=<>;]", line)[0]).strip().lower()


def _write_code(place: Path) -> None:
    for name in CODE:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, place / name, ignore=UNWANTED)
        else:
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, place / name)


def _copy(source: Path, to: Path, signed: str) -> None:
    shutil.copytree(source, to)
    if signed:
        signature.beside(to).write_text(signed + "\n")


def _names(ready: list[ServedHead]) -> tuple[tuple[str, str], ...]:
    return tuple((f"{HEAD_PREFIX}{one.name}", one.version) for one in ready)


def _labels(answering: Answering) -> dict[str, str]:
    model = answering.model
    named = {"model": model.name, "version": model.version, "digest": model.digest}
    return named | {f"head-{one.name}": one.version for one in answering.heads}


def _contents(answering: Answering) -> str:
    model = answering.model
    heads = ", ".join(f"{one.name} {one.version} ({one.state})" for one in answering.heads)
    named = f"{model.name}, version {model.version}, digest {model.digest}"
    return f"{named}; heads: {heads or 'none'}"


def main() -> None:
    """Build it, and say its name and what is in it, or exit 1 with one sentence."""
    try:
        bento, answering = built()
    except Exception as error:
        sys.exit(f"bento: {sentence(error)}")
    print(f"bento: {bento.tag}: {_contents(answering)}")


if __name__ == "__main__":
    main()
