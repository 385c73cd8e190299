"""p(z) of redshifts: laws of a distribution, its modes and its scores."""

import time

import numpy as np
import pytest
from scipy.stats import kstest

from ojala.measures import redshift_scores
from ojala.measures.calibration import crps as gaussian_crps
from ojala.measures.redshift_modes import LEAST_WEIGHT, WINDOW, modes
from ojala.measures.redshift_pdf import RedshiftPdf, gaussian

EDGES = np.linspace(np.log1p(-0.01), np.log1p(5.0), 401)


def rough(num: int, seed: int, edges: np.ndarray = EDGES) -> RedshiftPdf:
    """Uneven distributions, each of a few steps that hold nearly all."""
    rng = np.random.default_rng(seed)
    drawn = rng.gamma(0.05, size=(num, len(edges) - 1)) + 1e-12
    return RedshiftPdf(edges=edges, probability=drawn / drawn.sum(axis=1, keepdims=True))


def one_step(step: int) -> RedshiftPdf:
    probability = np.zeros((1, 400))
    probability[0, step] = 1
    return RedshiftPdf(edges=EDGES, probability=probability)


def draws_from(pdf: RedshiftPdf, rng: np.random.Generator) -> np.ndarray:
    return pdf.quantile(rng.random(len(pdf)))


def test_pit_of_draws_is_uniform_and_intervals_hold_what_they_say() -> None:
    pdf = rough(5_000, 1)
    drawn = draws_from(pdf, np.random.default_rng(2))
    assert kstest(redshift_scores.pit(pdf, drawn), "uniform").pvalue > 0.01
    for level in (0.5, 0.6827, 0.95):
        low, high = pdf.interval(level)
        assert np.mean((drawn >= low) & (drawn <= high)) == pytest.approx(level, abs=0.02)


def test_quantile_inverts_the_cumulative_distribution() -> None:
    pdf = rough(500, 4)
    for share in (0.01, 0.3, 0.5, 0.999):
        np.testing.assert_allclose(pdf.cdf(pdf.quantile(share)), share, atol=1e-9)
    assert np.all(pdf.quantile(0.0) >= np.expm1(EDGES[0]) - 1e-12)
    np.testing.assert_allclose(pdf.cdf(pdf.quantile(1.0)), 1, atol=1e-9)
    reaches = pdf.probability[:, -1] > 1e-6  # with less, rounding decides where all is below
    assert reaches.sum() > 100
    np.testing.assert_allclose(pdf.quantile(1.0)[reaches], np.expm1(EDGES[-1]), atol=1e-5)


@pytest.mark.parametrize(("z", "sigma"), [(0.3, 0.02), (1.5, 0.1), (3.0, 0.04)])
def test_a_gaussian_comes_back(z: float, sigma: float) -> None:
    pdf = gaussian(np.array([z]), np.array([sigma]))
    step = 0.0025 * (1 + z)
    assert pdf.mean()[0] == pytest.approx(z, abs=0.02 * step)
    assert pdf.median()[0] == pytest.approx(z, abs=0.02 * step)
    assert modes(pdf).first[0] == pytest.approx(z, abs=sigma / 8)
    assert pdf.spread_about(np.array([z]))[0] == pytest.approx(sigma, rel=0.02)
    low, high = pdf.interval(0.95)
    assert (high - low)[0] == pytest.approx(2 * 1.96 * sigma, rel=0.02)


def test_crps_and_nll_of_a_gaussian_are_the_closed_forms() -> None:
    """Of narrow ones, where ln(1 + z) is straight."""
    z, sigma = np.full(5, 0.8), np.full(5, 0.009)
    edges = np.linspace(0.4, 0.8, 4001)
    true = z + np.array([-0.03, -0.01, 0.0, 0.004, 0.02])
    pdf = gaussian(z, sigma, edges)
    closed = gaussian_crps((z - true) / 1.8, sigma / 1.8)
    np.testing.assert_allclose(redshift_scores.crps(pdf, true), closed, rtol=0.05)
    nats = 0.5 * ((z - true) / sigma) ** 2 + np.log(sigma * np.sqrt(2 * np.pi)) - np.log1p(true)
    np.testing.assert_allclose(redshift_scores.nll(pdf, true), nats, atol=0.03)


