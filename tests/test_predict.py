"""The Predictor: physical units in and out, the same answer however it is asked."""

import numpy as np
import pyarrow as pa
import pytest
from toy_model import UNDROPPED, toy_model
from toy_sky import toy_table

from ojala.bands import narrow_bands
from ojala.batch import MaskingConfig
from ojala.bundle import Bundle
from ojala.photometry import Photometry
from ojala.predict import Predictor
from ojala.quantities import MORPHTYPES, observations, queries
from ojala.resident import measured_scaling, resident
from ojala.shards import columns_of
from ojala.train import TrainConfig, fit

CONFIG = TrainConfig(
    preset="demo",
    num_epochs=1,
    steps_per_epoch=90,
    batch_size=64,
    learning_rate=1e-2,
    warmup_steps=10,
    precision="float32",
    storage="float32",
    adaptation=None,
    masking=MaskingConfig(num_targets=15, label_weight=20),
)


@pytest.fixture(scope="module")
def bundle():
    table = toy_table(1000)
    scaling = measured_scaling(table)
    model = toy_model(UNDROPPED)
    list(fit(model, resident(table, scaling, labelled=True), None, CONFIG))
    return Bundle(model=model.eval(), scaling=scaling)


@pytest.fixture(scope="module")
def predictor(bundle):
    return Predictor(bundle)


@pytest.fixture(scope="module")
def sky():
    return toy_table(60, seed=3, missing=0.15)


def assert_same(one, other, sigmas=1e-4):
    """Columns agree to a share of their errors; names agree exactly."""
    assert list(one) == list(other)
    for name in one:
        if f"{name}_ERR" in one:
            assert np.all(np.abs(one[name] - other[name]) <= sigmas * one[f"{name}_ERR"]), name
        elif one[name].dtype == object:
            assert np.array_equal(one[name], other[name])
        else:
            assert np.allclose(one[name], other[name], rtol=1e-3, atol=1e-4), name


def test_columns_are_those_of_the_catalogue(predictor, sky):
    columns = predictor.predict(sky)
    expected = {"CLASS", "P_GALAXY", "P_STAR", "P_QSO"}
    for token in queries():
        expected |= set() if token == "SPECTYPE" else {token, f"{token}_ERR"}
    assert set(columns) == expected
    assert all(len(values) == 60 for values in columns.values())
    for name, values in columns.items():
        assert name == "CLASS" or np.isfinite(values).all()
        assert not name.endswith("_ERR") or (values > 0).all()


def test_answers_are_in_physical_units_and_mean_something(predictor):
    sky = toy_table(300, seed=5)
    columns, truth = predictor.predict(sky), columns_of(sky)
    assert np.mean(columns["CLASS"] == truth["spectype"]) > 0.75
    is_star = truth["spectype"] == "STAR"
    teff = columns["TEFF"][is_star]
    assert np.corrcoef(teff, truth["TEFF"][is_star])[0, 1] > 0.6
    assert 4000 < np.median(teff) < 9000


def test_class_probabilities_sum_to_1_and_the_class_is_the_most_likely(predictor, sky):
    columns = predictor.predict(sky, ["SPECTYPE"])
    names = ("GALAXY", "STAR", "QSO")
    probability = np.stack([columns[f"P_{name}"] for name in names])
    assert np.allclose(probability.sum(axis=0), 1, atol=1e-5)
    assert np.array_equal(np.array(names)[probability.argmax(axis=0)], columns["CLASS"])


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_batch_size_does_not_matter(predictor, bundle, sky, batch_size):
    other = Predictor(bundle, batch_size=batch_size)
    assert_same(predictor.predict(sky), other.predict(sky))


def test_a_source_does_not_depend_on_its_neighbours(predictor, sky):
    every = predictor.predict(sky)
    order = np.random.default_rng(0).permutation(60)
    assert_same({k: v[order] for k, v in every.items()}, predictor.predict(sky.take(order)))
    assert_same({k: v[7:8] for k, v in every.items()}, predictor.predict(sky.slice(7, 1)))


