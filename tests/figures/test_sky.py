import numpy as np
import pytest
from PIL import Image

from ojala.figures.sky import draw_figures, magnitude
from ojala.figures.sky_surveys import SAMPLE_COLOURS
from ojala.sky.population import FIELD, SAMPLES
from ojala.sky.survey import SkyConfig, simulate
from ojala.sky.truth_table import read_truth


@pytest.fixture(scope="module")
def sky(tmp_path_factory):
    out = tmp_path_factory.mktemp("sky") / "simulated"
    simulate(SkyConfig(num_desi=60, num_jpas=120, num_both=60, desi_per_cell=30), out)
    return out


def test_every_figure_is_drawn_small_enough_for_the_documentation(sky, tmp_path):
    paths = draw_figures(sky, tmp_path / "figures")
    assert len(paths) == 5
    for path in paths:
        assert path.stat().st_size < 150_000
        assert len(np.unique(np.asarray(Image.open(path)))) > 5


def test_every_sample_of_desi_has_a_colour_of_its_own():
    assert set(SAMPLE_COLOURS) == set(SAMPLES) - set(FIELD)
    assert len(set(SAMPLE_COLOURS.values())) == len(SAMPLE_COLOURS)


def test_magnitudes_are_those_of_the_band_fluxes(sky):
    truth = read_truth(sky / "truth")
    brighter = truth | {"MAG_R_S": 10 * truth["MAG_R_S"]}
    difference = magnitude(truth, "MAG_R") - magnitude(brighter, "MAG_R")
    assert difference == pytest.approx(2.5, abs=1e-6)


def test_a_directory_without_a_sky_is_said(tmp_path):
    with pytest.raises(ValueError, match="no truth tables"):
        draw_figures(tmp_path, tmp_path / "figures")
