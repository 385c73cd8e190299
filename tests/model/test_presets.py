"""Sizes of the presets, and sizes that do not fit."""

from dataclasses import replace

import pytest

from ojala.model.ojala import Ojala
from ojala.model.presets import PRESETS, preset


def count(name):
    return sum(parameter.numel() for parameter in Ojala(preset(name)).parameters())


def test_released_layout_has_the_parameters_of_the_paper():
    assert 4.695e6 < count("released") < 4.705e6  # 4.70 M; the paper says 4.6 M


def test_the_text_taken_literally_has_half_of_them():
    assert 2.465e6 < count("paper") < 2.475e6


def test_demo_is_small():
    assert 0.25e6 < count("demo") < 0.35e6


def test_most_parameters_of_the_released_layout_are_in_the_output_layers():
    model = Ojala(preset("released"))
    in_output = sum(parameter.numel() for parameter in model.heads.hidden.parameters())
    assert in_output == pytest.approx(3.0e6, rel=0.01)


def test_unknown_preset_is_named():
    with pytest.raises(ValueError, match="'huge' is not known: expected one of released"):
        preset("huge")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"encoder_heads": (7, 8)}, "7 does not divide 128"),
        ({"decoder_ffn": (128,)}, "one entry per block"),
        ({"dropout": 1.0}, "dropout is 1.0"),
    ],
)
def test_sizes_that_do_not_fit_are_errors(change, message):
    with pytest.raises(ValueError, match=message):
        replace(PRESETS["released"], **change)
