import numpy as np
from matched import CONFIG, matched, rows_of

from ojala.evaluation.curves import by_magnitude, by_redshift, f1_by_magnitude
from ojala.measures.metrics import NOT_ENOUGH


def test_bins_slide_every_third_of_a_magnitude_and_overlap():
    bins = by_magnitude(*matched(3000), CONFIG)
    centres = [entry["mag_i"] for entry in bins]
    assert np.allclose(np.diff(centres), 0.3)
    counted = sum(entry["class"]["GALAXY"]["num_sources"] for entry in bins)
    _, truth = matched(3000)
    assert 1.9 < counted / np.sum(truth["SPECTYPE"] == 0) < 2.1, "half-width is the step"


def test_intervals_hold_the_value():
    for entry in by_magnitude(*matched(3000, confused=0.3), CONFIG):
        galaxies = entry["class"]["GALAXY"]
        if galaxies["f1"] != NOT_ENOUGH:
            low, high = galaxies["interval"]["f1"]
            assert low < galaxies["f1"] < high


def test_bins_without_quasars_say_so():
    predicted, truth = matched(3000)
    kept = (truth["SPECTYPE"] != 2) | (truth["MAG_i"] > 19)
    predicted, truth = rows_of(predicted, kept), rows_of(truth, kept)
    bright = by_magnitude(predicted, truth, CONFIG)[3]
    assert bright["class"]["QSO"]["num_sources"] == 0
    assert bright["class"]["QSO"]["f1"] == bright["qso"]["sigma_nmad"] == NOT_ENOUGH
    assert bright["class"]["weighted_f1"] == NOT_ENOUGH
    assert bright["class"]["GALAXY"]["f1"] == 1.0
    weighted = [entry["weighted_f1"] for entry in f1_by_magnitude(predicted, truth, CONFIG)]
    assert weighted[3] == NOT_ENOUGH and weighted[-3] == 1.0


def test_redshift_errors_are_found_where_they_are():
    predicted, truth = matched(4000)
    far = truth["z"] > 0.2
    predicted["Z_GAL"] = truth["z"] + np.where(far, 0.05 * (1 + truth["z"]), 0)
    bins = by_redshift(predicted, truth, CONFIG)["galaxy"]
    assert [entry["z_spec"] for entry in bins] == sorted(entry["z_spec"] for entry in bins)
    assert bins[0]["bias"] == 0
    assert abs(bins[-1]["bias"] - 0.05) < 1e-9
