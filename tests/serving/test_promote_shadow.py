"""`ojala promote --shadow` on a real server of two processes, and two bundles that differ."""

import threading
from argparse import ArgumentParser

import psutil
import pytest
from few_bands import in_columns
from server import asked, wait_until
from test_promotion_under_load import Asked as AskedOne
from test_promotion_under_load import (
    check_answers,
    health,
    metrics,
    promote,
    with_golden,
    workers,
)
from toy_registry import LENIENT, toy_params, toy_project, toy_test_set, toy_version

from ojala.gate.shadow import Limits, compared
from ojala.model import bundle
from ojala.model.predictor import Predictor
from pipelines.registry import promote as gate
from pipelines.registry import shadow, tracking, versions

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with toy_project(tmp_path_factory.mktemp("project")) as place:
        toy_test_set("data/crossmatch/test_real.parquet")
        toy_params(margins=LENIENT)
        tracking.experiment()
        yield place


@pytest.fixture(scope="module")
def made(project):
    """The champion, one of the same classes, one that calls all else, and one that is broken."""
    found = [
        with_golden(toy_version(project / "v", 0, "GALAXY")),
        with_golden(toy_version(project / "v", 1, "GALAXY")),
        with_golden(toy_version(project / "v", 2, "QSO")),
        with_golden(toy_version(project / "v", 3, "GALAXY"), wrong=True),
    ]
    promote(found[0])
    return found


@pytest.fixture
def load(address, sources):
    """Clients that ask all the time, and everything that they were told."""
    told, ended = [], threading.Event()

    def client():
        while not ended.is_set():
            told.append(AskedOne(0, 0, *asked(f"{address}/predict", {"sources": sources})))
            ended.wait(0.1)

    clients = [threading.Thread(target=client) for _ in range(2)]
    for one in clients:
        one.start()
    yield told
    ended.set()
    for one in clients:
        one.join()


def trial(address, **changes):
    limits = {"sources": 60, "far": 1.0} | changes.pop("limits", {})
    settings = {"service": address, "share": 0.5, "timeout": 300.0, "limits": Limits(**limits)}
    return shadow.Trial(**settings | changes)


def nobody_stands(address):
    return "shadow" not in versions.aliases() and health(address)["shadow"] is None


def beside(made, candidate, sources):
    """What the candidate says of the sources beside the champion, asked here."""
    catalogue = in_columns(sources)
    said = [
        Predictor(bundle.load(versions.fetch(one))).predict(catalogue)
        for one in (made[0], candidate)
    ]
    return compared(*said, 0.0)


@pytest.mark.parametrize("which", [1, 2])
def test_the_counts_are_those_of_the_two_models_and_nobody_is_shown_the_candidate(
    address, made, sources, load, which
):
    candidate = made[which]
    limits = {"class_changes": 1.0, "lost": 1.0}
    found = shadow.stood(candidate, made[0], trial(address, limits=limits))
    expected = beside(made, candidate, sources)
    assert expected.sources == 3 and expected.class_changes == (0 if which == 1 else 3)
    assert found.classed >= 60 and found.sources == 3 * found.requests
    for name in ("class_changes", "far", "redshifts", "lost"):
        assert getattr(found, name) == found.requests * getattr(expected, name)
    assert 0 < found.seconds / found.requests < 5
    wait_until(lambda: nobody_stands(address))
    assert {one.status for one in load} == {200}
    assert {one.answer["model"]["version"] for one in load} == {made[0].version}
    check_answers(load, made, sources)
    counted = metrics(address)
    named = f'outcome="compared",version="{candidate.version}"'
    assert counted[f"ojala_shadow_requests_total{{{named}}}"] >= found.requests
    asked_too = counted[f"ojala_shadow_requests_total{{{named}}}"]
    changed = f'outcome="changed",version="{candidate.version}"'
    assert counted[f"ojala_shadow_classes_total{{{changed}}}"] == asked_too * (
        expected.class_changes
    )


