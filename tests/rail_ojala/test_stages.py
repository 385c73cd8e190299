"""RAIL's own base classes, files and metrics on what OJALA answers; run by ``make rail``."""

import re
from pathlib import Path

import numpy as np
import pytest
from toy_model import PATCHED, SIZES, toy_model
from toy_sky import toy_table

from ojala import Predictor, load
from ojala.measures.redshift_pdf import RedshiftPdf, gaussian
from ojala.measures.redshift_scores import nll
from ojala.model import bundle
from ojala.tables.shards import column
from ojala.training.resident import measured_scaling

NO_RAIL = "needs RAIL, in the environment of make rail"
qp = pytest.importorskip("qp", reason=NO_RAIL)
pytest.importorskip("rail.estimation.estimator", reason=NO_RAIL)

from rail.core.data import TableHandle  # noqa: E402
from rail.evaluation.dist_to_point_evaluator import DistToPointEvaluator  # noqa: E402
from rail.evaluation.metrics.cdeloss import CDELoss  # noqa: E402
from rail.evaluation.metrics.pointestimates import PointSigmaMAD  # noqa: E402
from rail.evaluation.point_to_point_evaluator import PointToPointEvaluator  # noqa: E402

from rail_ojala import OjalaEstimator, OjalaInformer, challenge  # noqa: E402
from rail_ojala.informed import Informed, fitted_temperature, tempered  # noqa: E402

TOKENS = ("MAG_i", "MAG_G", "J0500", "J0660", "J0820")
NAMES = {
    "bands": [f"my_{token}" for token in TOKENS],
    "err_bands": [f"my_{token}_sigma" for token in TOKENS],
    "names": list(TOKENS),
    "mag_limits": {"my_MAG_G": 25.0},
    "hdf5_groupname": "",
}
NUM = 120
PAGE = Path(__file__).parents[2] / "docs" / "rail.md"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """A directory of its own, where RAIL writes."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module", params=[PATCHED, SIZES], ids=["steps", "Gaussian"])
def opened(request, tmp_path_factory):
    directory = tmp_path_factory.mktemp("models") / "ojala"
    bundle.save(directory, toy_model(request.param), measured_scaling(toy_table(60)), {})
    return directory


@pytest.fixture(scope="module")
def table():
    """Photometry by a survey's own names, with redshifts."""
    sky = toy_table(NUM, seed=3)
    columns = {"object_id": np.arange(NUM) + 10**15, "redshift": column(sky, "z")}
    for token in TOKENS:
        columns[f"my_{token}"] = np.asarray(column(sky, token), dtype=np.float64)
        columns[f"my_{token}_sigma"] = np.asarray(column(sky, f"{token}_ERR"), dtype=np.float64)
    return columns


def estimated(directory, table, **settings):
    settings = NAMES | settings
    informer = OjalaInformer.make_stage(name="inform", bundle=str(directory), **settings)
    model = informer.inform(TableHandle("training", data=table))
    estimator = OjalaEstimator.make_stage(name="estimate", model=model, **settings)
    return estimator.estimate(TableHandle("test", data=table))()


def asked(directory, table):
    """The same sources asked of the Predictor, by OJALA's own names."""
    predictor = Predictor(load(directory))
    ours = {token: table[f"my_{token}"] for token in TOKENS}
    ours |= {f"{token}_ERR": table[f"my_{token}_sigma"] for token in TOKENS}
    return predictor.predict(ours, ["Z_GAL", "Z_QSO"]), predictor.redshifts(ours)


def of_steps(ensemble, pdf):
    """Probability that an ensemble gives to each step of p(z)."""
    return np.diff(ensemble.cdf(np.expm1(pdf.edges)), axis=1)


def test_the_mode_is_the_predictors_and_every_step_keeps_its_probability(opened, table):
    ensemble = estimated(opened, table)
    answers, pdfs = asked(opened, table)
    pdf = pdfs["Z_GAL"]
    np.testing.assert_allclose(np.squeeze(ensemble.ancil["zmode"]), answers["Z_GAL"], rtol=1e-6)
    np.testing.assert_allclose(of_steps(ensemble, pdf), pdf.probability, atol=1e-6)
    assert ensemble.ancil["answered"].all()
    np.testing.assert_array_equal(ensemble.ancil["id"], table["object_id"])
    np.testing.assert_array_equal(ensemble.ancil["redshift"], table["redshift"])


