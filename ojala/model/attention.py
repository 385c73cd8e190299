"""Attention between tokens: self-attention that knows wavelengths, and cross-attention.

Everything runs on scaled_dot_product_attention. Without padding no mask is built.

Shape letters: B batch, C context tokens, Q queries, H heads, K width of a head, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from ojala.model.dropout import Dropout
from ojala.model.embedding import band_features

CUDA_KERNELS = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
"""Not cuDNN's kernel: it has no gradient for the bias, and NaN gradients with some masks."""

CPU_KERNELS = [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH]
CPU_TRAINING_KERNELS = [SDPBackend.MATH]
"""At 5 to 60 tokens the backward of plain products is faster than that of the flash kernel."""


class WavelengthBias(nn.Module):
    """Attention between bands by their separation in wavelength (Appendix A.2).

        bias = w_n exp(-(dl / s_n)^2)   between two narrow bands
        bias = w_b exp(-(dl / s_b)^2)   between other bands

    and 0 where a token has no wavelength; dl in normalised log wavelength.
    """

    def __init__(self) -> None:
        super().__init__()
        self.narrow_strength = nn.Parameter(torch.tensor([0.10]))
        self.narrow_width = nn.Parameter(torch.tensor([0.10]))
        self.broad_strength = nn.Parameter(torch.tensor([0.10]))
        self.broad_width = nn.Parameter(torch.tensor([0.20]))
        self.features_I3: Tensor
        self.register_buffer("features_I3", band_features())

    def forward(self, ids_BC: Tensor) -> Tensor:
        """Additive bias of the attention logits, (B, 1, C, C)."""
        # From the wavelengths of the ids: gathering from a table of pairs has a slow backward.
        wave_BC, has_wave_BC, is_narrow_BC = F.embedding(ids_BC, self.features_I3).unbind(-1)
        separation_BCC = wave_BC.unsqueeze(-1) - wave_BC.unsqueeze(-2)
        both_narrow_BCC = (is_narrow_BC.unsqueeze(-1) * is_narrow_BC.unsqueeze(-2)).bool()
        both_waves_BCC = has_wave_BC.unsqueeze(-1) * has_wave_BC.unsqueeze(-2)
        width_BCC = torch.where(both_narrow_BCC, self.narrow_width, self.broad_width)
        strength_BCC = torch.where(both_narrow_BCC, self.narrow_strength, self.broad_strength)
        gauss_BCC = torch.exp(-((separation_BCC / width_BCC) ** 2))
        return (strength_BCC * gauss_BCC * both_waves_BCC).unsqueeze(1)


