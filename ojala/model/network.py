"""The network: an encoder of whatever was observed, a decoder of whatever is asked.

    memory  = encoder(tokens)          tokens of the context see one another
    answers = decoder(queries, memory) each query sees the memory alone

A layout of patches may leave a hidden layer of its summaries aside in the memory: no block sees or
changes it, and p(z) heeds it beside the decoder.

Architecture and nothing else; Section 3 and Appendix A. Shape letters as in ``attention``.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ojala.model.answers import Answers, OutputHeads
from ojala.model.attention import DecoderBlock, EncoderBlock, WavelengthBias
from ojala.model.embedding import TokenEmbedding
from ojala.model.patches import PatchEmbedding
from ojala.model.presets import ModelConfig
from ojala.model.redshift import Beside


class Ojala(nn.Module):
    """Encoder-decoder transformer over photometric tokens.

    Context: ids (B, C) in 1, 2, ... and scaled values (B, C), a code for categorical tokens.
    padding (B, C) is True where there is no token; None says that there is no padding at all,
    which is faster and gives the same numbers. Every row needs at least one token.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embedding: TokenEmbedding | PatchEmbedding
        self.wavelength_bias: WavelengthBias | None = None
        if config.patches is None:
            self.embedding = TokenEmbedding(config.width, config.metadata_width)
            self.wavelength_bias = WavelengthBias()
        else:
            self.embedding = PatchEmbedding(config.width, config.metadata_width, config.patches)
        norm: dict[str, Any] = {"pre_norm": config.pre_norm}
        is_biased = self.wavelength_bias is not None
        self.encoder = nn.ModuleList(
            EncoderBlock(config.width, heads, ffn, config.dropout, is_biased=is_biased, **norm)
            for heads, ffn in zip(config.encoder_heads, config.encoder_ffn, strict=True)
        )
        self.decoder = nn.ModuleList(
            DecoderBlock(config.width, heads, ffn, config.dropout, **norm)
            for heads, ffn in zip(config.decoder_heads, config.decoder_ffn, strict=True)
        )
        self.memory_norm, self.answer_norm = (
            nn.LayerNorm(config.width) if config.pre_norm else nn.Identity() for _ in range(2)
        )
        self.heads = OutputHeads(config.width, config.output_widths, config.redshift_steps)
        self.num_aside, self.beside = 0, None
        if config.patches is not None and config.patches.hidden_in_memory:
            self.num_aside = config.patches.num_aside(config.width)
            self.beside = Beside(self.num_aside * config.width, config.redshift_steps)

    def forward(
        self,
        ids_BC: Tensor,
        values_BC: Tensor,
        query_ids_BQ: Tensor,
        padding_BC: Tensor | None = None,
    ) -> Answers:
        """Answers to the queries, scaled units.

        ids_BC, values_BC, padding_BC: (num_sources, num_tokens)
        query_ids_BQ: (num_sources, num_queries)
        """
        memory_BCD = self.encode(ids_BC, values_BC, padding_BC)
        return self.answer(memory_BCD, query_ids_BQ, padding_BC)

    def encode(self, ids_BC: Tensor, values_BC: Tensor, padding_BC: Tensor | None = None) -> Tensor:
        """The memory, (B, C, D); of patches, (B, as many tokens as there are, D)."""
        tokens_BCD, aside_BAD = self._apart(self.embedding(ids_BC, values_BC))
        bias_B1CC = None if self.wavelength_bias is None else self.wavelength_bias(ids_BC)
        padding_BC = self.memory_padding(padding_BC)
        for block in self.encoder:
            tokens_BCD = block(tokens_BCD, bias_B1CC, padding_BC)
        memory_BCD: Tensor = self.memory_norm(tokens_BCD)
        if not self.num_aside:
            return memory_BCD
        return torch.cat([memory_BCD, aside_BAD.to(memory_BCD.dtype)], dim=1)

    def memory_padding(self, padding_BC: Tensor | None) -> Tensor | None:
        """Padding of the memory of a context with this padding, (B, C), bool: patches have none."""
        return padding_BC if self.config.patches is None else None

    def answer(
        self, memory_BCD: Tensor, query_ids_BQ: Tensor, padding_BC: Tensor | None = None
    ) -> Answers:
        """Answers from a memory; no query knows of another.

        memory_BCD: (num_sources, num_tokens, width); query_ids_BQ: (num_sources, num_queries)
        """
        read_BQD = self.read(memory_BCD, query_ids_BQ, padding_BC)
        return self.with_beside(self.heads(read_BQD, query_ids_BQ), memory_BCD)

    def read(
        self, memory_BCD: Tensor, query_ids_BQ: Tensor, padding_BC: Tensor | None = None
    ) -> Tensor:
        """What the decoder reads from a memory for each query, (B, Q, D)."""
        seen_BCD, _ = self._apart(memory_BCD)
        queries_BQD = self.embedding.queries(query_ids_BQ)
        padding_BC = self.memory_padding(padding_BC)
        for block in self.decoder:
            queries_BQD = block(queries_BQD, seen_BCD, padding_BC)
        read_BQD: Tensor = self.answer_norm(queries_BQD)
        return read_BQD

    def with_beside(self, answers: Answers, memory_BCD: Tensor) -> Answers:
        """Answers whose redshifts heed what lies aside in the memory, beside the decoder.

        memory_BCD: (num_sources, num_tokens, width), of ``encode``
        """
        if self.beside is None:
            return answers
        assert answers.redshift is not None
        _, aside_BAD = self._apart(memory_BCD)
        return answers._replace(redshift=answers.redshift + self.beside(aside_BAD))

    def pooled(self, memory_BCD: Tensor, padding_BC: Tensor | None = None) -> Tensor:
        """Embedding of each source: the mean of its valid encoder tokens in float32, (B, D)."""
        seen_BCD, _ = self._apart(memory_BCD)
        padding_BC = self.memory_padding(padding_BC)
        if padding_BC is None:
            return seen_BCD.float().mean(dim=1)
        valid_BC1 = (~padding_BC).unsqueeze(-1).float()
        return (seen_BCD.float() * valid_BC1).sum(dim=1) / valid_BC1.sum(dim=1)

    def _apart(self, tokens_BCD: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens of the encoder, and those that lie aside: no block sees or changes them."""
        num = tokens_BCD.shape[1] - self.num_aside
        return tokens_BCD[:, :num], tokens_BCD[:, num:]
