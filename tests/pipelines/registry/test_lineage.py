"""From a row of the catalogue back to the bytes of its shard, with real git and DVC."""

import hashlib
import os
import shutil
import subprocess
import sys
from argparse import Namespace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_registry import toy_project, toy_registered_head, toy_version

from ojala.catalogue.vac import HEADER_KEYS, write_vac
from pipelines.registry import digests, lineage, tracking

TILES = np.repeat([101, 102, 103], 4)
NUMBERS = np.tile(np.arange(4), 3)

MAKE = """
from pathlib import Path
import pyarrow as pa, pyarrow.parquet as pq
for directory in ("data/jpas", "data/weights"):
    Path(directory).mkdir(parents=True, exist_ok=True)
    for part in range(2):
        tiles = [101] * 4 + [102] * 2 if part == 0 else [102] * 2 + [103] * 2
        numbers = [0, 1, 2, 3, 0, 1] if part == 0 else [2, 3, 0, 1]
        numbers = [n + 10 * (directory == "data/weights") for n in numbers]
        table = pa.table({"tile_id": pa.array(tiles, "i4"), "number": pa.array(numbers, "i4")})
        pq.write_table(table, f"{directory}/part-0000{part}.parquet")
"""
STAGES = """
stages:
  make:
    cmd: python make.py
    deps: [make.py]
    outs: [data/jpas, data/weights]
"""
# Bytes that DVC keeps of a training and of its catalogue, made beside it.
TRAIN = """
  train:
    cmd: mkdir -p models && cp -r made/ojala made/run.json models/ && cp -r made/vac data/
    deps: [made]
    outs: [models/ojala, models/run.json, data/vac]
"""


