"""The notebooks run from their first line to their last, on a toy sky, and draw what they say."""

import re
import runpy
from contextlib import chdir
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from toy_heads import toy_photometry
from toy_model import PATCHED, toy_model
from toy_sky import toy_table

from ojala.model import bundle
from ojala.tables.shards import column
from ojala.training.resident import measured_scaling

NOTEBOOKS = Path(__file__).parents[1] / "docs" / "notebooks"
NUM_TEST = 150


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a small untrained model, its training table and a test set."""
    place = tmp_path_factory.mktemp("project")
    for name in ("data/crossmatch", "data/weights", "docs/figures"):
        (place / name).mkdir(parents=True)
    scaling = measured_scaling(toy_table(60))
    bundle.save(place / "models" / "ojala", toy_model(PATCHED), scaling, {})
    toy_photometry(place / "data" / "weights" / "part-00000.parquet", 2100)
    pq.write_table(toy_table(NUM_TEST, seed=4), place / "data" / "crossmatch" / "test_real.parquet")
    return place


def run(name, project, capsys):
    with chdir(project):
        runpy.run_path(str(NOTEBOOKS / f"{name}.py"))
    source = (NOTEBOOKS / f"{name}.py").read_text()
    drawn = re.findall(r'FIGURES / "(\w+\.png)"', source)
    assert drawn and drawn == re.findall(r"\(\.\./figures/(\w+\.png)\)", source)
    for figure in drawn:
        assert (project / "docs" / "figures" / figure).read_bytes().startswith(b"\x89PNG")
    return capsys.readouterr().out


def test_rows_to_classes_and_redshifts(project, capsys):
    said = run("answers", project, capsys)
    spectype = column(toy_table(NUM_TEST, seed=4), "spectype")
    for name in ("GALAXY", "QSO", "STAR"):
        assert f"{name}: {np.sum(spectype == name)} sources" in said
    shares = re.findall(r"(\d+)% intervals hold ([\d.]+)%", said)
    assert [level for level, _ in shares] == ["50", "68", "95"]
    held = [float(share) for _, share in shares]
    assert held == sorted(held)


def test_a_head_of_your_own(project, capsys):
    said = run("own_head", project, capsys)
    assert re.search(r"'train': \d+, 'val': \d+", said)
    assert re.search(r"\d+ galaxies: bias [+-][\d.]+, sigma_nmad [\d.]+", said)
    assert (project / "data" / "notebooks" / "ssfr" / "config.json").is_file()


def test_what_the_network_looked_at(project, capsys):
    said = run("looked_at", project, capsys)
    shares = re.search(r"narrow bands (\d+)%, other tokens (\d+)%, nothing (\d+)%", said)
    assert sum(int(share) for share in shares.groups()) == pytest.approx(100, abs=1)
    assert "lie outside the domain of training" in said
