import re

import pytest
from drawn import words
from matched_sets import evaluated, surroundings

from ojala.evaluation.config import REAL
from ojala.figures.album import album
from ojala.figures.comparisons import LINE_PANELS, MASS_PANELS, STELLAR_PANELS
from ojala.measures.metrics import NOT_ENOUGH

PLATES = 22


@pytest.fixture(scope="module")
def plates():
    found = evaluated()
    return {plate.name: plate for plate in album(found, surroundings(found))}


def test_every_plate_has_a_caption_and_a_section(plates):
    assert len(plates) == PLATES
    for plate in plates.values():
        assert plate.caption.endswith(".")
        assert plate.section


def test_every_figure_of_the_paper_is_there(plates):
    captions = " ".join(plate.caption for plate in plates.values())
    for number in (1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 14):
        assert f"Fig. {number} of the paper" in captions


def along(axis, which):
    """The axis and those that share its x or y, one of which carries the label."""
    shared = axis.get_shared_x_axes() if which == "x" else axis.get_shared_y_axes()
    return [axis, *shared.get_siblings(axis)]


def test_every_axis_is_labelled_and_every_figure_counts_its_sources(plates):
    for plate in plates.values():
        figure = plate.draw()
        for axis in figure.axes:
            if axis.get_label() == "<colorbar>":
                assert axis.get_ylabel(), plate.name
                continue
            assert any(each.get_xlabel() for each in along(axis, "x")), plate.name
            named = any(each.get_ylabel() for each in along(axis, "y"))
            assert named or axis.get_yticklabels(), plate.name
        counted = re.search(r"\b[nN] = [\d,]+", words(figure))
        assert counted, f"{plate.name} does not say of how many sources"


def test_units_are_written(plates):
    for name, unit in {
        "stellar_parameters": "(K)",
        "equivalent_widths": "AA",
        "halpha_luminosity": "erg s",
        "masses": "odot",
        "class_by_magnitude": "(AB mag)",
        "counterparts": "AA",
        "line_fluxes": "(dex)",
    }.items():
        assert unit in words(plates[name].draw()), name


def test_scores_of_both_sets_are_written_into_the_panels(plates):
    real, synth = (found["galaxy"]["LOGM"] for found in plates["masses"].draw.args[:2])
    counts = [f"{one.takes_part.sum():,}" for one in (real, synth)]
    assert f"N = {counts[0]} ({counts[1]})" in words(plates["masses"].draw())


@pytest.mark.parametrize("kept", [slice(0), slice(1)])
def test_few_objects_are_said_not_drawn(kept):
    found = evaluated(kept)
    figures = {plate.name: plate.draw() for plate in album(found, surroundings(found))}
    for figure in figures.values():
        figure.draw_without_rendering()
    assert NOT_ENOUGH in words(figures["masses"])


def is_left_out(axis):
    return any(NOT_ENOUGH in text.get_text() for text in axis.texts)


def test_without_quasars_and_without_labels_their_panels_alone_are_left_out():
    with_quasars = evaluated().truth[REAL]["SPECTYPE"] == 2
    found = evaluated(~with_quasars, LOGM=None, HALPHA_6562_EW=None)
    figures = {plate.name: plate.draw() for plate in album(found, surroundings(found))}
    for figure in figures.values():
        figure.draw_without_rendering()
    for name, panels in (
        ("masses", MASS_PANELS),
        ("equivalent_widths", LINE_PANELS),
        ("stellar_parameters", STELLAR_PANELS),
    ):
        for axis, (of_class, token, _) in zip(figures[name].axes, panels, strict=False):
            unknown = of_class == "qso" or token in ("LOGM", "HALPHA_6562_EW", "NII_HALPHA")
            assert is_left_out(axis) == unknown, (name, of_class, token)
            assert bool(axis.collections) != unknown, (name, of_class, token)
    of_redshifts = figures["redshift_one_to_one"].axes
    assert {axis.get_title() for axis in of_redshifts if is_left_out(axis)} == {
        "QSO, Test-Real",
        "QSO, Test-Synth",
    }
