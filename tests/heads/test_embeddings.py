"""Embeddings that are kept are those that would be computed, and only for what they are of."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from toy_heads import toy_bundle
from toy_sky import toy_table

from ojala.heads.embeddings import embeddings, key
from ojala.model import bundle
from ojala.model.predictor import Predictor


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    return Predictor(bundle.load(toy_bundle(tmp_path_factory.mktemp("base") / "ojala")))


@pytest.fixture(scope="module")
def table():
    return toy_table(40, missing=0.2)


def without_embedding(predictor):
    """The same bundle, but whoever asks it to embed is told off."""

    def embed(*_):
        raise AssertionError("embedded again")

    other = Predictor(predictor.bundle)
    other.embed = embed
    return other


def test_kept_embeddings_are_the_fresh_ones(predictor, table, tmp_path):
    fresh = predictor.embed(table)
    first = embeddings(predictor, table, tmp_path)
    again = embeddings(without_embedding(predictor), table, tmp_path)
    assert np.array_equal(fresh, first) and np.array_equal(fresh, again)
    assert again.dtype == np.float32
    assert len(list(tmp_path.iterdir())) == 1


def changed(table, name, row, value):
    values = np.array(table.column(name)).copy()
    values[row] = value
    place = table.column_names.index(name)
    return table.set_column(place, name, pa.array(values))


def test_the_key_follows_photometry_order_and_bundle_alone(predictor, table, tmp_path, monkeypatch):
    known = key(predictor, table)
    observed = int(np.argmax(np.isfinite(table.column("J0500"))))
    assert key(predictor, changed(table, "ra", 0, 12.0)) == known
    assert key(predictor, changed(table, "LOGM", 0, 12.0)) == known
    assert key(predictor, changed(table, "J0500", observed, 0.5)) != known
    assert key(predictor, changed(table, "J0500", observed, np.nan)) != known
    assert key(predictor, table.take(list(range(39, -1, -1)))) != known
    other = replace(predictor.bundle, digest="another")
    assert key(Predictor(other), table) != known
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    assert key(Predictor(predictor.bundle, precision="bfloat16"), table) != known


def test_an_unreadable_file_is_made_anew(predictor, table, tmp_path):
    fresh = embeddings(predictor, table, tmp_path)
    (path,) = tmp_path.iterdir()
    for content in (b"", path.read_bytes()[:200], b"no numpy at all"):
        path.write_bytes(content)
        assert np.array_equal(embeddings(predictor, table, tmp_path), fresh)
