"""Drift: limits are exceeded as rarely as they say, and a sky that was moved exceeds them."""

import numpy as np
import pytest
from scipy.stats import binom
from toy_model import toy_model
from toy_sky import toy_table

from ojala.catalogue import drift
from ojala.model.predictor import Predictor
from ojala.tables.shards import columns_of
from ojala.training.resident import measured_scaling
from ojala.vocabulary.bands import bands, narrow_bands
from ojala.vocabulary.quantities import vocabulary

SEEDS = range(20)
WINDOW = 1000
OF_BANDS = [vocabulary().index(band.token) for band in bands()]


@pytest.fixture(scope="module")
def predictor(tmp_path_factory):
    from ojala.model import bundle

    place = tmp_path_factory.mktemp("m") / "ojala"
    bundle.save(place, toy_model(), measured_scaling(toy_table(60)), {})
    return Predictor(bundle.load(place))


def seen(predictor, catalogue):
    """Embeddings and scaled bands of sources."""
    shown = predictor.shown(catalogue)
    return predictor.embed(shown), shown.values[:, OF_BANDS]


def moved(catalogue, factor):
    """The same sources under zero points of narrow bands that are off by a factor."""
    narrow = {band.token: catalogue[band.token] * factor for band in narrow_bands()}
    return {**catalogue, **narrow}


def told(reference, sources, **settings):
    window = drift.Window(reference, len(sources[0]), **settings)
    window.add(*sources)
    return window.told()


@pytest.fixture(scope="module")
def reference(predictor):
    return drift.measured(*seen(predictor, columns_of(toy_table(3000, seed=99, missing=0.1))))


def test_a_sky_whose_zero_points_moved_drifts_and_any_other_does_not(predictor, reference):
    for seed in SEEDS:
        sky = columns_of(toy_table(WINDOW, seed=seed, missing=0.1))
        assert not told(reference, seen(predictor, sky)).is_drift, seed
        found = told(reference, seen(predictor, moved(sky, 1.1 if seed % 2 else 1 / 1.1)))
        assert found.is_drift, seed
        assert np.nanmax(found.stability / found.stability_limit) > 1, seed


def test_one_band_that_moved_is_named(predictor, reference):
    sky = columns_of(toy_table(WINDOW, seed=5, missing=0.1))
    # The toy sky is all alike beside i: there a tenth is many times the scatter.
    sky["J0740"] = sky["J0740"] * 1.1
    found = told(reference, seen(predictor, sky))
    beyond = found.stability > found.stability_limit
    assert [band.token for band, is_beyond in zip(bands(), beyond, strict=True) if is_beyond] == [
        "J0740"
    ]


def drawn(rng, num, weighted=False):
    """Vectors of a mixture of two kinds of sources, and five bands that go with them."""
    kind = rng.random(num) < (0.5 if weighted else 0.2)
    vectors = rng.normal(size=(num, 8)) + 2.5 * kind[:, None]
    values = vectors[:, :5] ** 3 + rng.normal(size=(num, 5))
    values[rng.random((num, 5)) < 0.2] = np.nan
    return vectors, values, np.where(kind, 0.2 / 0.5, 0.8 / 0.5) if weighted else None


@pytest.mark.parametrize("weighted", [False, True])
def test_limits_are_exceeded_as_rarely_as_is_stated(weighted):
    share, num_windows = 0.1, 400
    rng = np.random.default_rng(3)
    exceeded = {"mmd": 0, "bands": 0}
    for n in range(num_windows):
        if n % 10 == 0:  # a new reference: its own scatter is in the limits
            reference = drift.measured(*drawn(rng, 2500, weighted=weighted))
        found = told(reference, drawn(rng, 800)[:2], false_alarms=share)
        exceeded["mmd"] += found.mmd_squared > found.mmd_squared_limit
        exceeded["bands"] += (found.stability > found.stability_limit).any()
    # Bonferroni: each of six limits takes a sixth, so the five of bands five sixths at most.
    assert exceeded["mmd"] <= binom.isf(1e-3, num_windows, share / 6)
    assert exceeded["bands"] <= binom.isf(1e-3, num_windows, share * 5 / 6)
    assert exceeded["bands"] >= binom.isf(1 - 1e-3, num_windows, share / 3), "limits are idle"