def test_a_candidate_beyond_the_limits_is_not_promoted_and_the_version_says_why(
    address, made, load
):
    with pytest.raises(ValueError, match=r"fell in the shadow: \d+ of \d+ classes changed"):
        run_promote(made[2], address, "--force", "--reason", "which is for the gate alone")
    assert versions.aliases()["champion"] == made[0].version
    assert "classes changed, at most 0.03" in versions.tags(made[2])["shadow"]
    wait_until(lambda: nobody_stands(address))
    assert health(address)["version"] == made[0].version


def run_promote(version, address, *more):
    """``ojala promote VERSION --shadow``, with lenient limits for redshifts."""
    parser = ArgumentParser()
    gate.add_arguments(parser)
    words = [version.version, "--shadow", "--service", address, "--share", "0.5"]
    words += ["--shadow-sources", "60", "--shadow-timeout", "300", "--most-far", "1"]
    gate.main(parser.parse_args([*words, *more]))


def test_what_fails_its_check_is_refused_and_the_champion_goes_on(address, made, load):
    told = r"version 4 was refused by .*golden object \d+: .* at registration"
    with pytest.raises(ValueError, match=told):
        shadow.stood(made[3], made[0], trial(address))
    wait_until(lambda: nobody_stands(address))
    assert {one.answer["model"]["version"] for one in load} == {made[0].version}


def test_a_candidate_whose_process_dies_is_refused_and_no_request_fails(
    address, made, sources, load
):
    failed = []

    def stand():
        try:
            shadow.stood(made[1], made[0], trial(address, limits={"sources": 10**9}))
        except ValueError as error:
            failed.append(str(error))

    standing = threading.Thread(target=stand)
    standing.start()
    wait_until(lambda: (health(address)["shadow"] or {}).get("state") == "compared", 300)
    candidates = [
        child
        for worker in workers(address)
        for child in worker.children()
        if "spawn_main" in " ".join(child.cmdline()) and child.nice() > 0
    ]
    assert len(candidates) == 2 and {one.nice() for one in candidates} == {19}
    candidates[0].kill()
    standing.join(60)
    assert len(failed) == 1 and failed[0].endswith("its process has died")
    wait_until(lambda: nobody_stands(address))
    wait_until(lambda: not any(one.is_running() and alive(one) for one in candidates))
    assert {one.status for one in load} == {200}
    check_answers(load, made, sources)


def alive(process):
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def test_too_little_that_is_asked_in_time_is_told_and_changes_nothing(address, made):
    told = "in 0.5 seconds .* compared the classes of 0 sources, expected 60: nothing is changed"
    with pytest.raises(ValueError, match=told):
        shadow.stood(made[1], made[0], trial(address, timeout=0.5))
    assert versions.aliases()["champion"] == made[0].version and "shadow" not in versions.aliases()
    assert "shadow_share" not in versions.tags(made[1])


@pytest.mark.parametrize(
    ("service", "told"),
    [("http://127.0.0.1:9", "cannot be asked how the candidate does"), (None, "not with ojala")],
)
def test_a_service_that_is_away_or_of_another_champion_is_told(address, made, service, told):
    champion = made[0] if service else made[2]
    with pytest.raises(ValueError, match=told):
        shadow.stood(made[1], champion, trial(service or address))
    assert "shadow" not in versions.aliases()


def test_one_that_stands_within_the_limits_is_promoted(address, made, sources, load, capsys):
    run_promote(made[1], address, "--most-changed", "0.01")
    assert versions.aliases()["champion"] == made[1].version
    assert "classes changed" in versions.tags(made[1])["shadow"]
    assert "0 of" in versions.tags(made[1])["shadow"] and "is champion" in capsys.readouterr().out
    wait_until(lambda: health(address)["version"] == made[1].version)
    wait_until(lambda: nobody_stands(address))
    assert {one.status for one in load} == {200}
    check_answers(load, made, sources)
