"""A registry in sqlite whose versions are toy bundles, and a test set to compare them on."""

import shutil
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from ruamel.yaml import YAML
from toy_model import SIZES, toy_model
from toy_sky import toy_table

from ojala.model import bundle
from ojala.tables.shards import matched_schema
from ojala.training.resident import measured_scaling
from pipelines.registry import registration, store, tracking, versions

ROOT = Path(__file__).parents[1]
LENIENT = dict.fromkeys(("nll", "bias", "sigma_nmad", "crps", "latency", "megabytes"), 1e6) | (
    dict.fromkeys(
        ("f1", "weighted_f1", "completeness", "purity", "outlier_fraction", "coverage_68"), 0.999
    )
)
"""Margins that every model is within."""
CLASS_BIAS = "heads.spectype.bias"
SCALING = measured_scaling(toy_table(60))


@contextmanager
def toy_project(path, **environment):
    """Work in an empty directory that has a database of runs and versions of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(path)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{path}/mlflow.db")
        for name, value in environment.items():
            patch.setenv(name, value)
        yield path


def toy_params(path="params.yaml", margins=(), **changes):
    """The section promote alone, quick, and with no floors."""
    section = YAML(typ="safe").load(ROOT / "params.yaml")["promote"]
    quick = {"num_draws": 100, "min_objects": 10, "mag_edges": [17, 22], "num_timed": 10}
    section |= quick | {"floors": {}} | changes
    section["margins"] |= {"latency": 100.0} | dict(margins)  # of a few milliseconds
    YAML().dump({"promote": section}, Path(path))


def toy_test_set(path, num_sources=240):
    """A matched set of toy sources."""
    table = toy_table(num_sources, seed=5)
    columns = {
        "num_bands": np.full(num_sources, 54),
        "AUTO_iSDSS": np.full(num_sources, 300.0),
        "z_err": np.full(num_sources, 1e-4),
        "targetid": np.arange(num_sources),
    }
    fields = [name for name in matched_schema().names if name in table.column_names]
    table = table.select([name for name in fields if name not in columns])
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values))
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path)


def toy_version(directory, seed=0, favoured="QSO", sizes=SIZES, **notes):
    """A version of an untrained bundle that calls every source by one class."""
    model = toy_model(sizes, seed=seed)
    with torch.no_grad():
        code = ("GALAXY", "STAR", "QSO").index(favoured)
        dict(model.named_parameters())[CLASS_BIAS][code] += 20.0
    place = Path(directory) / f"{favoured}{seed}"
    shutil.rmtree(place, ignore_errors=True)
    digest = bundle.save(place / "artifacts" / "ojala", model, SCALING, {"run_id": ""})
    return stored_version(place, digest, **notes)


def stored_version(place, digest, **notes):
    """A version of the files below ``place``, without the seconds that MLflow's logging takes."""
    registration.describe(store.MODEL, registration.ABOUT_MODEL, {"kind": "foundation model"})
    made = tracking.client().create_model_version(
        store.MODEL, source=Path(place).resolve().as_uri(), tags={"digest": digest, **notes}
    )
    tracking.client().set_registered_model_alias(store.MODEL, "candidate", made.version)
    return versions.get(store.MODEL, str(made.version))


def toy_registered_head(name, base, run_id=None):
    """A registered head of a base, without its files."""
    model = versions.head_model(name)
    registration.describe(model, "A toy head", {"kind": "fine-tuned head"})
    notes = {"digest": f"{name}-{base.version}"}
    notes |= {"base_digest": base.digest, "base_version": base.version}
    made = tracking.client().create_model_version(
        model, source="file:///nowhere", run_id=run_id, tags=notes
    )
    return versions.get(model, str(made.version))


def standing():
    """Versions that are champion and previous; None where there is none."""
    found = versions.aliases()
    return found.get("champion"), found.get("previous")


def emptied():
    """Take every model out of the registry; the database stays, which takes seconds to make."""
    for name in versions.models():
        tracking.client().delete_registered_model(name)
