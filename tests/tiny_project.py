"""A copy of the project with a sky of a few sources, and its commands: all of OJALA in minutes."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
STAGES = list(YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"])
TINY = {
    "simulate": {
        "num_desi": 300,
        "num_jpas": 500,
        "num_both": 120,
        "desi_per_cell": 20,
        "jpas_per_cell": 60,
    },
    "mocks": {"num_workers": 1},
    "train": {"num_epochs": 2, "steps_per_epoch": 3, "batch_size": 16, "jpas_batch_size": 8},
    "evaluate": {"num_draws": 5, "num_shown": 100, "hidden_bands": [20]},
    "cluster": {"num_workers": 1},
}


def tiny_project(place):
    """A copy of the project, without git, at a place."""
    for name in ("ojala", "pipelines"):
        skip = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, place / name, ignore=skip)
    for name in ("dvc.yaml", "params.yaml", ".dvcignore"):
        shutil.copy(ROOT / name, place)
    (place / ".dvc").mkdir()
    shutil.copy(ROOT / ".dvc/config", place / ".dvc")
    command(place, "dvc", "config", "--local", "core.no_scm", "true")
    for section, values in TINY.items():
        change(place, section, **values)
    embedding = {"num_epochs": 1, "steps_per_epoch": 3, "batch_size": 16}
    change(place, "noise", "embedding", **embedding)
    return place


def command(project, module, *arguments, **environment):
    """What ``python -m MODULE`` prints, run in the project."""
    own = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-m", module, *arguments],
        cwd=project,
        env=os.environ | own | environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def change(project, *sections, **values):
    yaml, path = YAML(), project / "params.yaml"
    content = yaml.load(path)
    place = content
    for section in sections:
        place = place[section]
    place.update(values)
    with path.open("w") as file:
        yaml.dump(content, file)


def ran(project, *stages, **environment):
    """The stages that a repro runs, in order."""
    lines = command(project, "dvc", "repro", *stages, **environment).splitlines()
    return [line.split("'")[1] for line in lines if line.startswith("Running stage")]
