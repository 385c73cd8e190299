"""Rules of the house that a machine can check: sizes, names, parameters, stages, traces."""

import ast
import re
import shutil
import subprocess
import sys
import tomllib
from dataclasses import fields, is_dataclass
from importlib.metadata import packages_distributions
from io import StringIO
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from ruamel.yaml import YAML

from pipelines import params, stage_code
from pipelines.stage_code import imported

ROOT = Path(__file__).parents[1]
MAX_FILE_LINES, MAX_FUNCTION_LINES = 450, 60
BANNED_WORDS = {
    "utils",
    "util",
    "base",
    "manager",
    "helper",
    "helpers",
    "common",
    "misc",
    "handler",
}
ROOMS = ("ojala", "pipelines", "serving", "rail_ojala")
CODE = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))]
STAGES = {
    name: stage
    for file in ("dvc.yaml", "tune/dvc.yaml")
    for name, stage in YAML(typ="safe").load(ROOT / file)["stages"].items()
}


def tracked():
    """Files of the repository: those git knows, or all but what git would ignore."""
    try:
        listing = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        listing = [
            str(path.relative_to(ROOT)) for room in ROOMS for path in (ROOT / room).rglob("*.py")
        ]
    return [ROOT / name for name in listing if (ROOT / name).is_file()]