def test_the_redshift_of_quasars_can_be_asked_for(opened, table):
    ensemble = estimated(opened, table, redshift="Z_QSO")
    _, pdfs = asked(opened, table)
    pdf = pdfs["Z_QSO"]
    np.testing.assert_allclose(of_steps(ensemble, pdf), pdf.probability, atol=1e-6)
    with pytest.raises(ValueError, match="expected Z_GAL or Z_QSO"):
        estimated(opened, table, redshift="z")


def cde_loss_in_z(pdf, z_true):
    """Izbicki & Lee (2017) Eq. 7 of the same steps, by hand, in z."""
    edges = np.expm1(pdf.edges)
    density = pdf.probability / np.diff(edges)
    step = pdf.step_of(z_true)
    inside = (z_true >= edges[0]) & (z_true <= edges[-1])
    at_true = np.where(inside, density[np.arange(len(pdf)), step], 0.0)
    return float(np.mean((density**2 @ np.diff(edges)) - 2 * at_true))


def test_rails_metrics_of_distributions_are_ours(opened, table):
    ensemble = estimated(opened, table)
    _, pdfs = asked(opened, table)
    edges, z_true = np.expm1(pdfs["Z_GAL"].edges), table["redshift"].astype(np.float64)
    grid = np.linspace(edges[0], edges[-1], 40001)
    theirs = CDELoss(ensemble, grid, z_true).evaluate().statistic
    assert theirs == pytest.approx(cde_loss_in_z(pdfs["Z_GAL"], z_true), rel=0.01)
    evaluator = DistToPointEvaluator.make_stage(
        name="distributions",
        metrics=["cdeloss", "pit", "brier"],
        _random_state=None,
        metric_config={"brier": {"limits": (0, 3.1)}},
        limits=[0, 3.1],
        dx=0.01,
        hdf5_groupname="",
        chunk_size=NUM,
    )
    found = evaluator.evaluate(ensemble, TableHandle("truth", data=table))
    summary = found["summary"]()
    assert np.isfinite(summary["cdeloss"]).all()
    assert np.isfinite(summary["brier"]).all()


def test_rails_metrics_of_points_are_those_of_the_answers(opened, table):
    ensemble = estimated(opened, table)
    z_true, zmode = table["redshift"].astype(np.float64), np.squeeze(ensemble.ancil["zmode"])
    residual = (zmode - z_true) / (1 + z_true)
    middle = np.median(residual)
    by_hand = 1.4826 * np.median(np.abs(residual - middle))
    assert PointSigmaMAD(zmode, z_true).evaluate() == pytest.approx(by_hand, rel=1e-3)
    evaluator = PointToPointEvaluator.make_stage(
        name="points",
        metrics=["point_stats_ez", "point_bias", "point_stats_iqr"],
        hdf5_groupname="",
        point_estimate_key="zmode",
        chunk_size=NUM,
    )
    summary = evaluator.evaluate(ensemble, TableHandle("truth", data=table))["summary"]()
    assert summary["point_bias"][0] == pytest.approx(middle, abs=1e-6)


def test_a_source_without_answer_has_a_flat_distribution_and_says_so(opened, table, caplog):
    table = table | {"my_MAG_i": table["my_MAG_i"].copy()}
    table["my_MAG_i"][7] = -99.0
    ensemble = estimated(opened, table)
    assert np.flatnonzero(~ensemble.ancil["answered"].astype(bool)).tolist() == [7]
    assert np.isnan(np.squeeze(ensemble.ancil["zmode"])[7])
    density = ensemble.pdf(np.linspace(0.1, 2.0, 5))[7]
    np.testing.assert_allclose(density, density[0])


def test_a_band_that_was_not_detected_is_shown_and_one_not_observed_is_not(opened, table):
    marked, absent = ({**table, "my_MAG_G": table["my_MAG_G"].copy()} for _ in range(2))
    marked["my_MAG_G"][:] = 99.0
    absent["my_MAG_G"][:] = -99.0
    limit = {**table, "my_MAG_G": np.full(NUM, 25.0), "my_MAG_G_sigma": np.ones(NUM)}
    grid = np.linspace(0, 2, 50)
    of_marked, of_limit, of_absent = (
        estimated(opened, given).pdf(grid) for given in (marked, limit, absent)
    )
    np.testing.assert_array_equal(of_marked, of_limit)
    assert not np.allclose(of_marked, of_absent)


