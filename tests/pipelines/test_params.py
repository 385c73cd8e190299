"""Parameter files: typed, complete, and one sentence where they are not."""

from dataclasses import dataclass
from typing import Literal

import pytest

from pipelines import params


@dataclass(frozen=True, kw_only=True)
class Dust:
    slope: float = -0.7


@dataclass(frozen=True, kw_only=True)
class Sky:
    seed: int
    depth: float
    programs: tuple[str, ...]
    span: tuple[float, float]
    law: Literal["calzetti", "smc"]
    offsets: dict[str, float]
    dust: Dust
    tray: int | None


GOOD = {
    "seed": 1,
    "depth": 22,
    "programs": ["bright", "dark"],
    "span": [0.1, 2],
    "law": "smc",
    "offsets": {"J0378": 0.01},
    "dust": {"slope": -1.0},
    "tray": None,
}


def test_a_section_becomes_its_dataclass():
    sky = params.build(Sky, GOOD, "params.yaml: sky")
    assert sky.depth == 22.0 and isinstance(sky.depth, float)
    assert sky.programs == ("bright", "dark") and sky.span == (0.1, 2.0)
    assert sky.dust == Dust(slope=-1.0) and sky.tray is None


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sed": 1}, "params.yaml: sky: sed is not a parameter; did you mean seed?"),
        ({"seed": 1.5}, "params.yaml: sky.seed is 1.5, expected a whole number"),
        ({"seed": True}, "params.yaml: sky.seed is True, expected a whole number"),
        ({"depth": "deep"}, "params.yaml: sky.depth is 'deep', expected a number"),
        ({"law": "lmc"}, "params.yaml: sky.law is 'lmc', expected one of calzetti, smc"),
        ({"span": [1]}, "params.yaml: sky.span is [1], expected tuple[float, float]"),
        ({"programs": ["a", 2]}, "params.yaml: sky.programs[1] is 2, expected text"),
        ({"dust": {"slop": 1}}, "params.yaml: sky.dust: slop is not a parameter"),
        ({"dust": 3}, "params.yaml: sky.dust is 3, expected a section of named parameters"),
        ({"offsets": {"J0378": "x"}}, "params.yaml: sky.offsets.J0378 is 'x', expected a number"),
        ({"tray": "T1"}, "params.yaml: sky.tray is 'T1', expected a whole number or null"),
    ],
)
def test_what_is_wrong_is_one_sentence(change, sentence):
    with pytest.raises(ValueError) as raised:
        params.build(Sky, GOOD | change, "params.yaml: sky")
    assert str(raised.value).startswith(sentence)


def test_a_missing_key_is_named():
    with pytest.raises(ValueError, match=r"sky\.seed is missing"):
        params.build(Sky, {k: v for k, v in GOOD.items() if k != "seed"}, "params.yaml: sky")


def test_an_unknown_section_is_named(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("weight: {seed: 1}\n")
    with pytest.raises(ValueError, match="weight is not a parameter; did you mean weights"):
        params.read(path)


def test_numbers_are_read_as_dvc_reads_them(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("weights: {floor_quantile: 1e-2}\n")
    assert params.read(path)["weights"]["floor_quantile"] == 0.01


@pytest.mark.parametrize("text", ["- 1\n", "a: [1\n", ""])
def test_what_is_not_a_parameter_file_is_one_sentence(tmp_path, text):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"params\.yaml: "):
        params.read(path)
