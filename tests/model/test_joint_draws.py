"""Draws of several quantities: a chain that is the joint distribution it was made of."""

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import spearmanr

from ojala.model.distributions import Categories, Gaussians
from ojala.model.joint_draws import REFERENCE, ROWS, check, drawn
from ojala.vocabulary.quantities import CLASSES, vocabulary

Z, M, SPECTYPE = (vocabulary().index(token) for token in ("Z_GAL", "LOGM", "SPECTYPE"))
LIGHT = vocabulary().index("MAG_G")


def light(num_sources, seed=0):
    """Scaled values of sources that are shown one band."""
    values = np.full((num_sources, len(vocabulary())), np.nan, dtype=np.float32)
    values[:, LIGHT] = np.random.default_rng(seed).normal(size=num_sources)
    return values


def chain(shown, token, offset=0.0, stretch=1.0):
    """z ~ N(light, 1); m ~ N(0.8 z, 0.6); s ~ N(m - 0.5 z, 0.3): a law that agrees with itself.

    offset, stretch: of what is said when nothing but light is shown, which then does not agree
    """
    alone = np.isnan(shown[:, Z])
    mean, error = {
        "Z_GAL": (shown[:, LIGHT], 1.0),
        "LOGM": (0.8 * shown[:, Z], 0.6),
        "LOGSFR": (shown[:, M] - 0.5 * shown[:, Z], 0.3),
    }[token]
    slope, width = {"Z_GAL": (1, 1), "LOGM": (0.8, 1), "LOGSFR": (0.3, np.sqrt(0.54))}[token]
    return Gaussians(
        np.where(alone, slope * shown[:, LIGHT] + offset, mean),
        np.where(alone, stretch * width, error),
    )


def test_a_chain_has_the_covariance_of_its_joint_distribution():
    (draws,) = drawn(light(1), ["Z_GAL", "LOGM", "LOGSFR"], 40_000, 0, chain)
    of_noise = np.array([[1, 0, 0], [0.8, 0.6, 0], [0.3, 0.6, 0.3]])
    expected = of_noise @ of_noise.T
    assert np.cov(draws) == pytest.approx(expected, abs=0.1)
    assert draws.mean(axis=1) == pytest.approx(light(1)[0, LIGHT] * of_noise[:, 0], abs=0.15)


@pytest.mark.parametrize(("offset", "stretch"), [(0.0, 1.0), (0.4, 1.3), (-1.0, 0.5)])
def test_each_quantity_alone_is_distributed_as_it_is_answered(offset, stretch):
    """Also of a network that answers otherwise with a label in its context than without."""
    tokens = ["Z_GAL", "LOGM", "LOGSFR"]

    def ask(shown, token):
        return chain(shown, token, offset, stretch)

    values = light(300)
    draws = drawn(values, tokens, 500, 5, ask)
    for step, token in enumerate(tokens):
        ranks = np.sort(ask(values, token).cdf(draws[:, step]).ravel())
        expected = (np.arange(ranks.size) + 0.5) / ranks.size
        assert np.abs(ranks - expected).max() < 0.01
    together = np.mean([spearmanr(*pair).statistic for pair in draws[:100, :2]])
    correlation = 0.8 * stretch / np.hypot(0.8 * stretch, 0.6)
    assert together == pytest.approx(6 / np.pi * np.arcsin(correlation / 2), abs=0.02)


def test_the_first_quantity_has_the_distribution_that_is_answered():
    draws = drawn(light(50), ["Z_GAL", "LOGM"], 2000, 1, chain)[:, 0]
    pit = np.sort((draws - light(50)[:, LIGHT, None]).ravel())
    expected = ndtri((np.arange(pit.size) + 0.5) / pit.size)
    assert pit[100:-100] == pytest.approx(expected[100:-100], abs=0.08)


def test_seeds_reproduce_and_differ():
    first, again, other = (drawn(light(5), ["Z_GAL", "LOGM"], 7, s, chain) for s in (3, 3, 4))
    assert np.array_equal(first, again)
    assert not np.isclose(first, other).any()


def test_draws_of_a_source_do_not_depend_on_what_stands_beside_it():
    values = light(9)
    whole = drawn(values, ["Z_GAL", "LOGM"], 5, 2, chain)
    assert np.array_equal(whole[[7, 2]], drawn(values[[7, 2]], ["Z_GAL", "LOGM"], 5, 2, chain))
    assert not np.isclose(whole[0], whole[1]).any()