def command(*words):
    own = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    own["DVC_NO_ANALYTICS"] = "1"
    for role in ("AUTHOR", "COMMITTER"):
        own |= {f"GIT_{role}_NAME": "astronomer", f"GIT_{role}_EMAIL": "a@example.org"}
    done = subprocess.run(words, env=os.environ | own, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A repository whose data DVC keeps, a run on it, a version, and a catalogue of it."""
    with toy_project(tmp_path_factory.mktemp("project")):
        Path("make.py").write_text(MAKE)
        Path("dvc.yaml").write_text(STAGES)
        command("git", "init", "-q")
        command("dvc", "init", "-q")
        command("dvc", "repro", "-q")
        command("git", "add", "make.py", "dvc.yaml", "dvc.lock", ".dvc")
        command("git", "commit", "-q", "-m", "data")
        data = digests.data_digests(["data/weights", "data/jpas"])
        with tracking.run("train", {}, data) as run_id:
            pass
        version = toy_version("versions")
        tracking.client().set_model_version_tag("ojala", version.version, "promoted_at", "today")
        made = tracking.client().create_model_version(
            "ojala",
            source=Path("versions").resolve().as_uri(),
            run_id=run_id,
            tags={"digest": "d" * 64},
        )
        tracking.client().set_registered_model_alias("ojala", "champion", made.version)
        found = {"run_id": run_id, "data": data, "version": str(made.version)}
        made_of(found, run_id, "made/vac")
        Path("dvc.yaml").write_text(STAGES + TRAIN)
        command("dvc", "repro", "-q")
        command("git", "add", "dvc.yaml", "dvc.lock", "made")
        command("git", "commit", "-q", "-m", "the lock after the run")
        yield found


def made_of(project, run_id, place):
    """A bundle, its run and a catalogue, as if the stages had made them in that run."""
    Path("made/ojala").mkdir(parents=True, exist_ok=True)
    Path("made/ojala/weights").write_text(run_id)
    Path("made/run.json").write_text(digests.run_note(run_id, "d" * 64))
    provenance = dict.fromkeys(HEADER_KEYS, "-") | {
        "git_commit": digests.git_commit(),
        "model_name": "ojala",
        "model_version": project["version"],
        "run_id": run_id,
        "bundle_digest": "d" * 64,
        "heads": "",
        "mocks_digest": project["data"]["data/weights"],
        "jpas_digest": project["data"]["data/jpas"],
        "created": "2026-01-01T00:00:00+00:00",
    }
    columns = {"tile_id": TILES.astype(np.int32), "number": NUMBERS.astype(np.int32)}
    write_vac(place, columns, provenance)


@pytest.fixture(scope="module")
def catalogue(project):
    return Path("data/vac")


def told(capsys, what, row=None):
    lineage.main(Namespace(what=str(what), row=row))
    return capsys.readouterr().out


@pytest.mark.parametrize("kind", ["fits", "parquet"])
def test_from_a_row_of_the_catalogue_to_the_md5_of_its_shard(project, catalogue, capsys, kind):
    text = told(capsys, catalogue / f"ojala_vac.{kind}", row=7)  # tile 102, number 2
    shard = Path("data/jpas/part-00001.parquet")
    md5 = hashlib.md5(shard.read_bytes()).hexdigest()
    assert f"row 1 of {shard}, md5 {md5}" in text
    chain = [
        f"data/vac/ojala_vac.{kind}: catalogue of 2026-01-01",
        f"ojala version {project['version']} (champion), digest {'d' * 64}, as in the catalogue's",
        f'run {project["run_id"]} "train", FINISHED',
        f"data/jpas  {project['data']['data/jpas']}",
        f"part-00001.parquet  {md5}",
    ]
    places = [text.index(link) for link in chain]
    assert places == sorted(places)


def test_answers_of_predict_come_from_the_version_of_their_bundle(project, tmp_path, capsys):
    place = tmp_path / "answers.parquet"
    header = {"bundle_digest": "d" * 64, "created": "2026-02-02T00:00:00+00:00"}
    pq.write_table(pa.table({"Z_GAL": [0.1]}).replace_schema_metadata(header), place)
    first, second, *_ = told(capsys, place).splitlines()
    assert first == f"{place}: answers of 2026-02-02T00:00:00+00:00"
    assert second.startswith(f"`-- ojala version {project['version']} (champion)")
    with pytest.raises(ValueError, match="whose rows are those of its input"):
        lineage.main(Namespace(what=str(place), row=0))
    header["bundle_digest"] = "e" * 64
    pq.write_table(pa.table({"Z_GAL": [0.1]}).replace_schema_metadata(header), place)
    with pytest.raises(ValueError, match="is of its bundle eeee"):
        told(capsys, place)


def test_a_source_that_was_set_aside_is_in_no_shard(catalogue, capsys):
    assert "set aside before prediction" in told(capsys, catalogue / "ojala_vac.fits", row=11)


def test_the_commands_bring_the_data_back(project, capsys):
    text = told(capsys, "ojala@champion")
    commands = [line.strip() for line in text.split("to bring it back:")[1].splitlines() if line]
    assert commands == [
        f"git checkout {digests.git_commit()}",
        "dvc checkout data/jpas data/weights models/ojala",
    ]
    before = Path("data/jpas/part-00000.parquet").read_bytes()
    for gone in ("data/jpas", "models/ojala"):
        shutil.rmtree(gone)
    for line in commands:
        command(*line.split())
    assert Path("data/jpas/part-00000.parquet").read_bytes() == before
    assert Path("models/ojala/weights").exists()


def test_what_another_run_made_is_not_checked_out(project, catalogue, capsys):
    """The lock holds the same data, and a catalogue and bundle of a training that came later."""
    held = told(capsys, catalogue / "ojala_vac.fits").splitlines()
    assert held[-1].endswith("dvc checkout data/jpas data/weights models/ojala data/vac")
    made_of(project, "e" * 32, "other")
    text = told(capsys, "other/ojala_vac.fits")
    assert "dvc checkout" not in text
    assert "does not hold this models/run.json, data/vac/ojala_vac.fits" in text
    assert text.splitlines()[-2].startswith("    git checkout ")
    assert text.splitlines()[-1].startswith("    dvc repro vac")


def test_without_a_lock_in_the_commit_it_is_made_anew(project, capsys, monkeypatch):
    monkeypatch.setattr(lineage.dvc_bytes, "stages", lambda commit=None: {})
    last = told(capsys, project["run_id"]).splitlines()[-1]
    assert last.startswith("    dvc repro train") and project["data"]["data/jpas"] in last


def test_a_head_is_from_its_run_and_its_base(project, capsys):
    base = lineage.versions.get("ojala", project["version"])
    head = toy_registered_head("spin", base, run_id=project["run_id"])
    text = told(capsys, f"{head.name}/1")
    assert text.index("ojala-head-spin version 1") < text.index("|-- run") < text.index("`-- ojala")


def test_files_that_changed_since_are_not_taken_for_the_shard(project, catalogue, capsys):
    """A shard of the same name with other bytes is not what the row was predicted from."""
    shard = Path("data/jpas/part-00001.parquet")
    found = lineage.dvc_bytes.files("data/jpas", project["data"]["data/jpas"])[1]
    kept = shard.read_bytes()
    shard.unlink()
    shard.write_bytes(pa.py_buffer(kept).to_pybytes() + b" ")
    try:
        place = found.place("data/jpas")
        assert place is not None and ".dvc/cache" in str(place)
        assert pq.read_table(place).num_rows == 4
    finally:
        shard.unlink()
        shard.write_bytes(kept)


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("0" * 32, "run 0+: the tracking server does not know it"),
        ("none.fits", "none.fits: no such file"),
        ("make.py", "make.py: neither a FITS nor a Parquet catalogue"),
        ("ojala@best", "no version best of ojala"),
    ],
)
def test_what_has_no_lineage_is_one_sentence(project, what, sentence):
    with pytest.raises(ValueError, match=sentence):
        lineage.main(Namespace(what=what, row=None))
