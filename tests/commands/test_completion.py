"""Completion knows every command and every option, and ojala's exit codes are those it tells."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ojala import cli
from ojala.cli import EXIT_CODES, commands, main
from ojala.commands.completion import SHELLS, script

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def scripts():
    return {shell: script(shell) for shell in SHELLS}


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_in_the_script(scripts, shell):
    _, parsers = cli.parsers(commands())
    for name, parser in parsers.items():
        assert name in scripts[shell]
        for action in parser._actions:
            for option in action.option_strings:
                bare = option.lstrip("-") if shell == "fish" else option
                assert bare in scripts[shell], f"{name} {option}"


def test_every_command_with_a_result_tells_it_as_json():
    _, parsers = cli.parsers(commands())
    without = {
        name
        for name, parser in parsers.items()
        if "--json" not in {option for one in parser._actions for option in one.option_strings}
    }
    assert without == {"completion"}


def completed(text, words):
    """What bash would offer for the last of the words."""
    given = " ".join(f"'{word}'" for word in words)
    asked = f"COMP_WORDS=({given}); COMP_CWORD={len(words) - 1}; _shtab_ojala"
    done = subprocess.run(
        ["bash", "-c", f"{text}\n{asked}\nprintf '%s\\n' \"${{COMPREPLY[@]}}\""],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_bash_offers_what_fits(scripts):
    assert completed(scripts["bash"], ["ojala", "ro"]) == {"rollback"}
    assert completed(scripts["bash"], ["ojala", "show", "--wh"]) == {"--where"}
    assert set(SHELLS) <= completed(scripts["bash"], ["ojala", "completion", ""])


def test_a_shell_that_is_not_known_is_a_usage_error(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["completion", "csh"])
    assert stop.value.code == 2
    assert "csh" in capsys.readouterr().err


def test_exit_codes_are_told_and_written_down(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    said, page = capsys.readouterr().out, (ROOT / "docs/commands.md").read_text()
    for code, meaning in EXIT_CODES.items():
        assert f"{code:3d}  {meaning}" in said
        assert f"| {code} | {meaning.replace('|', chr(92) + '|')} |" in page


def test_exit_codes_of_a_process(tmp_path):
    own = os.environ | {"PYTHONPATH": str(ROOT)}
    for words, code in ((["show"], 2), (["show", "none.fits", "--row", "1"], 1)):
        done = subprocess.run(
            [sys.executable, "-m", "ojala.cli", *words], cwd=tmp_path, env=own, capture_output=True
        )
        assert done.returncode == code, done.stderr
