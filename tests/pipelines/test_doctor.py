"""``ojala doctor`` tells what is there, calls wrong what is wrong, and changes nothing."""

import json
import os
import shutil
from argparse import Namespace
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from toy_heads import toy_bundle

from ojala.tables import project
from pipelines import machine
from pipelines.registry import doctor
from pipelines.registry.doctor import FAULT, GOOD, NOTE

ROOT = Path(__file__).parents[2]


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A project of its own, without a registry's server."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv(project.PROJECT, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name in ("params.yaml", "params.production.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def found(findings):
    return {one.thing: one for one in findings}


def test_what_the_machine_has_is_what_the_system_says():
    told = found(doctor.of_machine())
    assert told["processor"].said.startswith(f"{machine.cores()} cores")
    assert 1 <= machine.cores() <= os.cpu_count()
    total, free = machine.memory()
    assert 0 < free <= total
    assert machine.disk() <= shutil.disk_usage(".").total


@pytest.mark.parametrize(
    ("files", "cores", "memory"),
    [
        (("150000 100000", "1000000", "400000"), 1, 600_000),
        (("10000 100000", "1000000", "2000000"), 1, 0),
    ],
)
def test_a_container_has_its_share(tmp_path, monkeypatch, files, cores, memory):
    names = ("cpu.max", "memory.max", "memory.current")
    for name, text in zip(names, files, strict=True):
        (tmp_path / name).write_text(f"{text}\n")
    monkeypatch.setattr(machine, "CONTROL_GROUP", tmp_path)
    assert machine.cores() == cores
    assert machine.memory() == (1_000_000, memory)


def test_a_container_without_limits_has_the_machine(tmp_path, monkeypatch):
    without = machine.cores(), machine.memory()[0]
    (tmp_path / "cpu.max").write_text("max 100000\n")
    (tmp_path / "memory.max").write_text("max\n")
    monkeypatch.setattr(machine, "CONTROL_GROUP", tmp_path)
    assert (machine.cores(), machine.memory()[0]) >= without


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("numpy>=2", ""),
        ("numpy>=1000", "numpy is"),
        ("no-such-package-of-ours>=1", "no-such-package-of-ours is not there"),
    ],
)
def test_a_package_is_there_or_is_named(asked, said):
    told = doctor._lacking(Requirement(asked))
    assert told.startswith(said) and bool(told) == bool(said)


def test_what_is_required_is_wrong_and_what_is_extra_a_note(monkeypatch):
    lines = ["numpy>=1000", 'no-such-package-of-ours>=1; extra == "serve"']
    monkeypatch.setattr(doctor, "requires", lambda name: lines)
    told = found(doctor.of_packages())
    assert told["packages"].state == FAULT
    assert told["packages serve"].state == NOTE
    assert told["packages dev"].state == GOOD


def test_an_empty_project_has_notes_and_nothing_wrong(place):
    told = found(doctor.of_project())
    assert told["model"].state == told["registry"].state == NOTE
    assert sorted(one.name for one in place.iterdir()) == ["params.production.yaml", "params.yaml"]


def test_a_model_is_told_by_its_digest_and_a_broken_one_is_wrong(place):
    from ojala.model import bundle

    toy_bundle(place / "models" / "ojala")
    digest = bundle.digest(place / "models" / "ojala")[:12]
    assert digest in found(doctor.of_project())["model"].said
    weights = place / "models" / "ojala" / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:100])
    assert found(doctor.of_project())["model"].state == FAULT


def test_parameters_fit_a_machine_or_say_what_they_ask_for(place, monkeypatch):
    monkeypatch.setattr(machine, "cores", lambda: 2)
    monkeypatch.setattr(machine, "gpus", list)
    told = found(doctor.of_parameters())
    assert told["params.yaml"].state == GOOD and "demo" in told["params.yaml"].said
    assert told["params.production.yaml"].state == NOTE
    assert "GPUs" in told["params.production.yaml"].said
    assert "data/survey/desi" in told["params.production.yaml"].said
    monkeypatch.setattr(machine, "cores", lambda: 1)
    assert "asks for 2 cores" in found(doctor.of_parameters())["params.yaml"].said


def test_a_parameter_file_that_cannot_be_read_is_wrong(place):
    (place / "params.mine.yaml").write_text("data: 3\n")
    assert found(doctor.of_parameters())["params.mine.yaml"].state == FAULT


def test_a_fault_is_told_and_is_an_error(place, monkeypatch, capsys):
    (place / "params.mine.yaml").write_text("data: 3\n")
    with pytest.raises(ValueError, match=r"not as it should be: .*params\.mine\.yaml"):
        doctor.main(Namespace(json=True))
    told = json.loads(capsys.readouterr().out)["findings"]
    assert {one["state"] for one in told} <= {GOOD, NOTE, FAULT}
    assert "params.mine.yaml" in [one["thing"] for one in told if one["state"] == FAULT]
