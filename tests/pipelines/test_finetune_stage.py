"""From a trained bundle to a head that is judged, registered, tied to its base and catalogued."""

import json
import shutil
from contextlib import suppress
from pathlib import Path

import mlflow
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from ruamel.yaml import YAML
from toy_heads import toy_bundle, toy_head
from toy_sky import toy_table

from ojala.evaluation.config import TITLES
from ojala.heads import head
from ojala.model import bundle
from ojala.tables.rejects import Rejects
from ojala.tables.shards import (
    as_table,
    column,
    columns_of,
    jpas_schema,
    matched_schema,
    write_shards,
)
from pipelines import domain, finetune, recalibrate, register, stage, vac
from pipelines.cluster import storage
from pipelines.registry import store, tracking

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
MASS = "LOGMASS_DAS_PAN25"


def with_masses(table):
    """The table with masses of its quasars that follow the i magnitude."""
    quasars = (column(table, "SPECTYPE") == 2) & (np.abs(column(table, "z") - 1.1) < 0.5)
    mass = np.where(quasars, 8 + 0.3 * (21 - column(table, "MAG_i")), np.nan)
    for name, values in ((MASS, mass), (f"{MASS}_ERR", np.where(quasars, 0.1, np.nan))):
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(values.astype(np.float32)))
    return table


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project after its training and cross-match, with a short training of the head."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    yaml = YAML()
    params = yaml.load(ROOT / "params.yaml")
    params["finetune"]["training"] |= {"num_steps": 60, "learning_rate": 3e-3}
    yaml.dump(params, tmp_path / "params.yaml")
    table = with_masses(toy_table(900)).drop(["targetid"])
    table = table.append_column("targetid", pa.array(np.arange(900) + 10**16))
    Path("data/weights").mkdir(parents=True)
    pq.write_table(table, "data/weights/part-00000.parquet")
    test = columns_of(with_masses(toy_table(400, seed=5)))
    Path("data/crossmatch").mkdir()
    for name in TITLES:
        pq.write_table(as_table(test, matched_schema()), f"data/crossmatch/{name}.parquet")
    jpas = toy_table(20, seed=3, labelled=False, missing=0.2)
    for place in ("data/jpas", "data/jpas_calibrated"):
        write_shards(iter([columns_of(jpas)]), place, jpas_schema())
    rejects = Rejects()
    position = np.array([150.25]), np.array([2.5])
    rejects.add(["5-7"], [0], file="f", reason="too few bands", position=position)
    rejects.write("data/jpas_rejects.parquet")
    base(0)
    return tmp_path


def base(seed):
    toy_bundle(Path("models/ojala"), seed)
    made = {"ojala_version": "1", "git_commit": "c", "params_digest": "p", "data_source": "toy"}
    provenance = made | {"run_id": "unknown", "data": {}}
    Path("models/ojala/provenance.json").write_text(json.dumps(provenance))
    digest = bundle.digest("models/ojala")
    Path("models/run.json").write_text(json.dumps({"run_id": "unknown", "digest": digest}))
    return digest


def report():
    return json.loads(Path("reports/finetune.json").read_text())


def versions(name="ojala-head-bh-mass"):
    found = tracking.client().search_model_versions(f"name = '{name}'")
    return sorted(found, key=lambda version: int(version.version))


def test_a_head_is_judged_beside_the_paper(project):
    finetune.finetune()
    made = report()
    assert made["head"] == "bh-mass" and made["sources"]["train"] > 50
    for name in TITLES:
        full = made[name]["full"]
        assert full["num_sources"] > 20
        assert full["sigma_nmad"] < full["sigma_nmad_of_labels"]
        assert set(full["paper"]) == {"bias", "sigma_nmad"}
    assert Path("reports/figures/head.png").exists()
    opened = head.load("models/heads/bh-mass", bundle.digest("models/ojala"))
    run = tracking.client().get_run(opened.provenance["run_id"])
    assert run.info.status == "FINISHED" and run.data.params["finetune.name"] == "bh-mass"
    logged = run.data.metrics["test_real.full.sigma_nmad"]
    assert logged == pytest.approx(made["test_real"]["full"]["sigma_nmad"])
    history = tracking.client().get_metric_history(run.info.run_id, "val/loss")
    assert len(history) > 10 and history[-1].step == 60


def test_a_head_that_was_cut_off_has_one_run(project, monkeypatch):
    """Before its scores, after them, and before DVC has recorded them."""
    for module, name in ((finetune, "_judged"), (storage, "finish"), (finetune, "no such")):
        with monkeypatch.context() as patch, suppress(KeyboardInterrupt):
            patch.setattr(module, name, cut_off, raising=False)
            finetune.finetune()
        shutil.rmtree("models/heads/bh-mass")
    finetune.finetune()
    runs = tracking.client().search_runs([tracking.experiment()])
    assert [run.info.status for run in runs] == ["FINISHED"]
    assert (
        head.load("models/heads/bh-mass", bundle.digest("models/ojala")).provenance["run_id"]
        == runs[0].info.run_id
    )
    history = tracking.client().get_metric_history(runs[0].info.run_id, "val/loss")
    steps = [metric.step for metric in history]
    assert steps == sorted(set(steps)) and steps[-1] == 60


