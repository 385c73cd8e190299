"""Processes of a server agree on what answers: they switch together, or not at all."""

import os
import subprocess
import sys
import time
from dataclasses import dataclass

import pytest

from serving import following
from serving.agreement import Agreement, directory
from serving.edition import Edition, read, written
from serving.following import Absent, Follower

FIRST, SECOND, THIRD = (
    Edition(version=number, heads=(("ojala-head-age", number),)) for number in "123"
)


@dataclass
class Said:
    version: str
    digest: str


@dataclass
class Loaded:
    edition: Edition

    @property
    def model(self):
        return Said(self.edition.version, f"digest-{self.edition.version}")


class Registry:
    """Where the alias is, and which editions are broken; what was loaded is counted."""

    def __init__(self):
        self.standing, self.away, self.broken, self.loaded = FIRST, False, {}, []

    def ask(self):
        if self.away:
            raise OSError("nobody answers\nat all")
        return self.standing

    def load(self, edition):
        self.loaded.append(edition)
        if edition in self.broken:
            raise self.broken[edition]
        return Loaded(edition)


@pytest.fixture
def registry():
    return Registry()


@pytest.fixture
def process(tmp_path, registry):
    """Makes processes that have begun, but take their steps when told."""
    made = []

    def begun():
        one = Follower(
            Agreement(tmp_path), standing=registry.ask, load=registry.load, interval=1e-9
        )
        one._thread.start = lambda: None
        made.append(one)
        one.begin()
        return one

    yield begun
    for one in made:
        one.agreement.leave()


def steps(*processes, times=3):
    for _ in range(times):
        for one in processes:
            one.step()


def answering(*processes):
    (edition,) = {one.now().edition for one in processes}
    return edition


@pytest.mark.parametrize("edition", [None, FIRST, Edition(version="7")])
def test_an_edition_is_read_as_it_was_written(edition):
    assert read(written(edition)) == edition


@pytest.mark.parametrize("order", ["leader first", "leader last"])
def test_all_switch_at_one_moment_when_all_are_ready(process, registry, order):
    leader, other = process(), process()
    registry.standing = SECOND
    steps(leader, times=5)
    assert answering(leader, other) == FIRST  # the other one is not ready
    assert leader.state() == other.state() == f"{SECOND} is being prepared"
    seen = []
    for one in (leader, other) * 3 if order == "leader first" else (other, leader) * 3:
        one.step()
        seen.append(answering(leader, other))  # in both the same, whenever one looks
    assert seen == sorted(seen, key=lambda edition: edition.version)
    assert seen[-1] == SECOND and leader.state() == other.state() == "followed"


def test_a_rollback_is_followed_and_what_is_held_is_not_loaded_again(process, registry):
    one = process()
    for wanted in (SECOND, FIRST, SECOND, THIRD, FIRST):
        registry.standing = wanted
        steps(one)
        assert answering(one) == wanted
    assert registry.loaded == [FIRST, SECOND, THIRD, FIRST]


def test_other_heads_of_the_same_version_are_followed(process, registry):
    one = process()
    registry.standing = Edition(version="1", heads=(("ojala-head-age", "2"),))
    steps(one)
    assert answering(one) == registry.standing


@pytest.mark.parametrize("error", [ValueError("golden object 3:\nZ_GAL"), KeyError("x"), OSError()])
def test_what_fails_its_check_in_one_process_is_refused_in_all(process, registry, error):
    both = [process(), process()]
    registry.standing, registry.broken = SECOND, {SECOND: error}
    steps(*both, times=6)
    assert answering(*both) == FIRST
    assert registry.loaded.count(SECOND) == 2  # once in each, not for ever
    for one in both:
        told = one.state()
        assert told.startswith("refused version 2") and "\n" not in told
        assert (" ".join(str(error).split()) or "OSError") in told
    registry.standing = THIRD
    steps(*both)
    assert answering(*both) == THIRD and both[0].state() == "followed"


def test_a_refused_edition_that_is_taken_back_leaves_no_complaint(process, registry):
    one = process()
    registry.standing, registry.broken = SECOND, {SECOND: ValueError("broken")}
    steps(one)
    registry.standing = FIRST
    steps(one)
    assert answering(one) == FIRST and one.state() == "followed"


def test_what_was_refused_is_tried_again_after_a_while(process, registry, monkeypatch):
    one = process()
    registry.standing, registry.broken = SECOND, {SECOND: ValueError("cannot be fetched")}
    steps(one)
    registry.broken = {}
    steps(one)
    assert answering(one) == FIRST
    monkeypatch.setattr(following, "RETRY", 0.0)
    yesterday = time.time() - 86400  # a clock that was set back does not put it off
    monkeypatch.setattr(following.time, "time", lambda: yesterday)
    steps(one)
    assert answering(one) == SECOND and one.state() == "followed"


def test_a_registry_that_is_away_changes_nothing_and_is_told(process, registry):
    both = [process(), process()]
    registry.away = True
    steps(*both)
    assert answering(*both) == FIRST
    for one in both:
        assert one.state() == "the registry cannot be asked: nobody answers at all"
    registry.away = False
    steps(*both)
    assert {one.state() for one in both} == {"followed"}


def test_another_process_leads_and_answers_when_one_has_gone(process, registry):
    first, second = process(), process()
    assert first.agreement.leads() and not second.agreement.leads()
    registry.standing = SECOND
    first.step()  # wishes, and is gone before anything came of it
    first.agreement.leave()
    steps(second)
    assert answering(second) == SECOND


def test_a_process_that_comes_later_begins_with_what_answers(process, registry):
    one = process()
    registry.standing = SECOND
    one.step()
    late = process()
    assert answering(one, late) == FIRST
    steps(one, times=5)
    assert answering(one, late) == FIRST  # for the late one is not ready
    steps(late, one)
    assert answering(one, late) == SECOND


def test_who_was_killed_is_not_waited_for(process, registry, tmp_path):
    one = process()
    script = f"""
import sys, time, pathlib
from serving.agreement import Agreement
kept = Agreement(pathlib.Path({str(tmp_path)!r}))
print("here", flush=True)
time.sleep(60)
"""
    other = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "here\n"
    registry.standing = SECOND
    steps(one, times=5)
    assert answering(one) == FIRST
    other.kill()
    other.wait()
    steps(one)
    assert answering(one) == SECOND
    assert len(list(tmp_path.glob("worker-*.lock"))) == 1


def test_a_process_that_lacks_what_answers_says_so(process, registry):
    one = process()
    one.agreement.answer_with(THIRD)
    with pytest.raises(Absent, match="does not hold version 3"):
        one.now()


def test_the_last_to_leave_takes_the_directory_away(tmp_path):
    first, second = Agreement(tmp_path / "here"), None
    second = Agreement(tmp_path / "here")
    first.leave()
    assert second.directory.exists()
    second.leave()
    assert not second.directory.exists()


def test_a_server_has_one_directory_and_a_lone_process_its_own():
    assert directory(1) == directory(2) and str(os.getppid()) in directory(1).name
    assert directory(1).stat().st_mode & 0o777 == 0o700
    alone = [directory(None), directory(None)]
    assert alone[0] != alone[1]
    for place in (directory(1), *alone):
        place.rmdir()