def test_an_answer_does_not_depend_on_the_other_queries(predictor, sky):
    every, one = predictor.predict(sky), predictor.predict(sky, ["Z_GAL"])
    assert list(one) == ["Z_GAL", "Z_GAL_ERR"]
    assert_same({name: every[name] for name in one}, one)


def test_the_same_twice_is_bit_for_bit_the_same(predictor, sky):
    one, other = predictor.predict(sky), predictor.predict(sky)
    assert all(np.array_equal(one[name], other[name]) for name in one)


def test_bfloat16_moves_answers_by_a_small_part_of_their_errors(bundle, predictor, sky):
    exact, rounded = predictor.predict(sky), Predictor(bundle, precision="bfloat16").predict(sky)
    for token in queries():
        if token != "SPECTYPE":
            moved = np.abs(exact[token] - rounded[token]) / exact[f"{token}_ERR"]
            assert np.sqrt(np.mean(moved**2)) < 0.05, token
    assert np.abs(exact["P_STAR"] - rounded["P_STAR"]).max() < 0.05


def test_tables_columns_and_photometry_give_the_same(predictor, sky):
    bands = tuple(token for token in observations() if token != "MORPHTYPE")
    columns = columns_of(sky)
    flux = np.stack([columns[band] for band in bands], axis=1)
    observed = np.isfinite(flux)
    photometry = Photometry(
        flux=flux, flux_err=np.where(observed, 0.1, np.nan), observed=observed, bands=bands
    )
    by_columns = predictor.predict({band: columns[band] for band in bands})
    assert_same(by_columns, predictor.predict(photometry))
    assert_same(by_columns, predictor.predict(sky.select(list(bands))))


def test_types_may_be_names_or_codes(predictor, sky):
    columns = columns_of(sky)
    names = np.array(MORPHTYPES, dtype=object)[columns["MORPHTYPE"]]
    assert_same(predictor.predict(columns), predictor.predict(columns | {"MORPHTYPE": names}))


@pytest.mark.parametrize("blank", [None, "", "  ", np.nan])
def test_a_blank_type_is_missing(predictor, sky, blank):
    columns = columns_of(sky)
    names = np.array([blank] * 60, dtype=object)
    unknown = columns | {"MORPHTYPE": np.full(60, -1)}
    assert_same(predictor.predict(unknown), predictor.predict(columns | {"MORPHTYPE": names}))


@pytest.mark.parametrize(
    ("types", "said"),
    [
        (["PSF", "", "SPIRAL"] * 20, "row 2: 'SPIRAL' is not one of DEV, EXP, GGAL, PSF, REX, SER"),
        ([True, False] * 30, "column MORPHTYPE holds bool, expected the names DEV, EXP"),
        ([3.0, 2.5] * 30, "column MORPHTYPE, row 1: code 2.5 is not one of -1 ... 5"),
    ],
)
def test_a_type_that_is_none_is_an_error(predictor, sky, types, said):
    with pytest.raises(ValueError, match=said):
        predictor.predict(columns_of(sky) | {"MORPHTYPE": np.array(types)})


def scaled_bands(sky, factor):
    columns = columns_of(sky)
    return columns | {band.token: columns[band.token] * factor for band in narrow_bands()}


@pytest.mark.parametrize("factor", [1e3, 1e-3, 1e-17, -1e3])
@pytest.mark.parametrize("num_sources", [1, 60])
def test_fluxes_that_are_not_over_that_of_i_are_an_error(predictor, sky, factor, num_sources):
    fluxes = pa.table(scaled_bands(sky, factor)).slice(0, num_sources)
    with pytest.raises(ValueError, match=r"narrow bands are ratios to f_lambda\(i\), of order"):
        predictor.predict(fluxes)


def test_odd_ratios_of_a_few_sources_are_as_they_may_be(predictor, sky):
    columns = columns_of(sky)
    for band in narrow_bands():
        columns[band.token] = np.where(np.arange(60) < 20, 100, columns[band.token])
    assert len(predictor.predict(columns, ["SPECTYPE"])["CLASS"]) == 60
    blue = {"MAG_i": np.array([20.0]), "J0378": np.array([0.0]), "J0390": np.array([-0.004])}
    assert len(predictor.predict(blue, ["SPECTYPE"])["CLASS"]) == 1


