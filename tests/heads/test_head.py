"""A head belongs to one bundle, answers by itself, and says so where its base is another."""

import json
import shutil

import numpy as np
import pytest
import torch
from toy_heads import toy_bundle, toy_head
from toy_model import SIZES
from toy_sky import toy_table

from ojala.heads import head
from ojala.heads.head import HeadConfig
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.vocabulary.quantities import queries


@pytest.fixture(scope="module")
def table():
    return toy_table(30, missing=0.2)


@pytest.fixture
def base(tmp_path):
    return toy_bundle(tmp_path / "ojala")


@pytest.fixture
def heads(tmp_path, base):
    """Two heads in a directory of heads."""
    toy_head(tmp_path / "heads/bh-mass", base, median=8.5, sigma=0.4)
    toy_head(tmp_path / "heads/metals", base, name="metals", quantity="LOGZ", seed=1)
    return tmp_path / "heads"


def predictor(base, heads):
    opened = bundle.load(base)
    return Predictor(opened, heads=head.load_all(heads, opened.digest))


def test_a_head_is_asked_by_name_and_answers_in_its_columns(table, base, heads):
    asked = predictor(base, heads)
    everything = asked.predict(table)
    assert {"LOGMASS", "LOGMASS_ERR", "LOGZ", "LOGZ_ERR", "Z_GAL", "CLASS"} <= set(everything)
    alone = asked.predict(table, ["bh-mass"])
    assert list(alone) == ["LOGMASS", "LOGMASS_ERR", "REASON"]
    assert np.all(alone["LOGMASS_ERR"] > 0)
    with pytest.raises(ValueError, match="'dust' is neither a token nor one of the heads bh-mass"):
        asked.predict(table, ["dust"])


def test_an_answer_does_not_depend_on_other_heads_and_queries(table, base, heads):
    asked = predictor(base, heads)
    alone = asked.predict(table, ["bh-mass"])["LOGMASS"]
    shutil.rmtree(heads / "metals")
    one_head = predictor(base, heads)
    for other in (
        asked.predict(table),
        asked.predict(table, ["Z_QSO", "metals", "bh-mass"]),
        one_head.predict(table),
        predictor(base, heads / "none").predict(table) | {"LOGMASS": alone},
    ):
        assert np.array_equal(other["LOGMASS"], alone)


def test_heads_change_nothing_of_what_the_model_answers(table, base, heads):
    without = Predictor(bundle.load(base)).predict(table)
    beside = predictor(base, heads).predict(table)
    asked = predictor(base, heads).predict(table, ["metals", *queries()])
    for name in without:
        np.testing.assert_array_equal(without[name], beside[name])  # NaN where there is nothing
        np.testing.assert_array_equal(without[name], asked[name])


def test_the_answer_is_the_networks_in_the_unit_of_the_labels(table, base, heads):
    opened = head.load(heads / "bh-mass", bundle.digest(base))
    embedded = Predictor(bundle.load(base)).embed(table)
    answer = opened.answer(embedded)
    with torch.inference_mode():
        mean, log_variance = opened.network(torch.from_numpy(embedded))
    assert answer["LOGMASS"] == pytest.approx(mean.numpy() * 0.4 + 8.5, rel=1e-6)
    assert answer["LOGMASS_ERR"] == pytest.approx(0.4 * np.exp(log_variance.numpy() / 2), rel=1e-6)


def test_widths_follow_those_of_the_base():
    layers = [layer for layer in head.HeadNetwork(128, 0.1).hidden if hasattr(layer, "in_features")]
    assert [(layer.in_features, layer.out_features) for layer in layers] == [(128, 512), (512, 256)]


def test_a_base_promoted_anew_leaves_every_head_to_be_trained_again(table, tmp_path, base, heads):
    digest = bundle.digest(base)
    assert head.states(heads, digest) == {"bh-mass": "ready", "metals": "ready"}
    shutil.rmtree(base)
    toy_bundle(base, seed=1)
    renewed = bundle.digest(base)
    said = f"retrain needed: head bh-mass was trained on bundle {digest[:12]}, not {renewed[:12]}"
    assert head.states(heads, renewed)["bh-mass"] == said
    with pytest.raises(ValueError, match=said):
        head.load(heads / "bh-mass", renewed)
    with pytest.raises(ValueError, match="heads/bh-mass: retrain needed"):
        head.load_all(heads, renewed)
    toy_head(heads / "metals", base, name="metals", quantity="LOGZ")  # one of them is trained again
    states = head.states(heads, renewed)
    assert states == {"bh-mass": said, "metals": "ready"}
    assert "LOGZ" in Predictor(
        bundle.load(base), heads=[head.load(heads / "metals", renewed)]
    ).predict(table)


