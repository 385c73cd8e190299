"""A candidate in the shadow: overheard, dropped under load, never mixed, refused with a reason."""

import random
from concurrent.futures import Future
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
import pytest

from ojala.gate.shadow import Compared
from serving.agreement import Agreement
from serving.edition import Edition
from serving.gathering import Asked
from serving.registered import Candidate
from serving.schemas import MAX_OF_CANDIDATE
from serving.shadow import MOST_WAITING, Shadow
from serving.standing import Reply

FIRST, SECOND, THIRD = (Edition(version=number, heads=(("ojala-head-x", "1"),)) for number in "123")
ONE = Compared(requests=1, sources=3, classed=3, class_changes=1, redshifts=2, far=1, seconds=0.5)


@dataclass
class Play:
    """Stands for a candidate's process: says what it is told to say."""

    edition: Edition
    says: list
    heard: list = field(default_factory=list)
    answer: object = ONE
    ended: bool = False

    def told(self, seconds):
        return self.says.pop(0) if self.says else None

    def ask(self, overheard):
        self.heard.append(overheard)
        told = isinstance(self.answer, str | Reply)
        self.says.append((self.answer if told else Reply(answer=self.answer),))

    def end(self):
        self.ended = True


class Server:
    """Processes of a server, the candidates that they began, and what the registry names."""

    def __init__(self, place, monkeypatch):
        monkeypatch.setattr("serving.shadow.LOOK", 0.001)
        self.place, self.wanted, self.away, self.plays, self.made = place, None, False, [], []
        self.says = [(None,)]

    def process(self):
        one = Shadow(Agreement(self.place), wanted=self.ask, standing=self.begin, interval=1e-9)
        self.made.append(one)
        if one.agreement.answering() is None:
            one.agreement.answer_with(FIRST)
        return one

    def ask(self):
        if self.away:
            raise OSError("nobody answers")
        return self.wanted

    def begin(self, edition):
        self.plays.append(Play(edition, says=list(self.says)))
        return self.plays[-1]


@pytest.fixture
def server(tmp_path, monkeypatch):
    made = Server(tmp_path, monkeypatch)
    yield made
    for one in made.made:
        one.end()
        one.agreement.leave()


def stands(edition=SECOND, share=1.0, session="today"):
    return Candidate(edition=edition, share=share, session=session)


def steps(*processes, times=3):
    for _ in range(times):
        for one in processes:
            one.step()


def asked(edition=FIRST, number=3):
    answering = SimpleNamespace(edition=edition)
    sources = {"MAG_i": np.arange(number, dtype=float)}
    return Asked(answering=answering, sources=sources, queries=("Z_GAL",), said=Future())


def overheard(process, number=3, edition=FIRST, others_wait=False):
    said = {"Z_GAL": np.arange(number, dtype=np.float32)}
    process.overhear(asked(edition, number), said, others_wait)


def test_there_is_nothing_to_tell_without_a_candidate(server):
    one = server.process()
    steps(one)
    overheard(one)
    assert one.told() is None and server.plays == []


def test_what_was_answered_is_compared_and_counted(server):
    one = server.process()
    server.wanted = stands()
    one.step()
    assert one.told().state in ("compared", "being prepared")
    steps(one)
    for _ in range(3):
        overheard(one)
        steps(one, times=1)
    told = one.told()
    assert (told.version, told.champion, told.state) == ("2", "1", "compared")
    assert (told.requests, told.sources, told.class_changes, told.far) == (3, 9, 3, 3)
    assert told.seconds == 1.5 and told.dropped == 0
    (play,) = server.plays
    assert [one.queries for one in play.heard] == [("Z_GAL",)] * 3


def test_all_processes_are_counted_and_one_that_is_not_ready_is_told(server):
    both = server.process(), server.process()
    server.wanted = stands()
    steps(both[0])
    assert both[1].told().state == "being prepared"
    steps(*both)
    for one in both:
        overheard(one)
    steps(*both)
    assert {one.told().requests for one in both} == {2}
    assert both[0].told().state == "compared" and len(server.plays) == 2


