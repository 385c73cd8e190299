"""Who may import whom: read from the source, so that a lazy import counts as well."""

from pathlib import Path

import pytest

import ojala
from pipelines.stage_code import imported

ROOT = Path(__file__).parents[1]
FRAMEWORKS = {"ray", "mlflow", "bentoml", "dvc"}
ONLY_IN = {
    "dvc": {"pipelines/stored.py"},
    "ray": {"pipelines/cluster.py", "pipelines/search.py"},
    "mlflow": {
        "pipelines/tracking.py",
        "pipelines/registry.py",
        "pipelines/registration.py",
        "pipelines/pyfunc_model.py",  # runs inside MLflow
        "pipelines/store.py",
        "serving/registered.py",
    },
}
FORBIDDEN = {
    "ojala": FRAMEWORKS | {"pipelines", "serving", "infra", "tests", "benchmarks"},
    "pipelines": {"bentoml", "serving", "infra", "tests", "benchmarks"},
    "serving": {"ray", "dvc", "pipelines", "infra", "tests", "benchmarks"},
}
ALSO = {("serving", "pipelines"): {"pipelines.store"}}
"""Of a room that is forbidden the modules that may be imported all the same."""
WITHOUT_TORCH = (
    "bands quantities spectra photometry passbands responses synphot shards rejects writing "
    "crossmatch sampling mocks jpas_table cosmology metrics derived vac surveys sky"
)


def sources(*folders):
    for folder in folders:
        path = ROOT / folder
        yield from [path] if path.is_file() else sorted(path.rglob("*.py"))


def packages(path):
    return {name.partition(".")[0] for name in imported(path)}


def reached(path, folder, package):
    """What a file of a folder imports of a package, apart from what is allowed there."""
    allowed = ALSO.get((folder, package), set())
    names = {name for name in imported(path) if name.partition(".")[0] == package}
    return {name for name in names - {package} if name not in allowed} if allowed else names


@pytest.mark.parametrize("folder", FORBIDDEN)
def test_imports_go_one_way(folder):
    wrong = {
        str(path.relative_to(ROOT)): found
        for path in sources(folder)
        if (found := {name for name in FORBIDDEN[folder] if reached(path, folder, name)})
    }
    assert not wrong


@pytest.mark.parametrize("framework", ONLY_IN)
def test_a_framework_is_met_in_few_files(framework):
    found = {
        str(path.relative_to(ROOT))
        for path in sources("ojala", "pipelines", "serving")
        if framework in packages(path)
    }
    assert found <= ONLY_IN[framework]


def test_tables_spectra_and_sky_do_without_torch():
    paths = [ROOT / "ojala" / name for name in WITHOUT_TORCH.split()]
    files = [path.with_suffix(".py") for path in paths if not path.is_dir()]
    files += [file for path in paths for file in path.rglob("*.py")]
    wrong = [file for file in files if file.exists() and "torch" in packages(file)]
    assert not wrong


def test_the_rooms_do_not_go_through_the_face():
    """Else a stage would depend on all that the face leads to, or on nothing of it."""
    face = {f"ojala.{name}" for name in ojala.__all__} - {"ojala.__version__"}
    wrong = [
        str(path.relative_to(ROOT))
        for path in sources("ojala", "pipelines", "serving")
        if path != ROOT / "ojala/__init__.py" and face & set(imported(path))
    ]
    assert not wrong