def test_a_band_with_a_bad_error_is_missing(predictor, sky):
    columns = columns_of(sky)
    blank = columns | {"J0660": np.full(60, np.nan)}
    bad = columns | {"J0660_ERR": np.zeros(60)}
    assert_same(predictor.predict(blank), predictor.predict(bad))
    absent = {name: values for name, values in columns.items() if not name.startswith("J0660")}
    assert_same(predictor.predict(blank), predictor.predict(absent))


def test_labels_are_not_used_unless_named(predictor, sky):
    columns = columns_of(sky)
    photometry = {name: columns[name] for name in observations()}
    assert_same(predictor.predict(columns), predictor.predict(photometry))
    known = predictor.predict(columns, ["LOGM"], context=(*observations(), "Z_GAL"))
    is_galaxy = columns["spectype"] == "GALAXY"
    moved = known["LOGM"] != predictor.predict(columns, ["LOGM"])["LOGM"]
    assert moved[is_galaxy].all()
    assert not moved[~is_galaxy].any()


def test_missing_bands_can_be_asked_for(predictor, sky):
    context = [token for token in observations() if token != "J0660"]
    columns = predictor.predict(sky, ["J0660", "MORPHTYPE"], context=context[:-7])
    assert list(columns)[:3] == ["J0660", "J0660_ERR", "MORPHTYPE"]
    assert set(columns["MORPHTYPE"]) <= set(MORPHTYPES)
    truth = columns_of(sky)["J0660"]
    seen = np.isfinite(truth)
    assert np.median(np.abs(columns["J0660"] - truth)[seen]) < 0.2


def test_embeddings_are_the_same_beside_predictions_and_alone(predictor, sky):
    columns = predictor.predict(sky, ["SPECTYPE"], embeddings=True)
    assert columns["EMBEDDING"].shape == (60, 32)
    assert np.allclose(columns["EMBEDDING"], predictor.embed(sky), atol=1e-5)


def test_redshift_errors_grow_with_1_plus_z(bundle, predictor, sky):
    """The network's variance is that of dz / (1 + z)."""
    columns = predictor.predict(sky, ["Z_QSO"])
    values, scale = bundle.scaling.scale("Z_QSO", columns["Z_QSO"], columns["Z_QSO_ERR"])
    assert np.isfinite(values).all()
    assert (scale / (1 + columns["Z_QSO"]) > 0).all()


def test_a_catalogue_without_i_is_an_error(predictor, sky):
    with pytest.raises(ValueError, match="no column MAG_i"):
        predictor.predict(sky.drop_columns(["MAG_i"]))


def replaced(sky, name, row, value):
    values = columns_of(sky)[name].copy()
    values[row] = value
    return columns_of(sky) | {name: values}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("MAG_i", np.nan, "row 4 of the catalogue has no MAG_i"),
        ("MAG_W1", 99.0, "column MAG_W1, row 4: 99 is not an AB magnitude"),
        ("MORPHTYPE", 9, "column MORPHTYPE, row 4: code 9"),
        ("MAG_i", np.inf, "row 4 of the catalogue has no MAG_i that is finite"),
        ("MAG_i_ERR", 0.0, "of positive error where it has one .rows count from 0."),
    ],
)
def test_a_wrong_value_is_named(predictor, sky, name, value, message):
    with pytest.raises(ValueError, match=message):
        predictor.predict(replaced(sky, name, 4, value))


def test_other_mistakes_are_sentences(predictor, sky):
    with pytest.raises(ValueError, match="'Z_PHOT' is not a token"):
        predictor.predict(sky, ["Z_PHOT"])
    with pytest.raises(ValueError, match="no sources"):
        predictor.predict(sky.slice(0, 0))
    with pytest.raises(ValueError, match="column J0660, row 2: 'x' is not a number"):
        text = np.array(["0.9", "", "x", "y"] * 15)
        predictor.predict(columns_of(sky) | {"J0660": text})
    with pytest.raises(ValueError, match="no column MAG_i"):
        predictor.predict(pa.table({"J0660": [1.0]}))
