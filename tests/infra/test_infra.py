"""Every file below infra/ passes its check, and fails it with a mistake planted in a copy."""

import hashlib
import os
import shutil
import stat
import subprocess

import infra_checks as checks
import pytest
from infra_checks import ROOT

from serving.access import read_keys

INFRA = ROOT / "infra"
CHECKS = {
    "compose/compose.yaml": checks.compose,
    "compose/prometheus.yaml": checks.prometheus,
    "compose/alertmanager.yaml": checks.alertmanager,
    "compose/proxy.yaml": checks.proxy,
    "compose/grafana/*.yaml": checks.provisioning,
    "compose/make_secrets": checks.script,
    "build_image": checks.script,
    "in_project": checks.script,
    "with_secrets": checks.script,
    "stack.env": checks.environment,
    "prometheus/*_tests.yaml": checks.rule_tests,
    "prometheus/*.yaml": checks.rules,
    "grafana/*.json": checks.dashboard,
}
PLANTED = {
    "compose/compose.yaml": [
        ("healthcheck:", "healthchek:"),
        ("condition: service_healthy", "condition: service_well"),
        ("${POSTGRES_USER}", "${POSTGRESS_USER}"),
        ("source: mlflow_user", "source: mlflow_usr"),
        ("./proxy.yaml:", "./proxies.yaml:"),
        ("postgres:15-bookworm", "postgres:latest"),
        ("ojala-serve:latest", "ojala-served:latest"),
        ("/run/secrets/postgres_password", "hunter2"),
        ("./secrets/tls_key", "./tls_key"),
        ("    secrets: [alert_webhook]\n", '    secrets: [alert_webhook]\n    ports: ["9093"]\n'),
    ],
    "compose/prometheus.yaml": [("scrape_interval: 15s", "scrape_interval: often")],
    "compose/alertmanager.yaml": [("receiver: webhook", "receiver: hook")],
    "compose/proxy.yaml": [("service: mlflow", "service: flow"), ("[body, rate]", "[body, rat]")],
    "compose/grafana/datasources.yaml": [("type: prometheus", "typ: prometheus")],
    "compose/grafana/dashboards.yaml": [("apiVersion: 1", "apiVersion: 2")],
    "compose/make_secrets": [("if !", "fi !")],
    "build_image": [("case $BUILDER in", "case $BUILDER")],
    "in_project": [("; do", ";")],
    "with_secrets": [("; do", ";")],
    "prometheus/ojala_rules.yaml": [("expr:", "exp:")],
    "prometheus/ojala_tests.yaml": [("eval_time: 2h", "eval_time: 2 hours")],
    "grafana/service.json": [('"panels"', '"panel"')],
    "grafana/drift.json": [('"panels"', '"panel"')],
    "grafana/jobs.json": [('"panels"', '"panel"')],
    "grafana/registry.json": [('"title"', '"titel"')],
    "stack.env": [("S3_PORT=8333", "S3_PORT=many"), ("S3_PORT=8333", "S3_PORT=5000")],
}


def files():
    known = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "infra"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    ).stdout.splitlines()
    found = [ROOT / name for name in known] or [one for one in INFRA.rglob("*") if one.is_file()]
    return sorted(str(one.relative_to(INFRA)) for one in found if one.is_file())


def check_of(name):
    """How a file is checked; those of Kubernetes together, as they are rendered."""
    if name.startswith("kubernetes/"):
        return None
    return next((how for pattern, how in CHECKS.items() if (INFRA / name).match(pattern)), None)


def test_every_file_has_a_check():
    unchecked = [
        name for name in files() if not name.startswith("kubernetes/") and not check_of(name)
    ]
    assert not unchecked


def test_every_file_has_a_planted_mistake():
    assert {name for name in files() if not name.startswith("kubernetes/")} == set(PLANTED)


@pytest.mark.parametrize("name", [name for name in files() if check_of(name)])
def test_a_file_passes_its_check(name):
    assert check_of(name)(INFRA / name) == ""


@pytest.mark.parametrize(
    ("name", "was", "becomes"), [(name, *pair) for name in PLANTED for pair in PLANTED[name]]
)
def test_a_planted_mistake_is_found(tmp_path, name, was, becomes):
    text = (INFRA / name).read_text()
    assert was in text
    copy = tmp_path / os.path.basename(name)
    copy.write_text(text.replace(was, becomes))
    copy.chmod((INFRA / name).stat().st_mode)
    assert check_of(name)(copy) != ""


@pytest.fixture
def secrets(tmp_path):
    """The secrets of the stack, made in a copy."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    script = shutil.copy(INFRA / "compose" / "make_secrets", tmp_path)
    subprocess.run([script, "sky.example"], check=True)
    return tmp_path / "secrets"


def test_every_secret_is_made_once_and_for_its_owner_alone(secrets):
    stack = checks.read(INFRA / "compose" / "compose.yaml")
    assert {one.name for one in secrets.iterdir()} == set(stack["secrets"])
    assert stat.S_IMODE(secrets.stat().st_mode) == 0o700
    before = {one.name: one.read_text() for one in secrets.iterdir()}
    assert len(before["postgres_password"]) == 48 and before["s3_key"] != before["s3_secret"]
    assert before["mlflow_password"] in before["mlflow_auth"]
    (key,) = read_keys(secrets / "service_keys")
    assert key == hashlib.sha256(before["service_key"].encode()).hexdigest()
    subprocess.run([secrets.parent / "make_secrets", "sky.example"], check=True)
    assert {one.name: one.read_text() for one in secrets.iterdir()} == before


def test_no_secret_is_followed_by_git():
    ignored = ["git", "check-ignore", "--quiet", "infra/compose/secrets/postgres_password"]
    if not (ROOT / ".git").exists():
        pytest.skip("needs git's own directory")
    assert subprocess.run(ignored, cwd=ROOT).returncode == 0


def test_secrets_become_the_environment_and_the_command_takes_the_place(tmp_path):
    (tmp_path / "PGPASSWORD").write_text("it's $HOME\n")
    said = subprocess.check_output(
        [INFRA / "with_secrets", "sh", "-c", 'printf "%s|%s" "$PGPASSWORD" "$1"', "sh", "a b"],
        env={"PATH": os.environ["PATH"], "SECRETS": str(tmp_path)},
        text=True,
    )
    assert said == "it's $HOME|a b"
