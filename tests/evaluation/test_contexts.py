import numpy as np
import pytest
from matched import CONFIG, truth_of

from ojala.evaluation.contexts import (
    BB,
    LABELS,
    PAPER,
    TRAYS,
    off_by,
    predictions,
    tokens,
    without_bands,
    without_lines,
)
from ojala.vocabulary.bands import band, narrow_bands
from ojala.vocabulary.quantities import observations

NARROW = [b.token for b in narrow_bands()]


@pytest.fixture
def truth():
    return truth_of(60, np.random.default_rng(0))


def echo(columns, context):
    """A Predictor that answers with the number of tokens it was shown."""
    shown = [np.isfinite(columns[token].astype(float)) for token in context if token in columns]
    num = np.sum(shown, axis=0)
    return {"CLASS": np.full(len(num), "STAR", dtype=object), "Z_GAL": num.astype(float)}


def test_contexts_are_those_of_the_paper():
    assert set(tokens("all")) == set(observations())
    assert tokens("BB") == BB == ("MAG_G", "MAG_R", "MAG_Z", "MAG_W1", "MAG_W2")
    assert set(tokens("BB_M")) - set(tokens("BB")) == {"MORPHTYPE"}
    first = {token for token in tokens("T1_BB_M") if token.startswith("J")}
    assert first == {b.token for b in narrow_bands() if b.tray == "T1"}
    without = set(tokens("all")) - set(tokens("without_T3_T4"))
    assert {band(token).tray for token in without} == {"T3", "T4"}
    assert set(tokens("all")) - set(tokens("without_WISE")) == {"MAG_W1", "MAG_W2"}
    assert set(tokens("all")) - set(tokens("without_M")) == {"MORPHTYPE"}
    assert set(PAPER) < set(TRAYS) < set(LABELS)


def test_contexts_with_narrow_bands_have_the_band_they_are_divided_by():
    for name in LABELS:
        narrow = any(token.startswith("J") for token in tokens(name))
        assert ("MAG_i" in tokens(name)) == narrow


def test_a_zero_point_moves_the_whole_of_a_tile_and_nothing_but_narrow_bands(truth):
    tiles = np.unique(truth["tile_id"])
    moved = off_by(truth, 0.1, np.random.default_rng(3))
    offsets = []
    for token in NARROW:
        ratio = -2.5 * np.log10(moved[token] / truth[token])
        for tile in tiles:
            of_tile = ratio[(truth["tile_id"] == tile) & np.isfinite(ratio)]
            np.testing.assert_allclose(of_tile, of_tile[0], atol=1e-9)
            offsets.append(of_tile[0])
    assert len(set(offsets)) == 54 * len(tiles) and np.std(offsets) == pytest.approx(0.1, abs=0.02)
    assert all(moved[name] is truth[name] for name in set(truth) - set(NARROW))


def test_bands_that_hold_a_line_are_hidden_and_no_others(truth):
    hidden = without_lines(truth)
    galaxies = np.flatnonzero(truth["SPECTYPE"] == 0)
    row = galaxies[0]
    halpha = 6564.61 * (1 + truth["z"][row])
    nearest = min(narrow_bands(), key=lambda b: abs(b.wave - halpha))
    assert np.isnan(hidden[nearest.token][row])
    num_hidden = sum(np.isnan(hidden[token][row]) for token in NARROW)
    assert 3 <= num_hidden <= 9, "three groups of lines, each in one to three bands"
    assert np.isfinite(hidden["J0390"][row]), "no line is so blue at z < 0.3"
    others = truth["SPECTYPE"] != 0
    assert all(np.array_equal(hidden[t][others], truth[t][others]) for t in NARROW)
    assert all(np.isfinite(truth[token]).all() for token in NARROW), "the table itself is kept"


def test_as_many_bands_are_hidden_as_asked_for_and_of_those_observed(truth):
    truth["J0500"][:30] = np.nan
    fewer = without_bands(truth, 20, np.random.default_rng(1))
    left = np.sum([np.isfinite(fewer[token]) for token in NARROW], axis=0)
    assert np.all(left[:30] == 33) and np.all(left[30:] == 34)
    none = without_bands(truth, 54, np.random.default_rng(1))
    assert all(np.isnan(none[token]).all() for token in NARROW)


def test_a_pass_for_each_context(truth):
    given = predictions(echo, truth, CONFIG.hidden_bands, seed=1)
    assert set(given) == {*LABELS, "hidden_10", "hidden_50"}
    assert np.all(given["all"]["Z_GAL"] == 61)
    assert np.all(given["hidden_50"]["Z_GAL"] == 11)
    assert np.all(given["BB"]["Z_GAL"] == 5)
    z_spec = given["BB_zspec"]["Z_GAL"]
    assert np.all(z_spec == 5 + (truth["SPECTYPE"] != 1)), "a star has no redshift to be told"
