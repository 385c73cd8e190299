"""Stage recalibrate: by the mocks that the network was not shown, and by these alone."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from toy_heads import toy_bundle
from toy_sky import toy_table

from ojala.catalogue.recalibration import by_sources, read
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import columns_of
from pipelines import paths
from pipelines.recalibrate import recalibrate


def test_it_is_that_of_the_validation_split(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toy_bundle(paths.BUNDLE)
    table = toy_table(450, seed=2)
    split = np.array(["train"] * 150 + ["val"] * 300, dtype=object)
    if "split" in table.column_names:
        table = table.drop_columns(["split"])
    paths.WEIGHTS.mkdir(parents=True)
    pq.write_table(table.append_column("split", pa.array(split)), paths.WEIGHTS / "part-0.parquet")
    recalibrate()
    held_out = columns_of(table.slice(150))
    opened = bundle.load(paths.BUNDLE)
    found = read(paths.RECALIBRATION)
    assert found == by_sources(Predictor(opened), held_out, held_out)
    assert found.num_sources == 300
    found.check(opened.digest)