class EncoderBlock(nn.Module):
    """Self-attention and feed-forward layer, each followed (``pre_norm``: preceded) by LayerNorm.

    is_biased: logits get an additive bias, whose gain is learnt; without it nothing is padded
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        ffn_width: int,
        dropout: float,
        *,
        pre_norm: bool = False,
        is_biased: bool = True,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.pre_norm = pre_norm
        self.query_key_value = nn.Linear(width, 3 * width)
        self.output = nn.Linear(width, width)
        self.bias_gain = nn.Parameter(torch.ones(1)) if is_biased else None
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, ffn_width, dropout, pre_norm=pre_norm)
        self.dropout = Dropout(dropout)

    def forward(
        self,
        tokens_BCD: Tensor,
        bias_B1CC: Tensor | None = None,
        padding_BC: Tensor | None = None,
    ) -> Tensor:
        """Tokens of the same shape; padding tokens are attended to by none."""
        seen_BCD = self.attention_norm(tokens_BCD) if self.pre_norm else tokens_BCD
        query, key, value = self.query_key_value(seen_BCD).chunk(3, dim=-1)
        logits = self._bias(bias_B1CC, padding_BC)
        attended_BCD = self.output(attend(query, key, value, self.num_heads, logits))
        tokens_BCD = tokens_BCD + self.dropout(attended_BCD)
        if not self.pre_norm:
            tokens_BCD = self.attention_norm(tokens_BCD)
        result: Tensor = self.feed_forward(tokens_BCD)
        return result

    def _bias(self, bias_B1CC: Tensor | None, padding_BC: Tensor | None) -> Tensor | None:
        """What is added to the logits."""
        if self.bias_gain is None:
            assert bias_B1CC is None and padding_BC is None
            return None
        assert bias_B1CC is not None
        logits = bias_B1CC * self.bias_gain
        if padding_BC is None:
            return logits
        return logits.masked_fill(padding_BC[:, None, None, :], -torch.inf)


class DecoderBlock(nn.Module):
    """Cross-attention of queries to the memory, which they share but not with one another.

    Every head has one learned key and value beside the memory's, so that it can attend to nothing.
    """

    def __init__(
        self,
        width: int,
        num_heads: int,
        ffn_width: int,
        dropout: float,
        *,
        pre_norm: bool = False,
    ) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.pre_norm = pre_norm
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.extra_key_value = nn.Parameter(0.02 * torch.randn(2, 1, 1, width))
        self.output = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width)
        self.feed_forward = FeedForward(width, ffn_width, dropout, pre_norm=pre_norm)
        self.dropout = Dropout(dropout)

    def forward(
        self, queries_BQD: Tensor, memory_BCD: Tensor, padding_BC: Tensor | None = None
    ) -> Tensor:
        """Queries of the same shape, each answered from the memory alone."""
        parts = self.key_value(memory_BCD).chunk(2, dim=-1)
        extras = (extra.expand(len(memory_BCD), -1, -1) for extra in self.extra_key_value)
        key, value = (
            torch.cat([part, extra.to(part.dtype)], dim=1)
            for part, extra in zip(parts, extras, strict=True)
        )
        takes_part = None if padding_BC is None else _takes_part(padding_BC)
        seen_BQD = self.attention_norm(queries_BQD) if self.pre_norm else queries_BQD
        attended_BQD = self.output(
            attend(self.query(seen_BQD), key, value, self.num_heads, takes_part)
        )
        queries_BQD = queries_BQD + self.dropout(attended_BQD)
        if not self.pre_norm:
            queries_BQD = self.attention_norm(queries_BQD)
        result: Tensor = self.feed_forward(queries_BQD)
        return result


class FeedForward(nn.Module):
    """Two linear layers with GELU between, added to the input; LayerNorm after or before."""

    def __init__(
        self, width: int, ffn_width: int, dropout: float, *, pre_norm: bool = False
    ) -> None:
        super().__init__()
        self.pre_norm = pre_norm
        self.widen = nn.Linear(width, ffn_width)
        self.narrow = nn.Linear(ffn_width, width)
        self.norm = nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """Tokens of the same shape."""
        seen = self.norm(tokens) if self.pre_norm else tokens
        tokens = tokens + self.dropout(self.narrow(F.gelu(self.widen(seen))))
        return tokens if self.pre_norm else self.norm(tokens)


def attend(
    query_BQD: Tensor, key_BCD: Tensor, value_BCD: Tensor, num_heads: int, mask: Tensor | None
) -> Tensor:
    """Attention of several heads, (B, Q, D).

    mask: broadcastable to (B, H, Q, C); additive, or bool with True for keys that take part
    """
    if mask is not None and mask.is_floating_point():
        # A float32 mask beside bfloat16 queries is misread without a word (pytorch #191612).
        mask = mask.to(query_BQD.dtype)
    query, key, value = (
        _split_heads(tokens, num_heads) for tokens in (query_BQD, key_BCD, value_BCD)
    )
    with sdpa_kernel(_kernels(query)):
        attended_BHQK = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return attended_BHQK.transpose(1, 2).flatten(2)


def _kernels(query: Tensor) -> list[SDPBackend]:
    if query.is_cuda:
        return CUDA_KERNELS
    return CPU_TRAINING_KERNELS if torch.is_grad_enabled() else CPU_KERNELS


def _takes_part(padding_BC: Tensor) -> Tensor:
    """True for the memory's tokens and the extra key, (B, 1, 1, C + 1)."""
    return F.pad(~padding_BC, (0, 1), value=True)[:, None, None, :]


def _split_heads(tokens_BCD: Tensor, num_heads: int) -> Tensor:
    """(B, H, C, K) of (B, C, D)."""
    return tokens_BCD.view(*tokens_BCD.shape[:-1], num_heads, -1).transpose(1, 2)
