"""What is counted is what was asked and answered; rules and dashboards ask for what there is."""

import json
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from asked_service import asked_service
from ruamel.yaml import YAML
from toy_heads import toy_bundle

from ojala.model.shown import NO_I
from pipelines import watched
from serving import metrics

INFRA = Path(__file__).parents[2] / "infra"
RULES = INFRA / "prometheus" / "ojala_rules.yaml"
DASHBOARDS = sorted((INFRA / "grafana").glob("*.json"))
PROMTOOL = shutil.which("promtool")
OF_OTHERS = {"up", "bentoml_service_request_total"}
"""Metrics of Prometheus itself and of BentoML."""
RAYS = (
    Path(find_spec("ray").origin).parent
    / "dashboard/modules/metrics/dashboards/default_dashboard_panels.py"
)
"""Where Ray asks for its own metrics."""


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with asked_service(OJALA_BUNDLE=toy_bundle(tmp_path_factory.mktemp("m") / "ojala")) as client:
        yield client


def samples():
    """Every sample of the service's own metrics."""
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for collector in vars(metrics).values()
        if hasattr(collector, "collect")
        for family in collector.collect()
        for sample in family.samples
    }


def counted(client, asked):
    """What a request adds to the counters."""
    before = samples()
    answer = client.post("/predict", json=asked)
    assert answer.status_code == 200
    added = {name: value - before.get(name, 0) for name, value in samples().items()}
    return answer.json()["predictions"], {name: value for name, value in added.items() if value}


def test_a_request_is_counted_by_what_it_was(client):
    sources = [{"MAG_i": 18.9, "J0500": 1.0}, {"MAG_i": 20.0}, {"MAG_i": None, "J0500": 0.8}]
    rows, added = counted(client, {"sources": sources})
    classes = [row["CLASS"] for row in rows[:2]]
    for name in set(classes):
        key = ("ojala_sources_total", ("spectype", name), ("version", "unregistered"))
        assert added[key] == classes.count(name)
    assert added[("ojala_sources_unanswered_total", ("reason", NO_I))] == 1
    assert added[("ojala_sources_per_request_sum",)] == 3
    assert added[("ojala_sources_per_request_count",)] == 1
    assert added[("ojala_prediction_seconds_count",)] == 1
    assert added[("ojala_band_missing_total", ("band", "J0500"))] == 1
    assert added[("ojala_band_missing_total", ("band", "J0378"))] == 2
    assert ("ojala_band_missing_total", ("band", "MAG_i")) not in added


def test_stated_errors_are_counted_in_their_bins(client):
    rows, added = counted(client, {"sources": [{"MAG_i": 18.0 + n / 4} for n in range(9)]})
    edges = [*metrics.ERROR_EDGES, np.inf]
    for quantity in ("Z_GAL", "LOGM", "TEFF"):
        if f"{quantity}_ERR" not in rows[0]:
            continue
        errors = np.array([row[f"{quantity}_ERR"] for row in rows])
        expected = {
            "+Inf" if up_to == np.inf else str(up_to): np.sum((errors > low) & (errors <= up_to))
            for low, up_to in zip([-np.inf, *edges], edges, strict=False)
        }
        found = {
            dict(name[1:])["up_to"]: value
            for name, value in added.items()
            if name[0] == "ojala_stated_errors_total" and ("quantity", quantity) in name
        }
        assert found == {name: number for name, number in expected.items() if number}
        assert sum(found.values()) == 9


def test_only_what_was_asked_is_counted(client):
    asked = {"sources": [{"MAG_i": 19.0}], "queries": ["Z_GAL"]}
    _, added = counted(client, asked)
    quantities = {dict(n[1:]).get("quantity") for n in added if n[0].startswith("ojala_stated")}
    assert quantities == {"Z_GAL"} and not [n for n in added if n[0] == "ojala_sources_total"]


def names_asked(expression):
    """Metrics that an expression of PromQL asks for."""
    bare = re.sub(r'\{[^}]*\}|"[^"]*"|\b(by|on|group_left|without)\s*\([^)]*\)', " ", expression)
    return {name for name in re.findall(r"[a-zA-Z_:][\w:]*", bare) if re.search("[_:]|^up$", name)}


def recorded():
    groups = YAML(typ="safe").load(RULES)["groups"]
    return {
        rule["record"]: rule["expr"]
        for group in groups
        for rule in group["rules"][:]
        if "record" in rule
    }


def expressions():
    groups = YAML(typ="safe").load(RULES)["groups"]
    for group in groups:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.name}: {panel['title']}", target["expr"]


def exported():
    """Names of the samples that the service and jobs export."""
    families = [
        family
        for collector in vars(metrics).values()
        if hasattr(collector, "collect")
        for family in collector.collect()
    ]
    families += watched.METRICS.collect()
    suffixes = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
    return {family.name + end for family in families for end in suffixes[family.type]}


@pytest.mark.parametrize(("where", "expression"), list(expressions()))
def test_rules_and_dashboards_ask_for_metrics_that_there_are(where, expression):
    functions = {"histogram_quantile"}
    asked = names_asked(expression) - functions
    of_ray = set(re.findall(r"ray_\w+", RAYS.read_text()))
    assert asked, f"{where} asks for nothing"
    assert asked <= exported() | OF_OTHERS | of_ray | set(recorded()), where


def test_every_metric_of_service_and_jobs_is_in_a_dashboard_or_a_rule():
    asked = set().union(*(names_asked(expression) for _, expression in expressions()))
    families = {re.sub("_(total|bucket|sum|count)$", "", name) for name in asked}
    own = {re.sub("_(total|bucket|sum|count)$", "", name) for name in exported()}
    assert own - families <= {"ojala_switches_refused"}, "ojala_version_refused says it as well"


def test_panels_do_not_lie_on_each_other():
    for path in DASHBOARDS:
        panels = json.loads(path.read_text())["panels"]
        places = [(one["gridPos"]["x"], one["gridPos"]["y"]) for one in panels]
        assert len(set(places)) == len(panels) == len({one["id"] for one in panels})


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool, of Debian's package prometheus")
@pytest.mark.parametrize("asked", [("check", RULES), ("test", RULES.with_name("ojala_tests.yaml"))])
def test_promtool_finds_the_rules_right(asked):
    what, path = asked
    done = subprocess.run([PROMTOOL, what, "rules", path], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
