"""A candidate that is asked by its name: by whoever names it, and never otherwise."""

import hashlib
import json
from functools import partial

import numpy as np
import pytest
from few_bands import few_bands, in_columns
from server import asked, server, wait_until
from test_promotion_under_load import promote, with_golden
from test_shadow import Play, Server, overheard, stands, steps
from toy_registry import toy_project, toy_version

from ojala.client import Client, ServiceError
from ojala.model import bundle
from ojala.model.predictor import Predictor
from pipelines.registry import shadow, versions
from serving.candidate import Overheard
from serving.edition import Edition
from serving.named import MOST_NAMED, NotStanding, TooMany
from serving.schemas import MAX_OF_CANDIDATE
from serving.standing import replied

KEYS = {"anyone": {}, "small": {"sources_per_request": 2}}
FAILING = "it ran out of memory"


class Named(Play):
    """A candidate that answers by name as the real one does, unless it is to fail."""

    fails = ""

    def ask(self, request):
        if isinstance(request, Overheard):
            return super().ask(request)
        self.heard.append(request)
        self.says.append((self.fails or replied(self, request),))


@pytest.fixture
def processes(tmp_path, monkeypatch):
    """Two processes, beside which a candidate stands."""
    made = Server(tmp_path, monkeypatch)
    monkeypatch.setattr("test_shadow.Play", Named)
    both = made.process(), made.process()
    yield made, *both
    for one in made.made:
        one.end()
        one.agreement.leave()


def version(candidate, wrong=""):
    if wrong:
        raise ValueError(wrong)
    return candidate.edition.version


def test_without_a_candidate_a_sentence_says_so(processes):
    _, one, _ = processes
    steps(one)
    with pytest.raises(NotStanding, match="no candidate stands beside the version that answers"):
        one.ask(version)


def test_nobody_answers_by_name_before_all_processes_have_the_candidate(processes):
    made, one, other = processes
    made.wanted = stands()
    steps(one)
    for each in (one, other):
        with pytest.raises(NotStanding, match="the candidate, version 2: being prepared"):
            each.ask(version)
    steps(one, other)
    for each in (one, other):
        said = each.ask(version)
        steps(each)
        assert said.result(0) == "2"


def test_who_asks_by_name_goes_first_and_counts_for_nothing(processes):
    made, one, other = processes
    made.wanted = stands()
    steps(one, other)
    overheard(one)
    overheard(one)
    said = one.ask(version)
    one.step()
    assert said.result(0) == "2" and one.told().requests == 0
    steps(one)
    assert (one.told().requests, one.told().dropped) == (2, 0)


def test_what_is_wrong_with_a_request_is_no_fault_of_the_candidate(processes):
    made, one, other = processes
    made.wanted = stands()
    steps(one, other)
    said = one.ask(partial(version, wrong="'Z_X' is not a token"))
    steps(one)
    with pytest.raises(ValueError, match="'Z_X' is not a token"):
        said.result(0)
    assert one.told().state == "compared"


def test_whoever_waits_is_told_where_the_candidate_fails(processes):
    made, one, other = processes
    made.wanted = stands()
    steps(one, other)
    made.plays[0].fails = FAILING
    first, second = one.ask(version), one.ask(version)
    steps(one)
    for said, told in ((first, FAILING), (second, "stands no longer")):
        with pytest.raises(NotStanding, match=told):
            said.result(0)
    for each in (one, other):
        with pytest.raises(NotStanding, match=f"refused: {FAILING}"):
            each.ask(version)


