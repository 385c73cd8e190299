"""One source is drawn: the one that was meant, from any table, into a figure that is whole."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from foreign_tables import FORMATS, written
from PIL import Image
from toy_heads import toy_bundle

from ojala.cli import main
from ojala.figures.source import _over_i
from ojala.vocabulary.bands import band

ID = 39_627_652_591_521_181  # beyond 2**53, and odd


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toy_bundle(tmp_path_factory.mktemp("models") / "ojala")


def columns():
    return {
        "TARGETID": [ID, ID + 1, ID + 2],
        "FIELD": ["north", "south", "south"],
        "MAG_i": [19.0, 20.0, float("nan")],
        "MAG_R": [19.5, 20.5, 21.0],
        "J0500": [0.5, 99.0, 0.7],
        "J0500_ERR": [0.05, 0.05, 0.05],
        "J0660": [0.9, 1.1, 1.0],
    }


def drawn(words, capsys):
    code = main(["show", *map(str, words)])
    said = capsys.readouterr()
    return code, said.out, said.err


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_source_of_any_table_is_drawn_where_one_stands(
    model, suffix, tmp_path, monkeypatch, capsys
):
    path = written(columns(), tmp_path / f"in.{suffix}")
    (tmp_path / "here").mkdir()
    (tmp_path / "project").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    words = [path, "--where", f"TARGETID={ID + 1}", "--bundle", model, "--json"]
    code, out, err = drawn([*words, "--project", tmp_path / "project"], capsys)
    assert code == 0, err
    told = json.loads(out)
    assert told["row"] == 2 and told["answers"]["CLASS"] in ("GALAXY", "STAR", "QSO")
    with Image.open(tmp_path / "here" / "in-2.png") as figure:
        assert figure.width > 1000 and len(figure.convert("RGB").getcolors(1 << 24)) > 100
    assert not list((tmp_path / "project").iterdir())


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_a_source_without_answers_is_drawn_and_says_why(model, suffix, tmp_path, capsys):
    path = written(columns(), tmp_path / "in.csv")
    out = tmp_path / f"figure.{suffix}"
    code, said, err = drawn([path, "--row", 3, "--bundle", model, "--out", out], capsys)
    assert code == 0, err
    assert said == f"{out}: in.csv, row 3, no answers: no usable MAG_i\n"
    assert out.stat().st_size > 1000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--row", "0"], "--row is 0, and {path} has rows 1 ... 3"),
        (["--row", "4"], "--row is 4, and {path} has rows 1 ... 3"),
        (["--where", "FIELD=south"], "{path}: rows 2, 3 have FIELD=south, expected one source"),
        (["--where", "FIELD=east"], "{path}: no row has FIELD=east, expected one source"),
        (["--where", "NAME=x"], "{path}: no column NAME"),
        (["--where", "FIELD"], "--where is 'FIELD', expected such as TARGETID=39627652591521181"),
        (["--row", "1", "--out", "x.txt"], "x.txt, expected a figure .png, .pdf, .svg"),
    ],
)
def test_what_is_not_one_source_is_one_sentence(model, words, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = written(columns(), tmp_path / "in.parquet")
    code, out, err = drawn([path, *words, "--bundle", model], capsys)
    assert code == 1 and out == ""
    assert err.startswith("ojala show: ") and err.count("\n") == 1
    assert said.format(path=path) in err
    assert [one.name for one in tmp_path.iterdir()] == ["in.parquet"]


def test_two_columns_name_one_source(model, tmp_path, capsys):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table(columns()), path)
    words = [path, "--where", "FIELD=south", "--where", f"TARGETID={ID + 1}", "--bundle", model]
    code, said, err = drawn([*words, "--out", tmp_path / "a.png"], capsys)
    assert code == 0, err
    assert "row 2" in said


def test_a_broad_band_is_drawn_on_the_scale_of_the_narrow_ones():
    """Of a flat f_nu, one AB magnitude everywhere, f_lambda falls with wavelength squared."""
    r, i = band("MAG_R"), band("MAG_i")
    assert np.isclose(_over_i(r, 20.0, 20.0), (i.wave / r.wave) ** 2)
    assert np.isclose(_over_i(i, 20.0, 20.0), 1.0)
    assert np.isclose(_over_i(r, 22.5, 20.0), 0.1 * (i.wave / r.wave) ** 2)