def cut_off(*arguments, **keywords):
    raise KeyboardInterrupt


def test_a_head_is_registered_once_and_tied_to_the_version_of_its_base(project):
    finetune.finetune()
    register.register()
    register.register()
    (version,) = versions()
    digest = bundle.digest("models/ojala")
    opened = head.load("models/heads/bh-mass", digest)
    assert version.tags == {
        "digest": opened.digest,
        "base_digest": digest,
        "base_version": "1",
        "quantity": MASS,
    }
    assert version.run_id == opened.provenance["run_id"]
    assert "black-hole mass" in version.description
    alias = tracking.client().get_model_version_by_alias("ojala-head-bh-mass", "candidate")
    assert alias.version == version.version
    mlflow.set_tracking_uri(store.uri())
    place = mlflow.artifacts.download_artifacts("models:/ojala-head-bh-mass/1")
    assert head.load(place, digest).digest == opened.digest


def test_a_renewed_base_leaves_heads_to_be_trained_again(project, capsys):
    finetune.finetune()
    toy_head(Path("models/heads/metals"), "models/ojala", name="metals", quantity="LOGZ")
    register.register()
    first = bundle.digest("models/ojala")
    shutil.rmtree("models/ojala")
    renewed = base(1)
    shutil.rmtree("models/heads/bh-mass")  # as DVC does before the stage
    finetune.finetune()
    capsys.readouterr()
    register.register()
    said = f"models/heads/metals: retrain needed: head metals was trained on bundle {first[:12]}"
    assert said in capsys.readouterr().err
    assert [v.tags["base_version"] for v in versions()] == ["1", "2"]
    assert [v.tags["base_digest"] for v in versions()] == [first, renewed]
    assert [v.tags["base_version"] for v in versions("ojala-head-metals")] == ["1"]
    with pytest.raises(ValueError, match="models/heads/metals: retrain needed"):
        vac.vac()
    assert not Path("data/vac").exists()


def test_the_catalogue_has_the_columns_of_every_head(project):
    finetune.finetune()
    metals = {"name": "metals", "quantity": "LOGZ", "description": "gas-phase metallicity"}
    toy_head(Path("models/heads/metals"), "models/ojala", **metals)
    register.register()
    domain.domain()
    recalibrate.recalibrate()
    vac.vac()
    header = fits.getheader("data/vac/ojala_vac.fits", 1)
    table = pq.read_table("data/vac/ojala_vac.parquet")
    schema = table.schema
    for name in (MASS, f"{MASS}_ERR", "LOGZ", "LOGZ_ERR"):
        values = column(table, name)
        assert np.isfinite(values[:20]).all() and np.isnan(values[20])
        assert schema.field(name).metadata[b"description"]
    assert schema.field(MASS).metadata[b"unit"] == b"dex(solMass)"
    digests = [head.digest(f"models/heads/{name}") for name in ("bh-mass", "metals")]
    rejected = {name: table[name][20].as_py() for name in ("tile_id", "number", "ra", "dec")}
    assert rejected == {"tile_id": 5, "number": 7, "ra": 150.25, "dec": 2.5}
    assert table["REJECTED"][20].as_py() == "too few bands"
    expected = f"bh-mass {digests[0]}, metals {digests[1]}"
    assert header["HEADS"] == schema.metadata[b"heads"].decode() == expected


def test_a_sky_with_too_few_labels_goes_on_without_a_head(project, capsys):
    shard = Path("data/weights/part-00000.parquet")
    pq.write_table(pq.read_table(shard).slice(0, 60), shard)
    finetune.finetune()
    assert "expected 50 or more" in report()["not_trained"]
    assert list(Path("models/heads/bh-mass").iterdir()) == []
    assert "no head bh-mass" in capsys.readouterr().err
    register.register()
    domain.domain()
    recalibrate.recalibrate()
    vac.vac()
    assert MASS not in pq.read_schema("data/vac/ojala_vac.parquet").names
    assert tracking.client().search_registered_models("name = 'ojala-head-bh-mass'") == []


def test_a_wrong_section_is_one_sentence(project, capsys):
    yaml = YAML()
    params = yaml.load(project / "params.yaml")
    params["finetune"]["z_range"] = [1.6, 0.6]
    yaml.dump(params, project / "params.yaml")
    with pytest.raises(SystemExit) as stop:
        stage.run(finetune.finetune)
    assert "finetune.z_range is [1.6, 0.6]" in str(stop.value)
    assert not Path("models/heads").exists()
