"""Aliases move one by one: readers get whole versions, and a move that was cut off is put right."""

import threading
from argparse import Namespace
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from toy_registry import emptied, standing, toy_project, toy_version

from ojala.model import bundle
from pipelines.registry import aliases, rollback, tracking
from pipelines.registry import versions as registry


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with toy_project(tmp_path_factory.mktemp("project")) as path:
        tracking.experiment()
        yield path


@pytest.fixture
def versions(project):
    """Three versions: 2 is champion, 1 is previous, 3 is the candidate."""
    emptied()
    made = [toy_version("versions", seed=seed) for seed in range(3)]
    tracking.client().set_registered_model_alias("ojala", "champion", "2")
    tracking.client().set_registered_model_alias("ojala", "previous", "1")
    return made


def move_to(champion, previous, was=("2", "1"), **settings):
    """A move of both aliases, from where they stand at first."""
    return aliases.Move(
        champion=champion,
        previous=previous,
        was_champion=was[0],
        was_previous=was[1],
        by="astronomer",
        at=aliases.now(),
        **settings,
    )


def promotion():
    return move_to("3", "2", notes={"3": {"promoted_by": "astronomer"}})


def going_back():
    return move_to("1", "", notes={"2": {"rolled_back_by": "astronomer"}})


class CutOff(BaseException):
    """As if the process had been killed there."""


@pytest.mark.parametrize("steps", range(6))
@pytest.mark.parametrize("move", [promotion, going_back])
def test_a_move_that_was_cut_off_is_undone_or_completed(versions, monkeypatch, move, steps):
    """At any step champion is a whole version, and what stands afterwards is the old or the new."""
    left = [steps]

    def cut(function):
        def run(*arguments):
            if left[0] == 0:
                raise CutOff
            left[0] -= 1
            return function(*arguments)

        return run

    moved = move()
    with monkeypatch.context() as patch:
        for name in ("_point", "_forget"):
            patch.setattr(aliases, name, cut(getattr(aliases, name)))
        patch.setattr(registry, "tag", cut(registry.tag))
        try:
            aliases.carry_out(moved)
        except CutOff:
            assert standing()[0] in ("2", moved.champion)
    champion = standing()[0]
    said = aliases.recover()
    after = {"2": ("2", "1"), moved.champion: (moved.champion, moved.previous or None)}
    assert standing() == after[champion]
    if champion == moved.champion:
        for number, notes in moved.notes.items():
            assert notes.items() <= registry.tags(registry.get("ojala", number)).items()
    assert said is None or "astronomer" in said
    assert aliases.recover() is None


def test_who_compared_with_another_champion_is_told(versions):
    stale = promotion()
    tracking.client().set_registered_model_alias("ojala", "champion", "1")
    with pytest.raises(ValueError, match="the champion is version 1 by now, it was 2: someone"):
        aliases.carry_out(stale)
    assert standing() == ("1", "1")
    assert aliases.recover() is None


def test_on_a_server_the_later_note_wins_and_the_other_is_told(versions, monkeypatch):
    """Two machines, where no lock on a file helps."""
    first, second = promotion(), promotion()
    monkeypatch.setattr(aliases, "_is_remote", lambda: True)

    def meanwhile(_):
        monkeypatch.setattr(aliases.time, "sleep", lambda _: None)
        monkeypatch.setattr(aliases, "_check_standing", lambda *_, **__: None)
        aliases.carry_out(second)

    monkeypatch.setattr(aliases.time, "sleep", meanwhile)
    with pytest.raises(ValueError, match="began at the same moment, and was first"):
        aliases.carry_out(first)
    assert standing() == ("3", "2")


def test_a_move_under_way_on_another_machine_is_left_alone_for_a_while(versions, monkeypatch):
    monkeypatch.setattr(aliases, "_is_remote", lambda: True)
    monkeypatch.setattr(aliases, "SETTLE", 0.0)

    def dies(*_):
        raise CutOff

    with monkeypatch.context() as patch, pytest.raises(CutOff):
        patch.setattr(aliases, "_point", dies)
        aliases.carry_out(replace(promotion(), machine="elsewhere"))
    with pytest.raises(ValueError, match="under way: astronomer, since"):
        aliases.recover()
    monkeypatch.setattr(aliases, "PATIENCE", 0.0)
    assert "undid" in aliases.recover()
    assert standing() == ("2", "1")


@pytest.mark.parametrize("hours", [-3, 3])
def test_a_note_of_a_clock_that_is_hours_off_counts_as_left_behind(versions, monkeypatch, hours):
    monkeypatch.setattr(aliases, "_is_remote", lambda: True)
    monkeypatch.setattr(aliases, "SETTLE", 0.0)

    def dies(*_):
        raise CutOff

    at = (datetime.now(UTC) + timedelta(hours=hours)).isoformat(timespec="seconds")
    with monkeypatch.context() as patch, pytest.raises(CutOff):
        patch.setattr(aliases, "_point", dies)
        aliases.carry_out(replace(promotion(), machine="elsewhere", at=at))
    assert "undid" in aliases.recover()
    assert standing() == ("2", "1") and aliases.recover() is None


def test_every_reader_gets_one_whole_version_while_it_moves_back_and_forth(versions):
    digests = {one.digest for one in versions[:2]}
    stop, faults, read = threading.Event(), [], []

    def reader():
        while not stop.is_set():
            try:
                found = registry.named("champion")
                opened = bundle.load(registry.fetch(found))
                assert opened.digest == found.digest and found.digest in digests
                read.append(found.version)
            except Exception as error:
                faults.append(error)
                return

    readers = [threading.Thread(target=reader) for _ in range(3)]
    for thread in readers:
        thread.start()
    for _ in range(4):
        rollback.rolled_back("to and fro")
        aliases.carry_out(move_to("2", "1", was=("1", "")))
    while len(read) < 20 and not faults:
        stop.wait(0.01)
    stop.set()
    for thread in readers:
        thread.join()
    assert not faults
    assert set(read) == {"1", "2"}


def test_without_a_model_there_is_nothing_to_go_back_to(project):
    emptied()
    with pytest.raises(ValueError, match="no model is registered; there is nothing to go back to"):
        rollback.main(Namespace(reason=""))


def test_there_is_one_step_back_and_no_other(versions):
    rollback.main(Namespace(reason="a bad night"))
    assert standing() == ("1", None)
    notes = registry.tags(versions[1])
    assert notes["rolled_back_reason"] == "a bad night" and notes["rolled_back_by"]
    assert registry.tags(versions[0])["restored_from"] == "2"
    with pytest.raises(ValueError, match="no version before ojala version 1: it was restored by"):
        rollback.main(Namespace(reason=""))
    tracking.client().delete_registered_model_alias("ojala", "champion")
    with pytest.raises(ValueError, match="there is no champion; ojala promote makes one"):
        rollback.main(Namespace(reason=""))
