"""Engines: the same answers from each, refusals in one sentence, a network that is kept."""

import json
from dataclasses import replace
from importlib.util import find_spec

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from toy_heads import toy_bundle
from toy_model import PATCHED, UNDROPPED, toy_model
from toy_sky import toy_table

from ojala.catalogue.answerer import Recipe
from ojala.cli import main
from ojala.engines import engine as engines
from ojala.engines.agreement import check_agreement, distances, golden_sources
from ojala.engines.engine import PLAIN, Engine, predictor, settled
from ojala.model import bundle as bundles
from ojala.model.bundle import Bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import columns_of
from ojala.training.resident import measured_scaling
from ojala.vocabulary.quantities import vocabulary

CPU = torch.device("cpu")
needs_openvino = pytest.mark.skipif(not find_spec("openvino"), reason="requirements/fast.txt")


@pytest.fixture(scope="module", params=[UNDROPPED, PATCHED], ids=["bands", "patches"])
def opened(request):
    return Bundle(
        model=toy_model(request.param).eval(),
        scaling=measured_scaling(toy_table(300)),
        digest="ab" * 32,
    )


@pytest.fixture(scope="module")
def sky():
    """Sources with all bands, and some without two of them: two contexts to compile for."""
    table = toy_table(90, seed=3, missing=0.0)
    few = columns_of(table)
    for name in ("J0500", "MAG_W1"):
        few[name] = np.where(np.arange(90) % 3, few[name], np.nan)
    return {name: values for name, values in few.items() if values.dtype.kind == "f"}


def assert_same(one, other, atol):
    assert list(one) == list(other)
    for name, values in one.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(values, other[name], rtol=atol, atol=atol, err_msg=name)
        else:
            assert values.tolist() == other[name].tolist(), name


def test_an_engine_is_of_words_that_are_known():
    for given in ({"backend": "tensorrt"}, {"precision": "int8"}, {"precision": ""}):
        (name,) = given
        with pytest.raises(ValueError, match=f"{name} is .*, expected one of auto, "):
            Engine(**given)
    assert PLAIN.is_settled and PLAIN.said() == "torch, float32"
    assert not Engine(backend="auto").is_settled and not Engine(precision="auto").is_settled


def test_by_default_the_predictor_itself_answers(opened, sky):
    plain, made = Predictor(opened).predict(sky), predictor(opened, PLAIN).predict(sky)
    for name, values in plain.items():
        np.testing.assert_array_equal(values, made[name], err_msg=name)


def test_golden_sources_are_always_the_same_and_of_several_contexts():
    values = golden_sources()
    np.testing.assert_array_equal(values, golden_sources())
    counts = np.isfinite(values).sum(axis=1)
    assert values.shape[1] == len(vocabulary()) and values.dtype == np.float32
    assert counts.min() == 1 and counts.max() == 61 and len(set(counts)) == 5
    types = values[:, vocabulary().index("MORPHTYPE")]
    assert set(types[np.isfinite(types)]) <= {0, 1, 2, 3, 4, 5}


def test_answers_that_moved_are_told_with_the_quantity_and_by_how_much(opened):
    plain = Predictor(opened)
    check_agreement(plain, plain)
    assert set(distances(plain, plain).values()) == {0.0}
    moved = toy_model(opened.model.config).eval()
    with torch.no_grad():
        moved.heads.mean.bias += 0.05
    other = Predictor(replace(opened, model=moved))
    with pytest.raises(ValueError, match=r"\w+ of a golden source moves by .* expected 0.01"):
        check_agreement(other, plain)
    with torch.no_grad():
        moved.heads.mean.bias.fill_(torch.nan)
    with pytest.raises(ValueError, match="moves by nan"):
        check_agreement(other, plain)


@pytest.mark.parametrize("backend", ["torch", "openvino", "compiled", "auto"])
def test_bfloat16_is_refused_in_one_sentence_where_the_processor_has_none(
    opened, monkeypatch, backend
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx2": True})
    engine = Engine(backend=backend, precision="bfloat16")
    with pytest.raises(ValueError, match="this processor has no instructions for bfloat16"):
        predictor(opened, engine, device=CPU)
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    assert settled(opened, Engine(precision="auto"), device=CPU) == PLAIN


def test_bfloat16_answers_where_the_processor_has_it(opened, monkeypatch, sky):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    made = predictor(opened, Engine(precision="auto"), device=CPU)
    assert made.precision == "bfloat16"
    moved = distances(made, Predictor(opened, device=CPU))
    assert 0 < max(moved.values()) < 0.1


def test_without_the_package_openvino_is_refused_and_auto_does_without(opened, monkeypatch):
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"needs the package openvino: pip install -r require"):
        predictor(opened, Engine(backend="openvino"), device=CPU)
    assert settled(opened, Engine(backend="auto"), device=CPU) == PLAIN


