"""``ojala finetune``: a head from a table of labels, or one sentence and nothing left behind."""

import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy.table import Table
from toy_heads import toy_bundle, toy_photometry

from ojala.catalogue.vac import write_vac
from ojala.cli import main
from ojala.heads import finetune, head
from ojala.heads.finetune import Recipe
from ojala.heads.fit import FinetuneConfig
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import column

QUICK = ["--steps", "40"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A bundle, photometry and a table of labels of its quasars, as a pipeline leaves them."""
    place = tmp_path_factory.mktemp("project")
    toy_bundle(place / "models/ojala")
    (place / "data/weights").mkdir(parents=True)
    table = toy_photometry(place / "data/weights/part-00000.parquet", 400)
    quasars = column(table, "SPECTYPE") == 2
    labels = Table(
        {
            "TARGETID": column(table, "targetid")[quasars],
            "LOGMASS": 8 + 0.3 * (21 - column(table, "MAG_i")[quasars]),
            "LOGMASS_ERR": np.full(quasars.sum(), 0.1),
        }
    )
    labels.write(place / "masses.fits")
    return place


@pytest.fixture
def project(made, tmp_path, monkeypatch):
    """A copy of it, which is where the command runs."""
    shutil.copytree(made, tmp_path / "project")
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def command(*arguments, labels="masses.fits", quantity="LOGMASS", name="bh-mass"):
    return main(["finetune", labels, "--quantity", quantity, "--name", name, *QUICK, *arguments])


def files(project):
    return sorted(str(path.relative_to(project)) for path in project.rglob("*"))


def test_a_head_is_made_listed_asked_and_catalogued(project, capsys):
    assert command("--classes", "QSO", "--unit", "dex(solMass)", "--ucd", "phys.mass") == 0
    printed = capsys.readouterr().out
    assert "head bh-mass in models/heads/bh-mass" in printed and "a constant:" in printed
    assert main(["heads"]) == 0
    assert capsys.readouterr().out.split() == ["bh-mass", "LOGMASS", "ready"]

    opened = bundle.load("models/ojala")
    (trained,) = head.load_all("models/heads", opened.digest)
    config = trained.config
    assert (config.classes, config.ucd, config.base) == (("QSO",), "phys.mass", opened.digest)
    assert trained.column.unit == "dex(solMass)"
    assert trained.provenance["base"]["run_id"] == "run0"
    counts = trained.provenance["sources"]
    assert counts["train"] + counts["val"] == counts["labels"]

    table = toy_photometry("again.parquet", 400).slice(0, 20)
    answer = Predictor(opened, heads=[trained]).predict(table, ["bh-mass"])
    assert not any(answer.pop("REASON"))
    write_vac("vac", answer, {"heads": f"bh-mass:{trained.digest[:12]}"}, [trained.column])
    written = Table.read("vac/ojala_vac.fits", hdu=1)
    assert np.array_equal(written["LOGMASS"], answer["LOGMASS"])
    assert written.meta["TUCD2"] == "stat.error;phys.mass"
    assert written.meta["HEADS"].startswith("bh-mass:")


def test_it_learns_what_the_photometry_tells(project):
    """Masses that follow the i magnitude: the head must beat a constant by far."""
    recipe = Recipe(labels=project / "masses.fits", quantity="LOGMASS", name="m", classes=("QSO",))
    done = finetune.finetune(recipe, FinetuneConfig(num_steps=300, learning_rate=3e-3))
    assert done.scores["sigma_nmad"] < 0.5 * done.scores["sigma_nmad_of_labels"]


def test_the_same_again_is_the_same_head(project):
    recipe = Recipe(labels=project / "masses.fits", quantity="LOGMASS", name="m", classes=("QSO",))
    short = FinetuneConfig(num_steps=20)
    first = finetune.finetune(recipe, short)
    (kept,) = (project / "models/embeddings").iterdir()
    before = kept.stat().st_mtime_ns
    again = finetune.finetune(recipe, short)
    assert first.digest == again.digest == head.digest(again.place)
    assert kept.stat().st_mtime_ns == before
    kept.unlink()
    assert finetune.finetune(recipe, short).digest == first.digest


def test_validation_sources_are_never_trained_on(project, monkeypatch):
    seen = {}

    def fit(embedded, labelled, is_val, config):
        seen.update(split=column(labelled.photometry, "split"), is_val=is_val)
        raise ValueError("seen")

    monkeypatch.setattr(finetune, "fit", fit)
    assert command() == 1
    assert np.array_equal(seen["split"] == "val", seen["is_val"]) and seen["is_val"].any()
    table = toy_photometry("again.parquet", 400).drop(["split"])
    place = table.column_names.index("ra")
    table = table.set_column(place, "ra", [np.linspace(0, 300, 400)])
    table = table.set_column(place + 1, "dec", [np.zeros(400)])
    held_out = finetune.validates(table, FinetuneConfig(val_fraction=0.2))
    assert 0.1 < held_out.mean() < 0.3


def test_heads_of_a_renewed_base_are_listed_as_such(project, capsys):
    assert command() == 0 and command("--quantity", "LOGMASS", name="again") == 0
    shutil.rmtree("models/ojala")
    assert main(["heads"]) == 0
    assert capsys.readouterr().out.count("retrain needed: its base is gone") == 2
    toy_bundle(project / "models/ojala", seed=1)
    assert command() == 0  # one of them is trained again
    capsys.readouterr()
    assert main(["heads"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "retrain needed: head again was trained on bundle" in lines[0]
    assert lines[1].split() == ["bh-mass", "LOGMASS", "ready"]
    assert main(["heads", "nowhere"]) == 1


def spoil(project, fault):
    """Arguments of a command that cannot succeed, and the sentence that it ends with."""
    labels = Table.read(project / "masses.fits")
    if fault == "no id":
        labels.rename_column("TARGETID", "NAME")
    elif fault == "twice":
        labels["TARGETID"][1] = labels["TARGETID"][0]
    elif fault == "all NaN":
        labels["LOGMASS"] = np.nan
    elif fault == "no match":
        labels["TARGETID"] += 10**9
    elif fault == "few":
        labels = labels[:20]
    elif fault == "no bundle":
        shutil.rmtree(project / "models/ojala")
    elif fault == "no photometry":
        shutil.rmtree(project / "data")
    elif fault == "no i":
        path = project / "data/weights/part-00000.parquet"
        table = toy_photometry(path, 400).drop(["MAG_i"])
        pq.write_table(table, path)
    labels.write(project / "masses.fits", overwrite=True)


@pytest.mark.parametrize(
    ("fault", "arguments", "said"),
    [
        ("no id", [], "no column targetid"),
        ("twice", [], "is labelled twice"),
        ("all NaN", [], "column LOGMASS holds no finite value"),
        ("no match", [], "labelled sources is in data/weights"),
        ("few", [], "labelled sources to train head bh-mass on, expected 50 or more"),
        ("no bundle", [], "models/ojala: not a bundle"),
        ("no photometry", [], "data/weights: no Parquet shards"),
        ("no i", [], "MAG_i"),
        ("", ["--classes", "STAR"], "is STAR"),
        ("", ["--classes", "BLAZAR"], "classes are BLAZAR"),
        ("", ["--name", "BH mass"], "small letters"),
        ("", ["--quantity", "Z_QSO"], "Z_QSO"),
        ("", ["--quantity", "ra"], "ra is a column of the catalogue"),
        ("", ["--unit", "parsecc"], "'parsecc' is not a unit that astropy knows"),
        ("", ["--steps", "0"], "num_steps is 0"),
        ("", ["--out", "data"], "data: holds something that is not a head"),
        ("", ["--out", "models/ojala"], "models/ojala: holds something that is not a head"),
    ],
)
def test_what_cannot_be_done_is_one_sentence_and_leaves_nothing(
    project, capsys, fault, arguments, said
):
    spoil(project, fault)
    before = files(project)
    if arguments[:1] == ["--quantity"]:
        labels = Table.read("masses.fits")
        labels.rename_column("LOGMASS", arguments[1])
        labels.write("masses.fits", overwrite=True)
    assert command("--classes", "QSO", *arguments) == 1
    printed = capsys.readouterr()
    assert printed.out == "" and printed.err.count("\n") == 1
    assert printed.err.startswith("ojala finetune: ") and said in printed.err
    assert files(project) == before


def test_a_head_that_fails_leaves_the_one_before(project, monkeypatch):
    assert command() == 0
    digest = head.digest("models/heads/bh-mass")
    monkeypatch.setattr(bundle, "write_json", lambda *_: json.loads("{"))
    assert command("--seed", "7") == 1
    assert head.digest("models/heads/bh-mass") == digest
    assert files(project / "models/heads") == [
        "bh-mass",
        "bh-mass/config.json",
        "bh-mass/provenance.json",
        "bh-mass/weights.safetensors",
    ]
