import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from matched import CONFIG, matched
from toy_model import toy_model
from toy_sky import toy_table

from benchmarks.peers import (
    answers,
    densities,
    features,
    fluxes,
    line_networks,
    plain_network,
    scoring,
    table,
)
from benchmarks.peers import sky_templates as sky
from benchmarks.peers.__main__ import ORDER, in_order, kept, made, training_rows, write
from benchmarks.peers.neighbours import Neighbours, weighted
from ojala.evaluation.comparisons import ANN_LIMIT
from ojala.measures.metrics import NOT_ENOUGH
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.model.redshift_columns import SUFFIXES
from ojala.physics.cosmology import sphere_area
from ojala.physics.responses import packaged
from ojala.physics.synphot import pivot_wave, prepare, synthesize
from ojala.sky.galaxies import galaxies
from ojala.tables.shards import CLEAN_SUFFIX, PERTURBED, columns_of
from ojala.training.resident import measured_scaling
from ojala.vocabulary.bands import BESIDE
from ojala.vocabulary.quantities import CLASSES, observations, queries
from pipelines.stage import with_nulls


def toy(**settings):
    return columns_of(toy_table(**settings))


def rows_of(columns, rows):
    return {name: values[rows] for name, values in columns.items()}


def test_a_peer_sees_no_label_but_those_that_it_is_given():
    seen = features.observed(toy(num_sources=5), given=("z",))
    assert "z" in seen and "MORPHTYPE" in seen
    assert not set(seen) & {"spectype", "weight", *queries()}


def test_a_band_without_a_positive_error_is_missing():
    columns = toy(num_sources=5)
    columns["J0660_ERR"] = np.array([0.1, 0.0, -1.0, np.nan, 0.1], np.float32)
    missing = np.isnan(features.observed(columns)["J0660"])
    assert missing.tolist() == [False, True, True, True, False]


def test_features_follow_brightness_in_the_magnitudes_alone():
    columns = features.observed(toy(num_sources=20))
    fainter = columns | {token: columns[token] + 1 for token in features.BROAD}
    change = features.matrix(fainter) - features.matrix(columns)
    moved = np.flatnonzero(np.nanmax(np.abs(change), axis=0) > 1e-4)
    assert len(moved) == len(features.BROAD)
    assert change[:, moved] == pytest.approx(1, abs=1e-4)


def test_filled_features_have_no_gaps_and_unit_width():
    columns = features.observed(toy(num_sources=2000, missing=0.1))
    space = features.photometry(columns)
    assert np.isnan(space).any()
    filled = features.Filled(space)(space)
    assert np.isfinite(filled).all()
    assert np.abs(filled).max() <= features.WIDEST
    assert np.abs(np.median(filled, axis=0)).max() < 0.1


def test_a_missing_narrow_band_lies_between_its_neighbours():
    straight = np.linspace(1, 2, len(features.NARROW))[None].repeat(3, axis=0)
    holed = straight.copy()
    holed[0, 7] = holed[1, 20:23] = np.nan
    assert features.interpolated(holed) == pytest.approx(straight)


@pytest.mark.parametrize("token", answers.CONTINUOUS)
def test_what_is_fitted_turns_back_into_the_quantity(token):
    value = np.array([0.01, 0.7, 3.0])
    mean = answers.curved(token, value)
    columns = answers.physical(token, mean, np.full(3, 1e-4))
    assert columns[token] == pytest.approx(value)
    moved = answers.physical(token, mean + 1e-4, np.zeros(3))[token]
    assert columns[f"{token}_ERR"] == pytest.approx(moved - value, rel=1e-3)


def test_answers_have_the_columns_of_the_predictor(tmp_path):
    bundle.save(tmp_path / "toy", toy_model(), measured_scaling(toy_table(200)), {})
    nothing = Predictor(bundle.load(tmp_path / "toy")).predict({"MAG_i": np.full(10, np.nan)})
    of_distributions = {f"{z}{suffix}" for z in answers.REDSHIFTS for suffix in SUFFIXES[2:]}
    assert set(answers.unanswered(10)) | of_distributions | {"REASON"} == set(nothing)


