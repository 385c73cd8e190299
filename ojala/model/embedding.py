"""Tokens: what is observed and how much of it, as vectors (Appendix A.2).

    token = gelu(E'[row] value + b[row]),    E'[row] = E[row] + metadata(row)
    query = E'[id]

A row is a token id (0 is padding, 1, 2, ... the vocabulary) or one category of a categorical token
(the rows after them), whose value is 1: a morphological type is not a number.

Shape letters: B batch, C context tokens, Q queries, R rows, D width.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ojala.vocabulary.bands import bands
from ojala.vocabulary.quantities import quantities, vocabulary

NUM_IDS = len(vocabulary()) + 1
"""Token ids with padding."""

WAVE_RANGE = (3780.0, 46180.0)
"""Wavelengths that normalise to 0 and 1, Angstrom: J0378 and W2."""


class TokenEmbedding(nn.Module):
    """One table for what is observed and what is asked for."""

    def __init__(self, width: int, metadata_width: int) -> None:
        super().__init__()
        offsets, num_rows = category_offsets()
        self.weight = nn.Parameter(0.3 * torch.randn(num_rows, width))
        self.bias = nn.Parameter(0.1 * torch.randn(num_rows, width))
        self.metadata = nn.Sequential(
            nn.Linear(3, metadata_width), nn.SiLU(), nn.Linear(metadata_width, width)
        )
        features = torch.zeros(num_rows, 3)
        features[:NUM_IDS] = band_features()
        self.features_R3: Tensor
        self.offset_of_id: Tensor
        self.register_buffer("features_R3", features)
        self.register_buffer("offset_of_id", offsets, persistent=False)

    def table(self) -> Tensor:
        """Embedding rows with their band's metadata, (R, D)."""
        has_wave_R1 = self.features_R3[:, 1:2]
        table: Tensor = self.weight + has_wave_R1 * self.metadata(self.features_R3)
        return table

    def forward(self, ids_BC: Tensor, values_BC: Tensor) -> Tensor:
        """Tokens of a context, (B, C, D); the value of a categorical token is its code."""
        # F.embedding throughout: on a CPU the backward of weight[ids] is several times slower.
        offset_BC = F.embedding(ids_BC, self.offset_of_id).squeeze(-1)
        is_code_BC = offset_BC > 0
        rows_BC = torch.where(is_code_BC, offset_BC + values_BC, ids_BC).long()
        values_BC = torch.where(is_code_BC, 1.0, values_BC)
        scale_BCD = F.embedding(rows_BC, self.table())
        return F.gelu(scale_BCD * values_BC.unsqueeze(-1) + F.embedding(rows_BC, self.bias))

    def queries(self, ids_BQ: Tensor) -> Tensor:
        """Vectors that ask for tokens, (B, Q, D)."""
        return F.embedding(ids_BQ, self.table())


def band_features() -> Tensor:
    """Normalised log wavelength, has-wavelength and is-narrow of each token id, (num_ids, 3)."""
    features = torch.zeros(NUM_IDS, 3)
    blue, red = (math.log10(wave) for wave in WAVE_RANGE)
    for band in bands():
        position = (math.log10(band.wave) - blue) / (red - blue)
        features[band.token_id] = torch.tensor([position, 1.0, float(band.kind == "narrow")])
    return features


def category_offsets() -> tuple[Tensor, int]:
    """Row of a categorical token's code 0, 0 for other ids, (num_ids, 1); number of rows."""
    offsets = torch.zeros(NUM_IDS, 1)
    num_rows = NUM_IDS
    for quantity in quantities():
        if quantity.categories:
            offsets[quantity.token_id] = num_rows
            num_rows += len(quantity.categories)
    return offsets, num_rows
