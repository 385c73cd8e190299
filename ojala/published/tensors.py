"""Names and shapes of the tensors of the published network, and what they are called here.

The network is that of preset "released". What the release does otherwise goes into the tensors:
the row of a MORPHTYPE's code k is k times the row of the token, an ordinal; bands sit at nominal
wavelengths (the number in a narrow band's name, in nm).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor

from ojala.model.embedding import NUM_IDS, category_offsets
from ojala.model.presets import ModelConfig
from ojala.tables.shards import CATEGORICAL
from ojala.vocabulary.bands import bands
from ojala.vocabulary.quantities import vocabulary

BROAD_WAVES = {
    "MAG_i": 748.0,
    "MAG_G": 477.0,
    "MAG_R": 623.0,
    "MAG_Z": 913.0,
    "MAG_W1": 3368.0,
    "MAG_W2": 4618.0,
}
"""Nominal wavelengths of the broad bands in the release, nm; a narrow band's is in its name."""

KERNEL = {"narrow": "w_narrow", "broad": "w_broad"}
KERNEL_WIDTH_FLOOR = 1e-6
"""What the release adds to the widths of the wavelength bias."""

OUTPUTS = {
    "decoder_out": ("mean", 1),
    "decoder_logvar_out": ("log_variance", 1),
    "classification_out": ("spectype", len(CATEGORICAL["SPECTYPE"])),
    "morph_classification_out": ("morphtype", len(CATEGORICAL["MORPHTYPE"])),
}
"""Output layers: theirs, ours and their size."""

ALIKE = {
    "attention.out_proj": "output",
    "layernorm_1": "attention_norm",
    "dense_1": "feed_forward.widen",
    "dense_2": "feed_forward.narrow",
    "layernorm_2": "feed_forward.norm",
}
"""Layers of a block, theirs and ours, that are the same of either kind."""


