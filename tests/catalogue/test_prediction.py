"""``ojala predict``: the Predictor's answers, whatever the format that the catalogue comes in."""

import warnings
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from astropy.table import Table
from toy_heads import toy_bundle, toy_head
from toy_sky import toy_table

from ojala.catalogue.answers import read_catalogue
from ojala.catalogue.provenance import of_catalogue
from ojala.cli import main
from ojala.model import bundle
from ojala.model.network import Ojala
from ojala.model.predictor import Predictor
from ojala.model.presets import preset
from ojala.model.redshift_columns import SUFFIXES
from ojala.tables.columns import meaning
from ojala.tables.shards import columns_of
from ojala.training.resident import measured_scaling
from ojala.vocabulary.band_columns import NARROW
from ojala.vocabulary.quantities import observations

NAMES = ["targetid", "MAG_i", "MAG_G", "J0500", "J0660", "J0660_ERR", "J0820", "MORPHTYPE"]

MADE = {"git_commit": "abc", "data_source": "simulated"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("models") / "ojala"
    torch.manual_seed(0)
    scaling = measured_scaling(toy_table(300))
    bundle.save(directory, Ojala(preset("demo")).eval(), scaling, MADE)
    return directory


@pytest.fixture(scope="module")
def sky():
    columns = columns_of(toy_table(20, seed=2, missing=0.2))
    columns["targetid"] = np.arange(20)
    columns["MORPHTYPE"] = columns["MORPHTYPE"].astype(np.int16)
    return Table({name: columns[name] for name in NAMES})


@pytest.mark.parametrize("suffix", [".csv", ".ecsv", ".fits", ".vot", ".parquet"])
def test_every_format_gives_the_predictors_answers(model, sky, tmp_path, suffix):
    path, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    if suffix == ".parquet":
        sky.to_pandas().to_parquet(path)
    else:
        sky.write(path, format="votable" if suffix == ".vot" else None)
    assert main(["predict", str(path), "--bundle", str(model), "--out", str(out)]) == 0
    answers = read_catalogue(out)
    expected = Predictor(bundle.load(model)).predict({n: np.asarray(sky[n]) for n in NAMES})
    del expected["REASON"]
    assert answers.column_names == [*NAMES, *expected, "QUALITY_FLAGS", "REASON"]
    assert answers["targetid"].to_pylist() == list(range(20))
    assert [str(name) for name in answers["CLASS"]] == expected["CLASS"].tolist()
    assert np.allclose(np.asarray(answers["Z_GAL"], float), expected["Z_GAL"], rtol=1e-5)


def test_chosen_queries_and_line_fluxes(model, sky, tmp_path):
    path, out = tmp_path / "in.fits", tmp_path / "out.fits"
    with_scale = sky.copy()
    with_scale["AUTO_iSDSS"] = 100.0
    with_scale.write(path)
    arguments = ["predict", str(path), "--bundle", str(model), "--out", str(out)]
    assert main([*arguments, "--queries", "Z_GAL,LOGM"]) == 0
    assert set(read_catalogue(out).column_names) - set(with_scale.colnames) == {
        *(f"Z_GAL{suffix}" for suffix in SUFFIXES),
        "LOGM",
        "LOGM_ERR",
        "REASON",
    }
    assert main(arguments) == 0
    assert unit_of(read_catalogue(out), "FLUX_HALPHA") == "erg / (s cm2)"


@pytest.mark.parametrize("suffix", [".csv", ".fits", ".parquet"])
def test_sources_without_i_are_answered_with_nothing(model, sky, tmp_path, capsys, suffix):
    path, out = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    some = sky.copy()
    some["MAG_i"][[2, 7]] = np.nan, np.inf
    some["MAG_i_ERR"] = 0.1
    some["MAG_i_ERR"][9] = 0.0
    if suffix == ".parquet":
        some.to_pandas().to_parquet(path)
    else:
        some.write(path)
    arguments = ["predict", str(path), "--bundle", str(model), "--out", str(out)]
    assert main([*arguments, "--queries", "SPECTYPE, Z_GAL"]) == 0
    said = f"{path}: 3 of 20 sources have no usable MAG_i and no answers, the first in row 3 ("
    assert said in capsys.readouterr().err
    answers = read_catalogue(out)
    assert answers["targetid"].to_pylist() == list(range(20))
    with_i = np.setdiff1d(np.arange(20), [2, 7, 9])
    expected = Predictor(bundle.load(model)).predict({n: np.asarray(sky[n])[with_i] for n in NAMES})
    z_gal = answers["Z_GAL"].to_numpy()
    assert np.isnan(z_gal[[2, 7, 9]]).all()
    assert np.allclose(z_gal[with_i], expected["Z_GAL"], rtol=1e-5)
    assert [answers["CLASS"][row].as_py() or "" for row in (2, 7, 9)] == ["", "", ""]
    reasons = [reason or "" for reason in answers["REASON"].to_pylist()]
    assert reasons == ["" if row in with_i else "no usable MAG_i" for row in range(20)]


@pytest.mark.parametrize("suffix", ["fits", "parquet"])
def test_the_header_says_which_bundle_predicted(model, sky, tmp_path, suffix):
    path, out = tmp_path / "in.fits", tmp_path / f"out.{suffix}"
    earlier = sky.copy()
    earlier.meta |= {"BUNDLE": "another", "RUNID": "another"}
    earlier.write(path)
    assert main(["predict", str(path), "--bundle", str(model), "--out", str(out)]) == 0
    found = of_catalogue(out)
    assert found["bundle_digest"] == bundle.digest(model)
    assert found["git_commit"] == "abc" and found["data_source"] == "simulated"
    assert "run_id" not in found


def test_a_votable_and_an_ecsv_say_it_too_and_csv_is_plain(model, sky, tmp_path):
    sky.write(tmp_path / "in.csv")
    digest = bundle.digest(model)
    for suffix, there in {"vot": True, "ecsv": True, "csv": False}.items():
        out = tmp_path / f"out.{suffix}"
        asked = [str(tmp_path / "in.csv"), "--bundle", str(model), "--out", str(out)]
        assert main(["predict", *asked]) == 0
        assert (digest in out.read_text()) == there


def unit_of(table, name):
    return meaning(table.schema.field(name)).get("unit", "")


def refused(arguments, capsys, *words):
    assert main(["predict", *map(str, arguments)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for word in words:
        assert word in error


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"MAG_i": ["a", "b"]}, "column MAG_i, row 1: 'a' is not a number"),
        ({"MAG_i": [[20.0, 21.0], [19.0]]}, "column MAG_i, row 1: '[20. 21.]' is not a number"),
        (
            {"MAG_i": [19.0, 20.0], "J0500": [900.0, 800.0]},
            "narrow bands are ratios to f_lambda(i)",
        ),
        ({"MAG_i": [None, 20.0], "MORPHTYPE": ["PSF", "SPIRAL"]}, "column MORPHTYPE, row 2: 'SPI"),
        ({"MAG_i": [20.0, 20.0], "MORPHTYPE": [True, None]}, "column MORPHTYPE, row 1: 'True'"),
        ({"MAG_i": [20.0], "MORPHTYPE": [True]}, "column MORPHTYPE holds bool, expected"),
        ({"MAG_i": [20.0], "J0500": [None]}, None),
        ({"MAG_i": [20], "night": [date(2026, 1, 1)], "seen": [True]}, None),
    ],
)
def test_columns_that_make_no_sense_are_said(model, tmp_path, capsys, columns, said):
    path, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    pq.write_table(pa.table(columns), path)
    asked = [path, "--bundle", model, "--out", out]
    if said:
        refused(asked, capsys, f"{path}: {said}")
        assert not out.exists()
    else:
        assert main(["predict", *map(str, asked)]) == 0
        assert pq.read_table(out).select(list(columns)).to_pydict()["MAG_i"] == [20]


