"""Parameter files: typed, complete, and one sentence where they are not."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
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


ROOT = Path(__file__).parents[2]

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


@dataclass(frozen=True, kw_only=True)
class Cloud:
    cover: float
    dust: Dust | None
    layers: tuple[Dust, ...]

    def __post_init__(self):
        if not 0 <= self.cover <= 1:
            raise ValueError(f"cloud.cover is {self.cover}, expected 0 ... 1")


CLOUD = {"cover": 0.5, "dust": None, "layers": [{"slope": -1}, {"slope": 0.5}]}


def test_sections_may_be_null_or_stand_in_a_list():
    cloud = params.build(Cloud, CLOUD, "p.yaml: cloud")
    assert cloud == Cloud(cover=0.5, dust=None, layers=(Dust(slope=-1.0), Dust(slope=0.5)))
    assert type(cloud.layers[1]) is Dust
    assert params.build(Cloud, CLOUD | {"dust": {"slope": 2}}, "p.yaml: cloud").dust == Dust(
        slope=2
    )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"cover": 2}, "p.yaml: cloud.cover is 2.0, expected 0 ... 1"),
        ({"cover": "0.5"}, "p.yaml: cloud.cover is '0.5', expected a number"),
        ({"cover": None}, "p.yaml: cloud.cover is None, expected a number"),
        ({"cover": date(2020, 1, 1)}, "p.yaml: cloud.cover is ['2020-01-01'], expected a number"),
        ({"dust": {}}, "p.yaml: cloud.dust.slope is missing"),
        ({"dust": {"slop": 1}}, "p.yaml: cloud.dust: slop is not a parameter; did you mean slope?"),
        (
            {"dust": "none"},
            "p.yaml: cloud.dust is 'none', expected a section of named parameters or null",
        ),
        ({"layers": [{"slope": 1}, {}]}, "p.yaml: cloud.layers[1].slope is missing"),
        ({"layers": [{"slope": "steep"}]}, "p.yaml: cloud.layers[0].slope is 'steep'"),
        ({"colour": 1, "cover": "x"}, "p.yaml: cloud: colour is not a parameter"),
    ],
)
def test_a_fault_deep_in_a_section_is_one_sentence(change, sentence):
    with pytest.raises(ValueError) as raised:
        params.build(Cloud, CLOUD | change, "p.yaml: cloud")
    assert str(raised.value).startswith(sentence) and "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", ["text", 3, ["seed"], None])
def test_a_section_is_a_mapping(kind):
    with pytest.raises(ValueError, match=r"^p\.yaml: cloud is .*, expected a section of named"):
        params.build(Cloud, kind, "p.yaml: cloud")


def test_the_embedding_of_the_noise_has_no_teacher():
    read = params.read(ROOT / "params.yaml")["noise"]
    read["embedding"]["teacher"] = "ojala/1"
    with pytest.raises(ValueError, match=r"noise\.embedding\.teacher is 'ojala/1', expected null"):
        params.build(params.kind("noise"), read, "params.yaml: noise")


@pytest.mark.parametrize(
    ("name", "most"),
    [("params.yaml", 2), ("params.larger.yaml", 2), ("params.production.yaml", 64)],
)
def test_batches_are_shared_evenly_by_any_power_of_two_of_workers(name, most):
    read = params.read(ROOT / name)
    assert read["cluster"]["num_workers"] <= most
    for section in (read["train"], read["noise"]["embedding"]):
        for batch in ("batch_size", "jpas_batch_size"):
            assert section[batch] % most == 0, (name, batch)
