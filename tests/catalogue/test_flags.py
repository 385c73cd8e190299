"""QUALITY_FLAGS: each bit for its reason alone, and never for a source without answers."""

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file
from toy_heads import toy_bundle
from toy_sky import toy_table

from ojala.catalogue import domain
from ojala.catalogue.answers import read_catalogue
from ojala.catalogue.datamodel import page
from ojala.catalogue.flags import flags, humbled, with_flags
from ojala.cli import main
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.model.shown import Shown
from ojala.tables.files import header_of
from ojala.vocabulary.bands import narrow_bands
from ojala.vocabulary.quality_flags import FLAGS_COLUMN, bit, quality_flags
from ojala.vocabulary.quantities import CLASSES, observations, vocabulary


def shown(num, bands=54, reason=""):
    values = np.full((num, len(vocabulary())), np.nan, dtype=np.float32)
    values[:, :bands] = 0.5
    assert vocabulary()[53] == narrow_bands()[-1].token
    given = np.full(num, reason, dtype=object)
    return Shown(values=values, reason=given, used=frozenset(), remarks=())


def answers(name="GALAXY", sure=0.97, **more):
    rest = (1 - sure) / 2
    columns = {f"P_{each}": sure if each == name else rest for each in ("GALAXY", "STAR", "QSO")}
    columns |= {"CLASS": name, "LOGM_ERR": 0.1, "LOGSFR_ERR": 0.2, "TEFF_ERR": 90.0}
    for token, z in (("Z_GAL", 0.5), ("Z_QSO", 2.0)):
        columns |= {token: z, f"{token}_ERR": 0.01, f"{token}_MODE_2_WEIGHT": 0.0}
    columns |= more
    return {
        n: np.array([v], dtype=object if isinstance(v, str) else float) for n, v in columns.items()
    }


CASES = {
    "good galaxy": ({}, 0),
    "good star": ({"name": "STAR"}, 0),
    "quasar": ({"name": "QSO"}, "QUASAR_HOST"),
    "ambiguous": ({"sure": 0.89}, "CLASS_AMBIGUOUS"),
    "two modes": ({"Z_GAL_MODE_2_WEIGHT": 0.1}, "REDSHIFT_MULTIMODAL"),
    "two modes of another class": ({"Z_QSO_MODE_2_WEIGHT": 0.4}, 0),
    "two modes of a star": ({"name": "STAR", "Z_GAL_MODE_2_WEIGHT": 0.4}, 0),
    "wide": ({"Z_GAL_ERR": 0.0751}, "REDSHIFT_WIDE"),
    "as wide as may be": ({"Z_GAL_ERR": 0.0749}, 0),
    "wide by 1 + z": ({"name": "QSO", "Z_QSO_ERR": 0.14}, "QUASAR_HOST"),
    "no error": ({"Z_GAL_ERR": np.nan}, "REDSHIFT_WIDE"),
    "mass": ({"LOGM_ERR": 0.51}, "QUANTITY_WIDE"),
    "rate": ({"LOGSFR_ERR": 0.51}, "QUANTITY_WIDE"),
    "mass of a star": ({"name": "STAR", "LOGM_ERR": 3.0}, 0),
    "temperature": ({"name": "STAR", "TEFF_ERR": 501.0}, "QUANTITY_WIDE"),
    "temperature of a galaxy": ({"TEFF_ERR": 5000.0}, 0),
}


@pytest.mark.parametrize("case", CASES)
def test_a_bit_is_set_for_its_reason_alone(case):
    told, name = CASES[case]
    assert flags(answers(**told), shown(1)).tolist() == [bit(name) if name else 0]


def test_few_bands_and_no_answer():
    assert flags(answers(), shown(1, bands=49)).tolist() == [bit("FEW_BANDS")]
    assert flags(answers(), shown(1, bands=50)).tolist() == [0]
    nothing = shown(1, reason="no usable MAG_i")
    assert flags(answers(sure=0.4), nothing).tolist() == [bit("NO_ANSWER")]


def test_outside_is_judged_where_there_are_bands_enough():
    outside = np.array([True])
    assert flags(answers(), shown(1), outside).tolist() == [bit("OUTSIDE_TRAINING")]
    assert flags(answers(), shown(1, bands=20), outside).tolist() == [bit("FEW_BANDS")]


