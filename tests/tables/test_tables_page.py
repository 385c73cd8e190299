"""docs/tables.md is true: what it says of formats, ids and types is what the code does."""

import datetime
import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from ojala.tables.files import FORMATS, read_table_file, table_format, write_table_file

PAGE = (Path(__file__).parents[2] / "docs/tables.md").read_text()
SUFFIX = {"Parquet": "parquet", "CSV": "csv", "ECSV": "ecsv", "FITS": "fits", "VOTable": "vot"}
BIG = 39_627_652_591_521_181

COLUMNS = {
    "int64 with nulls": pa.array([BIG, None, -(2**63)]),
    "int32 with nulls": pa.array([1, None, -(2**31)], pa.int32()),
    "uint64 with nulls": pa.array([2**64 - 1, None, 0], pa.uint64()),
    "int8": pa.array([1, -128, 127], pa.int8()),
    "float64": pa.array([0.1, 1e-300, -3.5]),
    "boolean": pa.array([True, False, True]),
    "boolean with nulls": pa.array([True, None, False]),
    "text": pa.array(["a", "0012", "1e5"]),
    "text with blanks at its ends": pa.array([" a", "b", "c"]),
    "text with accents": pa.array(["Pe\u00f1a", "\u03a3 Ori", "M31"]),
    "categories of text": pa.array(["PSF", "EXP", "PSF"]).dictionary_encode(),
    "date": pa.array([datetime.date(2026, 1, 2)] * 3),
    "vectors of numbers": pa.array([[1, 2], [3, 4], [5, 6]], pa.list_(pa.int32(), 2)),
    "lists of several lengths": pa.array([[1.5], [2.5, 3.5], []]),
    "lists with nulls": pa.array([[1.5], None, [2.5, None]]),
    "lists of lists": pa.array([[[1.0]], [[2.0], []], []]),
    "bytes": pa.array([b"\x01\xff"] * 3),
    "duration": pa.array([datetime.timedelta(seconds=3)] * 3),
    "struct": pa.array([{"a": 1}] * 3),
}


def rows_of(section):
    """Rows of the table of a section, header and rule left out."""
    text = PAGE.split(f"## {section}\n")[1].split("\n## ")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("|")
    ]
    return rows[0], rows[2:]


def test_the_suffixes_are_those_of_the_page():
    _, rows = rows_of("Formats")
    assert {suffix: row[0] for row in rows for suffix in row[1].split()} == FORMATS
    for name, suffixes, packed in rows:
        for suffix in suffixes.split():
            assert table_format(Path(f"t{suffix.upper()}")) == name
            if packed == "yes":
                assert table_format(Path(f"t{suffix}.gz")) == name
            else:
                with pytest.raises(ValueError, match="packs itself"):
                    table_format(Path(f"t{suffix}.gz"))


def test_every_type_of_column_is_on_the_page():
    assert [row[0] for row in rows_of("Types of columns")[1]] == list(COLUMNS)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_column_comes_back_as_the_page_says(name, tmp_path):
    formats, rows = rows_of("Types of columns")
    said = dict(zip(formats, next(row for row in rows if row[0] == name), strict=True))
    column = COLUMNS[name]
    table = pa.table({"first": pa.array([3, 1, 2]), "its": column})
    for file_format, suffix in SUFFIX.items():
        path = tmp_path / f"t.{suffix}"
        if said[file_format] == "refused":
            with pytest.raises(
                ValueError, match=rf"{suffix}: {file_format} cannot hold column its"
            ):
                write_table_file(table, path)
            assert not path.exists()
            continue
        write_table_file(table, path)
        read = read_table_file(path)
        assert read.column_names == ["first", "its"] and read["first"].to_pylist() == [3, 1, 2]
        expected = said[file_format].removeprefix("as ")
        kind = str(read["its"].type).replace("element", "item")  # Parquet's name for it
        assert kind == (str(column.type) if expected == "kept" else expected)
        as_text = name == "date" and expected == "string"
        values = [str(value) if as_text else value for value in column.to_pylist()]
        assert read["its"].to_pylist() == values


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "vot"])
def test_packed_is_packed(suffix, tmp_path):
    table = pa.table({"TARGETID": pa.array([BIG, None])})
    write_table_file(table, tmp_path / f"t.{suffix}.gz")
    assert (tmp_path / f"t.{suffix}.gz").read_bytes()[:2] == b"\x1f\x8b"
    assert read_table_file(tmp_path / f"t.{suffix}.gz")["TARGETID"].to_pylist() == [BIG, None]
    (tmp_path / f"u.{suffix}").write_bytes(
        gzip.decompress((tmp_path / f"t.{suffix}.gz").read_bytes())
    )
    assert read_table_file(tmp_path / f"u.{suffix}")["TARGETID"].to_pylist() == [BIG, None]


@pytest.mark.parametrize(
    ("cells", "kind", "values"),
    [
        (["00000001", "2"], "string", ["00000001", "2"]),
        (["1e5", "2"], "string", ["1e5", "2"]),
        ([str(10**22), "2"], "string", [str(10**22), "2"]),
        ([" 7a ", "b"], "string", [" 7a ", "b"]),
        (["2241.1", "2241.10"], "string", ["2241.1", "2241.10"]),
        ([str(2**64 - 1), ""], "uint64", [2**64 - 1, None]),
        ([str(BIG), "nan"], "int64", [BIG, None]),
        (["1.5", "1e5"], "double", [1.5, 1e5]),
    ],
)
def test_cells_of_a_csv_are_read_as_they_came(cells, kind, values, tmp_path):
    (tmp_path / "t.csv").write_text("id;k\n" + "".join(f"{cell};1\n" for cell in cells))
    column = read_table_file(tmp_path / "t.csv")["id"]
    assert str(column.type) == kind and column.to_pylist() == values
