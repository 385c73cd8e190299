"""Tokens and queries share one table; categories are rows, not numbers."""

import pytest
import torch

from ojala.model.embedding import TokenEmbedding, band_features, category_offsets
from ojala.vocabulary.bands import bands
from ojala.vocabulary.quantities import MORPHTYPES, vocabulary

MORPHTYPE_ID = vocabulary().index("MORPHTYPE") + 1


@pytest.fixture
def embedding():
    torch.manual_seed(0)
    return TokenEmbedding(16, 8)


def test_wavelengths_normalise_to_the_unit_interval_in_their_order():
    features = band_features()
    ids = [band.token_id for band in sorted(bands(), key=lambda band: band.wave)]
    position = features[ids, 0]
    assert torch.all(torch.diff(position) > 0)
    assert 0 <= position[0] < 0.01
    assert position[-1] == pytest.approx(1, abs=1e-4)


def test_only_bands_have_a_wavelength_and_only_narrow_ones_are_narrow():
    features = band_features()
    assert int(features[:, 1].sum()) == 60
    assert int(features[:, 2].sum()) == 54
    assert features[MORPHTYPE_ID].sum() == 0


def test_every_category_has_a_row_of_its_own():
    offsets, num_rows = category_offsets()
    assert num_rows == 77 + len(MORPHTYPES) + 3
    assert offsets[MORPHTYPE_ID] == 77


def test_morphological_types_are_not_ordinal(embedding):
    """With a code as a number, the token of code 2 would lie on the line through 0 and 1."""
    codes = torch.arange(3.0)[None]
    tokens = embedding(torch.full((1, 3), MORPHTYPE_ID), codes)[0]
    directions = torch.nn.functional.normalize(torch.diff(tokens, dim=0), dim=-1)
    assert directions[0] @ directions[1] < 0.9


def test_a_query_is_the_embedding_of_a_token_without_value(embedding):
    ids = torch.tensor([[1, 60, 73]])
    assert torch.equal(embedding.queries(ids)[0], embedding.table()[ids[0]])


def test_metadata_reaches_bands_alone(embedding):
    difference = (embedding.table() - embedding.weight).abs().sum(dim=1)
    has_wave = torch.zeros(len(difference), dtype=torch.bool)
    has_wave[[band.token_id for band in bands()]] = True
    assert torch.all(difference[has_wave] > 0)
    assert torch.all(difference[~has_wave] == 0)


def test_tokens_follow_the_value(embedding):
    ids = torch.tensor([[5, 5]])
    tokens = embedding(ids, torch.tensor([[0.0, 2.0]]))[0]
    assert torch.allclose(tokens[0], torch.nn.functional.gelu(embedding.bias[5]))
    expected = torch.nn.functional.gelu(2 * embedding.table()[5] + embedding.bias[5])
    assert torch.allclose(tokens[1], expected)
