"""The gate for real: a registry in sqlite, bundles on disk, processes that die and that race."""

import os
import shutil
import signal
import subprocess
import sys
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file
from toy_model import PATCHED, SIZES
from toy_registry import (
    LENIENT,
    emptied,
    standing,
    toy_params,
    toy_project,
    toy_registered_head,
    toy_test_set,
    toy_version,
)

from ojala.gate import golden, inspection
from ojala.gate.config import PromoteConfig
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import columns_of, read_table
from pipelines import params
from pipelines.registry import aliases, heads, promote, rollback, tracking, versions

ROOT = Path(__file__).parents[3]
TENSOR = "heads.spectype.weight"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with a test set and a database, which every test finds without models."""
    with toy_project(tmp_path_factory.mktemp("project"), OJALA_USER="astronomer") as path:
        toy_test_set("data/crossmatch/test_real.parquet")
        tracking.experiment()
        yield path


@pytest.fixture(autouse=True)
def empty(project):
    emptied()
    toy_params()
    shutil.rmtree("versions", ignore_errors=True)


@pytest.fixture
def here(monkeypatch):
    """Inspections in this process: quicker, where how they are made is not the matter."""

    def inspected_here(directory, *, timeout, **asked):
        out = Path("inspected")
        out.mkdir(exist_ok=True)
        inspection.inspect(directory, out=out, **asked)
        return inspection.read(out)

    monkeypatch.setattr(promote, "inspected", inspected_here)


def asked(version="candidate", reason="", force=False):
    promote.main(Namespace(version=version, reason=reason, force=force, shadow=False))


def champion(version):
    """A version under the alias, without the gate."""
    tracking.client().set_registered_model_alias("ojala", "champion", version.version)
    return version


def test_a_first_model_must_reach_the_floors_and_then_is_champion(capsys, here):
    version = toy_version("versions", favoured="QSO")
    toy_params(floors={"GALAXY/f1": 0.5})
    with pytest.raises(ValueError, match=r"version 1 is refused: GALAXY F1 0, asked is 0\.5"):
        asked()
    assert standing() == (None, None)
    assert versions.tags(version)["gate"] == "refused"

    toy_params(floors={"QSO/f1": 0.3})
    asked(reason="the first")
    assert standing() == ("1", None)
    notes = versions.tags(version)
    assert notes["promoted_by"] == "astronomer" and notes["promoted_reason"] == "the first"
    assert notes["promoted_over"] == "no champion" and notes["gate"] == "passed"
    run = tracking.client().get_run(notes["gate_run"])
    assert run.data.tags["champion_now"] == "1" and run.data.metrics["candidate.QSO/f1"] == 0.5
    capsys.readouterr()

    asked()
    assert "ojala version 1 is champion already, nothing is done" in capsys.readouterr().out
    assert versions.tags(version) == notes


@pytest.mark.parametrize(("old", "new"), [(SIZES, PATCHED), (PATCHED, SIZES)])
def test_gaussian_redshifts_and_distributions_are_compared_with_one_another(here, old, new):
    """A bundle of a band per token beside one of patches and p(z), either way round."""
    toy_params(margins=LENIENT)
    first = champion(toy_version("versions", favoured="QSO", sizes=old))
    second = toy_version("versions", favoured="QSO", sizes=new, seed=1)
    found = promote.judged(second, first, params.section("promote", PromoteConfig))
    for measure in ("sigma_nmad", "outlier_fraction", "crps", "coverage_68"):
        rows = [row for row in found.rows if row.measure == measure and "/z" in row.subject]
        assert rows, sorted({(row.subject, row.measure) for row in found.rows})
        assert all(np.isfinite([row.candidate, row.champion]).all() for row in rows)
    asked()
    assert standing() == ("2", "1")


def test_worse_for_quasars_is_refused_and_force_needs_a_reason(here):
    first = champion(toy_version("versions", favoured="QSO"))
    second = toy_version("versions", favoured="GALAXY")
    with pytest.raises(ValueError, match="is refused: QSO completeness 0, champion 1"):
        asked()
    assert standing() == ("1", None)
    page = Path("reports/promotion.md").read_text()
    assert page.startswith("# Promotion of ojala version 2: refused")
    where = page.split("## What refuses it")[1].split("##")[0]
    assert "| QSO | F1 |" in where and "GALAXY" not in where

    with pytest.raises(ValueError, match="--force needs --reason"):
        asked(force=True, reason=" ")
    asked(force=True, reason="galaxies are all we want")
    assert standing() == ("2", "1")
    notes = versions.tags(second)
    assert notes["gate"] == "forced" and notes["promoted_reason"] == "galaxies are all we want"
    assert notes["promoted_over"] == f"version 1, digest {first.digest}"
    assert "champion by force" in Path("reports/promotion.md").read_text()
    files = [one.path for one in tracking.client().list_artifacts(notes["gate_run"])]
    assert files == ["promotion", "promotion.json"]


def truncated(weights):
    weights.write_bytes(weights.read_bytes()[:-64])


def with_nan(weights):
    tensors = load_file(weights)
    tensors[TENSOR][0, 0] = float("nan")
    save_file(tensors, weights)


def without_tensor(weights):
    save_file({n: t for n, t in load_file(weights).items() if n != TENSOR}, weights)


def other_weights(weights):
    save_file({n: t + 1e-3 if n == TENSOR else t for n, t in load_file(weights).items()}, weights)


def other_vocabulary(weights):
    table = weights.parent / "quantities.ecsv"
    table.write_text(table.read_text().replace("Z_GAL", "Z_GALAXY"))


def gone(weights):
    shutil.rmtree(weights.parent)


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (truncated, "not readable tensors"),
        (with_nan, f"tensor {TENSOR} holds values that are not finite"),
        (without_tensor, f"tensor {TENSOR} is missing"),
        (other_weights, "the bundle's digest is .*, its version says"),
        (other_vocabulary, "another vocabulary, token"),
        (gone, "no such directory|cannot be fetched"),
    ],
)
def test_a_broken_bundle_is_refused_before_any_comparison(fault, sentence, monkeypatch):
    champion(toy_version("versions", favoured="QSO"))
    broken = toy_version("versions", favoured="GALAXY")
    fault(Path("versions/GALAXY0/artifacts/ojala/weights.safetensors"))
    monkeypatch.setattr(promote.gate, "verdict", lambda *_: pytest.fail("it was compared"))
    with pytest.raises(ValueError, match=f"version 2 is broken: .*({sentence})") as raised:
        asked(force=True, reason="in spite of all")
    assert "\n" not in str(raised.value) and "Traceback" not in str(raised.value)
    assert standing() == ("1", None)
    assert versions.tags(broken)["gate"] == "broken"
    assert "Promotion of ojala version 2: broken" in Path("reports/promotion.md").read_text()


def test_golden_objects_answered_otherwise_are_a_broken_bundle():
    version = toy_version("versions", favoured="QSO")
    place = Path("versions/QSO0/artifacts")
    table = read_table("data/crossmatch/test_real.parquet").slice(0, 5)
    objects = {name: columns_of(table)[name] for name in ("MAG_i", "J0500")}
    answers = Predictor(bundle.load(place / "ojala")).predict(objects)
    golden.write(place / golden.GOLDEN, objects, answers)
    asked()
    assert standing() == (version.version, None)
    assert "5 answered as at registration" in Path("reports/promotion.md").read_text()

    toy_version("versions", favoured="STAR", seed=1)
    shutil.copy(place / golden.GOLDEN, "versions/STAR1/artifacts")
    with pytest.raises(ValueError, match=r"is broken: golden object 0: .* at registration"):
        asked()


def test_a_bundle_that_hangs_is_broken():
    toy_version("versions")
    toy_params(timeout=0.5)
    with pytest.raises(ValueError, match=r"is broken: the bundle did not answer within 0\.5"):
        asked()


def started(version):
    """A promotion in a process of its own that has begun: it holds the lock."""
    lock = Path("mlflow.db.promotion.lock")
    lock.unlink(missing_ok=True)
    gate = command(version)
    while not (lock.exists() and lock.read_text()):
        assert gate.poll() is None and not time.sleep(0.01)
    return gate


PROMOTE = "import sys; from ojala.cli import main; sys.exit(main(['promote', sys.argv[1]]))"

# The gate judges, and its verdict is kept back for as long as the file `held` is there.
HELD_IN_ITS_GATE = f"""
import time
from pathlib import Path
from pipelines.registry import promote
judged, held = promote.judged, Path("held")
def judged_and_held(*asked):
    verdict = judged(*asked)
    held.touch()
    while held.exists():
        time.sleep(0.01)
    return verdict