def test_bits_add_up_and_every_one_is_on_the_page():
    many = answers("QSO", sure=0.6, Z_QSO_ERR=0.4, Z_QSO_MODE_2_WEIGHT=0.3, LOGM_ERR=0.9)
    expected = (
        "QUASAR_HOST",
        "CLASS_AMBIGUOUS",
        "REDSHIFT_WIDE",
        "REDSHIFT_MULTIMODAL",
        "QUANTITY_WIDE",
    )
    assert flags(many, shown(1)).tolist() == [sum(map(bit, expected))]
    for flag in quality_flags():
        assert f"| {flag.bit} | `{flag.name}` |" in page()


def test_class_probabilities_of_strangers_fall_back_to_all_alike():
    stated = np.array([[0.9, 0.06, 0.04], [0.2, 0.1, 0.7], [np.nan] * 3], dtype=np.float32)
    given = {f"P_{name}": stated[:, code] for code, name in enumerate(CLASSES)}

    def found(*trust):
        return np.stack([*humbled(given, np.array(trust)).values()], axis=1)

    assert np.array_equal(found(1, 1, 1), stated, equal_nan=True)
    assert found(1e-9, 1e-9, 1)[:2] == pytest.approx(1 / 3, abs=1e-6)
    half = found(0.5, 1.0, np.nan)
    assert half[0].sum() == pytest.approx(1) and half[0].argmax() == 0
    odds = np.sqrt(0.9 / np.array([0.06, 0.04]))
    assert half[0, 0] / half[0, 1:] == pytest.approx(odds, rel=1e-5)
    assert np.array_equal(half[1:], stated[1:], equal_nan=True)


def test_trust_falls_with_the_distance_beyond_the_limit_alone():
    found = domain.measured(blob(500, 1), "abc")
    distance = found.limit * np.array([0.0, 0.5, 1.0, 2.0, 4.0, np.nan])
    assert found.trust(distance) == pytest.approx([1, 1, 1, 0.5, 0.25, 1])
    nobody = domain.everywhere(60, 8, "abc")
    assert nobody.trust(nobody.distance(1e6 * np.ones((2, 8)))).tolist() == [1, 1]


def blob(num, seed, width=12, at=0.0):
    draw = np.random.default_rng(seed)
    mix = np.random.default_rng(0).normal(0, 1, (width, width))
    return (draw.normal(at, 1, (num, width)) @ mix).astype(np.float32)


def test_the_false_alarm_rate_is_what_is_stated():
    for rate in (0.01, 0.1):
        found = domain.measured(blob(20_000, 1), "abc", false_alarms=rate)
        share = found.outside(blob(50_000, 2)).mean()
        assert abs(share - rate) < 4 * np.sqrt(rate / 10_000)
    assert found.outside(blob(500, 3, at=6.0)).all()
    assert not found.outside(np.full((3, 12), np.nan)).any()


def test_what_lies_between_the_known_is_outside():
    """Sources on a ring: nothing is stranger than its centre, which is their mean."""
    draw = np.random.default_rng(0)
    angle = draw.uniform(0, 2 * np.pi, 4000)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) + draw.normal(0, 0.05, (4000, 2))
    found = domain.measured(ring, "abc")
    assert found.outside(np.zeros((1, 2))).all()
    assert found.outside(np.array([[1.0, 0.0], [0.0, -1.0]])).tolist() == [False, False]


def test_a_distance_is_that_to_the_20th_nearest_of_every_second_source(monkeypatch):
    monkeypatch.setattr(domain, "ROWS", 7)
    known, some = blob(500, 1), blob(30, 2)
    found = domain.measured(known, "abc")
    apart = np.linalg.norm(some[:, None] - known[None, 0::2], axis=2)
    assert found.distance(some) == pytest.approx(np.sort(apart, axis=1)[:, 19], rel=1e-4)


def test_of_many_sources_some_are_kept(monkeypatch):
    monkeypatch.setattr(domain, "MOST_NEIGHBOURS", 100)
    assert len(domain.measured(blob(1000, 1), "abc").neighbours) == 100
    assert len(domain.measured(blob(1001, 1), "abc").neighbours) <= 100


