"""The Predictor: physical units in and out, the same answer however it is asked."""

import numpy as np
import pyarrow as pa
import pytest
import torch
from toy_learning import learnt
from toy_model import PATCHED, UNDROPPED, toy_model
from toy_sky import toy_table

from ojala.model.bundle import Bundle
from ojala.model.predictor import Predictor
from ojala.model.redshift_columns import SECOND, SUFFIXES, named, summary
from ojala.model.shown import NO_I, NO_RATIOS, NOTHING
from ojala.physics.jpas_filters import ARCHIVE_I_WAVE, flux_of_mag, mag_of_flux
from ojala.physics.photometry import Photometry
from ojala.tables.shards import columns_of
from ojala.training.batch import MaskingConfig
from ojala.vocabulary.band_columns import NARROW
from ojala.vocabulary.bands import narrow_bands
from ojala.vocabulary.quantities import MORPHTYPES, REDSHIFTS, observations, queries

MASKING = MaskingConfig(num_targets=15, label_weight=20)


@pytest.fixture(scope="module", params=[UNDROPPED, PATCHED], ids=["Gaussians", "steps"])
def bundle(request):
    return learnt(request.param, MASKING)


@pytest.fixture(scope="module")
def predictor(bundle):
    return Predictor(bundle)


@pytest.fixture(scope="module")
def sky():
    return toy_table(60, seed=3, missing=0.15)


def assert_equal(one, other):
    """Columns agree to the last bit."""
    assert list(one) == list(other)
    for name, values in one.items():
        np.testing.assert_array_equal(values, other[name], err_msg=name)


def assert_same(one, other, sigmas=1e-4):
    """Columns agree to a share of their errors; names agree exactly."""
    assert list(one) == list(other)
    for name in one:
        if f"{name}_ERR" in one:
            assert np.all(np.abs(one[name] - other[name]) <= sigmas * one[f"{name}_ERR"]), name
        elif one[name].dtype == object:
            assert np.array_equal(one[name], other[name])
        else:
            assert np.allclose(one[name], other[name], rtol=1e-3, atol=1e-4, equal_nan=True), name


def test_columns_are_those_of_the_catalogue(predictor, sky):
    columns = predictor.predict(sky)
    expected = {"CLASS", "P_GALAXY", "P_STAR", "P_QSO", "REASON"}
    for token in queries():
        suffixes = SUFFIXES if token in REDSHIFTS else ("", "_ERR")
        expected |= set() if token == "SPECTYPE" else {f"{token}{suffix}" for suffix in suffixes}
    assert set(columns) == expected
    assert all(len(values) == 60 for values in columns.values())
    for name, values in columns.items():
        may_be_none = name in ("CLASS", "REASON") or name.endswith(SECOND)
        assert may_be_none or np.isfinite(values).all()
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
def test_batch_size_does_not_matter_to_the_last_bit(bundle, sky, batch_size):
    cpu = torch.device("cpu")
    other = Predictor(bundle, device=cpu, batch_size=batch_size)
    assert_equal(Predictor(bundle, device=cpu).predict(sky), other.predict(sky))


@pytest.mark.parametrize("num_beside", [0, 1, 2, 6, 30])
def test_a_source_has_the_same_bits_beside_any_others(bundle, sky, num_beside):
    predictor = Predictor(bundle, device=torch.device("cpu"))
    every = predictor.predict(sky, embeddings=True)
    rng = np.random.default_rng(num_beside)
    for _ in range(4):
        rows = rng.permutation(len(sky))[: num_beside + 1]
        some = predictor.predict(sky.take(rows), embeddings=True)
        assert_equal({name: values[rows] for name, values in every.items()}, some)
        np.testing.assert_array_equal(predictor.embed(sky.take(rows)), some["EMBEDDING"])


def test_p_of_z_has_the_same_bits_beside_any_others(bundle, sky):
    predictor = Predictor(bundle, device=torch.device("cpu"))
    every, one = predictor.redshifts(sky), predictor.redshifts(sky.slice(7, 1))
    for token, pdf in one.items():
        np.testing.assert_array_equal(pdf.probability, every[token].probability[7:8])


