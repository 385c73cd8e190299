"""The catalogue job on Ray: killed and started again it gives what an undisturbed one gives."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
from one_cluster import one_cluster
from toy_heads import toy_bundle
from toy_sky import toy_table

from ojala import cli
from ojala.vocabulary.bands import narrow_bands
from pipelines.cluster import catalogue

ROOT = Path(__file__).parents[3]
VAC = {"vac": "pipelines.cluster.vac"}
BANDS = tuple(band.token[:4] for band in narrow_bands())
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return toy_bundle(tmp_path_factory.mktemp("models") / "ojala")


@pytest.fixture
def command(monkeypatch):
    """``ojala vac``, also where this version of the project is not the one installed."""
    own = cli.commands()
    monkeypatch.setattr(cli, "commands", lambda: own | VAC)


@pytest.fixture
def machine():
    with one_cluster():
        own = {"address": "local", "num_cpus": 2, "object_store_memory": 100_000_000}
        ray.init(log_to_driver=False, **own)
        yield
        gc.collect()  # what is collected after the cluster ends the process
        ray.shutdown()


def sky(path, num=240, **columns):
    table = toy_table(num, seed=6, labelled=False, missing=0.2)
    table = table.set_column(0, "tile_id", pa.array(np.arange(num)))
    table = table.set_column(1, "number", pa.array(np.arange(num)))
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, pa.array(values))
    pq.write_table(table, path, row_group_size=50)
    return path


def arguments(path, model, out, rows=10):
    given = ["vac", path, "--bundle", model, "--out", out, "--rows", rows, "--workers", 2]
    return [*map(str, given), "--merged", f"{out}.parquet"]


def shards(out):
    return sorted(path.name for path in out.glob("part-*.parquet"))


def assert_same(one, other):
    one, other = (pq.read_table(path) for path in (one, other))
    assert one.schema.equals(other.schema)
    for name in one.column_names:
        assert str(one[name].to_pylist()) == str(other[name].to_pylist()), name


def test_killed_and_started_again_it_gives_the_undisturbed_result(
    tmp_path, model, command, machine, capsys, monkeypatch
):
    path = sky(tmp_path / "sky.parquet")
    with monkeypatch.context() as of_terminal:
        of_terminal.setattr(sys.stderr, "isatty", lambda: True, raising=False)
        assert cli.main(arguments(path, model, tmp_path / "calm")) == 0
    said = capsys.readouterr()
    assert f"{tmp_path / 'calm'}: 240 sources" in said.out
    assert "240/240" in said.err and "sources/s" in said.err
    assert len(shards(tmp_path / "calm")) == 24

    out = tmp_path / "killed"
    assert run_and_kill(arguments(path, model, out), out) == -signal.SIGKILL
    finished = shards(out)
    assert 0 < len(finished) < 24 and not (tmp_path / "killed.parquet").exists()
    times = {name: (out / name).stat().st_mtime_ns for name in finished}
    assert cli.main(arguments(path, model, out)) == 0
    assert "sources/s" not in capsys.readouterr().err  # no terminal: no bar
    assert {name: (out / name).stat().st_mtime_ns for name in finished} == times
    assert_same(tmp_path / "calm.parquet", tmp_path / "killed.parquet")


def run_and_kill(given, out):
    """The exit code of a job that is killed as soon as a shard is there."""
    code = (
        "import sys; from ojala import cli; own = cli.commands(); "
        f"cli.commands = lambda: own | {VAC}; sys.exit(cli.main(sys.argv[1:]))"
    )
    own = {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen([sys.executable, "-c", code, *given], env=os.environ | own)
    while not shards(out) and process.poll() is None:
        time.sleep(0.005)
    process.kill()
    return process.wait()


def test_what_a_worker_finds_is_one_sentence_and_what_is_finished_stays(
    tmp_path, model, command, machine, capsys
):
    words = ["0.5"] * 39 + ["red"]
    path = sky(tmp_path / "sky.parquet", 40, J0500=words)
    given = arguments(path, model, tmp_path / "out", rows=20)
    assert cli.main(given) == 1
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith(f"ojala vac: {path}: column J0500, row 40: 'red' is not a number")
    )
    assert set(shards(tmp_path / "out")) <= {"part-00000.parquet"}
    assert not (tmp_path / "out.parquet").exists()


def refusals(tmp_path):
    """Catalogues that are refused, and why."""
    yield sky(tmp_path / "none.parquet", 0), "it has no rows"
    nothing = np.full(20, np.nan, dtype=np.float32)
    yield sky(tmp_path / "dark.parquet", 20, MAG_i=nothing), "no source can be answered"
    light = {name: nothing for name in pq.read_schema(sky(tmp_path / "dark.parquet", 20)).names}
    dark = {name: of for name, of in light.items() if name[:4] in ("MAG_", *BANDS)}
    yield sky(tmp_path / "darker.parquet", 20, **dark), "no source can be answered"
    word = ["0.5"] * 19 + ["red"]
    yield sky(tmp_path / "word.parquet", 20, J0500=word), "J0500, row 20: 'red' is not"
    words = ["--"] * 20
    yield sky(tmp_path / "words.parquet", 20, MAG_i_ERR=words), "MAG_i_ERR, row 1: '--' is not"
    yield sky(tmp_path / "twice.parquet", 20, tile_id=[3] * 20, number=[4] * 20), "is there twice"
    parts = tmp_path / "parts"
    parts.mkdir()
    sky(parts / "part-00000.parquet", 20)
    whole = sky(parts / "part-00001.parquet", 20).read_bytes()
    (parts / "part-00001.parquet").write_bytes(whole[:-50])
    yield parts, "part-00001.parquet: not a readable table"
    (parts / "part-00001.parquet").write_bytes(b"")
    yield parts, "part-00001.parquet: not a readable table (the file is empty)"
    other = tmp_path / "other"
    other.mkdir()
    sky(other / "part-00000.parquet", 20)
    table = pq.read_table(sky(other / "part-00001.parquet", 20)).drop_columns(["J0510"])
    pq.write_table(table, other / "part-00001.parquet")
    yield other, "J0510 is missing in part-00001.parquet"
    pq.write_table(table.append_column("J0510", pa.array(["a"] * 20)), other / "part-00001.parquet")
    yield other, "J0510 is string in part-00001.parquet, float before"
    bare = tmp_path / "bare.parquet"
    pq.write_table(pa.table({"id": [1, 2], "ra": [0.0, 1.0]}), bare)
    yield bare, "the catalogue has no column MAG_i"


def alone(work, recipe, config):
    """The workers' part in this process."""
    worker = catalogue._Worker(work, recipe)
    for number in set(range(len(work.pieces))) - set(catalogue.finished(work)):
        (said,) = worker({"number": np.array([number])})["error"]
        if said:
            raise ValueError(said)


def test_bad_input_is_one_sentence(tmp_path, model, command, monkeypatch, capsys):
    monkeypatch.setattr(catalogue, "make_shards", alone)
    for number, (path, why) in enumerate(refusals(tmp_path)):
        out = tmp_path / f"out{number}"
        assert cli.main(arguments(path, model, out)) == 1, why
        said = capsys.readouterr().err.splitlines()
        assert why in said[-1] and str(path) in said[-1], said
        assert said[-1].startswith("ojala vac: ")
        assert not Path(f"{out}.parquet").exists()


def test_two_jobs_do_not_write_into_one_directory(tmp_path, model, command, capsys):
    path = sky(tmp_path / "sky.parquet", 20)
    (tmp_path / "out").mkdir()
    work = type("Work", (), {"shards": tmp_path / "out"})
    with catalogue._alone(work):
        assert cli.main(arguments(path, model, tmp_path / "out")) == 1
    assert "another job is writing there" in capsys.readouterr().err