def test_it_is_dropped_where_others_wait_or_the_candidate_is_behind(server):
    one = server.process()
    server.wanted = stands()
    steps(one)
    overheard(one, others_wait=True)
    for _ in range(MOST_WAITING + 2):
        overheard(one)
    steps(one, times=MOST_WAITING + 1)
    assert one.told().requests == MOST_WAITING and one.told().dropped == 3


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_share_of_the_requests_is_drawn(server, share):
    random.seed(1)
    one = server.process()
    server.wanted = stands(share=share)
    steps(one)
    for _ in range(1000):
        overheard(one, others_wait=True)
    one.step()
    drawn = one.told().dropped
    assert abs(drawn - 1000 * share) < 5 * np.sqrt(1000 * share * (1 - share))


def test_no_more_than_some_sources_of_a_request_are_asked(server):
    one = server.process()
    server.wanted = stands()
    steps(one)
    overheard(one, number=MAX_OF_CANDIDATE + 50)
    steps(one)
    (heard,) = server.plays[0].heard
    assert len(heard.sources["MAG_i"]) == len(heard.said["Z_GAL"]) == MAX_OF_CANDIDATE


def test_answers_of_another_champion_are_never_counted(server):
    one = server.process()
    server.wanted = stands(THIRD)
    steps(one)
    overheard(one)
    steps(one)
    assert one.told().requests == 1
    overheard(one)  # of FIRST, and then SECOND begins to answer
    one.agreement.answer_with(SECOND)
    assert one.told().requests == 0 and one.told().champion == "2"
    steps(one)
    told = one.told()
    assert (told.champion, told.requests, told.dropped) == ("2", 0, 1)
    overheard(one, edition=SECOND)
    steps(one)
    assert one.told().requests == 1 and {each.edition for each in server.plays[0].heard} == {
        FIRST,
        SECOND,
    }


def test_another_session_begins_anew_with_another_process(server):
    one = server.process()
    server.wanted = stands()
    steps(one)
    overheard(one)
    steps(one)
    server.wanted = stands(session="tomorrow")
    one._ask()
    assert one.told().requests == 0 and one.told().state == "being prepared"
    steps(one)
    assert server.plays[0].ended and not server.plays[1].ended
    assert (one.told().session, one.told().requests) == ("tomorrow", 0)


def test_who_is_taken_away_goes(server):
    one = server.process()
    server.wanted = stands()
    steps(one)
    server.wanted = None
    steps(one)
    assert server.plays[0].ended and one.told() is None


@pytest.mark.parametrize("when", ["at its check", "while it answers", "as it compares"])
def test_who_fails_is_refused_and_says_why(server, when):
    both = server.process(), server.process()
    server.wanted = stands()
    why = "golden object 3: Z_GAL"
    server.says = [(why,)] if when == "at its check" else [(None,)]
    both[0].step()
    server.says = [(None,)]
    play = server.plays[0]
    play.answer = Reply(wrong=why) if when == "as it compares" else why
    steps(*both)
    overheard(both[0])
    steps(*both)
    assert play.ended
    for one in both:  # also where the other process is content with it
        assert one.told().state == "refused: golden object 3: Z_GAL"
    overheard(both[0])
    steps(*both)
    assert len(server.plays) == 2 and both[0].told().requests == 0


def test_queries_that_it_does_not_know_are_dropped(server):
    one = server.process()
    server.wanted = stands()
    steps(one)
    server.plays[0].answer = None
    overheard(one)
    steps(one)
    overheard(one)
    server.plays[0].answer = ONE
    steps(one)
    assert (one.told().requests, one.told().dropped) == (1, 1)


def test_who_becomes_champion_stands_beside_nobody(server):
    one = server.process()
    server.wanted = stands()
    steps(one)
    one.agreement.answer_with(SECOND)
    steps(one)
    assert one.told().state == "it is the champion" and server.plays[0].ended
    overheard(one, edition=SECOND)
    steps(one)
    one.agreement.answer_with(FIRST)
    steps(one)
    assert one.told().state == "compared" and len(server.plays) == 2


def test_a_registry_that_is_away_changes_nothing(server):
    one = server.process()
    server.wanted = stands()
    steps(one)
    server.away = True
    overheard(one)
    steps(one)
    assert one.told().requests == 1 and not server.plays[0].ended


def test_what_a_dead_process_counted_goes_with_it(server):
    first, second = server.process(), server.process()
    server.wanted = stands()
    steps(first, second)
    overheard(second)
    steps(first, second)
    assert first.told().requests == 1
    server.made.remove(second)
    second.agreement.leave()
    assert first.told().requests == 0 and first.told().state == "compared"
    assert len(list(server.place.glob("*.shadow.json"))) == 1