def test_an_answer_does_not_depend_on_the_other_queries(predictor, sky):
    every, one = predictor.predict(sky), predictor.predict(sky, ["Z_GAL"])
    assert list(one) == [*(f"Z_GAL{suffix}" for suffix in SUFFIXES), "REASON"]
    assert_same({name: every[name] for name in one}, one)


def test_the_same_twice_is_bit_for_bit_the_same(predictor, sky):
    assert_equal(predictor.predict(sky), predictor.predict(sky))


@pytest.mark.parametrize("instruction", ["avx512_bf16", "amx_bf16"])
def test_bfloat16_is_refused_where_the_processor_has_none(bundle, monkeypatch, instruction):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {instruction: False, "avx2": True})
    with pytest.raises(ValueError, match="this processor has no instructions for bfloat16"):
        Predictor(bundle, device=torch.device("cpu"), precision="bfloat16")
    Predictor(bundle, device=torch.device("cpu"))
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {instruction: True})
    assert Predictor(bundle, device=torch.device("cpu"), precision="bfloat16")


def test_bfloat16_moves_answers_by_a_small_part_of_their_errors(
    bundle, predictor, sky, monkeypatch
):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
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
        (["PSF", "", "SPIRAL"] * 20, "row 3: 'SPIRAL' is not one of DEV, EXP, GGAL, PSF, REX, SER"),
        ([True, False] * 30, "column MORPHTYPE holds bool, expected the names DEV, EXP"),
        ([3.0, 2.5] * 30, "column MORPHTYPE, row 2: code 2.5 is not one of -1 ... 5"),
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
def test_fluxes_that_are_not_over_that_of_i_have_no_answer(predictor, sky, factor, num_sources):
    fluxes = pa.table(scaled_bands(sky, factor)).slice(0, num_sources)
    answers = predictor.predict(fluxes)
    assert answers["REASON"].tolist() == [NO_RATIOS] * num_sources
    assert np.isnan(answers["Z_GAL"]).all() and set(answers["CLASS"]) == {""}


def test_odd_ratios_of_a_few_sources_leave_the_others_alone(predictor, sky):
    columns = columns_of(sky)
    for band in narrow_bands():
        columns[band.token] = np.where(np.arange(60) < 20, 100, columns[band.token])
    answers = predictor.predict(columns, ["SPECTYPE"])
    assert np.array_equal(answers["REASON"], np.where(np.arange(60) < 20, NO_RATIOS, ""))
    assert np.array_equal(answers["CLASS"] == "", np.arange(60) < 20)
    blue = {"MAG_i": np.array([20.0]), "J0378": np.array([0.0]), "J0390": np.array([-0.004])}
    assert predictor.predict(blue, ["SPECTYPE"])["REASON"].tolist() == [""]


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
        ("MORPHTYPE", 9, "column MORPHTYPE, row 5: code 9"),
        ("MORPHTYPE", -2, "column MORPHTYPE, row 5: code -2"),
    ],
)
def test_a_wrong_value_is_named(predictor, sky, name, value, message):
    with pytest.raises(ValueError, match=message):
        predictor.predict(replaced(sky, name, 4, value))


def test_other_mistakes_are_sentences(predictor, sky):
    with pytest.raises(ValueError, match="'Z_PHOT' is not a token"):
        predictor.predict(sky, ["Z_PHOT"])
    with pytest.raises(ValueError, match="'MAG_I' of the context is not a token"):
        predictor.predict(sky, context=["MAG_I"])
    with pytest.raises(ValueError, match="none of the columns MAG_W1"):
        predictor.predict(pa.table({"J0660": [1.0]}), context=["MAG_W1"])
    with pytest.raises(ValueError, match="column J0660, row 3: 'x' is not a number"):
        text = np.array(["0.9", "", "x", "y"] * 15)
        predictor.predict(columns_of(sky) | {"J0660": text})
    with pytest.raises(ValueError, match="no column MAG_i"):
        predictor.predict(pa.table({"J0660": [1.0]}))


