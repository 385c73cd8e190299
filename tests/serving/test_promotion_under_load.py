"""Promotions and rollbacks reach a real server of two processes, between two requests."""

import http.client
import threading
import time
from dataclasses import dataclass

import numpy as np
import psutil
import pytest
from few_bands import in_columns
from server import asked, wait_until
from toy_registry import toy_version
from toy_sky import toy_table

from ojala.gate import golden
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import columns_of
from ojala.vocabulary.quantities import observations
from pipelines.registry import aliases, rollback, versions

MOVES = 20
NUM_CLIENTS = 4


@dataclass
class Asked:
    began: float
    ended: float
    status: int
    answer: dict


def with_golden(version, wrong=False):
    """Let a version have the golden objects of its registration, or another model's answers."""
    place = versions.fetch(version)
    sources = columns_of(toy_table(40, seed=8, labelled=False))
    objects = golden.golden_objects({n: v for n, v in sources.items() if n in observations()})
    answers = Predictor(bundle.load(place)).predict(objects)
    if wrong:
        answers["Z_GAL"] = answers["Z_GAL"] + 10 * answers["Z_GAL_ERR"]
    golden.write(place.parent / golden.GOLDEN, objects, answers)
    return version


@pytest.fixture(scope="module")
def made(project):
    """Four versions: the last one answers otherwise than at its registration."""
    found = [with_golden(toy_version(project / "v", seed)) for seed in range(3)]
    found.append(with_golden(toy_version(project / "v", 3), wrong=True))
    promote(found[0])
    return found


def promote(version):
    """What ``ojala promote`` does at the end of its gate."""
    standing = versions.aliases()
    was = standing.get("champion", "")
    with aliases.moving():
        aliases.carry_out(
            aliases.Move(
                champion=version.version,
                previous=was or standing.get("previous", ""),
                was_champion=was,
                was_previous=standing.get("previous", ""),
                by="a test",
                at=aliases.now(),
            )
        )


def take_back():
    with aliases.moving():
        rollback.rolled_back("a test")


@pytest.fixture
def load(address, sources):
    """Clients that ask all the time; what each of them asked and was told."""
    told, ended = [[] for _ in range(NUM_CLIENTS)], threading.Event()

    def client(kept):
        while not ended.is_set():
            began = time.monotonic()
            status, answer = asked(f"{address}/predict", {"sources": sources})
            kept.append(Asked(began, time.monotonic(), status, answer))

    clients = [threading.Thread(target=client, args=[kept]) for kept in told]
    for one in clients:
        one.start()
    yield told
    ended.set()
    for one in clients:
        one.join()


def health(address):
    status, found = asked(f"{address}/health")
    assert status == 200
    return found


@dataclass
class Moved:
    version: str
    at: float
    seen: float


