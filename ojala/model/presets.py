"""Sizes of the model: one frozen configuration, three presets."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Sizes of an OJALA network (Appendix A.1).

    width: of a token, d_model
    encoder_heads, encoder_ffn: attention heads and feed-forward width, one entry per block
    decoder_heads, decoder_ffn: the same for the cross-attention blocks
    output_widths: hidden layers shared by all queries between decoder and heads; may be empty
    metadata_width: hidden layer of the network that embeds a band's wavelength and kind
    dropout: on the output of every attention and feed-forward layer

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
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout is {self.dropout}, expected 0 <= dropout < 1")


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
    # Two cores and minutes: 0.3 M.
    "demo": ModelConfig(
        width=64,
        encoder_heads=(8, 4),
        encoder_ffn=(256, 256),
        decoder_heads=(8, 4),
        decoder_ffn=(256, 256),
        output_widths=(512, 128),
        dropout=0.0,
    ),
}


def preset(name: str) -> ModelConfig:
    """The sizes of a preset. Raises ValueError for an unknown one."""
    if name not in PRESETS:
        raise ValueError(f"preset {name!r} is not known: expected one of {', '.join(PRESETS)}")
    return PRESETS[name]
