"""The published weights as a bundle, with the habits of the release.

A model folder of the release holds ``config.json`` (nn_config, tokenizer_config, norm_config) and
``weights.pt``, whose "model_state_dict" are the tensors (``tensors``). Equivalent widths
are linear, and scales those of norm_config. An error is what the network says: the scale of a
Student-t, and of redshifts the standard deviation of z, not of dz / (1 + z).
"""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from astropy.table import Table
from torch import Tensor

from ojala import __version__
from ojala.model import bundle
from ojala.model.embedding import NUM_IDS
from ojala.model.network import Ojala
from ojala.model.predictor import OF_Z, REDSHIFT_ERROR
from ojala.model.presets import ModelConfig
from ojala.model.scaling import Scaling
from ojala.published.tensors import converted, shapes
from ojala.tables.shards import CATEGORICAL
from ojala.tables.writing import written_whole
from ojala.vocabulary.quantities import vocabulary

CONFIG, WEIGHTS, CARD = "config.json", "weights.pt", "card.md"

SIDES = {"encoder": 2, "decoder": 3}
"""Blocks of either side; heads and widths halve from one to the next."""

HABITS = {
    "errors": "the scale of a Student-t with 3 degrees of freedom (its standard deviation is 1.73 "
    "times that); of redshifts the standard deviation of z, of a Gaussian loss of dz / (1 + z)",
    "morphtype": "an ordinal: the integer code times one embedding",
    "equivalent_widths": "linear, scaled by median and MAD: the long tail saturates",
    "redshifts": "Gaussian: the published network has no p(z) of steps",
}
"""How the release differs from a bundle of this project, as provenance and card say."""


def import_release(
    directory: str | Path, out: str | Path, *, wavelength_bias: bool = True
) -> tuple[str, int]:
    """Write the model folder of a release as a bundle, whole or not at all.

    wavelength_bias: False leaves the attention bias out, as the release's own catalogue script does
    Returns the bundle's digest and the number of parameters.
    Raises ValueError naming the file and the entry or tensor that is missing or wrong.
    """
    directory = Path(directory)
    config = _config(directory / CONFIG)
    sizes = _sizes(directory / CONFIG, config)
    scaling = _scaling(directory / CONFIG, config)
    weights = directory / WEIGHTS
    theirs, epoch = _checkpoint(weights)
    _check(weights, theirs, shapes(sizes))
    model = Ojala(sizes)
    model.load_state_dict(converted(theirs, sizes, wavelength_bias=wavelength_bias))
    habits = HABITS | {
        "wavelength_bias": "as trained"
        if wavelength_bias
        else "left out, as the release's catalogue script does"
    }
    provenance = _provenance(directory, epoch) | {"habits": habits}
    with written_whole(out) as partial:
        bundle.save(partial, model, scaling, provenance)
        _tell_vocabulary(partial / "quantities.ecsv")
        (partial / CARD).write_text(card(provenance))
        return bundle.digest(partial), sum(tensor.numel() for tensor in model.parameters())


def _config(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"{path}: no such file, expected a model folder of the release")
    config = bundle.read_json(path)
    for section in ("nn_config", "tokenizer_config", "norm_config"):
        if not isinstance(config.get(section), dict):
            raise ValueError(f"{path}: {section} is missing, expected that of a released model")
    tokens, ids = (config["tokenizer_config"].get(name) for name in ("vocabs", "vocab_tokens"))
    known = list(vocabulary())
    if tokens != known or ids != list(range(1, len(known) + 1)):
        raise ValueError(f"{path}: another vocabulary than the 76 released tokens, {known[0]} ...")
    return config