def test_the_likeliest_class_is_named():
    columns = answers.classes([[0.2, 0.7, 0.1], [0.1, 0.3, 0.6]])
    assert columns["CLASS"].tolist() == [CLASSES[1], CLASSES[2]]
    assert sum(columns[f"P_{name}"] for name in CLASSES) == pytest.approx(1)


def test_classes_keep_their_shares_and_members_weigh_the_same():
    spectype = np.array([0, 0, 0, 0, 1, 2, 2])
    weight = np.array([0.1, 0.2, 0.03, 1 / 3 - 0.33, 1 / 3, 0.3, 1 / 3 - 0.3])
    balanced = answers.class_weights(spectype, weight)
    assert balanced.mean() == pytest.approx(1)
    shares = np.bincount(spectype, balanced) / balanced.sum()
    assert shares == pytest.approx(1 / 3)
    assert np.ptp(balanced[spectype == 0]) == 0


def test_half_width_of_a_gaussian_is_its_sigma():
    grid = np.linspace(0, 2, 2001)
    sigma = np.array([0.02, 0.1])
    density = np.exp(-0.5 * ((grid - 1) / sigma[:, None]) ** 2)
    assert densities.half_width(density, grid) == pytest.approx(sigma, rel=0.02)


def test_a_prior_is_a_density_and_follows_its_sources():
    rng = np.random.default_rng(0)
    grid = sky.redshift_grid(1.8, 15)
    bright = np.full(500, 16.2)
    log_prior = densities.log_prior(rng.normal(0.3, 0.02, 500), bright, grid)
    assert np.trapezoid(np.exp(log_prior), grid) == pytest.approx(1, abs=0.01)
    of_bright = log_prior[densities.magnitude_bin(bright[0])]
    assert grid[of_bright.argmax()] == pytest.approx(0.3, abs=0.03)
    assert of_bright.min() > -6, "no redshift is ruled out"
    unknown = log_prior[densities.magnitude_bin(np.array(23.0))]
    assert np.ptp(unknown) == pytest.approx(0)


def test_a_flat_source_has_one_flux_in_all_bands():
    pivot = {token: pivot_wave(packaged()[token]) for token in fluxes.TOKENS}
    columns = {f"{token}_ERR": np.full(2, 0.01) for token in fluxes.TOKENS}
    columns |= {token: np.full(2, 20.0) for token in features.BROAD}
    columns |= {
        token: np.full(2, (pivot["MAG_i"] / pivot[token]) ** 2) for token in features.NARROW
    }
    flux, flux_err = fluxes.microjanskys(columns)
    assert flux == pytest.approx(36.31, rel=1e-4)
    assert flux_err[:, fluxes.TOKENS.index("MAG_i")] == pytest.approx(36.31 * 0.00921, rel=1e-3)
    assert (flux_err[:, fluxes.TOKENS.index("MAG_G")] > 3.6).all()


def test_templates_of_a_power_law_dim_and_redden_as_they_should():
    wave = sky.log_grid(3000 / 2.8, 56_000, sky.LOG_STEP)
    slope = -1.5
    law = sky.Galaxies(
        wave=wave, luminosity=1e30 * (wave / 5000)[None] ** slope, specific_rate=np.zeros(1)
    )
    redshifts = sky.redshift_grid(1.8, 2000)
    seen = sky.galaxy_fluxes(law, redshifts, packaged(), ("J0500", "MAG_i", "MAG_W2"))
    expected = (1 + redshifts) ** (-slope - 1) / sphere_area(redshifts)
    relative = seen / expected[:, None, None]
    assert np.ptp(relative, axis=0) / relative.mean(axis=0) == pytest.approx(0, abs=2e-3)


def test_a_template_at_its_own_redshift_is_the_galaxy():
    truth = galaxies.draw(np.random.default_rng(3), 2, "bgs")
    grid = sky.redshift_grid(0.4, 500)
    truth["z"] = np.full(2, grid[1])
    wave = sky.log_grid(3000 / 1.5, 56_000, sky.LOG_STEP)
    rest = [sky._rest(rows_of(truth, [row]), wave) for row in range(2)]
    templates = sky.Galaxies(wave=wave, luminosity=np.stack(rest), specific_rate=np.zeros(2))
    seen = sky.galaxy_fluxes(templates, grid, packaged(), fluxes.TOKENS)[1]
    observed = sky.log_grid(*sky.OBSERVED, sky.LOG_STEP)
    bands = prepare(observed, packaged(), fluxes.TOKENS)
    direct = synthesize(galaxies.render(truth, observed), None, bands).flux_lambda
    ratio = seen / (direct * bands.pivot**2) / 10 ** (10 - truth["LOGM"])[:, None]
    assert ratio / ratio.mean() == pytest.approx(1, abs=5e-3)


