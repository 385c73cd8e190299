"""A disk that is full, and files that were cut short: what stood before stands, and it is said."""

import os
import shutil
import subprocess

import pytest
import torch
from safetensors import SafetensorError
from toy_heads import toy_bundle
from toy_model import toy_model
from toy_sky import toy_table

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