def test_a_domain_of_before_neighbours_says_what_to_do(tmp_path):
    old = {"mean": np.zeros(3), "whiten": np.eye(3)}
    told = {"limit": "3.0", "false_alarms": "0.01", "num_sources": "500", "bundle": "abc"}
    save_file(old, tmp_path / "old.safetensors", metadata=told)
    with pytest.raises(ValueError, match=r"old\.safetensors: .*ojala domain makes one anew"):
        domain.read(tmp_path / "old.safetensors")


def test_a_domain_is_written_and_read(tmp_path):
    found = domain.measured(blob(1000, 1), "abc")
    domain.write(found, tmp_path / "domain.safetensors")
    again = domain.read(tmp_path / "domain.safetensors")
    some = blob(300, 4)
    assert np.array_equal(found.distance(some), again.distance(some))
    assert (again.limit, again.false_alarms, again.num_sources) == (found.limit, 0.01, 1000)
    with pytest.raises(ValueError, match="that of bundle abc, and this is xyz"):
        again.check("xyz")
    (tmp_path / "other").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="other: not a training domain"):
        domain.read(tmp_path / "other")
    with pytest.raises(ValueError, match="399 sources with an embedding, expected 400"):
        domain.measured(blob(399, 1), "abc")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    directory = tmp_path_factory.mktemp("flags")
    toy_bundle(directory / "ojala")
    pq.write_table(toy_table(2100, seed=4), directory / "held_out.parquet")
    seen = toy_table(40, seed=5, missing=0.05)
    seen = seen.select([name for name in seen.column_names if name in observations()])
    pq.write_table(seen, directory / "sources.parquet")
    return directory


def test_of_too_few_sources_nobody_is_outside_and_it_says_so(tmp_path):
    found = domain.everywhere(60, 8, "abc")
    domain.write(found, tmp_path / "domain.safetensors")
    again = domain.read(tmp_path / "domain.safetensors")
    assert not again.outside(1e9 * np.ones((3, 8))).any()
    assert again.said() == "none: 60 held-out sources are too few to judge"
    assert again.digest() == found.digest() != domain.everywhere(60, 9, "abc").digest()
    one, other = (domain.measured(blob(500, seed), "abc") for seed in (1, 2))
    assert one.digest() != other.digest()


def test_predict_writes_the_flags_with_and_without_a_domain(place, capsys):
    asked = ["predict", str(place / "sources.parquet"), "--bundle", str(place / "ojala")]
    made = place / "domain.safetensors"
    held = [str(place / "held_out.parquet"), "--bundle", str(place / "ojala")]
    assert main(["domain", *held, "--out", str(made), "--false-alarms", "0.2"]) == 0
    assert main([*asked, "--out", str(place / "plain.fits")]) == 0
    assert main([*asked, "--out", str(place / "within.fits"), "--domain", str(made)]) == 0
    plain, within = (read_catalogue(place / f"{n}.fits") for n in ("plain", "within"))
    assert header_of(plain)["DOMAIN"].startswith("none: OUTSIDE_TRAINING")
    assert header_of(within)["DOMAIN"].startswith("0.2 of ")
    assert str(plain.schema.field(FLAGS_COLUMN).type) == "int32"
    without, given = (t[FLAGS_COLUMN].to_numpy() for t in (plain, within))
    outside = bit("OUTSIDE_TRAINING")
    assert np.array_equal(given & ~outside, without) and not np.any(without & outside)
    predictor = Predictor(bundle.load(place / "ojala"))
    source = predictor.shown(read_catalogue(place / "sources.parquet"))
    expected = with_flags(predictor, source, domain=domain.read(made))[FLAGS_COLUMN]
    assert np.array_equal(given, expected)
    assert main([*asked, "--out", str(place / "z.csv"), "--queries", "Z_GAL"]) == 0
    assert FLAGS_COLUMN not in read_catalogue(place / "z.csv").column_names


def test_a_domain_of_another_bundle_is_refused(place, tmp_path, capsys):
    toy_bundle(tmp_path / "other", seed=1)
    domain.write(domain.measured(blob(500, 1), "abc"), tmp_path / "d.safetensors")
    asked = ["predict", str(place / "sources.parquet"), "--bundle", str(tmp_path / "other")]
    out = tmp_path / "o.csv"
    assert main([*asked, "--out", str(out), "--domain", str(tmp_path / "d.safetensors")]) == 1
    assert "that of bundle abc" in capsys.readouterr().err and not out.exists()