def test_crps_is_the_integral_that_it_says() -> None:
    pdf = rough(6, 5)
    true = np.array([-0.05, -0.01, 0.2, 1.7, 4.99, 7.0])
    x = np.linspace(-0.2, 2.5, 400_001)
    for row in range(6):
        below = np.interp(x, EDGES, pdf.cumulative[row])
        square = (below - (x >= np.log1p(true[row]))) ** 2
        expected = np.sum(0.5 * (square[1:] + square[:-1])) * (x[1] - x[0])
        assert redshift_scores.crps(pdf, true)[row] == pytest.approx(expected, abs=2e-5)


@pytest.mark.parametrize("score", ["crps", "cde_loss", "nll"])
def test_a_proper_score_is_best_for_the_truth(score: str) -> None:
    true = gaussian(np.full(5_000, 0.6), np.full(5_000, 0.05), EDGES)
    drawn = draws_from(true, np.random.default_rng(6))
    measure = getattr(redshift_scores, score)
    best = measure(true, drawn).mean()
    for other in (
        gaussian(np.full(5_000, 0.6), np.full(5_000, 0.07), EDGES),
        gaussian(np.full(5_000, 0.6), np.full(5_000, 0.035), EDGES),
        gaussian(np.full(5_000, 0.63), np.full(5_000, 0.05), EDGES),
    ):
        assert measure(other, drawn).mean() > best


def test_probability_in_a_single_step() -> None:
    pdf = one_step(120)
    low, high = np.expm1(EDGES[120:122])
    centre = np.expm1(pdf.centres[120])
    assert pdf.median()[0] == pytest.approx(centre)
    assert low < pdf.mean()[0] < high
    found = modes(pdf)
    assert found.first[0] == pytest.approx(centre)
    assert found.first_weight[0] == pytest.approx(1)
    assert np.isnan(found.second[0]) and found.second_weight[0] == 0
    assert redshift_scores.cde_loss(pdf, np.array([centre]))[0] == pytest.approx(-1 / pdf.widths[0])
    beyond = redshift_scores.nll(pdf, np.array([3.0]))[0]
    assert beyond == pytest.approx(-np.log(redshift_scores.LEAST_DENSITY))
    np.testing.assert_array_equal(pdf.cdf(np.array([low - 0.01])), 0)
    np.testing.assert_array_equal(pdf.cdf(np.array([high + 0.01])), 1)


@pytest.mark.parametrize("step", [0, 399])
def test_probability_at_the_ends_of_the_grid(step: int) -> None:
    pdf = one_step(step)
    edge = np.expm1(EDGES[0 if step == 0 else -1])
    inner = np.expm1(EDGES[1 if step == 0 else -2])
    least, most = min(edge, inner), max(edge, inner)
    for found in (pdf.median(), pdf.mean(), modes(pdf).first, *pdf.interval(0.95)):
        assert least <= found[0] <= most
    assert np.isfinite(pdf.spread_about(pdf.median())[0])
    np.testing.assert_array_equal(pdf.cdf(np.array([-0.5])), 0)
    np.testing.assert_array_equal(pdf.cdf(np.array([9.0])), 1)


def test_two_modes_and_their_weights() -> None:
    near = gaussian(np.array([0.4, 0.4]), np.array([0.01, 0.01]), EDGES)
    far = gaussian(np.array([2.1, 2.1]), np.array([0.02, 0.02]), EDGES)
    share = np.array([[0.7], [0.3]])
    mixed = share * near.probability + (1 - share) * far.probability
    found = modes(RedshiftPdf(edges=EDGES, probability=mixed))
    np.testing.assert_allclose(found.first, [0.4, 2.1], atol=0.01)
    np.testing.assert_allclose(found.second, [2.1, 0.4], atol=0.01)
    np.testing.assert_allclose(found.first_weight, 0.7, atol=0.01)
    np.testing.assert_allclose(found.second_weight, 0.3, atol=0.01)


def test_one_broad_peak_has_no_second_mode() -> None:
    found = modes(gaussian(np.array([1.0, 0.5]), np.array([0.3, 0.06]), EDGES))
    assert np.isnan(found.second).all()
    np.testing.assert_array_equal(found.second_weight, 0)