def test_a_column_that_is_there_twice_is_said(model, tmp_path, capsys):
    path, out = tmp_path / "in.parquet", tmp_path / "out.fits"
    pq.write_table(pa.table([pa.array([20.0]), pa.array([21.0])], names=["MAG_i", "MAG_i"]), path)
    refused([path, "--bundle", model, "--out", out], capsys, "column 'MAG_i' is there twice")
    vector = tmp_path / "in.fits"
    Table({"MAG_i": np.full((2, 3), 20.0)}).write(vector)
    refused([vector, "--bundle", model, "--out", out], capsys, "MAG_i holds several values in a")
    assert not out.exists()


@pytest.mark.parametrize("suffix", ["fits", "vot", "ecsv"])
def test_answers_have_units_and_no_warning_is_shown(model, sky, tmp_path, suffix):
    path, out = tmp_path / "in.fits", tmp_path / f"out.{suffix}"
    sky.write(path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert main(["predict", str(path), "--bundle", str(model), "--out", str(out)]) == 0
        answers = read_catalogue(out)
        if suffix == "fits":
            Table.read(out)
    units = {name: unit_of(answers, name) for name in ("LOGM", "LOGSFR", "FEH", "TEFF_ERR")}
    assert units == {
        "LOGM": "dex(solMass)",
        "LOGSFR": "dex(solMass / yr)",
        "FEH": "dex",
        "TEFF_ERR": "K",
    }


def test_heads_answer_beside_the_model(sky, tmp_path, capsys):
    base, path, out = toy_bundle(tmp_path / "ojala"), tmp_path / "in.fits", tmp_path / "out.fits"
    toy_head(tmp_path / "heads/bh-mass", base, unit="dex(solMass)", description="virial mass")
    sky.write(path)
    asked = [path, "--bundle", base, "--heads", tmp_path / "heads", "--out", out]
    assert main(["predict", *map(str, asked), "--queries", "bh-mass,Z_QSO"]) == 0
    answers = read_catalogue(out)
    new = {"LOGMASS", "LOGMASS_ERR", *(f"Z_QSO{suffix}" for suffix in SUFFIXES), "REASON"}
    assert set(answers.column_names) - set(NAMES) == new
    assert "3 of 54 narrow bands, 2 of 6 broad bands used" in capsys.readouterr().err
    assert unit_of(answers, "LOGMASS") == "dex(solMass)"
    assert np.isfinite(answers["LOGMASS"].to_numpy()).all()
    other = toy_bundle(tmp_path / "other", seed=1)
    refused([path, "--bundle", other, *asked[3:]], capsys, "heads/bh-mass: retrain needed")


def test_parquet_keeps_arrays_names_and_meanings(model, tmp_path):
    path, out = tmp_path / "in.fits", tmp_path / "out.parquet"
    Table(
        {"MAG_i": [20.0, 19.0], "MORPHTYPE": ["PSF", "EXP"], "flux": [[1.0, 2.0], [3.0, 4.0]]}
    ).write(path)
    assert main(["predict", str(path), "--bundle", str(model), "--out", str(out)]) == 0
    table = pq.read_table(out)
    assert table["flux"].to_pylist() == [[1.0, 2.0], [3.0, 4.0]]
    assert table["MORPHTYPE"].to_pylist() == ["PSF", "EXP"]
    said = table.schema.field("LOGM").metadata
    assert said[b"unit"] == b"dex(solMass)" and b"stellar mass" in said[b"description"]


def test_bad_catalogues_are_one_sentence_and_nothing_is_written(model, sky, tmp_path, capsys):
    out = tmp_path / "out.parquet"
    asked = ["--bundle", model, "--out", out]
    no_i = tmp_path / "no_i.csv"
    sky["targetid", "J0660"].write(no_i)
    refused([no_i, *asked], capsys, "no_i.csv", "MAG_i")
    broken = tmp_path / "broken.fits"
    broken.write_bytes(b"SIMPLE  =  T")
    refused([broken, *asked], capsys, "broken.fits")
    refused([tmp_path / "none.csv", *asked], capsys, "none.csv: no such catalogue")
    answered = tmp_path / "answered.csv"
    doubled = sky.copy()
    doubled["Z_GAL"] = 0.1
    doubled.write(answered)
    refused([answered, *asked], capsys, "answered.csv", "Z_GAL")
    good = tmp_path / "good.csv"
    sky.write(good)
    refused([good, "--bundle", tmp_path, "--out", out], capsys, "not a bundle")
    none = tmp_path / "none"
    refused([good, "--bundle", none, "--out", out], capsys, f"{none}: not a bundle, there is no")
    refused([good, *asked, "--queries", "Z_GAL,Z_PHOT"], capsys, "predict: 'Z_PHOT' is not a token")
    for place in (good / "out.csv", good / "deep/out.fits"):
        refused([good, *asked[:3], place], capsys, f"{place}: cannot be written (Not a directory)")
    (tmp_path / "full.fits").mkdir()
    refused([good, *asked[:3], tmp_path / "full.fits"], capsys, "full.fits: cannot be written (Is ")
    refused([good, "--bundle", model, "--out", tmp_path / "x.txt"], capsys, "x.txt")
    assert not out.exists()


def answered(model, table, tmp_path, capsys, *more):
    """What ``ojala predict`` says of a table: exit code, answers or None, words on stderr."""
    path, out = tmp_path / "in.csv", tmp_path / "out.csv"
    out.unlink(missing_ok=True)
    table.write(path, overwrite=True)
    arguments = ["predict", str(path), "--bundle", str(model), "--out", str(out), *more]
    code = main(arguments)
    return code, read_catalogue(out) if out.exists() else None, capsys.readouterr().err


def filled(table, name):
    return np.ma.filled(np.ma.asarray(table[name]).astype(float), np.nan)


def full_sky(num=12):
    return Table({n: v for n, v in columns_of(toy_table(num, seed=4)).items() if n in ALL_NAMES})


ALL_NAMES = {name for token in observations() for name in (token, f"{token}_ERR")} - {"MORPHTYPE"}


@pytest.mark.parametrize(
    "renamed",
    [str.lower, str.title, "J{0[2]}{0[3]}{0[4]}".format, " {} ".format, "ratio_{}".format],
)
def test_bands_in_other_spellings_are_used(model, tmp_path, capsys, renamed):
    sky = full_sky()
    _, expected, said = answered(model, sky, tmp_path, capsys)
    assert "54 of 54 narrow bands, 6 of 6 broad bands used" in said
    for name in [name for name in sky.colnames if name in NARROW]:
        sky.rename_column(name, renamed(name))
    code, answers, said = answered(model, sky, tmp_path, capsys)
    assert code == 0 and "54 of 54 narrow bands, 6 of 6 broad bands used" in said
    assert np.allclose(filled(answers, "Z_GAL"), filled(expected, "Z_GAL"), rtol=1e-5)


@pytest.mark.parametrize(
    ("renamed", "seen"),
    [
        ("FLUX_APER_COR_3_0_{}", "FLUX_APER_COR_3_0_J0378"),
        ("flux_{}", "flux_J0378"),
        ("psfmag_{}", "psfmag_J0378"),
        ("{}_nanomaggies", "J0378_nanomaggies"),
    ],
)
def test_bands_of_unknown_meaning_are_refused(model, tmp_path, capsys, renamed, seen):
    sky = full_sky()
    for name in [name for name in sky.colnames if name in NARROW]:
        sky.rename_column(name, renamed.format(name))
    code, answers, said = answered(model, sky, tmp_path, capsys)
    assert code == 1 and answers is None and said.count("\n") == 1
    assert seen in said and "J0660 (flux over that of i)" in said


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        (["j0500"], "columns J0500 and j0500 could both be J0500"),
        (["mag_i"], "columns MAG_i and mag_i could both be MAG_i"),
        (["J0515"], "column J0515: J-PAS has no such narrow band"),
        (["err_J0500"], "columns J0500_ERR and err_J0500 could both be the error of J0500"),
    ],
)
def test_two_columns_of_one_band_are_refused(model, tmp_path, capsys, columns, said):
    sky = full_sky()
    for name in columns:
        sky[name] = 1.0
    code, answers, told = answered(model, sky, tmp_path, capsys)
    assert code == 1 and answers is None and said in told


