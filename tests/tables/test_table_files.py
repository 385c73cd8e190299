"""Tables of any format: what is broken is one sentence with the file's name; units come back."""

import gzip
import re
import warnings

import numpy as np
import pyarrow as pa
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.table import Table

from ojala.tables.columns import meaning, with_meanings
from ojala.tables.files import read_table_file, write_table_file
from ojala.tables.units import check_unit, known_unit, standard_text

SUFFIXES = ("csv", "ecsv", "fits", "vot")
UNITS = (
    "mag",
    "dex",
    "dex(solMass)",
    "dex(cm / s2)",
    "dex(solMass / yr)",
    "erg / (s cm2)",
    "bananas",
)


@pytest.fixture
def table():
    columns = {"name": [f"s{i}" for i in range(400)], "MAG_i": np.linspace(18, 22, 400)}
    columns |= {f"c{number}": np.arange(400.0) for number in range(len(UNITS))}
    meanings = {f"c{number}": {"unit": unit} for number, unit in enumerate(UNITS)}
    return with_meanings(pa.table(columns), meanings)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_values_come_back_and_so_do_units_without_a_warning(table, tmp_path, suffix):
    path = tmp_path / f"t.{suffix}"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        write_table_file(table, path)
        read = read_table_file(path)
    assert read.column_names == table.column_names
    assert np.allclose(read["MAG_i"], table["MAG_i"], rtol=1e-6)
    if suffix != "csv":
        for number, unit in enumerate(UNITS):
            assert meaning(read.schema.field(f"c{number}")) == {"unit": unit}


def test_a_file_holds_logarithms_as_its_standard_spells_them(table, tmp_path):
    write_table_file(table, tmp_path / "t.fits")
    header = fits.getheader(tmp_path / "t.fits", 1)
    assert not [i for i in range(4, 8) if f"TUNIT{i}" in header]  # astropy would warn of any
    assert header["TCOMM6"] == "[dex(cm / s2)]"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = table.drop_columns("c6")  # bananas
        write_table_file(table, tmp_path / "t.fits")
        Table.read(tmp_path / "t.fits")
    write_table_file(table, tmp_path / "t.vot")
    written = (tmp_path / "t.vot").read_text()
    assert "log(solMass.yr**-1)" in written and "&apos;dex&apos;" in written
    assert standard_text("bananas") == "bananas" and standard_text("dex(solMass)") == ""


KNOWN = {unit: unit for unit in UNITS[:-1]} | {
    "log(solMass)": "dex(solMass)",
    "log(cm s-2)": "dex(cm / s2)",
    "'dex'": "dex",
    "mag(AB)": "mag(AB)",
}
"""Units that may be given, and what they are called here."""


@pytest.mark.parametrize(("unit", "name"), KNOWN.items())
def test_units_of_this_house_are_units(unit, name):
    check_unit(unit)
    assert known_unit(unit) == (name, "")
    assert u.Unit(name).to_string() == name


@pytest.mark.parametrize("unit", ["parsecc", "bananas", "dex(bananas)", "log(bananas)"])
def test_what_is_no_unit_is_said(unit):
    with pytest.raises(ValueError, match=re.escape(f"{unit!r} is not a unit that astropy knows")):
        check_unit(unit)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_packed_table_is_the_table(table, tmp_path, suffix):
    write_table_file(table, tmp_path / f"t.{suffix}")
    packed = tmp_path / f"t.{suffix}.gz"
    packed.write_bytes(gzip.compress((tmp_path / f"t.{suffix}").read_bytes()))
    assert len(read_table_file(packed)) == 400


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("fault", ["empty", "cut", "random"])
def test_a_broken_file_is_one_sentence_that_names_it(table, tmp_path, suffix, fault):
    path = tmp_path / f"t.{suffix}"
    write_table_file(table, path)
    whole = path.read_bytes()
    broken = {
        "empty": b"",
        "cut": whole[: whole.rindex(b"s2") + 4],
        "random": np.random.default_rng(1).bytes(3000),
    }
    path.write_bytes(broken[fault])
    with warnings.catch_warnings(), pytest.raises(ValueError) as raised:
        warnings.simplefilter("error")
        read_table_file(path)
    said = str(raised.value)
    assert said.startswith(f"{path}: not a readable table (") and "\n" not in said
    assert fault != "empty" or "the file is empty" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("MAG_i,MAG_i\n20,21\n", "column 'MAG_i' is there twice"),
        ("MAG_i,J0500\n20,1\n21\n", "row 2 has 1 cells, the header 2"),
        ("MAG_i,J0500\n20,1,2\n", "row 1 has 3 cells, the header 2"),
    ],
)
def test_a_csv_whose_columns_are_in_doubt_is_refused(tmp_path, text, said):
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_table_file(tmp_path / "t.csv")


def test_a_csv_of_a_spreadsheet_is_read(tmp_path):
    (tmp_path / "t.csv").write_bytes('\ufeffMAG_i,#note\r\n20,"a, b"\r\n,c\r\n'.encode())
    table = read_table_file(tmp_path / "t.csv")
    assert table.to_pydict() == {"MAG_i": [20, None], "#note": ["a, b", "c"]}


def test_an_image_and_an_unknown_suffix_are_said(tmp_path):
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(tmp_path / "t.fits")
    with pytest.raises(ValueError, match=r"t\.fits: not a readable table \(no table found"):
        read_table_file(tmp_path / "t.fits")
    (tmp_path / "t.txt").write_text("1 2 3")
    with pytest.raises(ValueError, match=r"t\.txt: expected a name that ends in one of \.parquet"):
        read_table_file(tmp_path / "t.txt")


def test_dates_and_missing_names_are_written_as_text(tmp_path):
    when = pa.array(np.array(["2026-01-01"], "M8[D]"))
    made = pa.table({"when": when, "name": pa.array([None], pa.string())})
    for suffix in ("fits", "vot"):
        write_table_file(made, tmp_path / f"t.{suffix}")
        read = read_table_file(tmp_path / f"t.{suffix}")
        assert read.to_pydict() == {"when": ["2026-01-01"], "name": [""]}
