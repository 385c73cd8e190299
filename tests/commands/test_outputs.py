"""``ojala predict`` writes what it was asked for, or refuses before it predicts."""

import bz2
import datetime
import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from toy_heads import toy_bundle, toy_head

from ojala.cli import main
from ojala.heads import head
from ojala.model import bundle
from ojala.model.predictor import Predictor, all_queries
from ojala.physics.derived import derived
from ojala.tables.files import read_table_file

SUFFIX = {"FITS": "fits", "VOTable": "vot", "ECSV": "ecsv", "CSV": "csv"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toy_bundle(tmp_path_factory.mktemp("models") / "ojala")


@pytest.fixture
def never(monkeypatch):
    """A Predictor that must not be asked for answers."""

    def asked(*_, **__):
        raise AssertionError("answers were made that cannot be written")

    monkeypatch.setattr(Predictor, "predict", asked)


def predict(table, out, model, *more):
    path = out.parent / "in.parquet"
    pq.write_table(table, path)
    code = main(["predict", str(path), "--bundle", str(model), "--out", str(out), *more])
    left = sorted(one.name for one in out.parent.iterdir() if one != path)
    return path, code, left


def sources(**more):
    return pa.table({"MAG_i": [20.0, 19.0], "J0500": [0.8, 1.2], **more})


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "vot", "xml", "CSV"])
def test_packed_is_packed_and_holds_the_answers_of_the_plain_one(suffix, model, tmp_path):
    places = [tmp_path / "packed", tmp_path / "plain"]
    for place, packing in zip(places, (".gz", ""), strict=True):
        place.mkdir()
        out = place / f"out.{suffix}{packing}"
        _, code, left = predict(sources(), out, model, "--queries", "Z_GAL,SPECTYPE")
        assert code == 0 and left == [out.name]
    packed, plain = (place / f"out.{suffix}" for place in places)
    packed = packed.with_name(packed.name + ".gz")
    assert packed.read_bytes()[:2] == b"\x1f\x8b"
    unpacked = gzip.decompress(packed.read_bytes())
    assert unpacked[:5] == plain.read_bytes()[:5]
    assert read_table_file(packed).to_pandas().equals(read_table_file(plain).to_pandas())


@pytest.mark.parametrize("name", ["out.csv.bz2", "out.fits.xz", "out.parquet.gz", "out", "out.txt"])
def test_a_name_that_tells_no_format_is_refused(name, model, never, tmp_path, capsys):
    _, code, left = predict(sources(), tmp_path / name, model)
    assert (code, left) == (1, [])
    assert f"{tmp_path / name}: " in capsys.readouterr().err


CANNOT = [
    ("FITS", "seen", pa.array([True, None]), "a boolean has no null"),
    (
        "FITS",
        "who",
        pa.array(["Pe\u00f1a", "M31"]),
        "row 1 is 'Pe\u00f1a', text there is",
    ),
    ("FITS", "b\u00e4nd", pa.array([1, 2]), "a name in FITS is ASCII"),
    ("VOTable", "id", pa.array([2**64 - 59, 1], pa.uint64()), "a whole number there is at most"),
    ("VOTable", "note", pa.array(["a\x01b", ""]), "row 1 is 'a\\x01b', XML has no such"),
    ("ECSV", "note", pa.array(["a", " b"]), "row 2 is ' b', blanks at the ends"),
    ("CSV", "flux", pa.array([[1.0, 2.0], [3.0, 4.0]]), "its type is list<"),
    *(
        (kind, "extra", column, f"its type is {column.type}")
        for kind in SUFFIX
        for column in (
            pa.array([b"\x01\xff", b""]),
            pa.array([datetime.timedelta(seconds=3)] * 2),
            pa.array([{"a": 1}] * 2),
        )
    ),
]


