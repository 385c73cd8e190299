"""Sizes of the presets, and sizes that do not fit."""

import json
from dataclasses import asdict, replace

import pytest

from ojala.model.network import Ojala
from ojala.model.presets import PRESETS, ModelConfig, preset


def count(name):
    return sum(parameter.numel() for parameter in Ojala(preset(name)).parameters())


def test_released_layout_has_the_parameters_of_the_paper():
    assert 4.695e6 < count("released") < 4.705e6  # 4.70 M; the paper says 4.6 M


def test_the_text_taken_literally_has_half_of_them():
    assert 2.465e6 < count("paper") < 2.475e6


def test_demo_is_small():
    assert 1.7e6 < count("demo") < 1.8e6


def test_wide_has_room():
    assert 8e6 < count("wide") < 18e6


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


@pytest.mark.parametrize("name", PRESETS)
def test_sizes_survive_a_json_file(name):
    written = json.loads(json.dumps(asdict(preset(name))))
    assert ModelConfig.read(written) == preset(name)


def test_sizes_of_an_older_bundle_are_the_layout_of_that_time():
    """They lack what was not there then: tokens of single bands, norms after, Gaussians."""
    written = asdict(preset("released"))
    for name in ("pre_norm", "patches", "redshift_steps"):
        del written[name]
    assert ModelConfig.read(json.loads(json.dumps(written))) == preset("released")


def test_a_redshift_of_one_step_is_an_error():
    with pytest.raises(ValueError, match="redshift_steps is 1, expected 0, or 2 or more"):
        replace(PRESETS["demo"], redshift_steps=1)
