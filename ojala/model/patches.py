"""Neighbouring narrow bands as one token, whichever of them are there.

    features(band) = present (gelu(E u + b), u, 1),    u = asinh(scaled value)
    token of a patch = W_patch (features of its bands, their neighbours and i) + b_patch

One token per band is a sequence of single numbers, whose first layer sees no line and no break.
Here the tokens are patches of narrow bands, blue to red; broad bands and MORPHTYPE; the labels that
are known; and summaries, which a residual network of all observations writes, and of those labels
where the sizes say so: mass follows from light and redshift together. The last hidden layer of that
network may lie after them, as it is, for p(z) (``ojala.model.redshift.Beside``). What is not in the
context leaves zeros and says so, so that any subset is a context, and nothing is ever padded.

Shape letters: B batch, C context tokens, Q queries, I token ids, F features, G patches, D width.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ojala.model.embedding import NUM_IDS, band_features, category_offsets
from ojala.model.presets import PatchConfig
from ojala.vocabulary.bands import broad_bands, narrow_bands, reference_band
from ojala.vocabulary.quantities import observations, quantities, queries, vocabulary

I_BAND = reference_band().token_id
MORPHTYPE = vocabulary().index("MORPHTYPE") + 1


class PatchEmbedding(nn.Module):
    """Tokens of a context, always as many; and vectors that ask for quantities."""

    def __init__(self, width: int, metadata_width: int, config: PatchConfig) -> None:
        super().__init__()
        members = patches(config)
        num_features = config.value_width + 2
        self.features = BandFeatures(config.value_width)
        fan_in = members.shape[1] * num_features
        self.weight_GND = nn.Parameter(torch.randn(len(members), fan_in, width) / fan_in**0.5)
        self.position_GD = nn.Parameter(0.3 * torch.randn(len(members), width))
        self.labels = nn.Linear(len(queries()) * num_features, width)
        summarised = vocabulary() if config.labels_in_summaries else observations()
        self.summaries = Summaries(len(summarised) * num_features, width, config)
        self.asked = nn.Parameter(0.3 * torch.randn(NUM_IDS, width))
        self.metadata = nn.Sequential(
            nn.Linear(3, metadata_width), nn.SiLU(), nn.Linear(metadata_width, width)
        )
        self.features_I3: Tensor
        self.members: Tensor
        self.label_ids: Tensor
        self.summarised_ids: Tensor
        for name, tensor in (
            ("features_I3", band_features()),
            ("members", members.flatten()),
            ("label_ids", _ids(queries())),
            ("summarised_ids", _ids(summarised)),
        ):
            self.register_buffer(name, tensor, persistent=False)

    def forward(self, ids_BC: Tensor, values_BC: Tensor) -> Tensor:
        """The tokens of a context, (B, G + 1 + summaries, D): patches, labels, summaries.

        After them what lies aside, where the sizes say so.
        """
        features_BIF = self.features(ids_BC, values_BC)
        seen_BGN = features_BIF.index_select(1, self.members).view(
            len(ids_BC), len(self.position_GD), -1
        )
        patches_GBD = torch.bmm(seen_BGN.transpose(0, 1), self.weight_GND)
        patches_BGD = patches_GBD.transpose(0, 1) + self.position_GD
        labels_BD = self.labels(features_BIF.index_select(1, self.label_ids).flatten(1))
        summaries_BSD = self.summaries(features_BIF.index_select(1, self.summarised_ids).flatten(1))
        dtype = labels_BD.dtype
        return torch.cat([patches_BGD.to(dtype), labels_BD.unsqueeze(1), summaries_BSD], dim=1)

    def queries(self, ids_BQ: Tensor) -> Tensor:
        """Vectors that ask for tokens, (B, Q, D)."""
        has_wave_I1 = self.features_I3[:, 1:2]
        return F.embedding(ids_BQ, self.asked + has_wave_I1 * self.metadata(self.features_I3))


class BandFeatures(nn.Module):
    """What is known of each token, 0 where nothing is: (B, I, F)."""

    def __init__(self, value_width: int) -> None:
        super().__init__()
        offsets, num_rows = category_offsets()
        self.scale = nn.Parameter(1.5 * torch.randn(num_rows, value_width))
        self.bias = nn.Parameter(1.5 * torch.randn(num_rows, value_width))
        self.offset_I: Tensor
        self.is_code_I: Tensor
        self.register_buffer("offset_I", offsets[:, 0].long(), persistent=False)
        self.register_buffer("is_code_I", offsets[:, 0] > 0, persistent=False)
        self.categorical = [entry.token_id for entry in quantities() if entry.categories]

    def forward(self, ids_BC: Tensor, values_BC: Tensor) -> Tensor:
        """Features, (B, I, F), from ids and values of a context, (B, C).

        Ids 0 are no tokens; the value of a categorical token is its code.
        """
        blank = values_BC.new_zeros(len(ids_BC), NUM_IDS)
        values_BI = blank.scatter(1, ids_BC, values_BC)
        present_BI = blank.scatter(1, ids_BC, (ids_BC > 0).to(blank.dtype))
        number_BI = torch.where(self.is_code_I, 0.0, torch.asinh(values_BI) * present_BI)
        hidden_BIF = torch.addcmul(
            self.bias[:NUM_IDS], number_BI.unsqueeze(-1), self.scale[:NUM_IDS]
        )
        hidden_BIF = self._with_codes(hidden_BIF, values_BI)
        present_BI1 = present_BI.unsqueeze(-1)
        parts = [F.gelu(hidden_BIF) * present_BI1, number_BI.unsqueeze(-1), present_BI1]
        return torch.cat(parts, dim=-1)

    def _with_codes(self, hidden_BIF: Tensor, values_BI: Tensor) -> Tensor:
        """A category has a row of its own: a morphological type is not a number."""
        for token_id in self.categorical:
            rows_B = self.offset_I[token_id] + values_BI[:, token_id].long()
            code_B1F = F.embedding(rows_B, self.scale + self.bias).unsqueeze(1)
            hidden_BIF = torch.cat(
                [hidden_BIF[:, :token_id], code_B1F, hidden_BIF[:, token_id + 1 :]], dim=1
            )
        return hidden_BIF


class Summaries(nn.Module):
    """All of a context at once through residual layers: cheap, and they see every line together."""

    def __init__(self, num_inputs: int, width: int, config: PatchConfig) -> None:
        super().__init__()
        self.width = width
        self.read = nn.Linear(num_inputs, config.summary_width)
        self.layers = nn.ModuleList(
            nn.Sequential(
                nn.LayerNorm(config.summary_width),
                nn.Linear(config.summary_width, config.summary_width),
                nn.GELU(),
                nn.Linear(config.summary_width, config.summary_width),
            )
            for _ in range(config.summary_layers)
        )
        self.norm = nn.LayerNorm(config.summary_width)
        self.write = nn.Linear(config.summary_width, config.num_summaries * width)
        self.keeps_hidden = config.hidden_in_memory

    def forward(self, seen_BN: Tensor) -> Tensor:
        """Tokens, (B, num_summaries, D), from features of what is seen, (B, N).

        After them, where the sizes say so, the last hidden layer itself as so many tokens.
        """
        hidden = self.read(seen_BN)
        for layer in self.layers:
            hidden = hidden + layer(hidden)
        hidden = self.norm(hidden)
        tokens: Tensor = self.write(hidden)
        if self.keeps_hidden:
            tokens = torch.cat([tokens, hidden.to(tokens.dtype)], dim=1)
        return tokens.view(len(seen_BN), -1, self.width)


def patches(config: PatchConfig) -> Tensor:
    """Token ids that each patch sees, 0 where it has none, (G, N).

    Patches of narrow bands, blue to red, and one of broad bands and MORPHTYPE.
    """
    narrow = [band.token_id for band in narrow_bands()]
    groups = []
    for first in range(0, len(narrow), config.bands):
        low, high = max(first - config.reach, 0), first + config.bands + config.reach
        groups.append([*narrow[low:high], I_BAND])
    groups.append([*(band.token_id for band in broad_bands()), MORPHTYPE])
    longest = max(len(group) for group in groups)
    return torch.tensor([group + [0] * (longest - len(group)) for group in groups])


def _ids(tokens: tuple[str, ...]) -> Tensor:
    return torch.tensor([vocabulary().index(token) + 1 for token in tokens])