def test_the_answer_does_not_depend_on_chunks_or_on_the_file_between(opened, table, place):
    informer = OjalaInformer.make_stage(name="written", bundle=str(opened), **NAMES)
    informer.inform(TableHandle("training", data=table))
    at_once = estimated(opened, table)
    estimator = OjalaEstimator.make_stage(
        name="chunked", model=informer.get_output("model", final_name=True), chunk_size=50, **NAMES
    )
    handle = TableHandle("file", data=table, path=str(place / "table.hdf5"))
    handle.write()
    in_chunks = estimator.estimate(TableHandle("file2", path=str(place / "table.hdf5")))()
    grid = np.linspace(0, 2, 50)
    np.testing.assert_allclose(in_chunks.pdf(grid), at_once.pdf(grid), rtol=1e-5)
    np.testing.assert_array_equal(in_chunks.ancil["zmode"], at_once.ancil["zmode"])


def test_a_missing_column_and_a_foreign_model_are_refused(opened, table):
    with pytest.raises(KeyError, match="my_J0500"):
        estimated(opened, {name: of for name, of in table.items() if name != "my_J0500"})
    estimator = OjalaEstimator.make_stage(name="foreign", model={"weights": 1}, **NAMES)
    with pytest.raises(ValueError, match="not one that OjalaInformer has made"):
        estimator.estimate(TableHandle("test", data=table))


def test_a_temperature_makes_answers_that_are_too_sure_wide():
    rng = np.random.default_rng(2)
    centre = rng.uniform(0.3, 1.0, 2000)
    z_true = centre + rng.normal(0, 0.06, 2000)
    pdf = gaussian(centre, np.full(2000, 0.03))  # half as wide as they scatter
    temperature = fitted_temperature(pdf, z_true)
    assert temperature == pytest.approx(4, rel=0.1)  # sigma^2 grows with it
    wide = tempered(pdf, temperature)
    assert nll(wide, z_true).mean() < nll(pdf, z_true).mean()
    np.testing.assert_array_equal(wide.probability.argmax(1), pdf.probability.argmax(1))
    assert tempered(pdf, 1.0) is pdf
    unknown = RedshiftPdf(edges=pdf.edges, probability=np.full((1, len(pdf.widths)), np.nan))
    assert not tempered(unknown, 2.0).known.any()


def test_a_temperature_needs_redshifts_and_is_above_zero():
    pdf = gaussian(np.full(40, 0.5), np.full(40, 0.1))
    with pytest.raises(ValueError, match=r"40 sources .* 50 or more"):
        fitted_temperature(pdf, np.full(40, 0.5))
    with pytest.raises(ValueError, match="expected one above 0"):
        Informed(files={}, temperature=0.0)


def lsst(num):
    """A table as the challenge has them: NaN where not detected, six bands, root group."""
    sky = toy_table(num, seed=5)
    i = np.asarray(column(sky, "MAG_i"), dtype=np.float64)
    columns = {"object_id": np.arange(num) + 7, "redshift": column(sky, "z").astype(float)}
    for place, band in enumerate("ugrizy"):
        columns[f"mag_{band}_lsst"] = i + 0.5 * (3 - place)
        columns[f"mag_{band}_lsst_err"] = np.full(num, 0.05)
    columns["mag_g_lsst"][:10] = np.nan
    return columns


def test_the_challenge_is_answered_with_zmode_and_object_id(opened, place):
    import tables_io

    train, test = lsst(100), lsst(60)
    for name, content in (("train", train), ("test", test)):
        tables_io.write(content, str(place / f"{name}.hdf5"))
    challenge.main(["inform", "train.hdf5", "model.pkl", "--bundle", str(opened)])
    challenge.main(["estimate", "model.pkl", "test.hdf5", "one.hdf5"])
    challenge.main(["both", "train.hdf5", "test.hdf5", "two.hdf5", "--bundle", str(opened)])
    one, two = qp.read(str(place / "one.hdf5")), qp.read(str(place / "two.hdf5"))
    for ensemble in (one, two):
        np.testing.assert_array_equal(ensemble.ancil["object_id"], test["object_id"])
        assert np.isfinite(ensemble.ancil["zmode"]).all()
    grid = np.linspace(0, 3, 300)
    np.testing.assert_array_equal(one.pdf(grid), two.pdf(grid))
    del test["object_id"]
    tables_io.write(test, str(place / "nameless.hdf5"))
    with pytest.raises(ValueError, match=r"nameless.hdf5: no column object_id"):
        challenge.estimation_only("model.pkl", "nameless.hdf5", "three.hdf5")
    assert not (place / "three.hdf5").exists()


def test_the_page_about_it_runs(opened, place, capsys):
    (place / "models").mkdir()
    (place / "models" / "ojala").symlink_to(opened)
    (block,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(compile(block, str(PAGE), "exec"), {})
    assert "[11 12]" in capsys.readouterr().out
