"""Anyone's table of labels is joined by what names a source, and by nothing else."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import MaskedColumn, Table
from toy_heads import toy_photometry

from ojala.heads.labels import joined, read_labels
from ojala.tables.shards import as_table, column, jpas_schema

FIRST = 39_627_000_000_000_000  # of a TARGETID, beyond what a float64 counts exactly
FORMATS = {
    "csv": "ascii.csv",
    "ecsv": "ascii.ecsv",
    "fits": "fits",
    "fits.gz": "fits",
    "xml": "votable",
    "vot": "votable",
}


@pytest.fixture(scope="module")
def photometry(tmp_path_factory):
    path = tmp_path_factory.mktemp("photometry") / "weights.parquet"
    toy_photometry(path, 60)
    return path


def label_table(rows, **columns):
    rows = np.asarray(rows)
    mass = 8 + 0.01 * rows
    return Table({"TARGETID": FIRST + rows, "MASS": mass, "MASS_ERR": 0.1 + 0 * mass} | columns)


def written(table, path):
    if path.suffix == ".parquet":
        pq.write_table(pa.table({name: np.asarray(table[name]) for name in table.colnames}), path)
    else:
        table.write(path, format=FORMATS[path.name.partition(".")[2]])
    return path


@pytest.mark.parametrize("suffix", [*FORMATS, "parquet"])
def test_every_format_says_the_same(photometry, tmp_path, suffix):
    rows = [31, 4, 15, 9]
    labels = read_labels(written(label_table(rows), tmp_path / f"labels.{suffix}"), "MASS")
    found = joined(labels, photometry, ("GALAXY", "STAR", "QSO"))
    assert column(found.photometry, "targetid").tolist() == [FIRST + row for row in sorted(rows)]
    assert found.value == pytest.approx([8.04, 8.09, 8.15, 8.31])
    assert found.error == pytest.approx(0.1)


def test_a_directory_of_shards_is_a_table(photometry, tmp_path):
    table = pq.read_table(photometry)
    (tmp_path / "weights").mkdir()
    for number, start in enumerate((0, 25)):
        pq.write_table(table.slice(start, 35), tmp_path / f"weights/part-{number:05d}.parquet")
    labels = read_labels(tmp_path / "weights", "TEFF")
    stars = column(table, "SPECTYPE") == 1
    with pytest.raises(ValueError, match=r"targetid \d+, survey \w+, program dark is labelled tw"):
        joined(labels, photometry, ("STAR",))  # the shards overlap
    labels = read_labels(photometry, "TEFF")
    found = joined(labels, tmp_path / "weights", ("STAR",))
    twice = np.concatenate([np.flatnonzero(stars[:35]), 25 + np.flatnonzero(stars[25:])])
    assert found.value == pytest.approx(column(table, "TEFF")[twice])


def test_survey_and_program_tell_spectra_apart_where_both_tables_have_them(photometry, tmp_path):
    both = label_table([3, 3, 8], SURVEY=["main", "sv1", "main"], PROGRAM=["dark"] * 3)
    both["MASS"] = [1.0, 2.0, 3.0]
    found = joined(
        read_labels(written(both, tmp_path / "both.fits"), "MASS"),
        photometry,
        ("GALAXY", "STAR", "QSO"),
    )
    assert found.value.tolist() == [2.0, 3.0]  # source 3 is one of sv1, source 8 one of main
    both.remove_columns(["SURVEY", "PROGRAM"])
    with pytest.raises(ValueError, match=f"targetid {FIRST + 3} is labelled twice"):
        joined(read_labels(written(both, tmp_path / "ids.csv"), "MASS"), photometry, ("QSO",))


def test_what_is_not_said_of_a_source_is_the_same_in_both_tables(photometry, tmp_path):
    table = pq.read_table(photometry)
    for name in ("survey", "program"):
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.nulls(len(table), pa.string()))
    pq.write_table(table, tmp_path / "bare.parquet")
    stars = np.sum(column(table, "SPECTYPE") == 1)
    labels = read_labels(tmp_path / "bare.parquet", "TEFF")
    assert len(joined(labels, tmp_path / "bare.parquet", ("STAR",)).value) == stars


def test_jpas_sources_are_named_by_tile_and_number(tmp_path):
    keys = {"tile_id": np.array([5, 5, 6]), "number": np.array([1, 2, 1])}
    table = as_table(keys | {"MAG_i": np.full(3, 20.0)}, jpas_schema())
    pq.write_table(table, tmp_path / "jpas.parquet")
    given = Table(
        {"TILE_ID": [6, 5], "NUMBER": [1, 2], "MASS": [9.0, 8.0], "SPECTYPE": ["QSO"] * 2}
    )
    labels = read_labels(written(given, tmp_path / "labels.csv"), "MASS")
    found = joined(labels, tmp_path / "jpas.parquet", ("QSO",))
    assert column(found.photometry, "number").tolist() == [2, 1]
    assert found.value.tolist() == [8.0, 9.0]
    del given["SPECTYPE"]
    labels = read_labels(written(given, tmp_path / "bare.csv"), "MASS")
    with pytest.raises(ValueError, match="no column SPECTYPE, nor in the photometry"):
        joined(labels, tmp_path / "jpas.parquet", ("QSO",))
    assert len(joined(labels, tmp_path / "jpas.parquet", ("GALAXY", "STAR", "QSO")).value) == 2


def test_missing_labels_stay_out_and_missing_errors_are_zero(photometry, tmp_path):
    table = label_table([1, 2, 3, 4, 5])
    table["MASS"] = MaskedColumn([8.0, np.nan, 7.0, np.inf, 6.0], mask=[0, 0, 0, 0, 1])
    table["MASS_ERR"] = [0.2, 0.2, -99.0, 0.2, 0.2]
    labels = read_labels(written(table, tmp_path / "labels.ecsv"), "MASS")
    assert labels.value.tolist() == [8.0, 7.0]
    assert labels.error.tolist() == [0.2, 0.0]
    del table["MASS_ERR"]
    assert not read_labels(written(table, tmp_path / "exact.ecsv"), "MASS").error.any()


def test_classes_are_those_of_the_photometry(photometry, tmp_path):
    labels = read_labels(written(label_table(range(60)), tmp_path / "labels.fits"), "MASS")
    spectype = column(pq.read_table(photometry), "SPECTYPE")
    found = joined(labels, photometry, ("QSO", "STAR"))
    assert len(found.value) == np.sum(spectype > 0)
    assert set(column(found.photometry, "SPECTYPE")) == {1, 2}


def test_unit_and_description_travel(tmp_path):
    table = label_table([1])
    table["MASS"].unit, table["MASS"].description = "solMass", "virial mass"
    for suffix in ("ecsv", "xml"):
        labels = read_labels(written(table, tmp_path / f"labels.{suffix}"), "MASS")
        assert (labels.unit, labels.description) == ("solMass", "virial mass")


def faulty(fault, path):
    table = label_table([1, 2, 3])
    if fault == "no id":
        table.rename_column("TARGETID", "ID")
    elif fault == "half a key":
        table.rename_column("TARGETID", "TILE_ID")
    elif fault == "float id":
        table["TARGETID"] = table["TARGETID"].astype(float)
    elif fault == "id missing":
        table["TARGETID"] = MaskedColumn(table["TARGETID"], mask=[0, 1, 0])
    elif fault == "all NaN":
        table["MASS"] = np.nan
    elif fault == "no quantity":
        table.rename_column("MASS", "MBH")
    elif fault == "text":
        table["MASS"] = ["a", "b", "c"]
    elif fault == "several":
        table["MASS"] = np.ones((3, 2))
    elif fault == "no match":
        table["TARGETID"] += 10**6
    elif fault == "twice":
        table["TARGETID"][2] = table["TARGETID"][0]
    return written(table, path)


@pytest.mark.parametrize(
    ("fault", "suffix", "said"),
    [
        ("no id", "csv", "no column targetid, and no columns tile_id and number"),
        ("half a key", "csv", "no column targetid, and no columns tile_id and number"),
        ("float id", "fits", "column TARGETID is not a column of whole numbers"),
        ("id missing", "csv", "column TARGETID, row 2: a source without a name"),
        ("all NaN", "csv", "column MASS holds no finite value"),
        ("all NaN", "parquet", "column MASS holds no finite value"),
        ("no quantity", "csv", "no column MASS, it has TARGETID, MBH, MASS_ERR"),
        ("no quantity", "parquet", "no column MASS"),
        ("text", "csv", "column MASS, row 1: 'a' is not a number"),
        ("several", "fits", "column MASS holds several values in a row"),
        ("no match", "csv", "none of its 3 labelled sources is in"),
        ("twice", "csv", f"targetid {FIRST + 1} is labelled twice"),
    ],
)
def test_a_bad_table_is_one_sentence(photometry, tmp_path, fault, suffix, said):
    path = faulty(fault, tmp_path / f"labels.{suffix}")
    with pytest.raises(ValueError, match=said) as error:
        joined(read_labels(path, "MASS"), photometry, ("GALAXY", "STAR", "QSO"))
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_what_is_not_a_table_is_said(photometry, tmp_path):
    (tmp_path / "labels.fits").write_text("no FITS at all")
    (tmp_path / "labels.parquet").write_text("no Parquet at all")
    (tmp_path / "labels.txt").write_text("1 2 3")
    (tmp_path / "empty.csv").write_text("")
    for name, said in (
        ("labels.fits", "not a readable table"),
        ("labels.parquet", "not a readable table"),
        ("labels.txt", r"expected a name that ends in one of \.parquet"),
        ("empty.csv", "the file is empty"),
        ("none.csv", "no such table of labels"),
    ):
        with pytest.raises(ValueError, match=said) as error:
            read_labels(tmp_path / name, "MASS")
        assert "\n" not in str(error.value)
    labels = read_labels(written(label_table([1]), tmp_path / "good.csv"), "MASS")
    with pytest.raises(ValueError, match="no Parquet shards"):
        joined(labels, tmp_path / "nowhere", ("QSO",))
    bare = tmp_path / "bare.parquet"
    pq.write_table(pa.table({"MAG_i": [20.0]}), bare)
    with pytest.raises(
        ValueError, match=r"names sources by targetid, which .*bare\.parquet does n"
    ):
        joined(labels, bare, ("QSO",))