@pytest.mark.parametrize(
    ("name", "value"),
    [("MAG_i", np.nan), ("MAG_i", np.inf), ("MAG_i", 99.0), ("MAG_i", -99), ("MAG_i_ERR", 0.0)],
)
def test_a_source_without_i_has_no_answer_and_the_others_have_theirs(predictor, sky, name, value):
    every = predictor.predict(sky, embeddings=True)
    some = predictor.predict(replaced(sky, name, 4, value), embeddings=True)
    assert some["REASON"].tolist() == [NO_I if row == 4 else "" for row in range(60)]
    assert some["CLASS"][4] == "" and np.isnan(some["EMBEDDING"][4]).all()
    floats = [v for v in some.values() if v.dtype.kind == "f"]
    assert all(np.isnan(values[4]).all() for values in floats)
    others = np.arange(60) != 4
    assert_same({n: v[others] for n, v in every.items()}, {n: v[others] for n, v in some.items()})


def test_an_empty_table_gets_empty_answers(predictor, sky):
    every, none = (predictor.predict(table) for table in (sky, sky.slice(0, 0)))
    assert {n: (0, v.dtype) for n, v in every.items()} == {
        n: (len(v), v.dtype) for n, v in none.items()
    }
    assert predictor.embed(sky.slice(0, 0)).shape == (0, 32)


def test_where_no_source_has_an_answer_all_have_reasons(predictor, sky):
    columns = columns_of(sky) | {"MAG_i": np.full(60, np.nan)}
    answers = predictor.predict(columns, ["Z_QSO", "MORPHTYPE"])
    assert set(answers["REASON"]) == {NO_I}
    assert np.isnan(answers["Z_QSO"]).all() and set(answers["MORPHTYPE"]) == {""}


def test_a_source_of_which_nothing_is_shown_says_so(predictor, sky):
    columns = columns_of(sky)
    for token in ("MAG_W1", "MAG_W2"):
        columns[token] = np.where(np.arange(60) == 7, np.nan, 19.0)
    answers = predictor.predict(columns, ["Z_GAL"], context=["MAG_W1", "MAG_W2"])
    assert answers["REASON"].tolist() == [NOTHING if row == 7 else "" for row in range(60)]


MARKS = [99.0, -99.0, 999, -999.0, 99.99, -9999, 1e20, -1e30, np.inf, -np.inf]


@pytest.mark.parametrize("mark", MARKS)
@pytest.mark.parametrize("name", ["J0500", "MAG_G", "J0500_ERR", "MAG_W1_ERR"])
def test_a_mark_is_not_observed_alone_and_in_company(predictor, sky, name, mark):
    columns = replaced(sky, name, 4, mark)
    missing = predictor.predict(replaced(sky, name.removesuffix("_ERR"), 4, np.nan))
    assert_same(missing, predictor.predict(columns))
    alone = predictor.predict({n: v[4:5] for n, v in columns.items()})
    assert_same({n: v[4:5] for n, v in missing.items()}, alone)


def with_trouble(sky, rng):
    """A catalogue with marks, bad errors, fluxes and sources without i at random places."""
    columns = {name: np.array(values) for name, values in columns_of(sky).items()}
    for name in [*(band.token for band in narrow_bands()), "MAG_i", "MAG_G", "J0660_ERR"]:
        hit = rng.random(len(sky)) < 0.1
        columns[name][hit] = rng.choice([*MARKS, 0.0, np.nan, 88.0, 51.0], int(hit.sum()))
    for name in (band.token for band in narrow_bands()):
        columns[name][5] = 1e3 * columns_of(sky)[name][5]
    columns["MAG_i"][5] = 20.0
    return columns


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_an_answer_never_depends_on_the_other_rows(predictor, sky, seed):
    """Shuffled, split or with rows added: the arithmetic of a batch changes the last bits alone."""
    rng = np.random.default_rng(seed)
    columns = with_trouble(sky, rng)
    every = predictor.predict(columns)
    assert {"", NO_I, NO_RATIOS} <= set(every["REASON"])
    order = rng.permutation(60)
    for rows in (order, order[:1], [5], order[10:23], np.r_[order, order[:40], np.full(30, 5)]):
        part = predictor.predict({name: values[rows] for name, values in columns.items()})
        expected = {name: values[rows] for name, values in every.items()}
        answered = expected["REASON"] == ""
        assert np.array_equal(part["REASON"], expected["REASON"])
        assert all(
            np.array_equal(np.isnan(v), np.isnan(part[n]))
            for n, v in expected.items()
            if v.dtype.kind == "f"
        )
        assert_same(
            {n: v[answered] for n, v in expected.items()}, {n: v[answered] for n, v in part.items()}
        )


