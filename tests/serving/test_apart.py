"""The network in a process of its own: the same bits, and nobody is kept waiting where it fails."""

import threading
import time
from functools import partial
from types import SimpleNamespace

import numpy as np
import psutil
import pytest
from few_bands import few_bands, in_columns
from server import asked, server, wait_until

from ojala.model import bundle
from ojala.model.predictor import Predictor
from serving import settings
from serving.answering import computed, rehearsed
from serving.apart import Apart
from serving.edition import UNREGISTERED, Edition
from serving.standing import Reply

FIRST, SECOND = (
    SimpleNamespace(edition=Edition(version=number), model=SimpleNamespace(digest=number), heads=[])
    for number in "12"
)
HERE, THERE = "here", "there"


class Play:
    """Stands for a process: says what it is told to say."""

    def __init__(self, edition):
        self.edition, self.says, self.asked, self.ended = edition, [], 0, False

    def ready(self, *says, digest=None):
        """It has loaded its edition, and says this next."""
        self.says = [(None,), (Reply(answer=(digest or self.edition.version,)),), *says]

    def told(self, seconds):
        return self.says.pop(0) if self.says else None

    def ask(self, request):
        self.asked += 1

    def end(self):
        self.ended = True


@pytest.fixture
def plays():
    return []


@pytest.fixture
def apart(plays, monkeypatch):
    def begin(edition):
        plays.append(Play(edition))
        return plays[-1]

    monkeypatch.setattr("serving.apart.RETRY", 0.2)
    return Apart(begin)


def said(apart, answering=FIRST, is_pressed=True):
    return apart.ask(answering, lambda answering: HERE, is_pressed=is_pressed)


def test_there_is_no_process_before_requests_wait_for_one_another(apart, plays):
    assert said(apart, is_pressed=False) == HERE and plays == []
    assert said(apart) == HERE and len(plays) == 1


def test_it_computes_here_until_the_process_is_ready(apart, plays):
    assert [said(apart), said(apart)] == [HERE, HERE]
    plays[0].ready((Reply(answer=THERE),))
    assert said(apart) == THERE
    plays[0].says = [None, (Reply(answer=THERE),)]  # it takes a while
    assert said(apart, is_pressed=False) == THERE
    assert plays[0].asked == 3  # at first what it holds


def test_what_is_wrong_with_a_request_is_told_and_is_no_failure(apart, plays):
    said(apart)
    plays[0].ready((Reply(wrong="'PSX' is no type"),), (Reply(answer=THERE),))
    with pytest.raises(ValueError, match="'PSX' is no type"):
        said(apart)
    assert said(apart) == THERE and not plays[0].ended


@pytest.mark.parametrize("when", ["as it loads", "as it computes"])
def test_a_process_that_fails_loses_no_answer_and_is_followed_by_another(apart, plays, when):
    said(apart)
    plays[0].says = [("its process has died",)]
    if when == "as it computes":
        plays[0].ready(*plays[0].says)
    assert said(apart) == HERE and plays[0].ended
    assert said(apart) == HERE and len(plays) == 1  # not at once
    time.sleep(0.25)
    said(apart)
    plays[1].ready((Reply(answer=THERE),))
    assert said(apart) == THERE


def test_a_process_that_holds_other_files_is_not_asked_and_not_begun_again(apart, plays):
    said(apart)
    plays[0].ready((Reply(answer=THERE),), digest="of the bundle that lies there by now")
    assert said(apart) == HERE and plays[0].ended
    time.sleep(0.25)
    assert said(apart) == HERE and len(plays) == 1


def test_another_edition_has_another_process(apart, plays):
    said(apart)
    plays[0].ready((Reply(answer=THERE),))
    assert said(apart) == THERE
    assert said(apart, SECOND) == HERE
    assert [play.edition.version for play in plays] == ["1", "2"] and plays[0].ended
    apart.end()
    assert plays[1].ended


@pytest.mark.parametrize(
    ("workers", "text", "expected"), [("1", "", True), ("2", "", False), ("2", "yes", True)]
)
def test_by_default_it_is_where_a_core_is_left(monkeypatch, workers, text, expected):
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {0, 1})
    monkeypatch.setenv("OJALA_WORKERS", workers)
    monkeypatch.setenv("OJALA_APART", text)
    assert settings.apart() is expected


def test_it_is_yes_or_no(monkeypatch):
    monkeypatch.setenv("OJALA_APART", "maybe")
    with pytest.raises(ValueError, match="OJALA_APART is 'maybe', expected yes or no"):
        settings.apart()


def test_a_real_process_says_the_same_to_the_last_bit_until_it_is_killed(place, monkeypatch):
    monkeypatch.setenv("OJALA_BUNDLE", str(place / "ojala"))
    monkeypatch.setenv("OJALA_HEADS", str(place / "heads"))
    answering = rehearsed(Edition(version=UNREGISTERED))
    request = partial(
        computed, sources=in_columns(few_bands(9)), queries=("Z_GAL", "LOGM"), embeddings=True
    )
    apart = Apart()
    seen, here = apart.ask(answering, request, is_pressed=True)
    try:
        wait_until(lambda: is_elsewhere(apart, answering), 120)
        again, there = apart.ask(answering, request, is_pressed=False)
        np.testing.assert_array_equal(again.values, seen.values)
        assert list(there) == list(here)
        for name, values in here.items():
            np.testing.assert_array_equal(there[name], values, err_msg=name)
        psutil.Process(apart.ask(answering, process_id, is_pressed=False)).kill()
        assert is_here(apart, answering)
    finally:
        apart.end()


def process_id(answering):
    return psutil.Process().pid


def is_here(apart, answering):
    return apart.ask(answering, process_id, is_pressed=False) == psutil.Process().pid


def is_elsewhere(apart, answering):
    time.sleep(0.1)
    return not is_here(apart, answering)


def test_under_load_a_killed_network_fails_no_request(place, tmp_path):
    sources = few_bands(3)
    expected = Predictor(bundle.load(place / "ojala")).predict(in_columns(sources))
    ended, told = threading.Event(), []

    def client(address):
        while not ended.is_set():
            told.append(asked(f"{address}/predict", {"sources": sources}))

    with server(tmp_path / "log", OJALA_BUNDLE=place / "ojala", OJALA_APART="yes") as address:
        clients = [threading.Thread(target=client, args=[address]) for _ in range(4)]
        for one in clients:
            one.start()
        try:
            (first,) = killed(address)
            wait_until(lambda: [one for one in networks(address) if one != first], 120)
            num = len(told)
            wait_until(lambda: len(told) > num + 20)
        finally:
            ended.set()
            for one in clients:
                one.join()
        assert {status for status, _ in told} == {200}
        for _, answer in told:
            for row, z in zip(answer["predictions"], expected["Z_GAL"], strict=True):
                assert row["Z_GAL"] == z
    wait_until(lambda: not psutil.pid_exists(first.pid))


def killed(address):
    """The processes of the network, found once they compute, and killed."""
    wait_until(lambda: any(one.cpu_times().user > 1 for one in networks(address)), 120)
    time.sleep(1)
    found = networks(address)
    for one in found:
        one.kill()
    return found


def networks(address):
    """The processes in which a server's network computes."""
    port = int(address.rpartition(":")[2])
    (listens,) = (
        one.pid
        for one in psutil.net_connections("tcp")
        if one.laddr.port == port and one.status == "LISTEN" and one.pid is not None
    )
    return [one for one in psutil.Process(listens).children(recursive=True) if computes(one)]


def computes(process):
    try:
        return "spawn_main" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # it has gone since it was found
        return False