@pytest.mark.parametrize("how", ["taken away", "promoted", "another session", "the end"])
def test_whoever_waits_is_told_where_the_candidate_goes(processes, how):
    made, one, other = processes
    made.wanted = stands()
    steps(one, other)
    said = one.ask(version)
    if how == "promoted":
        one.agreement.answer_with(Edition(version="2", heads=(("ojala-head-x", "1"),)))
        assert "version 2: being prepared" in refusal(one)
        steps(one, other)
        assert "version 2: it is the champion" in refusal(one)
    elif how == "the end":
        one.end()
    else:
        made.says = []  # the next one is long in being prepared
        made.wanted = None if how == "taken away" else stands(session="tomorrow")
        steps(one, other)
        told = "no candidate stands" if how == "taken away" else "being prepared"
        assert told in refusal(one)
    with pytest.raises(NotStanding):
        said.result(0)


def refusal(process):
    with pytest.raises(NotStanding) as refused:
        process.ask(version)
    return str(refused.value)


def test_no_more_than_some_wait_and_who_went_away_is_not_answered(processes):
    made, one, other = processes
    made.wanted = stands()
    steps(one, other)
    waiting = [one.ask(version) for _ in range(MOST_NAMED)]
    with pytest.raises(TooMany, match=f"{MOST_NAMED} requests wait for the candidate"):
        one.ask(version)
    assert waiting[0].cancel()
    steps(one, times=MOST_NAMED + 1)
    assert [said.result(0) for said in waiting[1:]] == ["2"] * (MOST_NAMED - 1)
    assert len(made.plays[0].heard) == MOST_NAMED - 1


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with toy_project(tmp_path_factory.mktemp("project")) as place:
        entries = [
            f'[{name}]\nsha256 = "{hashlib.sha256(name.encode()).hexdigest()}"\n'
            + "".join(f"{limit} = {value}\n" for limit, value in limits.items())
            for name, limits in KEYS.items()
        ]
        (place / "keys.toml").write_text("\n".join(entries))
        yield place


@pytest.fixture(scope="module")
def made(project):
    found = [with_golden(toy_version(project / "v", seed)) for seed in range(2)]
    promote(found[0])
    return found


@pytest.fixture(scope="module")
def address(project, made):
    settings = {"OJALA_WORKERS": 2, "OJALA_FOLLOW_SECONDS": 0.1}
    known = {"OJALA_KEYS": project / "keys.toml", "OJALA_AUDIT": project / "audit"}
    with server(project / "log", key="anyone", **settings | known) as address:
        yield address


@pytest.fixture
def standing(address, made):
    """The second version stands in the shadow, in all processes."""
    with shadow._in_shadow(made[1], 1e-9):
        wait_until(lambda: (told(address)["shadow"] or {}).get("state") == "compared", 300)
        yield made[1]
    wait_until(lambda: told(address)["shadow"] is None)


def told(address):
    return ask(f"{address}/health", None)[1]


def ask(address, body, key="anyone"):
    return asked(address, body, Authorization=f"Bearer {key}")


def predictor(version):
    return Predictor(bundle.load(versions.fetch(version)))


def same(column, given):
    if column.dtype.kind == "O":
        assert given == [value or None for value in column]
    else:
        np.testing.assert_array_equal(np.array(given, dtype=np.float32), column)


@pytest.mark.slow
@pytest.mark.parametrize("queries", [None, ["SPECTYPE", "Z_GAL", "J0430"]])
def test_answers_are_those_of_the_candidates_bundle_to_the_last_bit(
    address, made, standing, queries
):
    sources = [*few_bands(5), {"MAG_i": None}]
    catalogue = in_columns(few_bands(5))
    catalogue = {name: np.append(values, np.nan) for name, values in catalogue.items()}
    plain = {} if queries is None else {"queries": queries}
    for which, more in ((made[1], {"model": "candidate"}), (made[0], {})):
        expected = predictor(which).predict(catalogue, queries)
        for _ in range(6):  # whichever process answers
            status, answer = ask(f"{address}/predict", {"sources": sources} | plain | more)
            assert status == 200
            assert answer["model"]["digest"] == which.digest
            assert answer["model"]["version"] == which.version
            for name, column in expected.items():
                same(column, [row[name] for row in answer["predictions"]])
    columns = {name: [*values[:-1].tolist(), None] for name, values in catalogue.items()}
    body = {"columns": columns, "model": "candidate"} | plain
    status, answer = ask(f"{address}/predict_columns", body)
    assert status == 200 and answer["model"]["version"] == standing.version
    for name, column in predictor(standing).predict(catalogue, queries).items():
        same(column, answer["columns"][name])
    assert told(address)["shadow"]["requests"] == 0