@pytest.mark.parametrize(
    ("old", "new"), [("GPSF", "PSF"), ("SIMP", "REX"), ("COMP", "SER"), ("DUP", ""), ("exp", "EXP")]
)
def test_types_of_older_releases_are_their_successors(predictor, sky, old, new):
    given = [
        predictor.predict(columns_of(sky) | {"MORPHTYPE": np.array([word] * 60, dtype=object)})
        for word in (old, new)
    ]
    assert_same(*given)


def as_fluxes(sky, form, scale=1.0):
    """The narrow bands of a catalogue as fluxes or magnitudes of an aperture, i among them."""
    columns = {
        name: np.asarray(values, dtype=float)
        for name, values in columns_of(sky).items()
        if name in observations() or name.removesuffix("_ERR") in observations()
    }
    flux_i, _ = flux_of_mag(columns["MAG_i"], np.zeros(60), ARCHIVE_I_WAVE)
    flux_i *= scale
    others = {n: v for n, v in columns.items() if not n.startswith("J0")}
    for band in narrow_bands():
        flux = columns[band.token] * flux_i
        if form.startswith("mag"):
            flux = mag_of_flux(flux, flux, band.wave)[0]
        others[form.format(band.token)] = flux
    if form.startswith("mag"):
        flux_i = mag_of_flux(flux_i, flux_i, ARCHIVE_I_WAVE)[0]
    return others | {form.format("iSDSS"): flux_i}


@pytest.mark.parametrize(
    "form",
    [
        "FLUX_APER_COR_3_0_{}",
        "flux_aper_cor_3_0_{}",
        "APER_COR_3_0_{}",
        "AUTO_{}",
        "mag_aper_cor_3_0_{}",
        "{}_aper_cor_6_0",
    ],
)
def test_fluxes_and_magnitudes_of_an_aperture_answer_as_their_ratios(predictor, form):
    sky = toy_table(60, seed=3, missing=0.15)
    sky = pa.table(
        columns_of(sky)
        | {
            b.token: np.where(columns_of(sky)[b.token] > 0, columns_of(sky)[b.token], np.nan)
            for b in narrow_bands()
        }
    )
    layout = as_fluxes(sky, form, scale=0.7)
    assert_same(predictor.predict(sky), predictor.predict(layout), sigmas=1e-3)
    one = {name: values[8:9] for name, values in layout.items()}
    assert_same(predictor.predict(sky.slice(8, 1)), predictor.predict(one), sigmas=1e-3)


def test_fluxes_that_are_ratios_already_are_not_divided_again(predictor, sky):
    """So the released scripts use APER_COR_3_0_J0660; i is a flux all the same."""
    columns = columns_of(sky)
    flux_i, _ = flux_of_mag(columns["MAG_i"], np.zeros(60), ARCHIVE_I_WAVE)
    renamed = {n: v for n, v in columns.items() if n not in NARROW} | {"APER_COR_3_0_iSDSS": flux_i}
    renamed |= {f"APER_COR_3_0_{token}": columns[token] for token in NARROW}
    assert_same(predictor.predict(sky), predictor.predict(renamed))


