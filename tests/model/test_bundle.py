"""A bundle holds all that predicts, and refuses what it cannot predict with."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from toy_model import PATCHED, toy_model
from toy_sky import toy_table

from ojala.model import bundle
from ojala.model.answers import LATER
from ojala.model.predictor import Predictor
from ojala.training.resident import measured_scaling


@pytest.fixture(scope="module")
def table():
    return toy_table(40, missing=0.1)


@pytest.fixture
def directory(tmp_path, table):
    bundle.save(tmp_path / "bundle", toy_model(), measured_scaling(table), {"run": "abc"})
    return tmp_path / "bundle"


def test_saved_and_loaded_predicts_identically(table, tmp_path):
    model, scaling = toy_model().eval(), measured_scaling(table)
    digest = bundle.save(tmp_path / "bundle", model, scaling, {"run": "abc"})
    loaded = bundle.load(tmp_path / "bundle")
    assert loaded.digest == digest
    assert loaded.provenance == {"run": "abc"}
    original = bundle.Bundle(model=model, scaling=scaling)
    one, other = (Predictor(each).predict(table) for each in (original, loaded))
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])  # NaN where there is nothing


def test_files_are_those_of_the_contract(directory):
    names = {path.name for path in directory.iterdir()}
    assert names == {
        "weights.safetensors",
        "config.json",
        "scaling.json",
        "bands.ecsv",
        "quantities.ecsv",
        "provenance.json",
    }


def test_digest_is_of_content_and_not_of_provenance(directory, tmp_path, table):
    scaling = measured_scaling(table)
    again = bundle.save(tmp_path / "again", toy_model(), scaling, {"run": "xyz"})
    assert again == bundle.digest(directory)
    other = bundle.save(tmp_path / "other", toy_model(seed=1), scaling, {"run": "abc"})
    assert other != again


def test_a_failed_save_leaves_the_old_bundle(directory, table):
    before = bundle.digest(directory)
    with pytest.raises(AttributeError):
        bundle.save(directory, toy_model(seed=1), None, {})
    assert bundle.digest(directory) == before
    assert [path.name for path in directory.parent.iterdir()] == ["bundle"]


@pytest.mark.parametrize("name", ["weights.safetensors", "scaling.json", "bands.ecsv"])
def test_a_missing_file_is_named(directory, name):
    (directory / name).unlink()
    with pytest.raises(ValueError, match=f"not a bundle, {name} is missing"):
        bundle.load(directory)


def test_another_vocabulary_is_refused(directory):
    path = directory / "bands.ecsv"
    path.write_text(path.read_text().replace("56 g MAG_G MAG_G", "56 u MAG_U MAG_U", 1))
    path.write_text(path.read_text().replace(" MAG_G ", " MAG_U "))
    with pytest.raises(ValueError, match="another vocabulary, token 56 is MAG_U, expected MAG_G"):
        bundle.load(directory)


def test_other_classes_are_another_vocabulary(directory):
    path = directory / "quantities.ecsv"
    path.write_text(path.read_text().replace("redrock:SPECTYPE GALAXY,STAR,QSO", "x GALAXY,STAR"))
    with pytest.raises(ValueError, match="another vocabulary, token 73"):
        bundle.load(directory)


def changed(directory, change):
    path = directory / "weights.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path)


def test_a_missing_tensor_is_named(directory):
    changed(directory, lambda tensors: tensors.pop("heads.mean.weight"))
    with pytest.raises(ValueError, match=r"tensor heads\.mean\.weight is missing"):
        bundle.load(directory)


def test_a_bundle_from_before_errors_and_pz_had_settings_answers_as_it_did(tmp_path, table):
    """And from before a hidden layer lay in the memory: its sizes say nothing of one."""
    patches = replace(PATCHED.patches, hidden_in_memory=False)
    model, scaling = toy_model(replace(PATCHED, patches=patches)).eval(), measured_scaling(table)
    directory = tmp_path / "bundle"
    bundle.save(directory, model, scaling, {"run": "abc"})
    changed(
        directory,
        lambda tensors: [tensors.pop(name) for name in [*tensors] if name.split(".")[-1] in LATER],
    )
    sizes = json.loads((directory / "config.json").read_text())
    del sizes["patches"]["hidden_in_memory"]
    (directory / "config.json").write_text(json.dumps(sizes))
    original = bundle.Bundle(model=model, scaling=scaling)
    one, other = (Predictor(each).predict(table) for each in (original, bundle.load(directory)))
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_a_superfluous_tensor_is_named(directory):
    changed(directory, lambda tensors: tensors.update(more=torch.zeros(1)))
    with pytest.raises(ValueError, match="tensor more is not part of the model"):
        bundle.load(directory)


def test_weights_that_are_not_finite_are_refused(directory):
    changed(directory, lambda tensors: tensors["heads.mean.weight"].fill_(torch.nan))
    with pytest.raises(ValueError, match=r"heads\.mean\.weight holds values that are not finite"):
        bundle.load(directory)


def test_other_sizes_are_named(directory):
    path = directory / "config.json"
    sizes = json.loads(path.read_text())
    path.write_text(json.dumps(sizes | {"width": 64}))
    with pytest.raises(ValueError, match="has shape"):
        bundle.load(directory)
    path.write_text(json.dumps(sizes | {"depth": 3}))
    with pytest.raises(ValueError, match="not the sizes of a model"):
        bundle.load(directory)


def test_a_truncated_file_is_named(directory):
    path = directory / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"weights\.safetensors: not readable tensors"):
        bundle.load(directory)


def test_no_bundle_is_no_directory(tmp_path, directory):
    shutil.rmtree(directory)
    with pytest.raises(ValueError, match="not a bundle"):
        bundle.load(directory)