@pytest.mark.slow
def test_a_client_asks_for_it_in_chunks_of_which_each_is_small_enough(address, standing):
    catalogue = in_columns(few_bands(MAX_OF_CANDIDATE + 40))
    expected = predictor(standing).predict(catalogue, ["Z_GAL"])
    with Client(address, key="anyone", chunk=10_000) as ojala:
        answers = ojala.predict(catalogue, ["Z_GAL"], model="candidate")
        assert answers.meta["model"]["version"] == standing.version
        same(expected["Z_GAL"], answers["Z_GAL"].filled(np.nan))
        with pytest.raises(ServiceError, match="model") as refused:
            ojala.predict(catalogue, model="champoin")
    assert refused.value.status == 400


@pytest.mark.slow
def test_its_redshifts_are_those_of_its_bundle(address, made, standing, sources):
    for which, more in ((made[1], {"model": "candidate"}), (made[0], {})):
        expected = predictor(which).redshifts(in_columns(sources))
        status, answer = ask(f"{address}/redshifts", {"sources": sources} | more)
        assert status == 200 and answer["model"]["digest"] == which.digest
        for token, pdf in expected.items():
            assert answer["edges"][token] == np.expm1(pdf.edges).tolist()
            given = [row[token] for row in answer["probabilities"]]
            np.testing.assert_array_equal(given, pdf.probability.tolist())


@pytest.mark.slow
def test_it_is_refused_limited_and_logged_as_any_request(address, standing, project, sources):
    document = asked(f"{address}/docs.json")[1]
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    (example,) = content["schema"]["properties"]["model"]["examples"]
    body = content["example"] | {"model": example}
    assert ask(f"{address}/predict", body)[1]["model"]["version"] == standing.version
    named = {"sources": sources, "model": example}
    for more, status, wrong in (
        ({"queries": ["Z_X"]}, 400, "Z_X"),
        ({"model": "champoin"}, 400, "model"),
        ({"sources": sources * MAX_OF_CANDIDATE}, 413, f"for {MAX_OF_CANDIDATE} at most"),
    ):
        given, answer = ask(f"{address}/predict", named | more)
        assert given == status and wrong in answer["error"]
    assert ask(f"{address}/embed", named)[0] == 400
    assert ask(f"{address}/predict", named, key="small")[0] == 413
    assert ask(f"{address}/predict", named, key="nobody")[0] == 401
    ask(f"{address}/redshifts", named)
    lines = [json.loads(line) for line in (project / "audit").read_text().splitlines()]
    last = {"key": "anyone", "path": "/redshifts", "status": 200, "sources": len(sources)}
    assert last.items() <= lines[-1].items()


@pytest.mark.slow
def test_whoever_asks_for_it_when_none_stands_is_told_and_who_was_promoted_stands_no_longer(
    address, made, sources
):
    named = {"sources": sources, "model": "candidate"}
    for path in ("predict", "redshifts"):
        status, answer = ask(f"{address}/{path}", named)
        assert status == 409 and answer["error"].startswith("no candidate stands beside")
    with shadow._in_shadow(made[1], 1e-9):
        wait_until(lambda: ask(f"{address}/predict", named)[0] == 200, 300)
        promote(made[1])
        wait_until(lambda: told(address)["version"] == made[1].version)
        wait_until(lambda: "it is the champion" in str(ask(f"{address}/predict", named)))
        assert ask(f"{address}/predict", named)[0] == 409
        assert ask(f"{address}/predict", {"sources": sources})[0] == 200
    wait_until(lambda: "no candidate stands" in str(ask(f"{address}/predict", named)))