def test_the_limit_is_the_quantile_of_what_windows_show():
    rng = np.random.default_rng(4)
    reference = drift.measured(*drawn(rng, 20_000))
    ratios = []
    for _ in range(1000):
        vectors, _, _ = drawn(rng, 500)
        found, unit = reference.discrepancy(reference.phi(vectors).sum(axis=0), 500)
        ratios.append(found / unit)
    for share in (0.5, 0.1, 0.02):
        beyond = np.mean(ratios > np.float64(reference.discrepancy_limit(share)))
        assert abs(beyond - share) < 4 * np.sqrt(share * (1 - share) / 1000)


def test_mmd_is_that_of_the_kernel():
    """With random features the square of a distance of means is that of the Gaussian kernel."""
    rng = np.random.default_rng(5)
    one, other = rng.normal(size=(500, 4)), rng.normal(size=(600, 4)) + 0.5
    weights = rng.uniform(0.5, 1.5, 600)
    reference = drift.measured(other, np.zeros((600, 1)), weights)
    found, _ = reference.discrepancy(reference.phi(one).sum(axis=0), 500)
    width = 1 / np.sqrt((reference.frequencies**2).mean())

    def kernel(x, y):
        x, y = ((z - reference.centre) / reference.spread for z in (x, y))
        return np.exp(-((x[:, None] - y[None]) ** 2).sum(axis=2) / (2 * width**2))

    w = weights / weights.sum()
    expected = kernel(one, one).mean() + w @ kernel(other, other) @ w
    expected -= 2 * kernel(one, other).mean(axis=0) @ w
    assert found == pytest.approx(expected, rel=0.1)


def test_a_window_forgets_what_is_older_than_it():
    rng = np.random.default_rng(6)
    reference = drift.measured(*drawn(rng, 2000)[:2])
    window = drift.Window(reference, 600)
    assert window.told() is None and len(window) == 0
    for _ in range(200):
        vectors, values, _ = drawn(rng, 7)
        window.add(vectors + 5, values)
    assert window.told().is_drift
    for _ in range(100):
        vectors, values, _ = drawn(rng, 7)
        window.add(vectors, values)
    assert not window.told().is_drift and 600 <= len(window) < 630
    vectors, values, _ = drawn(rng, 5000)
    window.add(vectors + 5, values)
    assert window.told().is_drift and 600 <= len(window) <= 630


def test_pieces_of_a_window_say_what_it_says_whole():
    rng = np.random.default_rng(7)
    reference = drift.measured(*drawn(rng, 2000)[:2])
    vectors, values, _ = drawn(rng, 800)
    whole, pieces = (drift.Window(reference, 800) for _ in range(2))
    whole.add(vectors, values)
    for start in range(0, 800, 13):
        pieces.add(vectors[start : start + 13], values[start : start + 13])
    one, other = whole.told(), pieces.told()
    assert one.mmd_squared == pytest.approx(other.mmd_squared, rel=1e-9)
    np.testing.assert_allclose(one.stability, other.stability, rtol=1e-9)


def test_bands_with_few_values_are_not_judged():
    rng = np.random.default_rng(8)
    vectors, values, _ = drawn(rng, 2000)
    values[300:, 1], values[:, 2] = np.nan, np.round(values[:, 2] / 50)
    reference = drift.measured(vectors, values)
    values[:, 3] = np.nan
    found = told(reference, (vectors, values))
    assert np.isnan(found.stability[[1, 2, 3]]).all() and np.isfinite(found.stability[[0, 4]]).all()
    assert np.isnan(found.stability_limit[[1, 2, 3]]).all() and not found.is_drift


def test_too_little_to_compare_with_is_refused():
    rng = np.random.default_rng(9)
    vectors, values, _ = drawn(rng, 1000)
    few = np.zeros(1000)
    few[:100] = 1.0
    with pytest.raises(ValueError, match="worth 100 sources"):
        drift.measured(vectors, values, few)
    with pytest.raises(ValueError, match="0 or more"):
        drift.measured(vectors, values, few - 0.5)
    with pytest.raises(ValueError, match="worth 300 sources"):
        drift.measured(np.where(np.arange(1000)[:, None] < 300, vectors, np.nan), values)
    with pytest.raises(ValueError, match="window of 50"):
        drift.Window(drift.measured(vectors, values), 50)