def test_i_is_the_total_flux_where_there_is_no_magnitude(predictor, sky):
    columns = columns_of(sky)
    auto, _ = flux_of_mag(columns["MAG_i"], np.zeros(60), ARCHIVE_I_WAVE)
    without = {name: v for name, v in columns.items() if not name.startswith("MAG_i")}
    for name in ("AUTO_iSDSS", "auto_isdss", "FLUX_AUTO_iSDSS"):
        assert_same(predictor.predict(sky), predictor.predict(without | {name: auto}), sigmas=1e-3)


def test_names_in_any_case_and_in_tables_are_the_same(predictor, sky):
    lower = pa.table(
        {
            name.lower() if name in observations() else name: sky[name]
            for name in sky.column_names
            if name.removesuffix("_ERR") in observations()
        }
    )
    assert_same(predictor.predict(sky), predictor.predict(lower))


def test_what_was_used_and_what_not_is_told(predictor, sky):
    columns = {n: np.array(v) for n, v in columns_of(sky).items() if n not in ("MAG_W2", "J0910")}
    columns["J0500"][np.flatnonzero(np.isfinite(columns["J0500"]))[:3]] = 99.0
    columns["MAG_G"][np.flatnonzero(np.isfinite(columns["MAG_G"]))[:1]] = -99.0
    columns["J0660_ERR"][np.flatnonzero(np.isfinite(columns["J0660"]))[:2]] = 0.0
    seen = predictor.shown(columns)
    assert seen.bands_used() == "53 of 54 narrow bands, 5 of 6 broad bands used"
    assert seen.notes == (
        "narrow bands: J0500 of 3 sources no ratio to i (-50 to 50), such as 99: "
        "taken for not observed",
        "narrow bands: J0660 of 2 sources without a positive error: taken for not observed",
        "broad bands: MAG_G of 1 source no AB magnitude (5 to 35), such as -99: "
        "taken for not observed",
    )
    assert predictor.shown(sky).notes == ()


@pytest.fixture(scope="module", params=["Gaussians", "steps"])
def of_either_kind(request, bundle, predictor):
    if request.param == "Gaussians":
        return predictor
    return Predictor(Bundle(model=toy_model(PATCHED).eval(), scaling=bundle.scaling))


def test_columns_of_a_redshift_are_read_from_p_of_z(of_either_kind, sky):
    columns, redshifts = of_either_kind.predict(sky), of_either_kind.redshifts(sky)
    assert tuple(redshifts) == REDSHIFTS
    by_steps = of_either_kind.model.heads.redshift is not None
    for token, pdf in redshifts.items():
        assert len(pdf) == 60
        assert np.allclose(pdf.probability.sum(axis=1), 1, atol=1e-4)
        if by_steps:
            expected = named(token, summary(pdf))
            for name, values in expected.items():
                assert np.allclose(columns[name], values, atol=1e-4, equal_nan=True), name
        order = ("LOW95", "LOW90", "LOW68", "MEDIAN", "HIGH68", "HIGH90", "HIGH95")
        assert np.all(np.diff([columns[f"{token}_{name}"] for name in order], axis=0) >= 0)


def test_one_redshift_alone_is_what_it_is_among_all_queries(of_either_kind, sky):
    everything = of_either_kind.predict(sky)
    for token in REDSHIFTS:
        alone = of_either_kind.predict(sky, [token])
        assert set(alone) == {"REASON", *(f"{token}{suffix}" for suffix in SUFFIXES)}
        assert_same(alone, {name: everything[name] for name in alone}, sigmas=1e-3)


def test_p_of_z_of_a_source_that_cannot_be_answered_is_nan(of_either_kind, sky):
    columns = columns_of(sky)
    columns["MAG_i"] = columns["MAG_i"].copy()
    columns["MAG_i"][4] = np.nan
    answers, redshifts = of_either_kind.predict(columns), of_either_kind.redshifts(columns)
    for token, pdf in redshifts.items():
        assert np.flatnonzero(~pdf.known).tolist() == [4]
        for suffix in SUFFIXES:
            assert np.isnan(answers[f"{token}{suffix}"][4]), suffix
