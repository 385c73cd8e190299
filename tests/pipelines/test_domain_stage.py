"""Stage domain: of the mocks that the network was not shown, and of these alone."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_heads import toy_bundle
from toy_sky import toy_table

from ojala.catalogue.domain import measured, read
from ojala.model import bundle
from ojala.model.predictor import Predictor
from pipelines import paths
from pipelines.domain import domain


def made(num_train, num_held_out):
    """The domain that the stage makes of so many mocks, and the held-out ones."""
    table = toy_table(num_train + num_held_out, seed=2)
    split = np.array(["train"] * num_train + ["val"] * num_held_out, dtype=object)
    if "split" in table.column_names:
        table = table.drop_columns(["split"])
    paths.WEIGHTS.mkdir(parents=True)
    pq.write_table(table.append_column("split", pa.array(split)), paths.WEIGHTS / "part-0.parquet")
    domain()
    return read(paths.DOMAIN), table.slice(num_train)


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toy_bundle(paths.BUNDLE)


def test_it_is_that_of_the_held_out_mocks():
    found, held_out = made(100, 450)
    opened = bundle.load(paths.BUNDLE)
    expected = measured(Predictor(opened).embed(held_out), opened.digest)
    assert found.num_sources == 450 and found.digest() == expected.digest()
    found.check(opened.digest)
    assert found.said() == "0.01 of 450 held-out sources lie outside"


def test_of_too_few_mocks_nobody_is_outside():
    found, held_out = made(500, 60)
    embeddings = Predictor(bundle.load(paths.BUNDLE)).embed(held_out)
    assert not found.outside(100 * embeddings).any()
    assert found.said().startswith("none: 60 held-out sources")
