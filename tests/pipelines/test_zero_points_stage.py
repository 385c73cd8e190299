"""J-PAS with its zero points taken out has every source, and nothing else is changed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from toy_heads import toy_bundle
from toy_sky import toy_table

from ojala.catalogue import zero_points
from ojala.cli import main
from ojala.tables.shards import columns_of, jpas_schema, read_table, write_shards
from ojala.vocabulary.bands import narrow_bands
from pipelines import zero_points as stage


@pytest.fixture
def jpas(tmp_path, monkeypatch):
    """Two tiles in two shards, one source without a type."""
    monkeypatch.chdir(tmp_path)
    toy_bundle(Path("models/ojala"))
    columns = columns_of(toy_table(200, seed=3, labelled=False, missing=0.1))
    columns["tile_id"] = np.repeat([7, 9], 100)
    columns["MAG_i"] = np.linspace(17, 22, 200).astype(np.float32)
    halves = ({n: v[part] for n, v in columns.items()} for part in (slice(90), slice(90, None)))
    write_shards(halves, "data/jpas", jpas_schema(), rows_per_shard=90)
    return columns_of(read_table("data/jpas"))


def test_the_stage_leaves_all_sources_calibrated(jpas):
    stage.zero_points()
    found = zero_points.read(Path("data/zero_points.parquet"))
    assert found.tiles.tolist() == [7, 9]
    after = columns_of(read_table("data/jpas_calibrated"))
    tokens = [band.token for band in narrow_bands()]
    of_tile = found.factors(jpas["tile_id"])
    for name, values in jpas.items():
        token = name.removesuffix("_ERR")
        if token in tokens:
            wanted = values * of_tile[:, tokens.index(token)]
            np.testing.assert_allclose(after[name], wanted, rtol=1e-6)
        else:
            np.testing.assert_array_equal(after[name], values, err_msg=name)
    report = json.loads(Path("reports/zero_points.json").read_text())
    assert report["tiles"] == 2
    assert report["sources"] == int((jpas["MAG_i"] < zero_points.FAINT_LIMIT).sum())


def test_the_command_writes_what_the_stage_does(jpas, capsys):
    stage.zero_points()
    words = ["data/jpas", "--out", "calibrated.parquet", "--offsets", "offsets.parquet", "--json"]
    assert main(["zero-points", *words]) == 0
    assert json.loads(capsys.readouterr().out)["tiles"] == 2
    for ours, theirs in (
        ("data/jpas_calibrated", "calibrated.parquet"),
        ("data/zero_points.parquet", "offsets.parquet"),
    ):
        made, wanted = columns_of(read_table(theirs)), columns_of(read_table(ours))
        assert list(made) == list(wanted)
        for name, values in wanted.items():
            np.testing.assert_array_equal(made[name], values, err_msg=name)


def test_a_table_without_tiles_is_refused_by_its_column(jpas, capsys):
    pq.write_table(read_table("data/jpas").drop(["tile_id"]), "bare.parquet")
    assert main(["zero-points", "bare.parquet", "--out", "calibrated.parquet"]) == 1
    said = capsys.readouterr().err
    assert "bare.parquet: column tile_id is missing" in said
    assert not Path("calibrated.parquet").exists()
