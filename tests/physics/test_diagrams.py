import numpy as np
import pytest

from ojala.physics.diagrams import BPT_LINES, WHAN_CUTS, bpt, kauffmann, kewley, whan


def test_lines_pass_where_the_papers_draw_them():
    assert kewley(np.array([0.0]))[0] == pytest.approx(0.61 / -0.47 + 1.19)
    assert kauffmann(np.array([-0.5]))[0] == pytest.approx(0.61 / -0.55 + 1.3)
    assert kewley(np.array([0.5]))[0] == kauffmann(np.array([0.06]))[0] == -np.inf


def test_the_lines_are_ordered_from_strict_to_generous():
    x = np.linspace(-1.2, -0.25, 50)
    assert np.all(BPT_LINES["S06"](x) < BPT_LINES["Ka03"](x))
    assert np.all(BPT_LINES["Ka03"](x) < BPT_LINES["Ke01"](x))


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [(-0.8, 0.0, "SF"), (0.0, 0.8, "AGN"), (0.6, -1.0, "AGN"), (-0.3, 0.0, "SF/AGN")],
)
def test_galaxies_fall_on_their_side(x, y, expected):
    ratios = {"nii": np.array([10**x]), "halpha": np.ones(1)}
    ratios |= {"oiii": np.array([10**y]), "hbeta": np.ones(1)}
    found = bpt(**ratios, line="Ka03")[0], bpt(**ratios, line="Ke01")[0]
    if expected == "SF/AGN":
        assert found == ("AGN", "SF"), "composites lie between the lines"
    else:
        assert found == (expected, expected)


def test_a_line_that_is_not_positive_cannot_be_classified():
    one = np.ones(3)
    assert bpt(np.array([-1.0, np.nan, 0.0]), one, one, one, line="Ke01").tolist() == [""] * 3


def test_whan_branches():
    halpha = np.array([20.0, 20.0, 4.0, 1.0, -0.5, np.nan, 10.0])
    nii = np.array([4.0, 15.0, 4.0, 2.0, np.nan, 1.0, np.nan])
    branches = ["SF", "sAGN", "wAGN", "passive", "passive", "", ""]
    assert whan(nii, halpha, line="S06").tolist() == branches


def test_generous_cuts_move_agn_to_star_formation_only():
    rng = np.random.default_rng(0)
    halpha, nii = rng.uniform(0, 30, 500), rng.uniform(0, 20, 500)
    found = {line: whan(nii, halpha, line=line) for line in WHAN_CUTS}
    assert (
        np.sum(found["S06"] == "SF") < np.sum(found["Ka03"] == "SF") < np.sum(found["Ke01"] == "SF")
    )
    assert np.array_equal(found["S06"] == "passive", found["Ke01"] == "passive")
