"""The bias of wavelength separation, and attention with and without padding."""

import math

import pytest
import torch

from ojala.model.attention import DecoderBlock, EncoderBlock, WavelengthBias
from ojala.model.embedding import WAVE_RANGE
from ojala.vocabulary.bands import band
from ojala.vocabulary.quantities import vocabulary


def id_of(token):
    return vocabulary().index(token) + 1


def separation(first, second):
    span = math.log10(WAVE_RANGE[1] / WAVE_RANGE[0])
    return math.log10(band(second).wave / band(first).wave) / span


def bias_between(first, second):
    ids = torch.tensor([[id_of(first), id_of(second)]])
    return float(WavelengthBias()(ids)[0, 0, 0, 1].detach())


@pytest.mark.parametrize(
    ("first", "second", "width"),
    [("J0660", "J0700", 0.10), ("J0660", "MAG_i", 0.20), ("MAG_R", "MAG_W1", 0.20)],
)
def test_bias_is_a_gaussian_of_the_wavelength_separation(first, second, width):
    expected = 0.10 * math.exp(-((separation(first, second) / width) ** 2))
    assert bias_between(first, second) == pytest.approx(expected, rel=1e-4)


def test_bias_is_zero_without_a_wavelength():
    assert bias_between("J0660", "MORPHTYPE") == 0
    assert bias_between("SPECTYPE", "MORPHTYPE") == 0


def test_bias_is_symmetric_and_strongest_for_a_band_with_itself():
    bias = WavelengthBias()(torch.arange(1, 59)[None])[0, 0]
    assert torch.allclose(bias, bias.T)
    assert torch.all(bias.diagonal() >= bias.max(dim=1).values - 1e-6)


def test_every_parameter_of_the_bias_gets_a_gradient_through_attention():
    torch.manual_seed(0)
    wavelength_bias, block = WavelengthBias(), EncoderBlock(16, 4, 32, 0.0)
    ids = torch.randint(1, 59, (2, 20))
    block(torch.randn(2, 20, 16), wavelength_bias(ids)).square().sum().backward()
    for parameter in (*wavelength_bias.parameters(), block.bias_gain):
        assert parameter.grad.abs() > 0


def test_masked_and_dense_paths_give_the_same_numbers():
    torch.manual_seed(0)
    encoder, decoder = EncoderBlock(16, 4, 32, 0.0), DecoderBlock(16, 4, 32, 0.0)
    tokens, queries = torch.randn(3, 9, 16), torch.randn(3, 2, 16)
    bias = WavelengthBias()(torch.randint(1, 59, (3, 9)))
    nowhere = torch.zeros(3, 9, dtype=torch.bool)
    assert torch.allclose(encoder(tokens, bias), encoder(tokens, bias, nowhere), atol=1e-6)
    assert torch.allclose(decoder(queries, tokens), decoder(queries, tokens, nowhere), atol=1e-6)


def test_a_decoder_can_attend_to_nothing():
    """With all of the memory's keys pushed away, only the extra value is left."""
    torch.manual_seed(0)
    block = DecoderBlock(16, 4, 32, 0.0).eval()
    with torch.no_grad():
        block.query.weight.zero_()
        block.query.bias.fill_(1.0)
        block.key_value.weight[:16].zero_()
        block.key_value.bias[:16] = -100.0
    queries = torch.randn(1, 1, 16)
    assert torch.allclose(
        block(queries, torch.randn(1, 6, 16)), block(queries, torch.randn(1, 6, 16)), atol=1e-6
    )