def test_of_more_draws_the_first_are_the_same():
    few, many = (drawn(light(3), ["Z_GAL", "LOGM"], n, 2, chain) for n in (4, ROWS + 10))
    assert np.array_equal(few, many[:, :, :4])
    assert np.isfinite(many).all()


@pytest.mark.parametrize(("num_sources", "num_draws"), [(3, 2 * ROWS + 1), (ROWS + 5, 2)])
def test_no_more_chains_are_held_than_are_said(num_sources, num_draws):
    held = []

    def counting(shown, token):
        held.append(len(shown))
        return chain(shown, token)

    assert drawn(light(num_sources), ["Z_GAL", "LOGM"], num_draws, 0, counting).shape == (
        num_sources,
        2,
        num_draws,
    )
    assert max(held) <= ROWS


def test_what_is_shown_of_a_source_stays_and_each_draw_sees_its_own():
    seen = []

    def watching(shown, token):
        seen.append(shown.copy())
        return chain(shown, token)

    values = light(2)
    draws = drawn(values, ["Z_GAL", "LOGM"], 3, 0, watching)
    (beside,) = [one for one in seen if np.isfinite(one[:, Z]).all()]
    assert np.array_equal(beside[:, Z].reshape(2, -1)[:, :3], draws[:, 0].astype(np.float32))
    assert np.array_equal(beside[:, LIGHT], np.repeat(values[:, LIGHT], REFERENCE))
    assert np.isnan(values[:, Z]).all()


def test_a_class_that_was_drawn_decides_which_quantities_there_are():
    def by_class(shown, token):
        if token == "SPECTYPE":
            return Categories(np.tile([0.5, 0.25, 0.25], (len(shown), 1)))
        return Gaussians(np.zeros(len(shown)), np.ones(len(shown)))

    draws = drawn(light(4), ["SPECTYPE", "Z_GAL", "TEFF", "LOGM"], 1000, 0, by_class)
    code = draws[:, 0]
    galaxy, star, qso = (code == CLASSES.index(name) for name in ("GALAXY", "STAR", "QSO"))
    assert galaxy.mean() == pytest.approx(0.5, abs=0.03)
    assert np.array_equal(np.isfinite(draws[:, 1]), galaxy)
    assert np.array_equal(np.isfinite(draws[:, 2]), star)
    assert np.array_equal(np.isfinite(draws[:, 3]), galaxy | qso)


def test_a_class_that_is_known_decides_as_well():
    values = light(2)
    values[:, SPECTYPE] = [CLASSES.index("STAR"), CLASSES.index("GALAXY")]
    draws = drawn(values, ["Z_GAL"], 3, 0, chain)
    assert np.isnan(draws[0]).all() and np.isfinite(draws[1]).all()


@pytest.mark.parametrize(
    ("tokens", "num_draws", "shown", "message"),
    [
        ((), 5, (), "no quantity to draw"),
        (("LOGM",), 0, (), "0 draws: expected 1 or more"),
        (("LOGM", "Z_GAL", "LOGM"), 5, (), "LOGM is to be drawn twice"),
        (("LOGM", "MAG_i"), 5, ("MAG_i",), "MAG_i is to be drawn and is shown as well"),
        (("Z_GAL", "Z_QSO"), 5, (), "no class of sources has all of Z_GAL, Z_QSO"),
        (("LOGM", "TEFF", "SPECTYPE"), 5, (), "no class of sources has all of LOGM, TEFF"),
    ],
)
def test_what_cannot_be_drawn_is_said_in_a_sentence(tokens, num_draws, shown, message):
    with pytest.raises(ValueError, match=message):
        check(tokens, num_draws, 0, shown)


@pytest.mark.parametrize(
    ("tokens", "shown"),
    [
        (("LOGM", "LOGSFR", "Z_QSO"), ("MAG_i",)),
        (("SPECTYPE", "Z_GAL", "Z_QSO"), ()),
        (("Z_GAL", "TEFF"), ("SPECTYPE",)),
        (("J0500", "Z_GAL"), ("MAG_i",)),
    ],
)
def test_what_can_be_drawn_is_not_refused(tokens, shown):
    check(tokens, 1, 0, shown)
