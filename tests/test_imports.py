"""Who may import whom: read from the source, so that a lazy import counts as well."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

ROOMS = (
    "vocabulary",
    "tables",
    "measures",
    "physics",
    "surveys",
    "sky",
    "training_set",
    "model",
    "published",
    "training",
    "heads",
    "engines",
    "catalogue",
    "publish",
    "evaluation",
    "figures",
    "report",
    "gate",
    "commands",
)
"""The packages of ojala in the order in which data walks: each uses those before it."""

WALLS = {
    "ojala/model": {"ojala.training", "ojala.training_set", "ojala.surveys", "ojala.catalogue"},
    "ojala/heads": {"ojala.training", "ojala.catalogue", "ojala.evaluation"},
    "ojala/catalogue": {"ojala.training", "ojala.training_set", "ojala.evaluation"},
    "serving": {"ojala.training", "ojala.training_set", "ojala.surveys", "ojala.sky"},
}
"""What a room does not know although the order would allow it: inference knows no training."""

FRAMEWORKS = {"ray", "mlflow", "bentoml", "dvc"}
ONLY_IN = {
    "ray": ("pipelines/cluster/",),
    "mlflow": ("pipelines/registry/", "serving/registered.py"),
}
FORBIDDEN = {
    "ojala": FRAMEWORKS | {"pipelines", "serving", "rail_ojala", "infra", "tests", "benchmarks"},
    "rail_ojala": FRAMEWORKS | {"pipelines", "serving", "infra", "tests", "benchmarks"},
    "pipelines": {"bentoml", "serving", "infra", "tests", "benchmarks"},
    "serving": {"ray", "dvc", "infra", "tests", "benchmarks"},
}
READING_SIDE = {"pipelines", "pipelines.registry", "pipelines.registry.store"}
"""What the service may know of the registry: where MLflow's store is, and how it is opened."""
WITHOUT_TORCH = ("vocabulary", "tables", "measures", "physics", "surveys", "sky", "training_set")


def sources(*folders):
    for folder in folders:
        path = ROOT / folder
        yield from [path] if path.is_file() else sorted(path.rglob("*.py"))


def imported(path):
    """Full names of the modules that a file imports, wherever in the file."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: import by full name"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def packages(path):
    return {name.partition(".")[0] for name in imported(path)}


def rooms(path):
    """Packages of ojala that a file imports from."""
    parts = [name.split(".") for name in imported(path)]
    return {part[1] for part in parts if part[0] == "ojala" and len(part) > 1 and part[1] in ROOMS}


def test_every_package_has_its_place_in_the_order():
    found = {path.parent.name for path in (ROOT / "ojala").glob("*/__init__.py")}
    assert found == set(ROOMS)


@pytest.mark.parametrize("room", ROOMS)
def test_data_walks_through_the_rooms_without_turning_back(room):
    later = set(ROOMS[ROOMS.index(room) + 1 :])
    wrong = {
        str(path.relative_to(ROOT)): sorted(found)
        for path in sources(f"ojala/{room}")
        if (found := rooms(path) & later)
    }
    assert not wrong


@pytest.mark.parametrize("folder", WALLS)
def test_inference_does_not_know_training(folder):
    wrong = {
        (str(path.relative_to(ROOT)), name)
        for path in sources(folder)
        for name in imported(path)
        for wall in WALLS[folder]
        if f"{name}.".startswith(f"{wall}.")
    }
    assert not wrong


def test_no_module_imports_itself_by_way_of_others():
    modules = {
        ".".join(path.with_suffix("").relative_to(ROOT).parts).removesuffix(".__init__"): path
        for path in sources("ojala", "pipelines", "serving")
        if path != ROOT / "ojala" / "__init__.py"  # the face is lazy, and nobody inside looks at it
    }
    behind = {name: set(imported(path)) & set(modules) - {name} for name, path in modules.items()}
    settled = set()
    while free := {name for name in behind if behind[name] <= settled} - settled:
        settled |= free
    assert not set(behind) - settled


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_imports_go_one_way(folder):
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in sources(folder)
        if (found := packages(path) & FORBIDDEN[folder])
    }
    assert not wrong


def test_the_service_knows_only_the_reading_side_of_the_registry():
    found = {name for path in sources("serving") for name in imported(path)}
    ours = {name for name in found if name.partition(".")[0] == "pipelines"}
    assert {".".join(name.split(".")[:3]) for name in ours} <= READING_SIDE


@pytest.mark.parametrize("framework", ONLY_IN)
def test_a_framework_is_met_in_one_room(framework):
    found = [
        name
        for path in sources("ojala", "pipelines", "serving")
        if framework in packages(path)
        and not (name := str(path.relative_to(ROOT))).startswith(ONLY_IN[framework])
    ]
    assert not found


@pytest.mark.parametrize("room", WITHOUT_TORCH)
def test_tables_spectra_and_sky_do_without_torch(room):
    assert not [path for path in sources(f"ojala/{room}") if "torch" in packages(path)]


def test_no_module_is_named_in_a_string():
    """A call by name is an import that no test of imports sees; entry points say it aloud."""
    wrong = []
    for path in sources("ojala"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                name = node.value
                if name.startswith(("pipelines.", "serving.")) and " " not in name:
                    wrong.append(f"{path.relative_to(ROOT)}: {name}")
    assert not wrong
