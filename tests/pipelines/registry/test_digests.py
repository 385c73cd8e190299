"""The commit of a run; a clone that git refuses is not one without git."""

import subprocess

import pytest

from pipelines.registry import digests, lineage

OWN = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]


@pytest.fixture
def clone(tmp_path, monkeypatch):
    place = tmp_path / "a clone"
    place.mkdir()
    monkeypatch.chdir(place)
    monkeypatch.delenv("OJALA_GIT_COMMIT", raising=False)
    for words in (["init", "--quiet"], [*OWN, "commit", "--quiet", "--allow-empty", "-m", "one"]):
        subprocess.run(["git", *words], check=True)
    return place


def recipe(commit):
    return lineage.Recipe(commit=commit, stage="train", data={}, outs=())


def test_a_clone_of_another_user_is_told_from_one_without_git(clone, monkeypatch, capsys):
    commit = digests.git_commit()
    assert len(commit) == 40 and digests.git_refuses() == ""
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")  # git's own switch
    assert digests.git_commit() == "unknown"
    said = capsys.readouterr().err
    assert f"git config --global --add safe.directory '{clone}'" in said
    first, *rest = lineage.commands(recipe(commit))
    assert "git refuses a clone of another user" in first and rest == [f"git checkout {commit}"]
    assert "another user" in lineage.commands(recipe("unknown"))[0]


def test_without_git_nothing_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.delenv("OJALA_GIT_COMMIT", raising=False)
    assert digests.git_commit() == "unknown" and digests.git_refuses() == ""
    assert capsys.readouterr().err == ""
