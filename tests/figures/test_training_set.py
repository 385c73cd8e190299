from dataclasses import replace

import numpy as np
import pytest
from drawn import labelled
from toy_training_set import errors_of, population

from ojala.figures.style import save
from ojala.figures.training_set import noise, sampling
from ojala.measures.metrics import NOT_ENOUGH
from ojala.training_set.noise_comparison import ErrorSet
from ojala.training_set.sampling import WeightsConfig, weights
from ojala.vocabulary.quantities import CLASSES


def test_the_sampling_figure_shows_before_and_after(tmp_path):
    columns = population(3000)
    figure = sampling(columns, weights(columns, WeightsConfig()))
    labelled(figure)
    assert figure.axes[-1].get_ylabel() == "Density of sources over its maximum"
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [
        "as it is",
        "as sampled",
    ]
    save(figure, tmp_path / "weights.png")
    assert (tmp_path / "weights.png").stat().st_size > 10_000


def test_a_sky_without_stars_can_be_drawn():
    columns = population(500)
    columns["SPECTYPE"] = np.zeros(500, dtype=int)
    figure = sampling(columns, weights(columns, WeightsConfig()))
    labelled(figure)
    galaxies, quasars, shares = figure.axes[:3]
    assert (galaxies.get_title(), quasars.get_title()) == ("GALAXY (n = 500)", "QSO (n = 0)")
    assert [bar.get_height() for bar in shares.patches] == pytest.approx([1, 0, 0] * 2)


def noise_of(num, shared, seed=0):
    mag_i, flux_err = errors_of(num, shared, seed)
    flux, spectype = np.ones((num, 54)), np.arange(num) % 3
    return ErrorSet(spectype=spectype, mag_i=mag_i, flux=flux, flux_err=flux_err)


def test_a_class_without_sources_leaves_its_panel_empty_and_says_so(tmp_path):
    sets = {"J-PAS": noise_of(900, 0.9), "similar": noise_of(900, 0.8, 1)}
    no_stars = np.zeros(900, dtype=int)
    figure = noise({name: replace(each, spectype=no_stars) for name, each in sets.items()})
    said = [[text.get_text() for text in axis.texts] for axis in figure.axes[4:7]]
    assert said == [[], [f"{NOT_ENOUGH}\n(n = 0)"], [f"{NOT_ENOUGH}\n(n = 0)"]]
    save(figure, tmp_path / "noise.png")
    assert (tmp_path / "noise.png").stat().st_size > 10_000


def test_the_noise_figure_compares_three_sets(tmp_path):
    sets = {"J-PAS": noise_of(900, 0.9), "similar": noise_of(900, 0.8, 1)}
    figure = noise(sets | {"magnitude only": noise_of(900, 0.0, 2)})
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert labels == ["J-PAS", "similar", "magnitude only"]
    titles = [axis.get_title() for axis in figure.axes]
    assert titles[4:7] == [f"J0660, {name} (n = 300)" for name in CLASSES]
    save(figure, tmp_path / "noise.png")
