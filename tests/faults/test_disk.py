"""A disk that is full, and files that were cut short: what stood before stands, and it is said."""

import os
import shutil
import subprocess

import pyarrow.parquet as pq
import pytest
import torch
from safetensors import SafetensorError
from toy_heads import toy_bundle
from toy_model import toy_model
from toy_sky import toy_table

from ojala.catalogue import job
from ojala.catalogue.answerer import Recipe
from ojala.catalogue.pieces import planned
from ojala.cli import main
from ojala.model import bundle
from ojala.training.checkpoint import TrainState
from ojala.training.resident import measured_scaling

ROOM = 2_000_000
"""Bytes of the small disk: one checkpoint of the tests, or one bundle, and not two."""


@pytest.fixture
def small_disk(tmp_path):
    """A real disk of two megabytes."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root, to mount a disk of two megabytes")
    place = tmp_path / "disk"
    place.mkdir()
    size = ["-o", f"size={ROOM}"]
    done = subprocess.run(["mount", "-t", "tmpfs", *size, "tmpfs", place], capture_output=True)
    if done.returncode:
        pytest.skip("needs a machine that lets a disk be mounted")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


def state(epoch, megabytes):
    numbers = torch.full((megabytes * 250_000,), float(epoch))
    return TrainState(epoch=epoch, objective={"weights": numbers}, optimizers=[{"step": epoch}])


def names(place):
    return sorted(path.name for path in place.iterdir())


def test_a_checkpoint_that_finds_no_room_leaves_the_one_before(small_disk):
    path = small_disk / "state.pt"
    state(1, 1).write(path)
    before = path.read_bytes()
    with pytest.raises(OSError, match=rf"{path}: cannot be written \(No space left on device\)"):
        state(2, 1).write(path)
    assert names(small_disk) == ["state.pt"] and path.read_bytes() == before
    (small_disk / "state.pt").unlink()  # room is made: the same goes through
    state(2, 1).write(path)
    assert TrainState.read(path).epoch == 2


def test_a_bundle_that_finds_no_room_leaves_the_one_before(small_disk):
    place = small_disk / "ojala"
    scaling = measured_scaling(toy_table(60))
    toy_bundle(place)
    standing = bundle.digest(place)
    filler = small_disk / "filler"
    free = shutil.disk_usage(small_disk).free
    filler.write_bytes(bytes(max(0, free - 8192)))
    with pytest.raises((OSError, SafetensorError), match="No space left on device"):
        bundle.save(place, toy_model(seed=1), scaling, {"run_id": "another"})
    assert names(small_disk) == ["filler", "ojala"]
    assert bundle.load(place).digest == standing
    filler.unlink()
    bundle.save(place, toy_model(seed=1), scaling, {"run_id": "another"})
    assert bundle.load(place).digest != standing


def fill(place, left):
    """A file that leaves so many bytes of a disk."""
    filler = place / "filler"
    filler.write_bytes(bytes(max(0, shutil.disk_usage(place).free - left)))
    return filler


@pytest.fixture
def recipe(tmp_path):
    return Recipe(bundle=toy_bundle(tmp_path / "ojala"))


@pytest.fixture
def sources(tmp_path):
    path = tmp_path / "sources.parquet"
    pq.write_table(toy_table(60, seed=3, labelled=False), path)
    return path


@pytest.mark.parametrize("left", [0, 8192, 40_000])
def test_a_shard_that_finds_no_room_leaves_those_that_are_finished(
    small_disk, recipe, sources, left
):
    shards = small_disk / "answers"
    shards.mkdir()
    made_by = recipe.made_by(recipe.asked())
    work = job.job_of(planned(sources, shards, 20), shards, made_by)
    answer = recipe.opened()
    job.make_shard(work, 0, answer)
    standing = work.shard(0).read_bytes()
    filler = fill(small_disk, left)
    with pytest.raises(ValueError, match=f"^{work.shard(1)}: cannot be written .No space left"):
        job.make_shard(work, 1, answer)
    assert names(shards) == ["part-00000.parquet"] and work.shard(0).read_bytes() == standing
    filler.unlink()  # room is made: the same job goes on
    again = job.job_of(planned(sources, shards, 20), shards, made_by)
    for number in (1, 2):
        job.make_shard(again, number, answer)
    assert sum(table.num_rows for table in job.tables_of(again)) == 60


@pytest.mark.parametrize("left", [0, 8192])
@pytest.mark.parametrize("suffix", ["parquet", "fits", "csv", "ecsv", "vot"])
def test_answers_that_find_no_room_are_one_sentence(
    small_disk, recipe, sources, suffix, left, capsys
):
    out = small_disk / f"answers.{suffix}"
    fill(small_disk, left)
    assert main(["predict", str(sources), "--bundle", str(recipe.bundle), "--out", str(out)]) == 1
    said = capsys.readouterr().err.splitlines()[-1]
    assert said == f"ojala predict: {out}: cannot be written (No space left on device)"
    assert names(small_disk) == ["filler"]


def test_a_csv_that_is_staged_on_a_full_disk_is_not_blamed_for_it(small_disk, sources, tmp_path):
    path = tmp_path / "sources.csv"
    pq.read_table(sources).to_pandas().to_csv(path, index=False)
    fill(small_disk, 8192)
    staged = small_disk / "sources.csv.parquet"
    with pytest.raises(OSError, match=f"^{staged}: cannot be written .No space left on device"):
        planned(path, small_disk, 20)
    assert names(small_disk) == ["filler"]


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_checkpoint_that_was_cut_short_is_refused_by_name(tmp_path, share):
    path = tmp_path / "state.pt"
    state(3, 1).write(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(ValueError, match=f"{path}: not a readable checkpoint"):
        TrainState.read(path)


def cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def turned(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("harm", [cut, turned, lambda path: path.unlink()])
def test_weights_that_are_not_those_that_were_saved_are_refused_or_another_digest(tmp_path, harm):
    place = toy_bundle(tmp_path / "ojala")
    standing = bundle.digest(place)
    (weights,) = place.glob("*.safetensors")
    harm(weights)
    try:
        found = bundle.load(place).digest
    except ValueError as error:
        assert str(place) in str(error)
    else:
        assert found != standing