def _sizes(path: Path, config: Mapping[str, Any]) -> ModelConfig:
    given = config["nn_config"]
    for name in ("embedding", "encoder", "decoder"):
        if given.get(f"{name}_activation") != "gelu":
            said = given.get(f"{name}_activation")
            raise ValueError(f"{path}: {name}_activation is {said!r}, expected 'gelu'")
    names = [
        "embedding_dim",
        *(f"{side}_{of}" for side in SIDES for of in ("head_num", "dense_num")),
    ]
    for name in names:
        if not isinstance(given.get(name), int) or given[name] < 1:
            raise ValueError(f"{path}: {name} is {given.get(name)!r}, expected a whole number")
    width = given["embedding_dim"]
    halved = {
        f"{side}_{of}": tuple(given[f"{side}_{of}"] // 2**k for k in range(blocks))
        for side, blocks in SIDES.items()
        for of in ("head_num", "dense_num")
    }
    outputs = tuple(given["decoder_dense_num"] // 2**k for k in range(4))
    try:
        return ModelConfig(
            width=width,
            output_widths=outputs,
            metadata_width=max(64, min(128, width // 2)),
            dropout=float(given.get("encoder_dropout_rate", 0.0)),
            encoder_heads=halved["encoder_head_num"],
            encoder_ffn=halved["encoder_dense_num"],
            decoder_heads=halved["decoder_head_num"],
            decoder_ffn=halved["decoder_dense_num"],
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _scaling(path: Path, config: Mapping[str, Any]) -> Scaling:
    found = {}
    for name in ("_input_mean", "_input_std"):
        values = config["norm_config"].get(name)
        if not isinstance(values, list) or len(values) != NUM_IDS:
            raise ValueError(f"{path}: {name} holds not {NUM_IDS} numbers, one per token id")
        found[name] = np.array(values[1:], dtype=np.float64)
    for token in CATEGORICAL:
        index = vocabulary().index(token)
        found["_input_mean"][index], found["_input_std"][index] = 0.0, 1.0
    try:
        return Scaling(
            median=found["_input_mean"],
            sigma=found["_input_std"],
            transforms=("linear",) * len(vocabulary()),
        )
    except ValueError as error:
        raise ValueError(f"{path}: norm_config, {error}") from None


def _checkpoint(path: Path) -> tuple[dict[str, Tensor], int | None]:
    """Tensors of a checkpoint by name, and the epoch it is of; nothing in it is executed."""
    if not path.is_file():
        raise ValueError(f"{path}: no such file, expected the checkpoint of a released model")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError) as error:
        said = str(error).strip().splitlines()[0]
        raise ValueError(f"{path}: not a checkpoint that can be opened safely ({said})") from None
    state = content.get("model_state_dict") if isinstance(content, dict) else None
    if not isinstance(state, Mapping):
        raise ValueError(f"{path}: model_state_dict is missing, expected a released checkpoint")
    epoch = content.get("epoch")
    tensors = {str(name).removeprefix("_orig_mod."): tensor for name, tensor in state.items()}
    return tensors, epoch if isinstance(epoch, int) else None


def _check(
    path: Path, found: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]
) -> None:
    for name, shape in expected.items():
        if name not in found:
            raise ValueError(f"{path}: tensor {name} is missing")
        if tuple(found[name].shape) != shape:
            raise ValueError(
                f"{path}: tensor {name} has shape {tuple(found[name].shape)}, expected {shape}"
            )
        if not bool(torch.isfinite(found[name]).all()):
            raise ValueError(f"{path}: tensor {name} holds values that are not finite")
    for name in found:
        if name not in expected:
            raise ValueError(f"{path}: tensor {name} is not part of the released model")


def _provenance(directory: Path, epoch: int | None) -> dict[str, Any]:
    digests = {
        name: hashlib.sha256((directory / name).read_bytes()).hexdigest()
        for name in (CONFIG, WEIGHTS)
    }
    return {
        "ojala_version": __version__,
        "git_commit": "",
        "run_id": "",
        "params_digest": "",
        "data_source": "release",
        "data": {},
        "release": {"files": digests, "epoch": epoch},
        REDSHIFT_ERROR: OF_Z,
    }


def _tell_vocabulary(path: Path) -> None:
    """Write into a bundle's quantities that they are linear, and what its errors are.

    So the digest tells such a bundle from one whose network is the same and its habits are not.
    """
    table = Table.read(path, format="ascii.ecsv")
    table["transform"] = "linear"
    table.meta["comments"] = [*table.meta.get("comments", []), f"errors: {HABITS['errors']}"]
    table.write(path, format="ascii.ecsv", overwrite=True)


def card(provenance: Mapping[str, Any]) -> str:
    """What a person should know of an imported bundle, as Markdown."""
    habits = "".join(f"- {name}: {text}\n" for name, text in provenance["habits"].items())
    files = "".join(
        f"- `{name}` sha256 {digest}\n" for name, digest in provenance["release"]["files"].items()
    )
    return (
        "# The published OJALA weights\n\n"
        "Martinez-Solaeche et al. (2026), weights CC BY 4.0, by `ojala import-release`.\n\n"
        f"## Habits of the release that are kept\n\n{habits}\n"
        "The release's catalogue was made without MORPHTYPE in the context, and its luminosities "
        f"with Planck18.\n\n## Made from\n\n{files}"
    )