def test_other_columns_about_a_band_do_no_harm(model, tmp_path, capsys):
    sky = full_sky()
    _, expected, _ = answered(model, sky, tmp_path, capsys)
    for name in ("FLAGS_J0500", "Z", "R", "J0500_J0660", "object_J", "FLUX_R", "J1007", "z_phot"):
        sky[name] = 3.0
    code, answers, _ = answered(model, sky, tmp_path, capsys)
    assert code == 0
    assert np.allclose(filled(answers, "Z_GAL"), filled(expected, "Z_GAL"), rtol=1e-6)


def test_a_table_without_rows_and_one_without_i_are_answered_with_nothing(model, tmp_path, capsys):
    code, answers, _ = answered(model, full_sky()[:0], tmp_path, capsys)
    assert code == 0 and len(answers) == 0 and {"Z_GAL", "REASON"} <= set(answers.column_names)
    blank = full_sky(3)
    blank["MAG_i"] = [99.0, -99.0, np.nan]
    code, answers, said = answered(model, blank, tmp_path, capsys)
    assert code == 0 and np.isnan(filled(answers, "Z_GAL")).all()
    assert answers["REASON"].to_pylist() == ["no usable MAG_i"] * 3
    assert "3 of 3 sources have no usable MAG_i and no answers, the first in row 1 (" in said


def test_an_answer_never_depends_on_the_other_rows(model, tmp_path, capsys):
    sky = full_sky()
    for row, name in enumerate(("J0500", "J0600", "MAG_G", "MAG_i", "J0700_ERR")):
        sky[name][row] = (99.0, -999.0, 99.0, 99.0, 0.0)[row]
    _, every, said = answered(model, sky, tmp_path, capsys)
    assert "narrow bands: J0500, J0600 of 2 sources no ratio to i" in said
    order = np.random.default_rng(1).permutation(12)
    for rows in (order, order[:5], np.r_[order, order], [3], [0]):
        _, part, _ = answered(model, sky[rows], tmp_path, capsys)
        given, expected = filled(part, "Z_GAL"), filled(every, "Z_GAL")[rows]
        assert np.allclose(given, expected, rtol=1e-4, equal_nan=True)
        assert np.isnan(given).tolist() == (np.asarray(rows) == 3).tolist()
