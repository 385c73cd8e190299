"""A catalogue in pieces is the catalogue, wherever it is cut and whatever it is stored as."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ojala.catalogue import pieces
from ojala.catalogue.pieces import planned, read_piece, told_of
from ojala.tables.columns import meaning
from ojala.tables.files import header_of, read_table_file, write_table_file
from ojala.tables.shards import read_table

NUM = 57


@pytest.fixture
def table():
    rng = np.random.default_rng(3)
    schema = pa.schema(
        [
            pa.field("targetid", pa.int64()),
            pa.field("name", pa.string()),
            pa.field("J0500", pa.float32(), metadata={"unit": "mag", "description": "a band"}),
            pa.field("seen", pa.int16()),
            pa.field("late", pa.float64()),
        ]
    )
    columns = [
        pa.array(np.arange(NUM) + 2**53 + 1),
        pa.array([f"s{'x' * (row % 5)}" for row in range(NUM)]),
        pa.array(rng.normal(size=NUM).astype(np.float32)),
        pa.array([None if row % 7 == 3 else row for row in range(NUM)], pa.int16()),
        pa.array([None] * (NUM - 1) + [2.5]),
    ]
    return pa.table(columns, schema=schema)


@pytest.mark.parametrize(
    "suffix", [".parquet", ".fits", ".csv", ".csv.gz", ".fits.gz", ".ecsv", ".vot"]
)
@pytest.mark.parametrize("rows", [1, 10, 19, 1000])
def test_pieces_side_by_side_are_the_table(table, tmp_path, suffix, rows):
    path = tmp_path / f"in{suffix}"
    write_table_file(table, path)
    plan = planned(path, tmp_path, rows)
    assert [piece.num_rows for piece in plan] == [
        min(rows, NUM - first) for first in range(0, NUM, rows)
    ]
    whole, cut = read_table_file(path), pa.concat_tables(map(read_piece, plan))
    assert cut.schema.equals(whole.schema)
    assert str(cut.to_pydict()) == str(whole.to_pydict())  # NaN as a word
    assert [meaning(field) for field in cut.schema] == [meaning(field) for field in whole.schema]
    assert header_of(cut) == header_of(whole)


@pytest.mark.parametrize("group", [1, 7, 20, 1000])
def test_row_groups_do_not_matter(table, tmp_path, group):
    path = tmp_path / "in.parquet"
    pq.write_table(table, path, row_group_size=group)
    assert pa.concat_tables(map(read_piece, planned(path, tmp_path, 13))).equals(table)


def test_shards_keep_their_order_and_count_their_own_rows(table, tmp_path):
    for number, first in enumerate((0, 20, 50)):
        part = table[first : (20, 50, NUM)[number]]
        pq.write_table(part, tmp_path / f"part-{number:05d}.parquet")
    plan = planned(tmp_path, tmp_path, 12)
    assert pa.concat_tables(map(read_piece, plan)).equals(read_table(tmp_path))
    assert [(p.path.name[5:10], p.first, p.before) for p in plan] == [
        ("00000", 0, 0),
        ("00000", 12, 12),
        ("00001", 0, 20),
        ("00001", 12, 32),
        ("00001", 24, 44),
        ("00002", 0, 50),
    ]


def test_a_csv_column_has_the_type_of_all_its_cells(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "ROWS", 2)
    path = tmp_path / "in.csv"
    path.write_text("whole,odd,price\n" + "1,1,2.10\n2,2,3.5\n3,x7,4.5\n,0012,2.1\n")
    read = pa.concat_tables(map(read_piece, planned(path, tmp_path, 2)))
    assert read.equals(read_table_file(path))
    assert [str(kind) for kind in read.schema.types] == ["int64", "string", "string"]
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["in.csv", "in.csv.parquet"]


def test_a_catalogue_without_rows_is_one_piece(table, tmp_path):
    pq.write_table(table[:0], tmp_path / "in.parquet")
    (piece,) = planned(tmp_path / "in.parquet", tmp_path)
    assert read_piece(piece).equals(table[:0])


def test_a_shard_of_another_layout_is_told_by_its_column(table, tmp_path):
    pq.write_table(table, tmp_path / "part-00000.parquet")
    for other, said in (
        (table.drop_columns(["seen"]), "seen is missing in part-00001.parquet, int16 before"),
        (table.append_column("J0510", table["J0500"]), "J0510 is float in part-00001.parquet"),
        (table.set_column(2, "J0500", table["name"]), "J0500 is string in part-00001.parquet"),
        (table.select(table.column_names[::-1]), "another order"),
    ):
        pq.write_table(other, tmp_path / "part-00001.parquet")
        with pytest.raises(ValueError, match=said) as raised:
            planned(tmp_path, tmp_path)
        assert str(raised.value).startswith(f"{tmp_path}: its shards do not have the same columns")


@pytest.mark.parametrize("suffix", [".parquet", ".fits"])
def test_a_truncated_file_is_told(table, tmp_path, suffix):
    path = tmp_path / f"in{suffix}"
    write_table_file(table, path)
    path.write_bytes(path.read_bytes()[: -2880 if suffix == ".fits" else -100])
    with pytest.raises(ValueError, match=str(path)):
        planned(path, tmp_path)


def test_a_file_that_has_changed_meanwhile_is_told(table, tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(table, path)
    plan = planned(path, tmp_path, 50)
    pq.write_table(table[:52], path)
    with pytest.raises(ValueError, match="it has changed: row 53 is missing"):
        read_piece(plan[1])


def test_rows_are_counted_from_the_first_of_the_file():
    said = "cat.fits: column J0500, row 143: 'x' is not a number"
    with pytest.raises(ValueError, match=f"^{said}$"), told_of("cat.fits", 100):
        raise ValueError("column J0500, row 43: 'x' is not a number")