def test_a_trace_of_probability_is_no_second_mode() -> None:
    near = gaussian(np.array([0.4]), np.array([0.01]), EDGES)
    far = gaussian(np.array([2.1]), np.array([0.02]), EDGES)
    mixed = near.probability * (1 - LEAST_WEIGHT / 2) + far.probability * LEAST_WEIGHT / 2
    assert np.isnan(modes(RedshiftPdf(edges=EDGES, probability=mixed)).second[0])


@pytest.mark.parametrize("num_steps", [20, 64, 512])
def test_modes_are_what_they_say_spelt_out_step_by_step(num_steps: int) -> None:
    """The highest window, and the highest summit among windows farther than twice its reach."""
    edges = np.linspace(np.log1p(-0.01), np.log1p(3.0), num_steps + 1)
    rng = np.random.default_rng(num_steps)
    lumps = np.concatenate([rng.dirichlet(np.full(num_steps, a), 20) for a in (0.02, 0.1, 3.0)])
    pdf = RedshiftPdf(edges=edges, probability=lumps)
    reach = max(1, round(WINDOW / (edges[1] - edges[0])))
    found = modes(pdf)
    for row, probability in enumerate(lumps):
        held = [probability[max(k - reach, 0) : k + reach + 1].sum() for k in range(num_steps)]
        first = int(np.argmax(held))
        assert found.first_weight[row] == pytest.approx(held[first])
        others = [
            held[k]
            for k in range(num_steps)
            if abs(pdf.centres[k] - pdf.centres[first]) > 2 * WINDOW
            and held[k] > max(held[max(k - reach, 0) : k + reach + 1]) - 1e-12
        ]
        weight = max(others, default=0.0)
        expected = weight if weight >= LEAST_WEIGHT else 0.0
        assert found.second_weight[row] == pytest.approx(expected, abs=1e-9)
        assert np.isfinite(found.second[row]) == (expected > 0)


def test_a_source_without_answer_is_nan_in_everything() -> None:
    pdf = gaussian(np.array([0.5, np.nan]), np.array([0.01, 0.01]))
    true = np.array([0.5, 0.5])
    found = modes(pdf)
    scores = [getattr(redshift_scores, name)(pdf, true) for name in
              ("pit", "crps", "cde_loss", "nll")]  # fmt: skip
    everything = [pdf.mean(), pdf.median(), *pdf.interval(0.9), pdf.spread_about(true), found.first,
                  found.first_weight, found.second_weight, *scores]  # fmt: skip
    for values in everything:
        assert np.isfinite(values[0]) and np.isnan(values[1])
    np.testing.assert_array_equal(pdf.known, [True, False])


def test_an_unknown_truth_has_no_score() -> None:
    pdf = rough(1, 8)
    for name in ("pit", "crps", "cde_loss", "nll"):
        assert np.isnan(getattr(redshift_scores, name)(pdf, np.array([np.nan]))[0]), name


def test_a_gaussian_far_beyond_the_edges_is_in_the_last_step() -> None:
    pdf = gaussian(np.array([30.0, -0.9]), np.array([0.01, 0.001]), EDGES)
    np.testing.assert_array_equal(pdf.probability.argmax(axis=1), [399, 0])


def test_what_is_no_distribution_is_refused() -> None:
    with pytest.raises(AssertionError, match="add up"):
        RedshiftPdf(edges=EDGES, probability=np.full((2, 400), 0.1))
    with pytest.raises(AssertionError, match="negative"):
        RedshiftPdf(edges=np.array([0, 1, 2.0]), probability=np.array([[1.5, -0.5]]))


def test_rows_are_taken_from_it_and_answers_do_not_depend_on_other_rows() -> None:
    pdf = rough(40, 9)
    rows = np.array([30, 2, 17])
    few = pdf[rows]
    np.testing.assert_array_equal(modes(few).first, modes(pdf).first[rows])
    np.testing.assert_array_equal(few.median(), pdf.median()[rows])


def test_ten_thousand_sources_take_less_than_a_second_or_two() -> None:
    pdf = gaussian(np.linspace(0.1, 4, 10_000), np.full(10_000, 0.02), EDGES)
    began = time.process_time()
    modes(pdf), pdf.median(), pdf.mean(), pdf.interval(0.95), pdf.spread_about(pdf.mean())
    redshift_scores.crps(pdf, np.full(10_000, 0.5))
    assert time.process_time() - began < 5  # 0.6 s on a free core
