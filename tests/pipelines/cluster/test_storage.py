"""What a training keeps by its name: one mark while it goes on, another when it begins anew."""

import pytest

from pipelines.cluster import storage


@pytest.fixture(params=["{}", "file://{}"])
def place(request, tmp_path):
    """A storage as a directory, and as a URI."""
    return request.param.format(tmp_path / "storage")


def test_a_training_keeps_its_mark_until_it_is_finished(place, tmp_path):
    mark = storage.begin(place, "train-ab")
    assert mark.startswith("train-ab-") and storage.begin(place, "train-ab") == mark
    assert not storage.begin(place, "train-abc").startswith(mark)
    kept = tmp_path / "storage" / "train-ab"
    (kept / "checkpoint_3").mkdir()
    (kept / "checkpoint_3" / "state.pt").touch()
    (kept / "snapshot.json").touch()
    assert storage.begin(place, "train-ab") == mark and (kept / "snapshot.json").exists()

    storage.finish(place, "train-ab")
    other = storage.begin(place, "train-ab")
    assert other != mark and storage.begin(place, "train-ab") == other
    assert [path.name for path in kept.iterdir()] == [storage.BEGUN]


def test_a_training_that_dvc_has_not_recorded_goes_on(place, tmp_path):
    """The record may be of another training, or missing; the training keeps what it had."""
    mark = storage.begin(place, "train-ab", "")
    kept = tmp_path / "storage" / "train-ab"
    (kept / "checkpoint_3").mkdir()
    for recorded in ("", "of another", ""):
        storage.finish(place, "train-ab", "of this")
        assert storage.begin(place, "train-ab", recorded) == mark
        assert storage.begin(place, "train-ab") == mark, "it is unfinished again"
    storage.finish(place, "train-ab", "of this")
    assert storage.begin(place, "train-ab", "of this") != mark
    assert [path.name for path in kept.iterdir()] == [storage.BEGUN]


def test_a_mark_that_was_cut_off_in_writing_is_made_anew(place, tmp_path):
    storage.begin(place, "train-ab")
    (tmp_path / "storage" / "train-ab" / storage.BEGUN).write_text("")
    mark = storage.begin(place, "train-ab")
    assert mark.startswith("train-ab-") and storage.begin(place, "train-ab") == mark


def test_what_is_half_removed_is_not_resumed(place, tmp_path):
    """The mark of a finished training goes last."""
    storage.begin(place, "train-ab")
    storage.finish(place, "train-ab")
    kept = tmp_path / "storage" / "train-ab"
    (kept / storage.BEGUN).unlink()
    (kept / "checkpoint_5").mkdir()
    storage.begin(place, "train-ab")
    assert [path.name for path in kept.iterdir()] == [storage.BEGUN]


def test_what_is_forgotten_is_gone_and_nothing_else(place, tmp_path):
    mark, other = storage.begin(place, "tune-a"), storage.begin(place, "tune-b")
    storage.forget(place, "tune-a")
    storage.forget(place, "never begun")
    assert [path.name for path in (tmp_path / "storage").iterdir()] == ["tune-b"]
    assert storage.begin(place, "tune-a") != mark and storage.begin(place, "tune-b") == other