@pytest.mark.parametrize(
    "times, chosen",
    [({"torch": 1.0, "openvino": 0.5}, "openvino"), ({"torch": 1.0, "openvino": 0.95}, "torch")],
)
def test_auto_takes_the_fastest_that_is_worth_it(opened, monkeypatch, times, chosen):
    monkeypatch.setattr(engines, "find_spec", lambda name: True)
    monkeypatch.setattr(engines, "_seconds", lambda opened, engine, device: times[engine.backend])
    assert settled(opened, Engine(backend="auto"), device=CPU).backend == chosen


def test_auto_leaves_out_what_answers_otherwise(opened, monkeypatch):
    def odd(opened, engine, device):
        moved = toy_model(opened.model.config, seed=7)
        return opened.model if engine.backend == "torch" else moved.eval()

    monkeypatch.setattr(engines, "find_spec", lambda name: True)
    monkeypatch.setattr(engines, "_network", odd)
    monkeypatch.setattr(engines, "WORTHWHILE", 1e-9)  # whatever can answer is taken
    assert settled(opened, Engine(backend="auto"), device=CPU).backend == "torch"
    with pytest.raises(ValueError, match=r"engine openvino, float32: .* of a golden source moves"):
        predictor(opened, Engine(backend="openvino"), device=CPU)


@needs_openvino
def test_openvino_answers_the_same_from_a_network_that_is_kept(opened, sky, tmp_path):
    engine = Engine(backend="openvino", beside=tmp_path / "models/.converted")
    plain = Predictor(opened, device=CPU)
    for _ in range(2):  # converted, then read
        made = predictor(opened, engine, device=CPU)
        assert_same(made.predict(sky), plain.predict(sky), 1e-3)
        assert_same(made.predict(sky, ["LOGM"]), plain.predict(sky, ["LOGM"]), 1e-3)
        np.testing.assert_allclose(made.embed(sky), plain.embed(sky), atol=1e-4)
        (kept,) = engine.beside.iterdir()
        assert kept.name.startswith(opened.digest)
    damaged = kept / "decoder.xml"
    damaged.write_text(damaged.read_text()[:100])
    assert_same(predictor(opened, engine, device=CPU).predict(sky), plain.predict(sky), 1e-3)
    assert damaged.stat().st_size > 100


@needs_openvino
def test_beside_others_a_source_has_the_same_answer(opened, sky):
    made = predictor(opened, Engine(backend="openvino"), device=CPU)
    together, alone = made.predict(sky), made.predict({n: v[20:21] for n, v in sky.items()})
    assert_same(alone, {name: values[20:21] for name, values in together.items()}, 1e-5)


@needs_openvino
def test_where_nothing_can_be_written_the_network_is_converted_each_time(opened, tmp_path):
    (tmp_path / "file").write_text("")
    made = predictor(opened, Engine(backend="openvino", beside=tmp_path / "file"), device=CPU)
    assert made.predict(toy_table(3))["REASON"].tolist() == ["", "", ""]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_answers_compiled_and_in_bfloat16(opened, sky):
    device = torch.device("cuda")
    plain = Predictor(opened, device=device)
    made = predictor(opened, Engine(backend="compiled", precision="bfloat16"), device=device)
    assert made.precision == "bfloat16" and max(distances(made, plain).values()) < 0.1
    assert_same(made.predict(sky), made.predict(sky), 0)


@pytest.fixture
def place(tmp_path):
    toy_bundle(tmp_path / "ojala")
    table = toy_table(20, seed=5, labelled=False)
    pq.write_table(table, tmp_path / "in.parquet")
    return tmp_path


def asked(place, *more):
    given = ["predict", place / "in.parquet", "--bundle", place / "ojala"]
    return [*map(str, given), "--out", str(place / "out.parquet"), *more]


def test_predict_says_what_it_ran_on_and_refuses_in_one_sentence(place, capsys, monkeypatch):
    assert main(asked(place)) == 0
    known = pq.read_schema(place / "out.parquet").metadata
    assert known[b"engine"] == b"torch, float32"
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    capsys.readouterr()
    assert main(asked(place, "--precision", "bfloat16")) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "no instructions for bfloat16" in said
    monkeypatch.setattr(engines, "find_spec", lambda name: None)
    assert main(asked(place, "--backend", "openvino")) == 1
    assert "needs the package openvino" in capsys.readouterr().err
    assert main(asked(place, "--backend", "auto", "--precision", "auto")) == 0


def test_a_job_of_another_engine_is_another_job(place, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True})
    recipe = Recipe(bundle=place / "ojala")
    other = replace(recipe, engine=Engine(precision="bfloat16"))
    one, two = (each.made_by(each.asked()) for each in (recipe, other))
    assert json.dumps(one) != json.dumps(two)
    assert one["bundle"] == two["bundle"] == bundles.digest(place / "ojala")
    left = replace(recipe, engine=Engine(backend="torch", precision="auto")).settled()
    assert left.engine.said() == "torch, bfloat16"
