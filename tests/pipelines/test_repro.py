"""The whole of OJALA on a sky of a few sources: what runs again, and who made what."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from one_cluster import one_cluster
from ruamel.yaml import YAML
from tiny_project import TINY, change, command, ran, tiny_project

from pipelines.registry import digests

ROOT = Path(__file__).parents[2]
STAGES = list(YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"])


@pytest.fixture
def project(tmp_path):
    return tiny_project(tmp_path)


def read_json(path):
    return json.loads(path.read_text())


@pytest.mark.slow
def test_the_whole_pipeline(project):
    with one_cluster():
        first = ran(project)
    assert sorted(first) == sorted(STAGES)
    assert ran(project) == []
    assert "up to date" in command(project, "dvc", "status")
    check_counts(project)
    check_origins(project)

    change(project, "weights", num_bins=20)
    assert ran(project, "weights") == ["weights"]
    change(project, "crossmatch", val_fraction=0.5)
    assert ran(project, "weights") == ["crossmatch", "weights"]


def check_counts(project):
    """Nothing is lost: rows and rejects add up, and the catalogue has a row per J-PAS source."""
    mocks, jpas = (read_json(project / f"reports/{name}.json") for name in ("mocks", "jpas"))
    assert mocks["num_rows"] + sum(mocks["rejects"].values()) == mocks["num_spectra"]
    assert jpas["rows"] + sum(jpas["rejects"].values()) == jpas["read"]
    catalogue = pq.read_table(project / "data/vac/ojala_vac.parquet", columns=["REJECTED"])
    assert catalogue.num_rows == jpas["read"]
    assert sum(reason != "" for reason in catalogue["REJECTED"].to_pylist()) == jpas["rejected"]


def check_origins(project):
    """Data digest, run, version and catalogue name one another."""
    data = digests.data_digests(["data/weights", "data/jpas"], project / "dvc.lock")
    made = read_json(project / "models/ojala/provenance.json")
    assert len(data) == 2 and made["data"] == data
    client = mlflow.MlflowClient(f"sqlite:///{project}/mlflow.db")
    run = client.get_run(made["run_id"])
    assert {one.dataset.name: one.dataset.digest for one in run.inputs.dataset_inputs} == data
    assert run.info.status == "FINISHED" and "train/loss" in run.data.metrics
    version = client.get_model_version_by_alias("ojala", "candidate")
    assert version.run_id == made["run_id"]
    header = fits.getheader(project / "data/vac/ojala_vac.fits", 1)
    assert header["RUNID"] == made["run_id"]
    assert header["BUNDLE"] == version.tags["digest"]
    assert str(header["MODELVER"]) == str(version.version)
    assert (header["DESIDATA"], header["JPASDATA"]) == (data["data/weights"], data["data/jpas"])


STAND_IN = """
import sys
from pathlib import Path
parts = {"data/simulated": ("desi", "jpas", "legacy")}
parts["data/crossmatch"] = ("test_real.parquet", "test_synth.parquet")
for out in map(Path, sys.argv[2:]):
    files = [out] if out.suffix else [out / part for part in parts.get(str(out), ("part",))]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(sys.argv[1] + Path("params.yaml").read_text())
"""


def stand_ins(project):
    """The stages as they are declared, with commands that write something at once."""
    (project / "stand_in.py").write_text(STAND_IN)
    yaml, path = YAML(), project / "dvc.yaml"
    content = yaml.load(path)
    for name, stage in content["stages"].items():
        declared = [one for kind in ("outs", "metrics", "plots") for one in stage.get(kind, [])]
        outs = [next(iter(one)) if isinstance(one, dict) else one for one in declared]
        stage["cmd"] = f"{sys.executable} stand_in.py {name} {' '.join(outs)}"
    with path.open("w") as file:
        yaml.dump(content, file)


@pytest.mark.slow
def test_a_parameter_that_is_put_back_trains_nothing_anew(project):
    stand_ins(project)
    assert sorted(ran(project)) == sorted(STAGES)
    kept = (project / "reports/train.json").read_text()
    change(project, "train", num_epochs=4)
    again = ran(project)
    assert again[0] == "train" and again[-1] == "vac"
    after = ["zero_points", "evaluate", "finetune", "register", "domain", "recalibrate", "vac"]
    assert sorted(again) == sorted(["train", *after])
    change(project, "train", num_epochs=TINY["train"]["num_epochs"])
    assert ran(project) == ["register"]
    assert (project / "reports/train.json").read_text() == kept


def test_a_wrong_parameter_is_one_sentence(tmp_path):
    (tmp_path / "params.yaml").write_text("weights: {num_bin: 3}\n")
    done = subprocess.run(
        [sys.executable, "-m", "pipelines.weights"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "weights: params.yaml: weights: num_bin is not a parameter; did you mean num_bins?"
    ]
