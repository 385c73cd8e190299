"""The space of a search: what it may hold, and what a point of it makes of the section train."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ojala.training.batch import MaskingConfig
from ojala.training.config import TrainConfig
from pipelines import params, paths
from pipelines.cluster import space
from pipelines.cluster.search import Trial
from pipelines.tune import chosen

ROOT = Path(__file__).parents[3]
BASE = TrainConfig(preset="demo", masking=MaskingConfig(num_targets=7))


def between(low, high, log=False):
    return space.Range(low=float(low), high=float(high), log=log)


def test_a_point_changes_what_it_names_and_nothing_else():
    point = {"learning_rate": 0.00123456, "masking.num_targets": 9, "adaptation.mmd_weight": 0.5}
    found = space.settled(BASE, point)
    assert found.learning_rate == 0.001235
    assert found.masking == replace(BASE.masking, num_targets=9)
    assert found.adaptation == replace(BASE.adaptation, mmd_weight=0.5)
    assert (
        replace(
            found,
            learning_rate=BASE.learning_rate,
            masking=BASE.masking,
            adaptation=BASE.adaptation,
        )
        == BASE
    )


def test_the_section_that_is_written_is_the_section_that_is_read(tmp_path):
    found = space.settled(BASE, {"learning_rate": 3e-4})
    YAML().dump(space.section(found), tmp_path / "best.yaml")
    assert params.section("train", TrainConfig, tmp_path / "best.yaml") == found


def test_the_section_as_it_stands_is_a_point():
    ranges = {"masking.num_targets": between(5, 20), "adaptation.mmd_weight": between(0.1, 1)}
    assert space.standing(BASE, ranges) == {"masking.num_targets": 7, "adaptation.mmd_weight": 0.2}
    assert space.holds(ranges, space.standing(BASE, ranges))
    assert not space.holds({"masking.num_targets": between(8, 20)}, {"masking.num_targets": 7})


@pytest.mark.parametrize(
    ("ranges", "sentence"),
    [
        ({"learning_rate": between(-1, 1)}, "train.learning_rate is -1"),
        ({"masking.num_targets": between(1.5, 4)}, "num_targets: expected whole numbers"),
        ({"masking.min_context": between(0, 4)}, "masking.min_context is 0, expected 1 or more"),
        (
            {"masking.keep_min_frac": between(0, 0.7), "masking.keep_max_frac": between(0.6, 1)},
            "expected 0 <= keep_min_frac <= keep_max_frac <= 1",
        ),
    ],
)
def test_a_space_with_points_that_are_no_training_is_refused(ranges, sentence):
    with pytest.raises(ValueError, match=sentence):
        space.check(BASE, ranges)


def test_adaptation_cannot_be_searched_where_there_is_none():
    with pytest.raises(ValueError, match="mmd_weight is searched, but"):
        space.check(replace(BASE, adaptation=None), {"adaptation.mmd_weight": between(0.1, 1)})


@pytest.mark.parametrize("limits", [(1, 1, False), (2, 1, False), (0, 1, True)])
def test_a_range_rises_and_has_a_logarithm(limits):
    with pytest.raises(ValueError, match="is not a rising range"):
        between(*limits)


@pytest.mark.parametrize("name", ["params.yaml", "params.production.yaml"])
def test_the_spaces_of_the_project_hold_its_own_settings(name):
    base = params.section("train", TrainConfig, ROOT / name)
    ranges = params.section("tune", space.SearchConfig, ROOT / name).space.ranges()
    space.check(base, ranges)
    assert space.holds(ranges, space.standing(base, ranges))


def trial(number, epochs, value, state="finished"):
    return Trial(
        name=str(number),
        point={},
        report={"objective": value} if value is not None else {},
        epochs=epochs,
        seconds=1.0,
        state=state,
        reason="a reason",
    )


def test_the_best_is_among_those_that_trained_longest():
    trials = [trial(1, 8, 0.3), trial(2, 2, 0.1, "stopped"), trial(3, 8, 0.2)]
    assert chosen(trials).name == "3"
    assert chosen([*trials, trial(4, 8, None, "failed")]).name == "3"
    with pytest.raises(ValueError, match="every one of the 1 trials failed; the first: a reason"):
        chosen([trial(1, 0, None, "failed")])


def test_the_test_sets_are_no_input_of_a_search():
    stage = YAML(typ="safe").load(ROOT / "search/dvc.yaml")["stages"]["tune"]
    read = [dep for dep in stage["deps"] if dep.startswith("data/")]
    validation = [str(path) for path in paths.VALIDATION.values()]
    assert sorted(read) == sorted([*validation, "data/jpas", "data/weights"])
    for name in ("tune", "judge", "search", "trials", "space", "learning", "paths"):
        text = (ROOT / f"pipelines/{name}.py").read_text()
        assert "test_real" not in text and "test_synth" not in text, name


@pytest.mark.parametrize("source", ["params.yaml", "reports/tune/best.yaml"])
def test_a_search_is_upstream_of_the_training_that_takes_its_result_and_of_no_other(
    source, tmp_path
):
    for folder in ("search", ".dvc"):
        (tmp_path / folder).mkdir()
    for file in ("dvc.yaml", "search/dvc.yaml", ".dvc/config", ".dvcignore"):
        shutil.copy(ROOT / file, tmp_path / file)
    (tmp_path / ".dvc/config.local").write_text("[core]\n    no_scm = true\n")
    yaml = YAML()
    content = yaml.load(ROOT / "params.yaml")
    content["settings"]["train"] = source
    yaml.dump(content, tmp_path / "params.yaml")
    command = [sys.executable, "-m", "dvc", "dag", "--dot", "train"]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert '"weights" -> "train"' in said.stdout, said.stderr
    assert ('"search/dvc.yaml:tune" -> "train"' in said.stdout) == (source != "params.yaml")
    assert ("tune" in said.stdout) == (source != "params.yaml")
