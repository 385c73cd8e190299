"""Another survey by a table: two bands train and predict, and wrong tables say why."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from toy_model import toy_model
from toy_sky import toy_table
from vocabulary_of_two import write_tables

from ojala.model import bundle
from ojala.training.resident import measured_scaling
from ojala.vocabulary import bands as of_bands
from ojala.vocabulary.bands import band, bands, beside_tokens, measured_tokens, reference_band
from ojala.vocabulary.directory import PACKAGED, VARIABLE, directory

TESTS = Path(__file__).parents[1]


def run(code, vocabulary, *arguments):
    """A Python process of that survey; what it printed, or its last line of complaint."""
    paths = os.pathsep.join([str(TESTS), str(TESTS.parent)])
    return subprocess.run(
        [sys.executable, *code, *map(str, arguments)],
        env=os.environ | {VARIABLE: str(vocabulary), "PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    return write_tables(tmp_path_factory.mktemp("survey") / "two")


@pytest.fixture(scope="module")
def trained(two, tmp_path_factory):
    """Bundle of two bands, and what its training printed."""
    path = tmp_path_factory.mktemp("trained") / "bundle"
    done = run([str(TESTS / "vocabulary_of_two.py")], two, path)
    assert done.returncode == 0, done.stderr
    return path, json.loads(done.stdout.splitlines()[-1])


def test_the_packaged_survey_is_that_of_jpas():
    assert directory() == PACKAGED
    assert reference_band().token == "MAG_i"
    assert len(measured_tokens()) == 55 and measured_tokens()[-1] == "MAG_i"
    assert beside_tokens() == ("MAG_G", "MAG_R", "MAG_Z", "MAG_W1", "MAG_W2")
    assert beside_tokens("WISE") == ("MAG_W1", "MAG_W2")


def test_two_bands_train_and_predict(trained):
    _, said = trained
    assert said["vocabulary"][:3] == ["NB66", "MAG_own", "MORPHTYPE"]
    assert len(said["vocabulary"]) == 18
    assert said["losses"][-1] < said["losses"][0]
    assert said["num_finite"] == said["asked"] == 200
    assert set(said["classes"]) <= {"GALAXY", "STAR", "QSO"}


def test_a_bundle_carries_its_survey_and_refuses_another(trained, tmp_path):
    path, _ = trained
    with pytest.raises(ValueError, match=r"another vocabulary, token 1 is NB66, expected J0378;"):
        bundle.load(path)
    ours = tmp_path / "ours"
    bundle.save(ours, toy_model(), measured_scaling(toy_table(40)), {})
    code = "import sys; from ojala.model import bundle; bundle.load(sys.argv[1])"
    done = run(["-c", code], path, ours)
    assert f"token 1 is J0378, expected NB66; with {VARIABLE}={ours} in the" in done.stderr
    # A bundle's own tables are a survey's.
    assert run(["-c", code], path, path).returncode == 0


def test_a_bundle_whose_band_lies_elsewhere_is_refused(tmp_path):
    bundle.save(tmp_path / "it", toy_model(), measured_scaling(toy_table(40)), {})
    table = tmp_path / "it" / "bands.ecsv"
    table.write_text(table.read_text().replace("29 J0660 J0660 6607.6", "29 J0660 J0660 6590.0"))
    with pytest.raises(ValueError, match=r"token 29 is J0660 narrow 6590.0, expected J0660 narrow"):
        bundle.load(tmp_path / "it")


def test_columns_of_two_bands_are_read_by_their_names(two):
    code = (
        "from ojala.model.shown import token_columns\n"
        "import numpy as np\n"
        "one = np.array([2.0])\n"
        "names = ['FLUX_APER_COR_3_0_nb66', 'FLUX_APER_COR_3_0_i', 'Mag_OWN']\n"
        "found = token_columns(dict(zip(names, (one, 4 * one, 9 * one))))\n"
        "print({name: float(values[0]) for name, values in sorted(found.items())})\n"
        "try:\n"
        "    token_columns({'FLUX_APER_COR_3_0_NB66': one, 'MAG_own': one})\n"
        "except ValueError as error:\n"
        "    print(error)\n"
    )
    lines = run(["-c", code], two).stdout.splitlines()
    assert lines[0] == "{'MAG_own': 18.0, 'NB66': 0.25}"
    assert "holds light in an aperture, and there is no i of the same to divide by" in lines[1]


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("bands.ecsv", ("narrow", "medium"), "NB66 is of kind 'medium', expected narrow or broad"),
        ("bands.ecsv", (" NB66 ", " NB_66 "), "named 'NB_66', expected letters and digits"),
        ("bands.ecsv", ("MAG_own", "mag_own"), "named 'mag_own', expected MAG_ and letters"),
        ("bands.ecsv", ("broad T5 Own", "broad T5 WISE"), "band MAG_own is of survey 'WISE'"),
        ("bands.ecsv", ("6607.6", "0.0"), "wave and fwhm of NB66 are not positive"),
        ("bands.ecsv", ("name: tray", "name: trays"), "bands.ecsv"),
        ("quantities.ecsv", (" Z_GAL ", " Z_ALL "), "expected a row Z_GAL"),
        ("quantities.ecsv", ("GALAXY,STAR,QSO ", "GALAXY,STAR "), "expected a row SPECTYPE of the"),
        ("quantities.ecsv", ("\n3 MORPHTYPE", "\n9 MORPHTYPE"), "are not 1 ... 18, each once"),
    ],
)
def test_tables_that_are_no_survey_say_why(name, change, said, tmp_path):
    path = write_tables(tmp_path) / name
    assert change[0] in path.read_text()
    path.write_text(path.read_text().replace(*change))
    done = run(["-c", "from ojala.vocabulary.quantities import vocabulary as v; v()"], tmp_path)
    assert done.stderr.splitlines()[-1].startswith(f"ValueError: {tmp_path}")
    assert said in done.stderr.splitlines()[-1]


def test_a_survey_has_one_reference_and_a_narrow_band():
    own = band("MAG_i")
    with pytest.raises(ValueError, match="2 broad bands are of the survey itself"):
        of_bands._check([*bands(), replace(own, token="MAG_other")])
    with pytest.raises(ValueError, match="0 broad bands are of the survey itself"):
        of_bands._check([one for one in bands() if one is not own])
    with pytest.raises(ValueError, match="no band is narrow"):
        of_bands._check([own])
    with pytest.raises(ValueError, match="band j0660 comes twice"):
        of_bands._check([*bands(), replace(band("J0660"), token="j0660")])
    with pytest.raises(ValueError, match="MAG_G is of survey 'J-PAS'; of Legacy"):
        of_bands._check([*bands(), replace(own, token="MAG_G")])


def test_no_such_directory_is_said(tmp_path):
    done = run(["-c", "from ojala.vocabulary.bands import bands; bands()"], tmp_path / "none")
    assert f"{tmp_path / 'none' / 'bands.ecsv'}: no such table" in done.stderr