@pytest.mark.slow
def test_twenty_moves_under_load_fail_no_request(address, made, sources, load):
    moves = []
    for turn in range(MOVES):
        at = time.monotonic()
        version = made[0] if turn % 2 else made[1 + turn // 2 % 2]
        if turn % 2:
            take_back()
        else:
            promote(version)
        wait_until(lambda version=version: health(address)["version"] == version.version)
        moves.append(Moved(version.version, at, time.monotonic()))
        before = sum(map(len, load))
        wait_until(lambda before=before: sum(map(len, load)) >= before + 2 * NUM_CLIENTS)
    every = [one for kept in load for one in list(kept)]
    assert {one.status for one in every} == {200}
    check_answers(every, made, sources)
    check_order(every, made[0].version, moves)


def check_answers(every, made, sources):
    """Each is what the version that it names says, to the last bit."""
    catalogue = in_columns(sources)
    expected = {
        one.version: (one.digest, Predictor(bundle.load(versions.fetch(one))).predict(catalogue))
        for one in made
    }
    for one in every:
        digest, columns = expected[one.answer["model"]["version"]]
        assert one.answer["model"]["digest"] == digest
        for name, column in columns.items():
            given = [row[name] for row in one.answer["predictions"]]
            if column.dtype.kind == "O":
                assert given == [value or None for value in column]
            else:
                np.testing.assert_array_equal(np.array(given, dtype=np.float32), column)


def check_order(every, first, moves):
    """Whoever asks after an answer of the new version has come gets none of the one before."""
    was = first
    for move, following in zip(moves, [*moves[1:], None], strict=True):
        until = following.at if following else np.inf
        during = [one for one in every if move.at <= one.began < until]
        named = {one.answer["model"]["version"]: [] for one in during}
        for one in during:
            named[one.answer["model"]["version"]].append(one)
        assert move.version in named and set(named) <= {was, move.version}
        came = min(move.seen, *(one.ended for one in named[move.version]))
        assert all(one.began <= came for one in named.get(was, []))
        was = move.version


@pytest.mark.slow
def test_what_fails_its_check_is_refused_and_told(address, made, load):
    broken = made[3]
    was = health(address)["version"]
    promote(broken)
    wait_until(lambda: "refused" in health(address)["following"])
    told = health(address)
    assert told["version"] == was
    assert f"refused version {broken.version}" in told["following"]
    assert "Z_GAL is" in told["following"] and "at registration" in told["following"]
    counted = metrics(address)
    assert counted[f'ojala_switches_refused_total{{version="{broken.version}"}}'] == 1
    take_back()
    wait_until(lambda: health(address)["following"] == "followed")
    assert {one.status for kept in load for one in list(kept)} == {200}


def metrics(address):
    import urllib.request

    with urllib.request.urlopen(f"{address}/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value)
        for name, _, value in (line.rpartition(" ") for line in lines if line[:1] != "#")
    }


def workers(address):
    """The processes of the server that answer."""
    port = address.rpartition(":")[2]
    return [
        one
        for one in psutil.process_iter()
        if "_bentoml_impl.worker.service" in own(one.cmdline, [])
        and own(one.environ, {}).get("PORT") == port
    ]


def own(what, otherwise):
    try:
        return what()
    except psutil.Error:
        return otherwise


@pytest.mark.slow
def test_a_killed_process_takes_along_only_what_it_was_answering(address, made, sources):
    before = workers(address)
    assert len(before) == 2
    failed, answered, ended = [], [], threading.Event()

    def client():
        while not ended.is_set():
            began = time.monotonic()
            try:
                status, _ = asked(f"{address}/predict", {"sources": sources})
                (answered if status == 200 else failed).append(began)
            except (OSError, ValueError, http.client.HTTPException):
                failed.append(began)

    clients = [threading.Thread(target=client) for _ in range(NUM_CLIENTS)]
    for one in clients:
        one.start()
    try:
        wait_until(lambda: len(answered) > 10)
        killed = time.monotonic()
        before[0].kill()
        before[0].wait(60)
        gone = time.monotonic()  # until then it may have taken a request in
        wait_until(lambda: len(set(workers(address)) - set(before)) == 1, 120)
        promote(made[2])
        wait_until(lambda: health(address)["version"] == made[2].version, 120)
    finally:
        ended.set()
        for one in clients:
            one.join()
    assert len(failed) <= NUM_CLIENTS and all(began <= gone for began in failed)
    assert any(killed < began < killed + 1 for began in answered)  # by the other, meanwhile
    take_back()


@pytest.mark.slow
def test_metrics_say_which_version_is_served(address, made):
    champion = versions.aliases()["champion"]  # the test before left a rollback under way
    wait_until(lambda: health(address)["version"] == champion)
    wait_until(lambda: f'version="{champion}"' in " ".join(n for n, v in served(address) if v))
    told = served(address)
    version = health(address)["version"]
    assert [name for name, value in told if value == 1] == [
        name for name, _ in told if f'version="{version}"' in name
    ]


def served(address):
    return [(name, on) for name, on in metrics(address).items() if "version_served" in name]
