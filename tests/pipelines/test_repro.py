"""DVC: what is up to date stays, and a parameter reruns only what depends on it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
TINY = {"num_desi": 90, "num_jpas": 180, "num_both": 40, "desi_per_cell": 20, "jpas_per_cell": 60}
STAGES = ["simulate", "mocks", "jpas", "crossmatch", "weights"]


@pytest.fixture
def project(tmp_path):
    """A copy of the project without git, with a sky of a few sources."""
    for name in ("ojala", "pipelines"):
        skip = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=skip)
    for name in ("dvc.yaml", "params.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc/config", tmp_path / ".dvc")
    dvc(tmp_path, "config", "--local", "core.no_scm", "true")
    change(tmp_path, "simulate", **TINY)
    change(tmp_path, "mocks", num_workers=1)
    return tmp_path


def dvc(project, *arguments):
    environment = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-m", "dvc", *arguments],
        cwd=project,
        env=os.environ | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def change(project, section, **values):
    yaml, path = YAML(), project / "params.yaml"
    params = yaml.load(path)
    params[section].update(values)
    with path.open("w") as file:
        yaml.dump(params, file)


def ran(output):
    return [stage for stage in STAGES if f"Running stage '{stage}'" in output]


@pytest.mark.slow
def test_only_what_depends_on_a_change_runs_again(project):
    assert ran(dvc(project, "repro", "weights")) == STAGES
    assert ran(dvc(project, "repro", "weights")) == []
    assert "up to date" in dvc(project, "status", *STAGES)

    change(project, "weights", num_bins=20)
    assert ran(dvc(project, "repro", "weights")) == ["weights"]
    change(project, "crossmatch", val_fraction=0.5)
    assert ran(dvc(project, "repro", "weights")) == ["crossmatch", "weights"]

    mocks = json.loads((project / "reports/mocks.json").read_text())
    assert mocks["num_rows"] + sum(mocks["rejects"].values()) == mocks["num_spectra"]
    jpas = json.loads((project / "reports/jpas.json").read_text())
    assert jpas["rows"] + sum(jpas["rejects"].values()) == jpas["read"]


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
