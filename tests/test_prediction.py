"""``ojala predict``: the Predictor's answers, whatever the format that the catalogue comes in."""

import numpy as np
import pytest
import torch
from astropy.table import Table
from toy_sky import toy_table

from ojala import bundle
from ojala.cli import main
from ojala.label_table import FORMATS
from ojala.model.ojala import Ojala
from ojala.model.presets import preset
from ojala.predict import Predictor
from ojala.prediction import read_catalogue
from ojala.resident import measured_scaling
from ojala.shards import columns_of

NAMES = ["targetid", "MAG_i", "MAG_G", "J0500", "J0660", "J0660_ERR", "J0820", "MORPHTYPE"]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("models") / "ojala"
    torch.manual_seed(0)
    scaling = measured_scaling(toy_table(300))
    bundle.save(directory, Ojala(preset("demo")).eval(), scaling, {})
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
        sky.write(path, format=FORMATS[suffix])
    assert main(["predict", str(path), "--bundle", str(model), "--out", str(out)]) == 0
    answers = read_catalogue(out)
    expected = Predictor(bundle.load(model)).predict({n: np.asarray(sky[n]) for n in NAMES})
    assert answers.colnames == [*NAMES, *expected]
    assert answers["targetid"].tolist() == list(range(20))
    assert [str(name) for name in answers["CLASS"]] == expected["CLASS"].tolist()
    assert np.allclose(np.asarray(answers["Z_GAL"], float), expected["Z_GAL"], rtol=1e-5)


def test_chosen_queries_and_line_fluxes(model, sky, tmp_path):
    path, out = tmp_path / "in.fits", tmp_path / "out.fits"
    with_scale = sky.copy()
    with_scale["AUTO_iSDSS"] = 100.0
    with_scale.write(path)
    arguments = ["predict", str(path), "--bundle", str(model), "--out", str(out)]
    assert main([*arguments, "--queries", "Z_GAL,LOGM"]) == 0
    assert set(read_catalogue(out).colnames) - set(with_scale.colnames) == {
        "Z_GAL",
        "Z_GAL_ERR",
        "LOGM",
        "LOGM_ERR",
    }
    assert main(arguments) == 0
    assert read_catalogue(out)["FLUX_HALPHA"].unit == "erg / (s cm2)"


def refused(arguments, capsys, *words):
    assert main(["predict", *map(str, arguments)]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    for word in words:
        assert word in error


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
    refused([good, "--bundle", model, "--out", tmp_path / "x.txt"], capsys, "x.txt")
    assert not out.exists()