@pytest.mark.parametrize(("kind", "name", "column", "why"), CANNOT)
@pytest.mark.parametrize("packing", ["", ".gz"])
def test_a_column_that_a_format_cannot_hold_is_refused_before(
    kind, name, column, why, packing, model, never, tmp_path, capsys
):
    out = tmp_path / f"out.{SUFFIX[kind]}{packing}"
    out.write_text("what was there")
    _, code, left = predict(sources(**{name: column}), out, model)
    said = capsys.readouterr().err
    assert (code, left) == (1, [out.name]) and out.read_text() == "what was there"
    assert said.startswith(f"ojala predict: {out}: {kind} cannot hold column {name}: {why}")
    assert said.count("\n") == 1


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ecsv", "fits", "vot"])
@pytest.mark.parametrize("name", ["Z_GAL", "LOGM_ERR", "CLASS", "P_QSO", "REASON"])
def test_a_name_that_an_answer_needs_is_refused_before(
    suffix, name, model, never, tmp_path, capsys
):
    out = tmp_path / f"out.{suffix}"
    path, code, left = predict(sources(**{name: pa.array([0.5, 1.5])}), out, model)
    assert (code, left) == (1, [])
    said = f"ojala predict: {path}: column {name} is there already: rename it to keep it\n"
    assert capsys.readouterr().err == said


@pytest.mark.parametrize("name", ["z_gal", "Class", "reason"])
def test_in_fits_the_case_of_a_name_does_not_count(name, model, never, tmp_path, capsys):
    _, code, left = predict(sources(**{name: pa.array([0.5, 1.5])}), tmp_path / "o.fits", model)
    assert (code, left) == (1, [])
    said = capsys.readouterr().err
    assert f"in FITS its name is that of {name}, case does not count" in said


@pytest.mark.parametrize("suffix", ["parquet", "csv", "ecsv", "vot"])
def test_elsewhere_it_counts_and_both_are_written(suffix, model, tmp_path):
    out = tmp_path / f"out.{suffix}"
    _, code, _ = predict(sources(z_gal=pa.array([0.5, 1.5])), out, model, "--queries", "Z_GAL")
    table = read_table_file(out)
    assert code == 0 and table["z_gal"].to_pylist() == [0.5, 1.5]
    assert np.isfinite(table["Z_GAL"].to_numpy()).all()


def test_what_is_not_asked_for_needs_no_name(model, tmp_path):
    table = sources(LOGM=pa.array([0.5, 1.5]), FLUX_HALPHA=pa.array([2.5, 3.5]))
    _, code, _ = predict(table, tmp_path / "out.fits", model, "--queries", "Z_GAL")
    found = Table.read(tmp_path / "out.fits")
    assert code == 0 and found["LOGM"].tolist() == [0.5, 1.5]
    _, code, _ = predict(table.drop_columns(["LOGM"]), tmp_path / "out.fits", model)
    assert code == 0  # line fluxes need AUTO_iSDSS


def test_line_fluxes_and_heads_need_their_names(model, never, tmp_path, capsys):
    table = sources(AUTO_iSDSS=pa.array([90.0, 80.0]), FLUX_HALPHA=pa.array([2.5, 3.5]))
    _, code, left = predict(table, tmp_path / "out.csv", model)
    assert (code, left) == (1, [])
    assert "column FLUX_HALPHA is there already" in capsys.readouterr().err
    toy_head(tmp_path / "heads/bh-mass", model)
    table = sources(LOGMASS=pa.array([8.5, 7.5]))
    out = tmp_path / "place/out.csv"
    out.parent.mkdir()
    _, code, left = predict(table, out, model, "--heads", str(tmp_path / "heads"))
    assert (code, left) == (1, [])
    assert "column LOGMASS is there already" in capsys.readouterr().err


def test_the_names_that_are_told_before_are_those_of_the_answers(model, tmp_path):
    toy_head(tmp_path / "heads/bh-mass", model)
    opened = bundle.load(model)
    heads = head.load_all(tmp_path / "heads", opened.digest)
    predictor = Predictor(opened, heads=heads)
    catalogue = {"MAG_i": np.array([20.0, 19.0]), "J0500": np.array([0.8, 1.2])}
    for queries in (None, ["Z_QSO", "bh-mass"], ["SPECTYPE"], ["bh-mass"], ["MORPHTYPE"]):
        given, blank = predictor.predict(catalogue, queries), predictor.no_answers(queries)
        assert list(given) == list(blank)
        assert all(len(values) == 0 for values in blank.values())
    assert set(derived(predictor.no_answers(all_queries()), np.empty(0))) == set(
        derived(predictor.predict(catalogue), np.ones(2))
    )


def test_a_write_that_fails_leaves_what_was_there(model, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out.fits.gz"
    out.write_bytes(bz2.compress(b"of yesterday"))
    before = out.read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("ojala.tables.files.pack", full)
    _, code, left = predict(sources(), out, model, "--queries", "Z_GAL")
    assert (code, left, out.read_bytes()) == (1, [out.name], before)
    assert "No space left" in capsys.readouterr().err
