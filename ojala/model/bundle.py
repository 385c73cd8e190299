"""The bundle: a directory that can predict, and that a person can read.

    weights.safetensors   tensors of the network, float32, by name
    config.json           its sizes (ModelConfig)
    scaling.json          median, sigma and transform of every token
    bands.ecsv, quantities.ecsv   the vocabulary it was trained with
    provenance.json       what it was made from: digests, commit, run, versions

Nothing in it is code and nothing is pickled: a bundle from elsewhere is safe to open.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from astropy.table import Table
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from ojala.model.answers import LATER
from ojala.model.network import Ojala
from ojala.model.presets import ModelConfig
from ojala.model.scaling import Scaling
from ojala.tables.writing import written_whole
from ojala.vocabulary import directory as survey

WEIGHTS, CONFIG, SCALING = "weights.safetensors", "config.json", "scaling.json"
PROVENANCE = "provenance.json"
LABEL_CONTEXT = "label_context"
"""Entry of a bundle's provenance: share of the sources that were shown labels in training."""

VOCABULARY = ("bands.ecsv", "quantities.ecsv")


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """An opened bundle, or a network with its scaling that was never saved.

    model: in evaluation mode; digest: of all that a prediction depends on, "" if never saved
    """

    model: Ojala
    scaling: Scaling
    provenance: dict[str, Any] = field(default_factory=dict)
    digest: str = ""


def save(
    directory: str | Path, model: Ojala, scaling: Scaling, provenance: Mapping[str, Any]
) -> str:
    """Write a bundle, whole or not at all; returns its digest."""
    with written_whole(directory) as partial:
        partial.mkdir()
        write_tensors(partial / WEIGHTS, model.state_dict())
        write_json(partial / CONFIG, asdict(model.config))
        scaling.write(partial / SCALING)
        for name in VOCABULARY:
            shutil.copyfile(survey.directory() / name, partial / name)
        write_json(partial / PROVENANCE, dict(provenance))
        return digest(partial)


def load(directory: str | Path) -> Bundle:
    """Open a bundle.

    Raises ValueError with one sentence for a missing file, another vocabulary, a tensor that is
    missing, superfluous or of the wrong shape, and weights that are not finite.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise ValueError(f"{directory}: not a bundle, there is no such directory")
    for name in (WEIGHTS, CONFIG, SCALING, *VOCABULARY, PROVENANCE):
        if not (directory / name).is_file():
            raise ValueError(f"{directory}: not a bundle, {name} is missing")
    for name in VOCABULARY:
        _check_vocabulary(directory / name)
    return Bundle(
        model=_load_model(directory),
        scaling=Scaling.read(directory / SCALING),
        provenance=read_json(directory / PROVENANCE),
        digest=digest(directory),
    )


def digest(directory: str | Path) -> str:
    """SHA-256 of what a prediction depends on: weights, sizes, scaling and vocabulary.

    Provenance is left out, so that the same network made twice is one model.
    """
    whole = hashlib.sha256()
    for name in sorted((WEIGHTS, CONFIG, SCALING, *VOCABULARY)):
        content = (Path(directory) / name).read_bytes()
        whole.update(f"{name} {hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()


def _load_model(directory: Path) -> Ojala:
    sizes = read_json(directory / CONFIG)
    try:
        model = Ojala(ModelConfig.read(sizes))
    except (TypeError, ValueError) as error:
        raise ValueError(f"{directory / CONFIG}: not the sizes of a model ({error})") from None
    fresh = model.state_dict()
    model.load_state_dict(fresh | read_tensors(directory / WEIGHTS, fresh, later=LATER))
    return model.eval()


def read_tensors(
    path: Path, expected: Mapping[str, torch.Tensor], later: Collection[str] = ()
) -> dict[str, torch.Tensor]:
    """Tensors of a file, which must have the names and shapes of ``expected`` and be finite.

    later: last parts of the names that an older file may lack

    Raises ValueError with one sentence for an unreadable file and the first tensor that is wrong.

    Tensors are of any shape.
    """
    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{path}: not readable tensors ({error})") from None
    required = {n: t for n, t in expected.items() if n in tensors or n.split(".")[-1] not in later}
    _check_tensors(path, tensors, required)
    return tensors


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors by name, from wherever they are.

    Tensors are of any shape.
    """
    save_file({name: t.detach().cpu().contiguous().clone() for name, t in tensors.items()}, path)


def _check_tensors(
    path: Path, found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]
) -> None:
    for name, tensor in expected.items():
        if name not in found:
            raise ValueError(f"{path}: tensor {name} is missing")
        if found[name].shape != tensor.shape:
            shapes = f"{tuple(found[name].shape)}, expected {tuple(tensor.shape)}"
            raise ValueError(f"{path}: tensor {name} has shape {shapes}")
        if not bool(torch.isfinite(found[name]).all()):
            raise ValueError(f"{path}: tensor {name} holds values that are not finite")
    for name in found:
        if name not in expected:
            raise ValueError(f"{path}: tensor {name} is not part of the model")


def _check_vocabulary(path: Path) -> None:
    """Raise ValueError where a bundle's tokens are not those of this process."""
    known = _tokens(survey.directory() / path.name)
    try:
        found = _tokens(path)
    except Exception as error:
        raise ValueError(f"{path}: not a readable token table ({error})") from None
    for token_id in sorted(known.keys() | found.keys()):
        theirs, ours = found.get(token_id, ("absent", "")), known.get(token_id, ("none", ""))
        if theirs != ours:
            shown = slice(1) if theirs[0] != ours[0] else slice(2)
            raise ValueError(
                f"{path}: another vocabulary, token {token_id} is {' '.join(theirs[shown])}, "
                f"expected {' '.join(ours[shown])}; with {survey.VARIABLE}={path.parent} in the "
                "environment it is this bundle's"
            )


def _tokens(path: Path) -> dict[int, tuple[str, str]]:
    """Of every token id of a table the name and categories, and what else a network sees of it."""
    table = Table.read(path, format="ascii.ecsv")
    return {
        int(row["token_id"]): (
            " ".join(str(row[name]) for name in ("token", *_there(table, "categories"))).strip(),
            " ".join(str(row[name]) for name in _there(table, "kind", "wave")),
        )
        for row in table
    }


def _there(table: Table, *names: str) -> list[str]:
    return [name for name in names if name in table.colnames]


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write named entries as JSON."""
    path.write_text(json.dumps(content, indent=1, default=str) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """Named entries of a JSON file. Raises ValueError naming the file that holds none."""
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise ValueError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path}: expected named entries")
    return content