def test_medoids_are_points_of_every_cluster():
    rng = np.random.default_rng(0)
    centre = rng.uniform(-50, 50, (5, 2))
    points = (centre[:, None] + rng.normal(size=(5, 40, 2))).reshape(-1, 2)
    chosen = sky.medoids(points, 5)
    assert sorted(chosen // 40) == [0, 1, 2, 3, 4]


def test_neighbours_answer_with_their_labels():
    train = toy(num_sources=400)
    peer = Neighbours()
    peer.fit(train)
    same = rows_of(train, np.arange(50))
    predicted = peer.predict(features.observed(same))
    assert predicted["CLASS"].tolist() == [CLASSES[code] for code in same["SPECTYPE"]]
    galaxy = same["SPECTYPE"] == 0
    assert predicted["Z_GAL"][galaxy] == pytest.approx(same["z"][galaxy], abs=1e-3)


def test_weighted_mean_and_spread():
    mean, spread = weighted(np.array([[0.0, 4.0]]), np.array([[3.0, 1.0]]))
    assert (mean[0], spread[0]) == pytest.approx((1.0, np.sqrt(3)))


def test_line_networks_learn_from_strong_lines_and_answer_where_they_reach():
    train = toy(num_sources=4000)
    peer = line_networks.LineNetworks()
    strong = line_networks.strong_emitters(train)
    assert strong.any() and not strong[train["SPECTYPE"] != 0].any()
    assert (train["HBETA_4861_EW"] > 3 * train["HBETA_4861_EW_ERR"])[strong].all()
    peer.fit(train)
    test = toy(num_sources=500, seed=1)
    predicted = peer.predict(features.observed(test, peer.given))
    answered = np.isfinite(predicted["HALPHA_6562_EW"])
    assert not answered[test["z"] > ANN_LIMIT].any()
    emitters = answered & line_networks.strong_emitters(test)
    error = np.log10(predicted["HALPHA_6562_EW"][emitters] / test["HALPHA_6562_EW"][emitters])
    assert np.median(np.abs(error)) < 0.2


def with_noiseless(columns):
    return columns | {f"{token}{CLEAN_SUFFIX}": columns[token] for token in PERTURBED}


@pytest.fixture(scope="module")
def plain():
    """A plain network that was trained for seconds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain_network, "BATCH_SIZE", 64)
        peer = made("plain_network")
        peer.updates = 300
        peer.fit(with_noiseless(toy(num_sources=1500)))
    return peer


def test_the_plain_network_learns_and_answers_everything(plain):
    test = toy(num_sources=300, seed=1)
    predicted = plain.predict(features.observed(test))
    right = predicted["CLASS"] == np.array(CLASSES, dtype=object)[test["SPECTYPE"]]
    assert plain.name in ORDER and right.mean() > 0.9
    galaxy = test["SPECTYPE"] == 0
    error = np.abs(predicted["Z_GAL"] - test["z"])[galaxy] / (1 + test["z"][galaxy])
    assert np.median(error) < 0.05
    for token in answers.CONTINUOUS:
        assert np.isfinite(predicted[token]).all() and (predicted[f"{token}_ERR"] > 0).all()


def test_a_value_that_was_not_observed_moves_no_answer_of_the_plain_network(plain):
    sources = features.observed(toy(num_sources=50, seed=2))
    unseen = sources | {"J0660_ERR": np.zeros(50, np.float32)}
    moved = unseen | {"J0660": sources["J0660"] + 3}
    for token in ("Z_GAL", "LOGM", "P_QSO"):
        of_unseen, of_moved, of_seen = (
            plain.predict(shown)[token] for shown in (unseen, moved, sources)
        )
        assert of_unseen == pytest.approx(of_moved)
        assert of_unseen != pytest.approx(of_seen, rel=1e-6)


def test_the_plain_network_sees_zero_and_a_mask_where_nothing_is_known():
    values = torch.full((2, len(observations())), torch.nan)
    values[0, 3], values[0, plain_network.SHAPE_PLACE] = 2.0, 1.0
    seen = plain_network.inputs(values)
    assert seen[1].eq(0).all() and seen[0].count_nonzero() == 3
    assert seen[0, 3] == pytest.approx(np.arcsinh(2.0))


def test_the_plain_network_is_shown_new_noise_and_parts_of_a_source():
    table = plain_network.drawn_from(with_noiseless(toy(num_sources=3)))
    rows, values = next(plain_network._draws(table, 1))
    i_band = observations().index("MAG_i")
    of_one = values[rows == 0, i_band]
    of_one = of_one[torch.isfinite(of_one)] * table.scaling.sigma[i_band]
    error = toy(num_sources=3)["MAG_i_ERR"][0]
    expected = np.hypot(error, plain_network.CALIBRATION_ERR)
    assert len(of_one) > 50 and float(of_one.std()) == pytest.approx(expected, rel=0.25)
    legacy = values[:, [observations().index(token) for token in BESIDE["Legacy"]]]
    hidden = torch.isnan(legacy).all(dim=1)
    assert 0 < hidden.float().mean() < 0.3
    whole = torch.isfinite(values).all(dim=1).float().mean()
    assert 0.3 < whole < 0.6


def test_redshift_targets_are_shares_about_the_label():
    train = toy(num_sources=60)
    share = plain_network.redshift_targets(train)
    centre = (plain_network.EDGES[:, 1:] + plain_network.EDGES[:, :-1]) / 2
    for place, token in enumerate(answers.REDSHIFTS):
        known = np.isfinite(train[token])
        assert share[known, place].sum(dim=1).numpy() == pytest.approx(1, abs=1e-5)
        assert share[~known, place].eq(0).all()
        mean = (share[known, place] * centre[place]).sum(dim=1).numpy()
        assert mean == pytest.approx(np.log1p(np.maximum(train[token][known], -0.01)), abs=0.003)


def test_right_answers_score_well_and_no_answers_are_not_enough():
    predicted, truth = matched()
    perfect = scoring.accuracy(predicted, truth, CONFIG)
    assert perfect["class"]["weighted_f1"] == 1.0
    assert perfect["nearby"]["galaxy"]["OIII_5007_EW"]["num_sources"] > 100
    silent = scoring.accuracy(answers.unanswered(len(truth["z"])), truth, CONFIG)
    assert silent["class"]["weighted_f1"] == silent["galaxy"]["sigma_nmad"] == NOT_ENOUGH


def test_no_galaxy_leaves_the_comparison_for_a_large_error():
    predicted, truth = matched()
    doubtful = predicted | {"LOGSFR_ERR": np.full(len(truth["z"]), 2.0)}
    scored = [scoring.accuracy(given, truth, CONFIG) for given in (predicted, doubtful)]
    assert scored[0]["galaxy"]["LOGSFR"] == scored[1]["galaxy"]["LOGSFR"]


def test_a_peer_is_timed_and_told_no_more_than_it_asks_for():
    class Guess:
        name, given = "guess", ()

        def fit(self, train):
            self.redshift = np.nanmedian(train["Z_GAL"])

        def predict(self, sources):
            assert "z" not in sources
            columns = answers.unanswered(len(sources["MAG_i"]))
            return columns | {"Z_GAL": np.full(len(sources["MAG_i"]), self.redshift)}

    test = toy(num_sources=300, seed=2)
    test |= {"num_bands": np.full(300, 54), "AUTO_iSDSS": np.ones(300)}
    report = scoring.report(Guess(), toy(num_sources=300), {"test_real": test}, CONFIG)
    assert report["train_seconds"] >= 0 and report["objects_per_second"] > 0
    assert report["test_real"]["galaxy"]["sigma_nmad"] > 0.05


def test_a_smaller_training_set_is_part_of_a_larger_one(tmp_path):
    pq.write_table(toy_table(num_sources=200), tmp_path / "part-00000.parquet")
    everything = training_rows(tmp_path)
    assert set(everything["split"]) == {"train"} and len(everything["z"]) == 160
    few, more = (set(training_rows(tmp_path, number)["MAG_i"]) for number in (20, 50))
    assert len(few) == 20 and few < more


def entry(f1, nmad, num_galaxies=77):
    return {
        "train_seconds": 12.3,
        "objects_per_second": 1000.0,
        "test_real": {
            "class": {"weighted_f1": f1, **{c: {"num_sources": 20} for c in CLASSES}},
            "galaxy": {"num_sources": num_galaxies, "sigma_nmad": nmad},
        },
    }


def test_tables_name_the_best_and_leave_unknown_numbers_empty():
    peers = {"A": entry(0.9, 0.0101), "B": entry(0.95, NOT_ENOUGH), "C": entry(0.9501, 0.02)}
    text = table.markdown({"peers": peers})
    rows = {line.split(" | ")[0].strip("| "): line for line in text.splitlines()}
    assert "| 60 | 0.900 | **0.950** | **0.950** |" in rows["Class, weighted F1"]
    assert "| 77 | **0.0101** |  | 0.0200 |" in rows["Galaxies, redshift: sigma_nmad"]
    assert "Test-Real" in text and "Test-Synth" not in text
    assert "| A | 12 | 1000 |" in text
    few = table.short({"num_train": 10, "peers": peers})
    assert "| Quasars, redshift: outliers | 0 |  |  |  |" in few
    assert "| one object, milliseconds |  | 1 | 1 | 1 |" in few
    assert "| training, core seconds |  | 12 | 12 | 12 |" in few


def test_the_tables_of_a_page_are_made_anew(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report = {"num_train": 6321, "num_test": {"test_real": 60}, "peers": {"A": entry(0.9, 0.01)}}
    write(tmp_path / "peers.json", report)
    page = "a\n<!-- table peers.json -->\nold\n<!-- end -->\nb\n"
    page += "<!-- table no.json -->\nc\n<!-- end -->"
    renewed = table.with_tables(page)
    assert "old" not in renewed and "6,321 mocks" in renewed and "| 77 | 0.0100 |" in renewed
    assert renewed.startswith("a\n") and renewed.endswith("no.json -->\nc\n<!-- end -->")
    assert table.with_tables(renewed) == renewed


def test_a_peer_that_answers_for_fewer_sources_does_not_win():
    peers = {"A": entry(0.9, 0.02), "B": entry(0.9, 0.03), "C": entry(0.9, 0.01, num_galaxies=50)}
    text = table.markdown({"peers": peers})
    assert "| 77 | **0.0200** | 0.0300 | 0.0100 (N = 50) |" in text
    peers["C"]["test_real"]["random_part"] = 100
    assert "| 0.0200 | 0.0300 | **0.0100** (N = 50) |" in table.markdown({"peers": peers})


def test_a_slow_peer_is_asked_about_a_random_part():
    few = scoring.random_part(toy(num_sources=100), 30)
    assert len(few["z"]) == 30 and len(np.unique(few["MAG_i"])) == 30
    assert np.array_equal(few["z"], scoring.random_part(toy(num_sources=100), 30)["z"])
    assert len(scoring.random_part(few, 50)["z"]) == 30


def test_peers_that_did_not_run_again_stay(tmp_path):
    out, sizes = tmp_path / "peers.json", {"num_train": 10, "num_test": {"test_real": 60}}
    assert kept(out, sizes) == {}
    found = {"kNN": entry(0.8, 0.1), "OJALA": entry(0.9, 0.05)}
    write(out, sizes | {"peers": in_order(found)})
    assert kept(out, sizes) == found
    assert list(kept(out, sizes)) == ["OJALA", "kNN"] and set(found) < set(ORDER)
    assert "0.0500" in out.with_suffix(".md").read_text()
    with pytest.raises(ValueError, match="num_train is 10, expected 11"):
        kept(out, sizes | {"num_train": 11})


def test_numbers_that_json_does_not_know_are_none():
    assert with_nulls({"a": [float("nan"), 1.0], "b": {"c": float("inf")}}) == {
        "a": [None, 1.0],
        "b": {"c": None},
    }