promote.judged = judged_and_held
{PROMOTE}
"""


def command(version, code=PROMOTE):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", code, version],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_gate_that_is_killed_leaves_the_aliases_as_they_were():
    champion(toy_version("versions", favoured="QSO"))
    toy_version("versions", favoured="QSO", seed=1)
    gate = started("2")
    os.kill(gate.pid, signal.SIGKILL)
    gate.communicate()
    assert standing() == ("1", None)
    with aliases.alone():
        assert aliases.recover() is None


def test_of_two_promotions_at_once_one_wins_and_a_rollback_does_not_wait():
    """The first is held in its gate, whatever else the machine does."""
    for seed in range(3):
        toy_version("versions", favoured="QSO", seed=seed)
    for alias, version in (("previous", "1"), ("champion", "2")):
        tracking.client().set_registered_model_alias("ojala", alias, version)
    toy_params(margins=LENIENT)
    first = command("3", code=HELD_IN_ITS_GATE)
    try:
        while not Path("held").exists():
            assert first.poll() is None and not time.sleep(0.01)
        with pytest.raises(ValueError, match=r"another promotion .* under way: astronomer, proc"):
            asked()
        rollback.main(Namespace(reason="at once"))
        assert standing() == ("1", None)
    finally:
        Path("held").unlink(missing_ok=True)
    _, said = first.communicate()
    assert first.returncode and "the champion is version 1 by now, it was 2" in said, said
    assert standing() == ("1", None)


def test_a_champion_that_is_broken_can_be_replaced_by_force(here):
    champion(toy_version("versions", favoured="QSO"))
    toy_version("versions", favoured="QSO", seed=1)
    truncated(Path("versions/QSO0/artifacts/ojala/weights.safetensors"))
    with pytest.raises(ValueError, match="refused: the champion, ojala version 1, cannot be comp"):
        asked()
    asked(force=True, reason="it is broken")
    assert standing() == ("2", "1")


def test_heads_follow_their_base_and_come_back_with_it(capsys, here):
    toy_version("versions", favoured="QSO")
    asked()
    base = versions.named("champion")
    mass, spin = (toy_registered_head(name, base) for name in ("bh-mass", "spin"))
    capsys.readouterr()
    asked()
    assert "head bh-mass, version 1: ready" in capsys.readouterr().out
    assert versions.aliases(mass.name)["champion"] == "1"

    anew = toy_version("versions", favoured="QSO", seed=1)
    newer = toy_registered_head("spin", anew)
    asked(force=True, reason="a test")
    assert (
        "head bh-mass, version 1: retrain needed: its base is version 1" in capsys.readouterr().out
    )
    assert versions.tags(mass)["state"] == "retrain needed: its base is version 1, not 2"
    assert "champion" not in versions.aliases(mass.name)
    assert versions.aliases(spin.name)["champion"] == newer.version
    heads.main(Namespace(registered=True))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3 and sum("retrain needed" in line for line in lines) == 2

    rollback.main(Namespace(reason="no"))
    assert versions.aliases(mass.name)["champion"] == "1"
    assert versions.aliases(spin.name)["champion"] == spin.version
    assert versions.tags(newer)["state"].startswith("waiting: its base, version 2")


def test_what_was_rolled_back_does_not_come_back_by_itself(here):
    toy_version("versions", favoured="QSO")
    asked()
    toy_version("versions", favoured="QSO", seed=1)
    asked(force=True, reason="a test")
    rollback.main(Namespace(reason="quasars are off"))
    assert standing() == ("1", None)
    with pytest.raises(ValueError, match=r"version 2 was rolled back at .* \(quasars are off\)"):
        asked()
    asked(force=True, reason="they were not")
    assert standing() == ("2", "1")
    assert "rolled_back_at" not in versions.tags(versions.get("ojala", "2"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("7", "no version 7 of ojala; aliases: candidate = 1"),
        ("ojala@best", "no version best of ojala"),
        ("ojala-head-spin/1", "ojala-head-spin is a head: it follows its base"),
    ],
)
def test_what_cannot_be_promoted_is_one_sentence(words, sentence):
    toy_registered_head("spin", toy_version("versions"))
    with pytest.raises(ValueError, match=sentence):
        asked(words)


def test_without_a_model_or_a_test_set_it_is_said_what_makes_one():
    with pytest.raises(ValueError, match="no model is registered"):
        asked()
    toy_version("versions")
    hidden = Path("data/crossmatch/test_real.parquet").rename("hidden.parquet")
    try:
        with pytest.raises(ValueError, match="no test set to compare on"):
            asked()
    finally:
        hidden.rename("data/crossmatch/test_real.parquet")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--share", "0"], "--share is 0.0, expected a share above 0"),
        (["--share", "1.5"], "--share is 1.5"),
        (["--shadow-timeout", "-1"], "--shadow-timeout is -1.0, expected seconds above 0"),
        (["--shadow-sources", "0"], "0 sources to compare"),
        (["--most-far", "3"], "a share of 3.0 for far"),
    ],
)
def test_a_trial_in_the_shadow_that_is_none_is_refused_before_anything(words, told):
    parser = ArgumentParser()
    promote.add_arguments(parser)
    with pytest.raises(ValueError, match=told):
        promote.main(parser.parse_args(["--shadow", *words]))


def test_a_first_champion_has_nobody_to_stand_beside(here):
    toy_params(margins=LENIENT)
    candidate = toy_version("versions")
    parser = ArgumentParser()
    promote.add_arguments(parser)
    with pytest.raises(ValueError, match="no champion whose shadow to stand in"):
        promote.main(parser.parse_args(["--shadow"]))
    assert standing() == (None, None) and versions.named("candidate") == candidate
