"""A toy network for the tests: a block a side, which learns the toy sky within seconds."""

from dataclasses import replace

import torch

from ojala.model.network import Ojala
from ojala.model.presets import ModelConfig, PatchConfig

SIZES = ModelConfig(
    width=32,
    encoder_heads=(4,),
    encoder_ffn=(64,),
    decoder_heads=(4,),
    decoder_ffn=(64,),
    output_widths=(64,),
    dropout=0.1,
)
UNDROPPED = replace(SIZES, dropout=0.0)
"""For passes that are compared, and for learning in few steps."""

PATCHED = replace(
    UNDROPPED,
    pre_norm=True,
    patches=PatchConfig(
        bands=9,
        reach=3,
        value_width=4,
        num_summaries=2,
        summary_width=32,
        summary_layers=1,
        labels_in_summaries=True,
        hidden_in_memory=True,
    ),
    redshift_steps=64,
)
"""The layout of the demo: patches, and redshifts by steps."""


def toy_model(sizes=SIZES, seed=0):
    """An untrained network, the same for the same seed."""
    torch.manual_seed(seed)
    return Ojala(sizes)
