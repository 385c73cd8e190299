"""The lists of packages of the images: complete, and with the versions of the one lock."""

import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
ASKED = {
    "serve": ["bentoml", "mlflow-skinny", "pyarrow", "safetensors", "scipy", "torch"],
    "registry": ["mlflow"],
}
TRAINING = {"ray", "dvc", "mlflow", "optuna", "pandas", "matplotlib", "sqlalchemy", "pytest"}


def plain(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def listed(name):
    """Names of a list and whether each is pinned there."""
    lines = (ROOT / "requirements" / f"{name}.txt").read_text().splitlines()
    return {plain(re.split("[=<>]", one)[0]): "==" in one for one in lines if one and one[0] != "#"}


def behind(names):
    """What packages need, and what that needs, of what is installed here."""
    found, left = set(), [Requirement(name) for name in names]
    while left:
        one = left.pop()
        if plain(one.name) in found:
            continue
        found.add(plain(one.name))
        try:
            needed = [Requirement(line) for line in requires(one.name) or ()]
        except PackageNotFoundError:
            pytest.fail(f"{one.name} is not installed, and something needs it")
        left += [
            need
            for need in needed
            if need.marker is None
            or any(need.marker.evaluate({"extra": extra}) for extra in one.extras or {""})
        ]
    return found


@pytest.mark.parametrize("name", ASKED)
def test_a_list_holds_all_that_is_needed(name):
    assert behind(ASKED[name]) - {"torch"} <= set(listed(name))


@pytest.mark.parametrize("name", ASKED)
def test_versions_are_those_of_the_lock(name):
    locked = set(listed("lock"))
    assert {one for one, pinned in listed(name).items() if not pinned} <= locked
    assert not {one for one, pinned in listed(name).items() if pinned} & locked


def test_the_service_goes_without_training():
    assert not TRAINING & set(listed("serve"))


HIDDEN = """
import sys
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions

foreign = {name for name, found in packages_distributions().items() if not set(found) & HELD}

class Present(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        own = name.partition(".")[0] not in foreign
        return PathFinder.find_spec(name, path, target) if own else None

sys.meta_path[sys.meta_path.index(PathFinder)] = Present
"""
BEGUN = """
import serving.__main__, serving.job_process, serving.service
print("begun")
"""


def hidden():
    """Python that hides the packages which the image of the service does not hold."""
    every = {name for found in packages_distributions().values() for name in found}
    held = set(listed("serve")) | {"torch", "ojala"}
    return HIDDEN.replace("HELD", repr({name for name in every if plain(name) in held}))


def test_the_service_begins_with_what_its_image_holds():
    done = subprocess.run(
        [sys.executable, "-c", hidden() + BEGUN], cwd=ROOT, capture_output=True, text=True
    )
    assert done.stdout == "begun\n", done.stderr[-2000:]


KEPT = (
    "torch/lib/libtorch_cpu.so",
    "torch/bin/torch_shm_manager",
    "astropy/tests/runner.py",
    "pyarrow/lib.cpython-311-x86_64-linux-gnu.so",
    "pyarrow/libarrow_python.so.2500",
    "scipy/stats/_stats.so",
    "bentoml/tests/client.py",
)
TAKEN = (
    "torch/include/ATen/ATen.h",
    "torch/bin/protoc",
    "torch/lib/libjitbackend_test.so",
    "astropy/tests/tests/test_runner.py",
    "astropy/io/fits/tests/data/a.fits",
    "pyarrow/libarrow_python.so",
    "pyarrow/libarrow_python.so.2500.1.0",
    "pyarrow/libarrow_flight.so.2500",
    "pyarrow/_flight.cpython-311-x86_64-linux-gnu.so",
    "scipy/stats/_stats.pxd",
    "numpy/random/lib/libnpyrandom.a",
)


def test_packages_of_the_image_keep_what_a_service_opens(tmp_path):
    for name in (*KEPT, *TAKEN, *(f"{package}/__init__.py" for package in ("networkx", "sympy"))):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    subprocess.run([ROOT / "requirements" / "pared.sh", tmp_path], check=True)
    assert [name for name in TAKEN if (tmp_path / name).exists()] == []
    assert [name for name in KEPT if not (tmp_path / name).exists()] == []
