"""The public CI is whole, and calls what there is: targets of make, and lists of packages."""

import re

import pytest
from infra_checks import ROOT, read, told

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yaml"
SCHEMA = ["check-jsonschema", "--builtin-schema", "vendor.github-workflows"]
PLANTED = [("runs-on:", "run-on:"), ("steps:", "step:"), ("contents: read", "contents: all")]


def commands():
    for job in read(WORKFLOW)["jobs"].values():
        yield from (step["run"] for step in job["steps"] if "run" in step)


def test_the_workflow_is_whole():
    assert told(*SCHEMA, str(WORKFLOW)) == ""


@pytest.mark.parametrize(("was", "becomes"), PLANTED)
def test_a_planted_mistake_is_found(tmp_path, was, becomes):
    text = WORKFLOW.read_text()
    assert was in text
    (tmp_path / "ci.yaml").write_text(text.replace(was, becomes))
    assert told(*SCHEMA, str(tmp_path / "ci.yaml")) != ""


def test_its_targets_are_those_of_the_makefile():
    targets = set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {name for one in commands() for name in re.findall(r"\bmake ([a-z-]+)", one)}
    assert {"test", "audit", "repro", "test-images"} <= called <= targets