def test_a_head_of_another_bundle_never_reaches_the_predictor(tmp_path, base, heads):
    opened = head.load(heads / "bh-mass", bundle.digest(base))
    other = bundle.load(toy_bundle(tmp_path / "other", seed=1))
    with pytest.raises(ValueError, match="retrain needed: head bh-mass"):
        Predictor(other, heads=[opened])


def test_a_change_of_the_base_is_seen_and_its_provenance_is_none(base, heads):
    digest = bundle.digest(base)
    provenance = base / "provenance.json"
    provenance.write_text(json.dumps({"run_id": "another"}))
    assert head.states(heads, bundle.digest(base))["bh-mass"] == "ready"
    scaling = json.loads((base / "scaling.json").read_text())
    scaling["MAG_i"]["median"] += 0.01
    (base / "scaling.json").write_text(json.dumps(scaling))
    assert bundle.digest(base) != digest
    assert head.states(heads, bundle.digest(base))["bh-mass"].startswith("retrain needed")


def test_a_base_that_is_gone_is_said(heads):
    assert set(head.states(heads, None).values()) == {"retrain needed: its base is gone"}


def test_two_heads_of_one_name_or_quantity_cannot_answer_together(tmp_path, base):
    opened = bundle.load(base)
    one = head.load(toy_head(tmp_path / "one", base), opened.digest)
    other = head.load(toy_head(tmp_path / "other", base, name="virial", seed=1), opened.digest)
    with pytest.raises(ValueError, match="heads bh-mass and virial both answer LOGMASS"):
        Predictor(opened, heads=[one, other])
    with pytest.raises(ValueError, match="two heads are named bh-mass"):
        Predictor(opened, heads=[one, one])


def test_saved_and_loaded_is_the_same_head(tmp_path, base):
    place = toy_head(tmp_path / "head", base, unit="dex(solMass)", classes=("QSO",))
    opened = head.load(place, bundle.digest(base))
    assert opened.config.classes == ("QSO",) and opened.config.unit == "dex(solMass)"
    assert head.save(tmp_path / "again", opened.network, opened.config, {}) == opened.digest
    assert not opened.network.training


def test_a_broken_head_is_named(tmp_path, base):
    digest = bundle.digest(base)
    place = toy_head(tmp_path / "head", base)
    (place / "config.json").write_text("{}")
    with pytest.raises(ValueError, match=r"config\.json: not the settings of a head"):
        head.load(place, digest)
    place = toy_head(tmp_path / "nan", base)
    network = head.load(place, digest).network
    with torch.no_grad():
        network.answer.bias[0] = torch.nan
    head.save(place, network, head.read_config(place), {})
    with pytest.raises(ValueError, match=r"answer\.bias holds values that are not finite"):
        head.load(place, digest)
    (place / "weights.safetensors").unlink()
    with pytest.raises(ValueError, match=r"not a head, weights\.safetensors is missing"):
        head.load(place, digest)


def test_what_is_not_a_head_is_not_replaced(tmp_path, base):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis/chapter.tex").write_text("years")
    for place in (tmp_path / "thesis", base):
        with pytest.raises(ValueError, match="it is left as it is"):
            toy_head(place, base)
    assert (tmp_path / "thesis/chapter.tex").read_text() == "years"
    assert bundle.load(base).model.config == SIZES


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"name": "BH mass"}, "small letters"),
        ({"quantity": "Z_QSO"}, "Z_QSO is the model's own"),
        ({"quantity": "LOGMASS_ERR"}, "model's own"),
        ({"quantity": "log mass"}, "not the name of a column"),
        ({"classes": ("BLAZAR",)}, "classes are BLAZAR, expected some of GALAXY, STAR, QSO"),
        ({"classes": ()}, "classes are none"),
        ({"sigma": 0.0}, "cannot scale with median 0.0, sigma 0.0"),
    ],
)
def test_settings_out_of_range_are_errors(settings, said):
    with pytest.raises(ValueError, match=said):
        HeadConfig(**{"name": "a", "quantity": "Q", "base": "0", "width": 8} | settings)