def shapes(sizes: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Shape of every tensor of the release's network of these sizes, by its name."""
    width = sizes.width
    found: dict[str, tuple[int, ...]] = {
        "embedding_layer.embeddings": (NUM_IDS, width),
        "embedding_layer.bias": (NUM_IDS, width),
        **_linear("embedding_layer.meta_mlp.0", 3, sizes.metadata_width),
        **_linear("embedding_layer.meta_mlp.2", sizes.metadata_width, width),
    }
    for kind, strength in KERNEL.items():
        found |= {f"torch_encoder.{strength}": (), f"torch_encoder.log_sigma_{kind}": ()}
    for number, ffn in enumerate(sizes.encoder_ffn, start=1):
        block = f"torch_encoder.encoder_transformer_block_{number}"
        found[f"torch_encoder.rpb_gain{number}"] = ()
        found |= _linear(f"{block}.attention.qkv_proj", width, 3 * width)
        found |= _block(block, width, ffn)
    for number, (heads, ffn) in enumerate(
        zip(sizes.decoder_heads, sizes.decoder_ffn, strict=True), start=1
    ):
        block = f"torch_decoder.decoder_transformer_block_{number}"
        for part in ("q", "k", "v"):
            found |= _linear(f"{block}.attention.{part}_proj", width, width)
        for part in ("k_bias", "v_bias"):
            found[f"{block}.attention.{part}"] = (1, heads, 1, width // heads)
        found |= _block(block, width, ffn)
    for number, (before, after) in enumerate(pairwise((width, *sizes.output_widths)), start=3):
        found |= _linear(f"torch_decoder.decoder_dense_{number}", before, after)
    for name, (_, size) in OUTPUTS.items():
        found |= _linear(f"torch_decoder.{name}", sizes.output_widths[-1], size)
    return found


def _linear(name: str, before: int, after: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (after, before), f"{name}.bias": (after,)}


def _block(block: str, width: int, ffn: int) -> dict[str, tuple[int, ...]]:
    """What self-attention and cross-attention blocks have alike."""
    found = _linear(f"{block}.attention.out_proj", width, width)
    found |= _linear(f"{block}.dense_1", width, ffn) | _linear(f"{block}.dense_2", ffn, width)
    for norm in ("layernorm_1", "layernorm_2"):
        found |= {f"{block}.{norm}.weight": (width,), f"{block}.{norm}.bias": (width,)}
    return found


def converted(
    theirs: Mapping[str, Tensor], sizes: ModelConfig, *, wavelength_bias: bool = True
) -> dict[str, Tensor]:
    """Our tensors of theirs, float32, each of any shape, by our names."""
    theirs = {name: tensor.detach().float() for name, tensor in theirs.items()}
    features = _features()
    ours = _embedding(theirs, features) | {"wavelength_bias.features_I3": features}
    for kind, strength in KERNEL.items():
        of_kind = theirs[f"torch_encoder.{strength}"].reshape(1)
        ours[f"wavelength_bias.{kind}_strength"] = of_kind if wavelength_bias else 0 * of_kind
        width = theirs[f"torch_encoder.log_sigma_{kind}"].exp() + KERNEL_WIDTH_FLOOR
        ours[f"wavelength_bias.{kind}_width"] = width.reshape(1)
    for place in range(len(sizes.encoder_ffn)):
        block = f"torch_encoder.encoder_transformer_block_{place + 1}"
        ours[f"encoder.{place}.bias_gain"] = theirs[f"torch_encoder.rpb_gain{place + 1}"].reshape(1)
        for part in ("weight", "bias"):
            ours[f"encoder.{place}.query_key_value.{part}"] = theirs[
                f"{block}.attention.qkv_proj.{part}"
            ]
        ours |= _alike(theirs, block, f"encoder.{place}")
    for place in range(len(sizes.decoder_ffn)):
        block = f"torch_decoder.decoder_transformer_block_{place + 1}"
        ours |= _cross(theirs, f"{block}.attention", f"decoder.{place}")
        ours |= _alike(theirs, block, f"decoder.{place}")
    named = {
        f"decoder_dense_{place + 3}": f"hidden.{2 * place}"
        for place in range(len(sizes.output_widths))
    }
    named |= {name: head for name, (head, _) in OUTPUTS.items()}
    for name, head in named.items():
        for part in ("weight", "bias"):
            ours[f"heads.{head}.{part}"] = theirs[f"torch_decoder.{name}.{part}"]
    return ours | {"heads.error_factor_I": torch.ones(NUM_IDS)}


def _embedding(theirs: Mapping[str, Tensor], features: Tensor) -> dict[str, Tensor]:
    """Rows of tokens, and of the categories: their code times the token's row."""
    offsets, num_rows = category_offsets()
    rows = torch.zeros(num_rows, dtype=torch.long)
    code = torch.ones(num_rows)
    rows[:NUM_IDS] = torch.arange(NUM_IDS)
    for token, categories in CATEGORICAL.items():
        token_id = vocabulary().index(token) + 1
        first = int(offsets[token_id])
        rows[first : first + len(categories)] = token_id
        code[first : first + len(categories)] = torch.arange(float(len(categories)))
    all_features = torch.zeros(num_rows, 3)
    all_features[:NUM_IDS] = features
    weight = code.unsqueeze(-1) * theirs["embedding_layer.embeddings"][rows]
    ours = {
        "embedding.weight": weight,
        "embedding.bias": theirs["embedding_layer.bias"][rows],
        "embedding.features_R3": all_features,
    }
    for layer in ("0", "2"):
        for part in ("weight", "bias"):
            ours[f"embedding.metadata.{layer}.{part}"] = theirs[
                f"embedding_layer.meta_mlp.{layer}.{part}"
            ]
    return ours


def _cross(theirs: Mapping[str, Tensor], attention: str, ours: str) -> dict[str, Tensor]:
    """Projections of a cross-attention block, and the key and value that every head has more."""
    found = {}
    for part in ("weight", "bias"):
        found[f"{ours}.query.{part}"] = theirs[f"{attention}.q_proj.{part}"]
        pair = [theirs[f"{attention}.{name}_proj.{part}"] for name in ("k", "v")]
        found[f"{ours}.key_value.{part}"] = torch.cat(pair)
    extra = [theirs[f"{attention}.{name}_bias"].reshape(1, 1, -1) for name in ("k", "v")]
    found[f"{ours}.extra_key_value"] = torch.stack(extra)
    return found


def _alike(theirs: Mapping[str, Tensor], block: str, ours: str) -> dict[str, Tensor]:
    return {
        f"{ours}.{name}.{part}": theirs[f"{block}.{their}.{part}"]
        for their, name in ALIKE.items()
        for part in ("weight", "bias")
    }


def _features() -> Tensor:
    """Normalised log wavelength, has-wavelength and is-narrow of each released id, (77, 3)."""
    nominal = {band.token: BROAD_WAVES.get(band.token) or float(band.token[1:]) for band in bands()}
    low, high = (math.log10(limit(nominal.values())) for limit in (min, max))
    features = torch.zeros(NUM_IDS, 3)
    for band in bands():
        position = (math.log10(nominal[band.token]) - low) / (high - low)
        features[band.token_id] = torch.tensor([position, 1.0, float(band.kind == "narrow")])
    return features
