"""No two rows of a catalogue have the same name, wherever they stand."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ojala.catalogue import ids
from ojala.catalogue.pieces import planned


def check(tmp_path, rows=4, **columns):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table(columns), path)
    ids.check_unique(planned(path, tmp_path, rows))


@pytest.mark.parametrize("at_once", [3, 1000])
def test_a_name_that_is_there_twice_is_told_with_both_rows(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(ids, "ROWS_AT_ONCE", at_once)
    check(tmp_path, TARGETID=np.arange(10))
    twice = np.array([7, 3, 2**60 + 1, 4, 2**60, 9, 2**60 + 1, 5])
    with pytest.raises(
        ValueError, match="row 7 has the name of row 3: TARGETID 1152921504606846977"
    ):
        check(tmp_path, TARGETID=twice)
    with pytest.raises(ValueError, match="row 4 has the name of row 2: id b is there twice"):
        check(tmp_path, id=["a", "b", "c", "b"])


def test_a_name_may_be_several_columns_or_missing(tmp_path):
    check(tmp_path, tile_id=[1, 1, 2], number=[1, 2, 1], id=[1, 1, 1])
    with pytest.raises(ValueError, match="TILE_ID 1, NUMBER 2 is there twice"):
        check(tmp_path, TILE_ID=[1, 1, 1], NUMBER=[2, 1, 2])
    check(tmp_path, targetid=[5, 5], survey=["main", "sv1"], program=["dark", "dark"])
    check(tmp_path, targetid=pa.array([None, 3, None], pa.int64()))
    check(tmp_path, tile_id=pa.array([1, 1], pa.int64()), number=pa.array([None, None], pa.int64()))
    check(tmp_path, MAG_i=[20.0, 20.0])


def test_names_are_compared_across_shards(tmp_path):
    for number, names in enumerate(([1, 2, 3], [4, 2])):
        pq.write_table(pa.table({"id": names}), tmp_path / f"part-{number:05d}.parquet")
    with pytest.raises(ValueError, match=r"row 2 has the name of row 2 of part-00000\.parquet"):
        ids.check_unique(planned(tmp_path, tmp_path, 2))
