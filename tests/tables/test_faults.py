"""An error ends a command in one sentence; the traceback comes where it is asked for."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from ojala import cli
from ojala.tables.faults import sentence
from pipelines import stage


class MlflowException(Exception):
    """As MLflow's: neither a ValueError nor an OSError."""


MlflowException.__module__ = "mlflow.exceptions"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("a.csv: no column\nMAG_i"), "a.csv: no column MAG_i"),
        (FileNotFoundError(2, "No such file", "a.csv"), "[Errno 2] No such file: 'a.csv'"),
        (pa.ArrowInvalid("not Parquet"), "not Parquet"),
        (ModuleNotFoundError("No module named 'faiss'"), "No module named 'faiss'"),
        (
            MlflowException("no server"),
            "MlflowException: no server (OJALA_TRACEBACK=1 shows where)",
        ),
    ],
)
def test_what_a_user_can_put_right_speaks_for_itself(error, said):
    assert sentence(error) == said


@pytest.mark.parametrize("kind", [RuntimeError, MlflowException])
def test_a_locked_database_is_no_defect(kind):
    said = sentence(kind("(sqlite3.OperationalError) database is locked [SQL: INSERT INTO runs"))
    assert said == (
        "the database of runs is locked by another process; try again when that one is done"
    )


@pytest.mark.parametrize("error", [KeyError("z"), IndexError(), RuntimeError("a\n  b"), OSError()])
def test_anything_else_is_a_defect_and_says_how_to_see_where(error):
    said = sentence(error)
    assert said.startswith(f"unexpected {type(error).__name__}") and "\n" not in said
    assert "this is a defect; run with OJALA_TRACEBACK=1 to see where" in said


def faulty(arguments=None):
    raise KeyError("z")


COMMAND = SimpleNamespace(add_arguments=lambda parser: None, main=faulty)


@pytest.fixture
def faulty_command(monkeypatch):
    monkeypatch.delenv("OJALA_TRACEBACK", raising=False)
    monkeypatch.setitem(sys.modules, "faulty_command", COMMAND)
    monkeypatch.setattr(cli, "commands", lambda: {"faulty": "faulty_command"})
    monkeypatch.setattr(cli, "summary", lambda module: "a command with a defect")
    return ["faulty"]


def test_a_command_ends_in_one_line(faulty_command, capsys):
    assert cli.main(faulty_command) == 1
    said = capsys.readouterr().err
    assert said.startswith("ojala faulty: unexpected KeyError: 'z': this is a defect; run with")
    assert "--traceback" in said and said.count("\n") == 1


def test_a_command_shows_where_if_it_is_asked_to(faulty_command, monkeypatch):
    with pytest.raises(KeyError):
        cli.main([*faulty_command, "--traceback"])
    monkeypatch.setenv("OJALA_TRACEBACK", "1")
    with pytest.raises(KeyError):
        cli.main(faulty_command)


def test_a_stage_does_the_same(monkeypatch):
    monkeypatch.delenv("OJALA_TRACEBACK", raising=False)
    with pytest.raises(SystemExit) as stop:
        stage.run(faulty)
    assert str(stop.value.code).startswith("faulty: unexpected KeyError: 'z': this is a defect")
    monkeypatch.setenv("OJALA_TRACEBACK", "1")
    with pytest.raises(KeyError):
        stage.run(faulty)


PRINTS = """
import sys
from types import SimpleNamespace
from ojala import cli
from pipelines import stage

def many(arguments=None):
    for number in range({lines}):
        print("line", number)

sys.modules["many"] = SimpleNamespace(add_arguments=lambda parser: None, main=many)
cli.commands = lambda: {{"many": "many"}}
cli.summary = lambda module: "many lines"
"""
ENDS = {"command": "sys.exit(cli.main(['many']))", "stage": "stage.run(many)"}


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("lines", [3, 100_000])
def test_who_reads_one_line_hears_nothing_more(end, lines):
    """As in `| head -1`; a few lines stay in a buffer until the end."""
    command = [sys.executable, "-c", f"{PRINTS.format(lines=lines)}\n{ENDS[end]}"]
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as asked:
        if lines > 3:
            assert asked.stdout.readline() == "line 0\n"
        asked.stdout.close()
        assert asked.stderr.read() == ""
    assert asked.returncode == 141


def test_another_pipe_that_broke_is_an_error(monkeypatch, capsys):
    def breaks(arguments):
        raise BrokenPipeError(32, "Broken pipe", "worker")

    monkeypatch.delenv("OJALA_TRACEBACK", raising=False)
    monkeypatch.setitem(sys.modules, "breaks", SimpleNamespace(add_arguments=id, main=breaks))
    monkeypatch.setattr(cli, "commands", lambda: {"breaks": "breaks"})
    monkeypatch.setattr(cli, "summary", lambda module: "a command")
    assert cli.main(["breaks"]) == 1
    assert "Broken pipe" in capsys.readouterr().err
