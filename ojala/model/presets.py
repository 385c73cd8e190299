"""Sizes of the model: one frozen configuration, and presets of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class PatchConfig:
    """Input layer of patches (``ojala.model.patches``).

    bands: neighbouring narrow bands that share a token
    reach: bands on either side of a patch that it sees as well
    value_width: features of a band's value
    num_summaries: tokens that see all observations at once
    summary_width, summary_layers: the residual network that writes them
    labels_in_summaries: summaries see the labels that are known as well, beside the light
    hidden_in_memory: the last hidden layer of that network lies in the memory as well, as it is,
        and p(z) heeds it beside the decoder
    Raises ValueError naming the size that is too small.
    """

    bands: int
    reach: int
    value_width: int
    num_summaries: int
    summary_width: int
    summary_layers: int
    labels_in_summaries: bool = False
    hidden_in_memory: bool = False

    def __post_init__(self) -> None:
        for name in ("bands", "value_width", "num_summaries", "summary_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"patches.{name} is {getattr(self, name)}, expected 1 or more")
        for name in ("reach", "summary_layers"):
            if getattr(self, name) < 0:
                raise ValueError(f"patches.{name} is {getattr(self, name)}, expected 0 or more")

    def num_aside(self, width: int) -> int:
        """Tokens that hold the hidden layer. Raises ValueError where it fills none evenly."""
        if not self.hidden_in_memory:
            return 0
        if self.summary_width % width:
            raise ValueError(
                f"patches.summary_width is {self.summary_width}, no multiple of the width {width}"
            )
        return self.summary_width // width


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes of an OJALA network (Appendix A.1).

    width: of a token, d_model
    encoder_heads, encoder_ffn: attention heads and feed-forward width, one entry per block
    decoder_heads, decoder_ffn: the same for the cross-attention blocks
    output_widths: hidden layers shared by all queries between decoder and heads; may be empty
    metadata_width: hidden layer of the network that embeds a band's wavelength and kind
    dropout: on the output of every attention and feed-forward layer
    pre_norm: LayerNorm before attention and feed-forward layers; the paper's is after them
    patches: tokens of neighbouring bands; None: every band is a token of its own
    redshift_steps: steps of ln(1 + z) whose probabilities answer a redshift; 0: a Gaussian

    Raises ValueError naming the size that does not fit.
    """

    width: int
    encoder_heads: tuple[int, ...]
    encoder_ffn: tuple[int, ...]
    decoder_heads: tuple[int, ...]
    decoder_ffn: tuple[int, ...]
    output_widths: tuple[int, ...]
    metadata_width: int = 64
    dropout: float = 0.1
    pre_norm: bool = False
    patches: PatchConfig | None = None
    redshift_steps: int = 0

    def __post_init__(self) -> None:
        for stack in ("encoder", "decoder"):
            heads, ffn = getattr(self, f"{stack}_heads"), getattr(self, f"{stack}_ffn")
            if not heads or len(heads) != len(ffn):
                raise ValueError(
                    f"{stack}_heads and {stack}_ffn need one entry per block, not {heads} and {ffn}"
                )
            for num_heads in heads:
                if num_heads < 1 or self.width % num_heads:
                    raise ValueError(f"{stack}_heads: {num_heads} does not divide {self.width}")
        is_aside = self.patches is not None and self.patches.num_aside(self.width) > 0
        if is_aside and not self.redshift_steps:
            raise ValueError("patches.hidden_in_memory is for redshifts by steps")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}, expected 0 <= dropout < 1")
        if self.redshift_steps < 0 or self.redshift_steps == 1:
            raise ValueError(f"redshift_steps is {self.redshift_steps}, expected 0, or 2 or more")

    @classmethod
    def read(cls, sizes: dict[str, Any]) -> ModelConfig:
        """The sizes that a JSON file holds; those of an older bundle lack what was not there then.

        Raises TypeError or ValueError for other content.
        """
        given: dict[str, Any] = {
            n: tuple(size) if isinstance(size, list) else size for n, size in sizes.items()
        }
        if given.get("patches") is not None:
            given["patches"] = PatchConfig(**given["patches"])
        return cls(**given)


PRESETS = {
    # The layout of the published weights: 4.70 M parameters, 3.0 M of them in the output layers.
    "released": ModelConfig(
        width=128,
        encoder_heads=(16, 8),
        encoder_ffn=(1024, 512),
        decoder_heads=(16, 8, 4),
        decoder_ffn=(2048, 1024, 512),
        output_widths=(2048, 1024, 512, 256),
    ),
    # Appendix A.1 to the letter, which gives 2.47 M and not the 4.6 M it states.
    "paper": ModelConfig(
        width=128,
        encoder_heads=(16, 16),
        encoder_ffn=(1024, 1024),
        decoder_heads=(16, 16, 16),
        decoder_ffn=(2048, 2048, 2048),
        output_widths=(),
    ),
    # Two cores and minutes.
    "demo": ModelConfig(
        width=128,
        encoder_heads=(4,),
        encoder_ffn=(256,),
        decoder_heads=(4,),
        decoder_ffn=(256,),
        output_widths=(256,),
        dropout=0.0,
        pre_norm=True,
        patches=PatchConfig(
            bands=6,
            reach=3,
            value_width=8,
            num_summaries=4,
            summary_width=256,
            summary_layers=3,
            labels_in_summaries=True,
            hidden_in_memory=True,
        ),
        redshift_steps=512,
    ),
    # Less than a third of its operations, for a network that learns from one (docs/lean.md).
    "lean": ModelConfig(
        width=64,
        encoder_heads=(4,),
        encoder_ffn=(128,),
        decoder_heads=(4,),
        decoder_ffn=(96,),
        output_widths=(128,),
        dropout=0.0,
        pre_norm=True,
        patches=PatchConfig(
            bands=6,
            reach=3,
            value_width=8,
            num_summaries=4,
            summary_width=192,
            summary_layers=3,
            labels_in_summaries=True,
            hidden_in_memory=True,
        ),
        redshift_steps=512,
    ),
    # Demo's layout with room for millions of sources: not trained yet.
    "wide": ModelConfig(
        width=256,
        encoder_heads=(8, 8, 8, 8),
        encoder_ffn=(1024, 1024, 1024, 1024),
        decoder_heads=(8, 8),
        decoder_ffn=(1024, 1024),
        output_widths=(512,),
        pre_norm=True,
        patches=PatchConfig(
            bands=6,
            reach=3,
            value_width=16,
            num_summaries=8,
            summary_width=1024,
            summary_layers=3,
            labels_in_summaries=True,
            hidden_in_memory=True,
        ),
        redshift_steps=800,
    ),
}


def preset(name: str) -> ModelConfig:
    """The sizes of a preset. Raises ValueError for an unknown one."""
    if name not in PRESETS:
        raise ValueError(f"preset {name!r} is not known: expected one of {', '.join(PRESETS)}")
    return PRESETS[name]