def test_files_and_functions_are_short():
    too_long = []
    for path in CODE:
        text = path.read_text()
        if text.count("\n") > MAX_FILE_LINES:
            too_long.append(f"{path}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                length = node.end_lineno - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    too_long.append(f"{path}: {node.name} has {length} lines")
    assert not too_long


def test_progress_is_for_terminals_alone():
    """A bar without ``disable`` fills logs; with None it is silent where there is no terminal."""
    loud = [
        f"{path}:{node.lineno}"
        for path in CODE
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("tqdm", "tqdm.tqdm", "trange")
        and not any(word.arg == "disable" and ast.unparse(word.value) != "False"
                    for word in node.keywords)
    ]  # fmt: skip
    assert not loud


def test_files_are_named_after_things_of_the_subject():
    wrong = [path for path in CODE if BANNED_WORDS & set(path.stem.split("_"))]
    assert not wrong


def test_code_is_ascii():
    wrong = [path for path in CODE if not path.read_text().isascii()]
    assert not wrong


def keys_of(section, kind):
    """Every key of a section and of the dataclasses inside it, against the fields."""
    yield section.keys(), {field.name for field in fields(kind) if field.init}
    for name, inner in get_type_hints(kind).items():
        for choice in (inner, *get_args(inner)):
            if is_dataclass(choice) and isinstance(section.get(name), dict):
                yield from keys_of(section[name], choice)


PARAMETER_FILES = ["params.yaml", "params.larger.yaml", "params.production.yaml"]


@pytest.mark.parametrize("name", PARAMETER_FILES)
def test_parameters_and_dataclass_fields_are_the_same(name):
    sections = params.read(ROOT / name)
    assert set(sections) == set(params.SECTIONS)
    for section in sections:
        for keys, names in keys_of(sections[section], params.kind(section)):
            assert set(keys) == names


@pytest.mark.parametrize("name", PARAMETER_FILES)
def test_parameters_are_valid(name):
    params.check(ROOT / name)


CARRIER_SECTIONS = {"cluster"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_all_the_code_behind_it(stage):
    assert STAGES[stage]["cmd"] == f"python -m pipelines.{stage}"
    survey = params.read(ROOT / "params.yaml")["data"]["vocabulary"]
    declared = [Path(dep.replace("${data.vocabulary}", survey)) for dep in STAGES[stage]["deps"]]
    missing = [
        name
        for name in stage_code.behind(stage)
        if not any(Path(name) == dep or dep in Path(name).parents for dep in declared)
    ]
    assert not missing, f"dvc.yaml: {stage} lacks {missing}: python -m pipelines.stage_code"


@pytest.mark.parametrize("name", stage_code.STAGE_FILES)
def test_the_lists_of_code_are_what_the_tool_writes(name):
    text, written = (ROOT / name).read_text(), StringIO()
    yaml, content = stage_code.written(text)
    yaml.dump(content, written)
    assert written.getvalue() == text, "python -m pipelines.stage_code"


def test_a_stage_that_draws_depends_on_its_figures_and_a_training_on_none():
    assert "ojala/figures/training_set.py" in stage_code.behind("weights")
    assert "ojala/figures/__init__.py" in stage_code.behind("weights")
    assert not [name for name in stage_code.behind("train") if "figures" in name]
    assert {
        "ojala/training/fit.py",
        "ojala/training/loss.py",
        "ojala/vocabulary/data/bands.ecsv",
    } <= set(stage_code.behind("train"))


def test_a_package_that_only_passes_a_name_on_is_followed(tmp_path, monkeypatch):
    (tmp_path / "pipelines").mkdir()
    (tmp_path / "ojala" / "rooms").mkdir(parents=True)
    (tmp_path / "pipelines" / "odd.py").write_text("def odd():\n    from ojala import rooms\n")
    (tmp_path / "ojala" / "rooms" / "__init__.py").write_text("from ojala.rooms.door import open\n")
    (tmp_path / "ojala" / "rooms" / "door.py").write_text("import ojala.key\n")
    (tmp_path / "ojala" / "key.py").write_text("")
    (tmp_path / "ojala" / "other.py").write_text("")
    monkeypatch.setattr(stage_code, "CODE", tmp_path)
    found = stage_code.behind("odd")
    stage_code.behind.cache_clear()
    rooms = ["ojala/rooms/__init__.py", "ojala/rooms/door.py"]
    assert list(found) == ["ojala/key.py", *rooms, "pipelines/odd.py"]


# Their commands are safe to run again: register looks into MLflow, tune is asked for by name.
ALWAYS_RUN = {"register", "tune"}
NOT_CACHED = {"cache": False}


@pytest.mark.parametrize("stage", sorted(set(STAGES) - ALWAYS_RUN))
def test_a_stage_is_restored_when_a_parameter_is_put_back(stage):
    plain = [out for out in STAGES[stage]["outs"] if isinstance(out, dict)]
    uncached = [name for out in plain for name, how in out.items() if not how.get("cache", True)]
    assert not uncached, (
        f"dvc.yaml: {stage} has {uncached} with cache: false among its outs, so DVC keeps no run "
        "of it and runs it anew when a parameter is put back: cache it, or make it a metric or plot"
    )


def test_a_checkout_misses_nothing_before_the_first_search():
    tune = STAGES["tune"]
    outs = [out for kind in ("outs", "metrics", "plots") for out in tune.get(kind, ())]
    cached = [out for out in outs if isinstance(out, str) or out[next(iter(out))] != NOT_CACHED]
    assert not cached, f"tune/dvc.yaml: dvc checkout fails without {cached}"


def test_stages_read_only_declared_parameters():
    for stage, entry in STAGES.items():
        text = (ROOT / "pipelines" / f"{stage}.py").read_text()
        read = set(re.findall(r'section\(\s*"(\w+)"', text))
        declared = set()
        for name in entry.get("params", []):  # a key, or keys of another file
            keys = (
                [key for found in name.values() for key in found]
                if isinstance(name, dict)
                else [name]
            )
            declared |= {key.partition(".")[0] for key in keys}
        assert read - CARRIER_SECTIONS == declared, stage


def test_what_the_library_imports_is_declared():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [*project["dependencies"], *project["optional-dependencies"]["fast"]]
    declared = {re.split(r"[\[<>=]", line)[0].lower() for line in lines}
    distributions = packages_distributions()
    used = {
        name.split(".")[0]
        for path in (ROOT / "ojala").rglob("*.py")
        for name in imported(path)
        if name.split(".")[0] in distributions
    }
    needed = {
        distributions[name][0].lower().replace("astropy_healpix", "astropy-healpix")
        for name in used
    }
    assert needed - {"ojala"} <= declared


SHAPE = re.compile(r"\((?:[\w*+/ .-]+,)+[^()]*\)|any shape|same shape")


def shapeless(path):
    """Public functions of a file that take arrays and do not say of which shape."""
    tree = ast.parse(path.read_text())
    kinds = {"NDArray", "Tensor", "ndarray", "ArrayLike"}
    kinds |= {
        node.targets[0].id
        for node in tree.body
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and re.match("NDArray|Tensor", ast.unparse(node.value))
    }
    owners = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    for node in (node for owner in owners for node in owner.body):
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            words = {
                word
                for each in given
                if each.annotation
                for word in re.findall(r"\w+", ast.unparse(each.annotation))
            }
            if words & kinds and not SHAPE.search(ast.get_docstring(node) or ""):
                yield node.name


def test_what_takes_arrays_says_their_shapes():
    wanting = {
        str(path.relative_to(ROOT)): names
        for path in sorted((ROOT / "ojala").rglob("*.py"))
        if (names := list(shapeless(path)))
    }
    assert not wanting, 'say "(num_sources,)" or the like'


def test_an_editable_install_is_found_from_the_directory_above_a_clone():
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]
    assert tools["distutils"]["editable_wheel"]["mode"] == "compat", (
        "pyproject.toml: with setuptools' finder Python takes a clone called ojala for a namespace "
        "package when it starts in the directory above"
    )


def test_no_traces_of_a_machine():
    traces = re.compile(
        r"/(work|root|home)/[a-z]|/opt/(wheels|pypi)|\b[\w.-]*(index-url|find-links)\b|pypi\.org/simple"
    )
    wrong = []
    for path in tracked():
        if path == Path(__file__).resolve():
            continue
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        wrong += [f"{path}: {match.group()}" for match in traces.finditer(text)]
    assert not wrong


def products():
    """Directories at the root that git ignores: what runs leave there."""
    lines = (ROOT / ".gitignore").read_text().splitlines()
    rooted = [line.strip("/*") for line in lines if line.startswith("/") and "/" in line[1:]]
    return sorted({name for name in rooted if "/" not in name and name not in ("build", "dist")})


def test_products_have_the_name_of_no_package():
    """Ruff takes a directory at the root for a package of the project."""
    assert {".ojala", "data", "models", "mlartifacts"} <= set(products())
    known = set(packages_distributions()) - set(ROOMS)
    assert not set(products()) & (known | set(sys.stdlib_module_names))


def test_what_a_run_leaves_does_not_change_what_lint_says(tmp_path):
    for name in (*ROOMS, "benchmarks", "tune", "tests", "pyproject.toml"):
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        copy(source, tmp_path / name)
    for storage in {params.read(ROOT / name)["cluster"]["storage"] for name in PARAMETER_FILES}:
        (tmp_path / storage / "train-0123456789abcdef").mkdir(parents=True, exist_ok=True)
    for name in products():
        (tmp_path / name / "of_a_run").mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "check", "--no-cache", "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


def test_no_large_files_in_git():
    assert not [path for path in tracked() if path.stat().st_size > 500_000]
