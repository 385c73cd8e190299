import numpy as np
import pyarrow as pa
import pytest

from ojala.tables.shards import (
    as_table,
    column,
    jpas_schema,
    mocks_schema,
    morphtype_codes,
    read_table,
    shard_paths,
    spectype_codes,
    write_shards,
)
from ojala.vocabulary.quantities import MORPHTYPES, observations, queries, vocabulary


def test_vocabulary_is_the_released_one():
    tokens = vocabulary()
    assert (len(tokens), len(observations()), len(queries())) == (76, 61, 15)
    assert tokens[0] == "J0378"
    assert tokens[53] == "J0910"
    assert tokens[54:59] == ("MAG_i", "MAG_G", "MAG_R", "MAG_Z", "MORPHTYPE")
    assert tokens[-4:] == ("SPECTYPE", "MAG_W1", "MAG_W2", "LOGSFR")


def test_every_token_has_a_column_and_continuous_ones_an_error():
    names = mocks_schema().names
    assert set(vocabulary()) < set(names)
    assert {f"{t}_ERR" for t in vocabulary()} - set(names) == {"SPECTYPE_ERR", "MORPHTYPE_ERR"}
    assert set(queries()) & set(jpas_schema().names) == set(), "J-PAS has no labels"


def blocks(*sizes):
    start = 0
    for size in sizes:
        yield {"targetid": np.arange(start, start + size), "LOGM": np.full(size, 10.0)}
        start += size


def test_rows_keep_their_order_across_shards(tmp_path):
    num_rows = write_shards(blocks(3, 4, 5), tmp_path / "t", mocks_schema(), rows_per_shard=6)
    table = read_table(tmp_path / "t")
    assert num_rows == table.num_rows == 12
    assert column(table, "targetid").tolist() == list(range(12))
    assert len(list((tmp_path / "t").iterdir())) == 2
    assert np.all(np.isnan(column(table, "Z_GAL")))
    assert np.all(column(table, "SPECTYPE") == -1)


def test_a_failing_write_leaves_the_former_table(tmp_path):
    write_shards(blocks(3), tmp_path / "t", mocks_schema())

    def failing():
        yield from blocks(2)
        raise RuntimeError("disk full")

    with pytest.raises(RuntimeError):
        write_shards(failing(), tmp_path / "t", mocks_schema())
    assert read_table(tmp_path / "t").num_rows == 3
    assert [path.name for path in tmp_path.iterdir()] == ["t"]


def test_an_empty_table_has_its_columns(tmp_path):
    assert write_shards(iter([]), tmp_path / "t", jpas_schema()) == 0
    assert read_table(tmp_path / "t").schema.names == jpas_schema().names


def test_wrong_tables_are_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match="column 'FLUX'"):
        as_table({"FLUX": np.ones(2)}, mocks_schema())
    with pytest.raises(ValueError, match="SPECTYPE, row 2: code 3"):
        as_table({"SPECTYPE": np.array([0, 3])}, mocks_schema())
    with pytest.raises(ValueError, match="differ in length"):
        as_table({"ra": np.ones(2), "dec": np.ones(3)}, mocks_schema())
    with pytest.raises(ValueError, match="no Parquet shards"):
        read_table(tmp_path)
    (tmp_path / "part-00000.parquet").write_bytes(b"PAR1 truncated")
    with pytest.raises(ValueError, match=r"part-00000.parquet: not a readable table"):
        read_table(tmp_path)
    pa.parquet.write_table(pa.table({"ra": [1.0]}), tmp_path / "part-00000.parquet")
    with pytest.raises(ValueError, match=r"part-00000.parquet: column 'dec' is missing"):
        read_table(tmp_path, ["ra", "dec"])


def test_shards_are_read_by_number_however_many_there_are(tmp_path):
    numbers = [0, 9, 12345, 99999, 100000, 100001, 1234567]
    for number in reversed(numbers):
        table = pa.table({"ra": [float(number)]})
        pa.parquet.write_table(table, tmp_path / f"part-{number:05d}.parquet")
    assert [path.name for path in shard_paths(tmp_path)] == [
        f"part-{n:05d}.parquet" for n in numbers
    ]
    assert read_table(tmp_path)["ra"].to_pylist() == numbers


def test_codes_are_positions_and_unknown_names_are_minus_one():
    assert spectype_codes(["STAR", "GALAXY", "QSO", "?"]).tolist() == [1, 0, 2, -1]
    assert morphtype_codes([*MORPHTYPES, "GPSF", "PSF ", ""]).tolist() == [
        0,
        1,
        2,
        3,
        4,
        5,
        3,
        3,
        -1,
    ]
