"""The release's checkpoints become bundles that answer as the published network does."""

import json

import numpy as np
import pytest
import torch
from released_model import Reference, config, tensors, write

from ojala.cli import main
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.vocabulary.quantities import CLASSES, MORPHTYPES, queries

SMALL = {"width": 32, "encoder": (8, 48), "decoder": (4, 64)}
ASKED = [*queries(), "MAG_W2", "J0500", "MORPHTYPE"]


@pytest.fixture(scope="module")
def released(tmp_path_factory):
    state, place = tensors(), tmp_path_factory.mktemp("release")
    folder = write(place / "model_OJALA", state)
    assert main(["import-release", str(folder), "--out", str(place / "bundle")]) == 0
    return state, place


def sources():
    draw = np.random.default_rng(8)
    columns = {f"J0{nm}": draw.normal(1, 0.4, 4) for nm in (378, 390, 500, 660, 910)}
    columns |= {"MAG_i": draw.normal(19.5, 1, 4), "MAG_W1": draw.normal(18.5, 1, 4)}
    columns["MORPHTYPE"] = np.array([3, 0, 5, -1])
    columns["J0500"][2] = columns["MAG_W1"][1] = np.nan
    return columns


def one(columns, row):
    values = {name: float(column[row]) for name, column in columns.items()}
    return {n: v for n, v in values.items() if v == v and (n, v) != ("MORPHTYPE", -1)}


def check_answers(opened, reference):
    predictor, columns = Predictor(opened), sources()
    answers, embedding = predictor.predict(columns, ASKED), predictor.embed(columns)
    for row in range(4):
        asked = [token for token in ASKED if token not in one(columns, row)]
        said, pooled = reference.answer(one(columns, row), asked)
        assert np.allclose(embedding[row], pooled, atol=3e-5)
        for token, right in said.items():
            if token in ("SPECTYPE", "MORPHTYPE"):
                names = CLASSES if token == "SPECTYPE" else MORPHTYPES
                given = [answers[f"P_{name}"][row] for name in names]
                assert np.allclose(given, right, atol=3e-5), token
            else:
                given = [answers[token][row], answers[f"{token}_ERR"][row]]
                assert np.allclose(given, right, rtol=2e-4, atol=2e-5), token


def test_the_bundle_answers_as_the_equations_do(released):
    state, place = released
    opened = bundle.load(place / "bundle")
    assert sum(p.numel() for p in opened.model.parameters()) == 4_701_969
    check_answers(opened, Reference(state, config()))


def test_without_the_wavelength_bias_it_answers_as_the_released_script(released, tmp_path):
    state, place = released
    asked = ["import-release", str(place / "model_OJALA"), "--out", str(tmp_path / "b")]
    assert main([*asked, "--without-wavelength-bias"]) == 0
    opened = bundle.load(tmp_path / "b")
    check_answers(opened, Reference(state, config(), with_bias=False))
    assert "left out" in (tmp_path / "b" / "card.md").read_text()
    assert opened.digest != bundle.load(place / "bundle").digest


def test_other_sizes_and_compiled_names_are_read(tmp_path):
    state, settings = tensors(**SMALL), config(**SMALL)
    compiled = {f"_orig_mod.{name}": tensor for name, tensor in state.items()}
    folder = write(tmp_path / "model", compiled, settings)
    assert main(["import-release", str(folder), "--out", str(tmp_path / "b")]) == 0
    check_answers(bundle.load(tmp_path / "b"), Reference(state, settings))


def test_habits_of_the_release_are_kept_and_written(released):
    _, place = released
    opened = bundle.load(place / "bundle")
    assert set(opened.scaling.transforms) == {"linear"}
    card = (place / "bundle" / "card.md").read_text()
    for words in ("Student-t", "ordinal", "linear", "MORPHTYPE"):
        assert words in card and words in json.dumps(opened.provenance) + "MORPHTYPE"
    weight = opened.model.embedding.weight.detach()
    rows = weight[-len(MORPHTYPES) - len(CLASSES) :]
    morphtypes = rows[: len(MORPHTYPES)] if torch.equal(rows[0], 0 * rows[0]) else None
    assert morphtypes is not None
    for code in range(len(MORPHTYPES)):
        assert torch.allclose(morphtypes[code], code * weight[59])
    assert opened.provenance["release"]["epoch"] == 900


def dropped(state, settings):
    state.pop("torch_decoder.decoder_dense_5.bias")


def reshaped(state, settings):
    name = "torch_decoder.decoder_transformer_block_2.attention.k_bias"
    state[name] = state[name].transpose(1, 3)


def added(state, settings):
    state["torch_encoder.surprise"] = torch.zeros(3)


def not_finite(state, settings):
    state["embedding_layer.bias"][5, 5] = torch.nan


def other_words(state, settings):
    settings["tokenizer_config"]["vocabs"][3] = "J0411"


def other_activation(state, settings):
    settings["nn_config"]["decoder_activation"] = "relu"


def few_scales(state, settings):
    settings["norm_config"]["_input_std"].pop()


def no_scale(state, settings):
    settings["norm_config"]["_input_std"][55] = 0.0


def no_width(state, settings):
    settings["nn_config"]["embedding_dim"] = None


REFUSED = {
    dropped: "tensor torch_decoder.decoder_dense_5.bias is missing",
    reshaped: "k_bias has shape (1, 16, 1, 2), expected (1, 2, 1, 16)",
    added: "torch_encoder.surprise is not part",
    not_finite: "embedding_layer.bias holds values that are not finite",
    other_words: "another vocabulary",
    other_activation: "decoder_activation is 'relu'",
    few_scales: "_input_std holds not 77 numbers",
    no_scale: "MAG_i: cannot scale",
    no_width: "embedding_dim is None",
}


@pytest.mark.parametrize("change", REFUSED, ids=lambda change: change.__name__)
def test_a_folder_that_is_wrong_is_refused_in_one_sentence(change, tmp_path, capsys):
    state, settings = tensors(**SMALL), config(**SMALL)
    change(state, settings)
    folder = write(tmp_path / "model", state, settings)
    out = tmp_path / "b"
    assert main(["import-release", str(folder), "--out", str(out)]) == 1
    said = capsys.readouterr().err
    assert REFUSED[change] in said and str(folder) in said and said.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_what_is_no_checkpoint_is_refused(tmp_path, capsys):
    folder, out = tmp_path / "model", str(tmp_path / "b")
    for begun in (
        lambda: None,
        lambda: folder.mkdir(),
        lambda: (folder / "config.json").write_text(json.dumps(config(**SMALL))),
        lambda: (folder / "weights.pt").write_bytes(b"no tensors"),
        lambda: torch.save({"other": 1}, folder / "weights.pt"),
        lambda: torch.save({"model_state_dict": Reference}, folder / "weights.pt"),
    ):
        begun()
        assert main(["import-release", str(folder), "--out", out]) == 1
        said = capsys.readouterr().err
        assert said.count("\n") == 1 and str(folder) in said, said
