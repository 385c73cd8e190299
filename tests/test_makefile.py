"""Targets in any directory, moved or copied; what one says when it cannot do its work."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
PROGRAMS = ("python", "dvc", "ruff", "hadolint", "mypy", "mlflow", "ojala")
TELLS = """#!/bin/sh
printf '%s' "${0##*/}"; for one in "$@"; do printf ' <%s>' "$one"; done; echo
echo "home <$BENTOML_HOME>"
"""


@pytest.fixture(autouse=True)
def own_settings(monkeypatch):
    """What the make that runs these tests was told is not for the makes in them."""
    for name in ("TORCH_INDEX", "MAKEFLAGS", "MAKEOVERRIDES"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def installed(tmp_path):
    """A project whose directory has blanks and whose programs tell what they were given."""
    place = tmp_path / "a clone  of mine" / "it's"
    programs = place / ".venv" / "bin"
    programs.mkdir(parents=True)
    shutil.copy(ROOT / "Makefile", place)
    for folder in ("requirements", "benchmarks/peers"):
        (place / folder).mkdir(parents=True)
    for name in ("pyproject.toml", "requirements/relocatable.py", "mlflow.db"):
        (place / name).touch()
        os.utime(place / name, (0, 0))
    for name in PROGRAMS:
        (programs / name).write_text(TELLS)
        (programs / name).chmod(0o755)
    for name in (".locked", ".installed"):
        (place / ".venv" / name).touch()
    return place


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ("repro", ["python <-m> <pipelines.registry.store>", "dvc <repro>"]),
        ("tune", ["python <-m> <pipelines.registry.store>", "dvc <repro> <tune/dvc.yaml>"]),
        ("serve", ["python <-m> <serving>"]),
        ("bento", ["python <-m> <serving.bento>"]),
        ("type", ["mypy <ojala> <serving> <pipelines> <rail_ojala>"]),
        ("lint", ["ruff <check> <.>", "hadolint <Dockerfile>"]),
        ("docs-figures", ["ojala <sky-figures> <data/simulated> <--out> <docs/figures>"]),
        (
            "ui",
            [
                "python <-m> <pipelines.registry.store>",
                "mlflow <ui> <--backend-store-uri> <sqlite:///{place}/mlflow.db> <--port> <5907>",
            ],
        ),
    ],
)
def test_a_directory_may_have_blanks(installed, target, told):
    own = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
    own.pop("BENTOML_HOME", None)
    done = subprocess.run(
        ["make", "--silent", target, "PORT=5907"],
        cwd=installed,
        env=own,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    for line in told:
        assert line.format(place=installed) in lines
    assert f"home <{installed}/.ojala/bentoml>" in lines


def test_an_audit_looks_through_every_pinned_package_or_fails(installed):
    programs = installed / ".audit" / "bin"
    programs.mkdir(parents=True)
    for name in ("pip-audit", "cyclonedx-py"):
        (programs / name).write_text(TELLS)
        (programs / name).chmod(0o755)
    (installed / "requirements" / "audit").mkdir()
    (installed / "requirements" / "audit" / "requirements.txt").touch()
    (installed / ".audit" / ".installed").touch()
    asked = {"args": ["make", "--silent", "audit"], "cwd": installed, "text": True}
    done = subprocess.run(**asked, capture_output=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (line,) = [one for one in done.stdout.splitlines() if one.startswith("pip-audit")]
    lists = [f"<requirements/{name}.txt>" for name in ("torch", "lock")]
    assert "<--strict>" in line and all(f"<--requirement> {one}" in line for one in lists)
    assert "cyclonedx-py <requirements> <requirements/lock.txt>" in done.stdout
    (programs / "pip-audit").write_text("#!/bin/sh\nexit 1\n")
    assert subprocess.run(**asked, capture_output=True, timeout=60).returncode != 0


def test_an_environment_that_was_copied_runs_itself_and_not_the_original(tmp_path):
    was, now = tmp_path / "was", tmp_path / "a copy"
    environment = was / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    packages.joinpath("__editable__.ojala.pth").write_text(f"{was}\n/elsewhere\n")
    (was / "who.py").write_text("import pathlib\nprint(pathlib.Path(__file__).parent)\n")
    own = f"{environment}/bin/python"
    beginnings = {
        "usual": f"#!{own}\n",
        "long": f"#!/bin/sh\n'''exec' \"{own}\" \"$0\" \"$@\"\n' '''\n",
    }
    for name, beginning in beginnings.items():
        path = environment / "bin" / name
        path.write_text(f"{beginning}import sys, who\nprint(sys.prefix, sys.argv[1:])\n")
        path.chmod(0o755)
    (environment / "bin" / "other").write_text("#!/bin/bash\necho other\n")
    for _ in range(2):  # once more changes nothing
        subprocess.run([own, str(ROOT / "requirements" / "relocatable.py")], check=True)
    assert (environment / "bin" / "other").read_text() == "#!/bin/bash\necho other\n"
    assert "/elsewhere" in packages.joinpath("__editable__.ojala.pth").read_text().splitlines()
    shutil.copytree(was, now, symlinks=True)
    activate = '. "$1/bin/activate" && echo "$VIRTUAL_ENV"'
    for place in (was, now):
        for name in beginnings:
            script = [str(place / ".venv" / "bin" / name), "a b"]
            said = subprocess.check_output(script, text=True, cwd=tmp_path).splitlines()
            assert said == [str(place), f"{place}/.venv ['a b']"]
        command = ["bash", "-c", activate, "bash", str(place / ".venv")]
        assert subprocess.check_output(command, text=True).strip() == f"{place}/.venv"


def test_a_ui_without_a_port_is_one_sentence_and_a_failure():
    own = {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
        done = subprocess.run(
            ["make", "--old-file", ".venv/.installed", "--no-print-directory", "ui"],
            cwd=ROOT,
            env=os.environ | own | {"PORT": str(port)},
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode != 0 and not done.stdout
    sentence, *rest = done.stderr.splitlines()
    assert sentence.startswith(f"make ui: nothing can listen on port {port}, it is taken")
    assert all("Error" in line for line in rest)  # make's own


PIP = """#!/bin/sh
[ "$1 $2" = "-m pip" ] || exit 0
printf 'links <%s> index <%s> alone <%s>:' "$PIP_FIND_LINKS" "$PIP_INDEX_URL" "$PIP_NO_INDEX"
printf ' %s' "$@"
echo
"""


def torch_installed(tmp_path, where):
    """What requirements/torch.sh tells pip, and what it says of a mistake."""
    python = tmp_path / "python"
    python.write_text(PIP)
    python.chmod(0o755)
    return subprocess.run(
        [ROOT / "requirements" / "torch.sh", python],
        env={"PATH": os.environ["PATH"], "TORCH_INDEX": where},
        capture_output=True,
        text=True,
    )


def test_torch_is_that_of_the_index_or_directory_that_is_named(tmp_path):
    wheels = tmp_path / "some wheels"
    wheels.mkdir()
    usual = torch_installed(tmp_path, "").stdout
    assert usual.startswith("links <> index <> alone <>:") and "--no-deps" not in usual
    own = torch_installed(tmp_path, "https://sky.example/whl/cpu").stdout
    assert own.startswith("links <> index <https://sky.example/whl/cpu> alone <>:")
    beside = torch_installed(tmp_path, str(wheels)).stdout
    assert beside.startswith(f"links <{wheels}> index <> alone <1>:")
    assert "--no-deps" in own and "--no-deps" in beside


def test_torch_from_nowhere_is_refused(tmp_path):
    done = torch_installed(tmp_path, "wheels/that/are/not")
    assert done.returncode == 1 and not done.stdout
    assert "TORCH_INDEX is wheels/that/are/not, expected" in done.stderr


def test_another_torch_is_not_passed_over_without_a_word(installed):
    make = ["make", "--silent", "type", "TORCH_INDEX=https://sky.example/whl/cpu"]
    done = subprocess.run(make, cwd=installed, capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "remove .venv first" in done.stderr
    (installed / ".venv" / ".locked").write_text("https://sky.example/whl/cpu")
    subprocess.run(make, cwd=installed, check=True, capture_output=True, timeout=60)
