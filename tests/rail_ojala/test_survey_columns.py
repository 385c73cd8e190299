"""Columns of anyone's survey: names are the user's, and a non-detection is no non-observation."""

import numpy as np
import pytest

pytest.importorskip("rail.estimation.estimator", reason="needs RAIL: make rail")

from rail_ojala.survey_columns import SurveyColumns

NAN = float("nan")


def columns(**other):
    given = {
        "bands": ["u", "i_mag", "line"],
        "errors": ["", "i_sigma", "line_sigma"],
        "names": ["", "MAG_i", "J0660"],
        "nondetected": 99.0,
        "nonobserved": -99.0,
        "limits": {"i_mag": 24.5},
    }
    return SurveyColumns(**given | other)


TABLE = {
    "i_mag": np.array([21.0, 99.0, -99.0, NAN]),
    "i_sigma": np.array([0.1, 99.0, -99.0, NAN]),
    "line": np.array([1.2, 99.0, -99.0, NAN]),
    "line_sigma": np.array([0.2, 99.0, -99.0, NAN]),
}


def test_a_magnitude_that_was_not_detected_is_the_limit_and_a_flux_is_zero():
    found = columns().catalogue(TABLE)
    assert set(found) == {"MAG_i", "MAG_i_ERR", "J0660", "J0660_ERR"}
    np.testing.assert_array_equal(found["MAG_i"], [21.0, 24.5, NAN, NAN])
    np.testing.assert_array_equal(found["J0660"], [1.2, 0.0, NAN, NAN])
    assert found["MAG_i_ERR"][1] == found["J0660_ERR"][1] == 1.0


def test_either_mark_may_be_nan():
    found = columns(nondetected=NAN).catalogue(TABLE)
    np.testing.assert_array_equal(found["MAG_i"], [21.0, 99.0, NAN, 24.5])
    found = columns(nonobserved=NAN).catalogue(TABLE)
    np.testing.assert_array_equal(found["MAG_i"], [21.0, 24.5, -99.0, NAN])


def test_the_table_is_left_as_it_was():
    before = {name: values.copy() for name, values in TABLE.items()}
    columns().catalogue(TABLE)
    for name, values in TABLE.items():
        np.testing.assert_array_equal(values, before[name])


def test_a_limit_is_asked_for_only_where_it_is_needed():
    detected = {name: values[:1] for name, values in TABLE.items()}
    columns(limits={}).catalogue(detected)
    with pytest.raises(ValueError, match=r"column i_mag: .* mag_limits"):
        columns(limits={}).catalogue(TABLE)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"names": ["MAG_i", "J0660"]}, "3, 3 and 2 entries"),
        ({"names": ["", "MAG_i", "MAG_i"]}, "MAG_i is given to two bands"),
        ({"nonobserved": 99.0}, "both 99"),
        ({"nondetected": NAN, "nonobserved": NAN}, "both nan"),
    ],
)
def test_what_does_not_go_together_is_refused(wrong, sentence):
    with pytest.raises(ValueError, match=sentence):
        columns(**wrong)


def test_only_columns_of_bands_that_are_known_are_read():
    assert columns().needed() == ["i_mag", "i_sigma", "line", "line_sigma"]
