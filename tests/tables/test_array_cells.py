"""Columns as numbers: what is one and what is none, as pandas has it."""

import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ojala.tables.array_cells import number

BLANKS = st.text(" \t\n", max_size=2)
SIGN = st.sampled_from(["", "+", "-"])
DIGITS = st.text("0123456789", max_size=20)
WRITTEN = st.builds("".join, st.tuples(BLANKS, SIGN, DIGITS, st.sampled_from(["", "."]), DIGITS))
SCIENCE = st.builds("{}{}{}{}".format, WRITTEN, st.sampled_from("eE"), SIGN, st.integers(0, 99))
TEXT = st.one_of(
    WRITTEN,
    SCIENCE,
    st.floats().map(repr),
    st.integers().map(str),
    st.text("0123456789+-.eE _,xinfaINF", max_size=8).filter(
        lambda text: "inf" not in text.lower()
    ),
    st.sampled_from(["inf", "-INF", "+Infinity", "infinit", "nan", "NaN", "--", "null", "True"]),
    st.sampled_from(["", " ", "1_000", "1,5", "0x10", "1d5", "\u0661", "\u00a01", "1\u2009"]),
)
BYTES = TEXT.map(str.encode)
CELLS = st.one_of(
    TEXT,
    BYTES,
    st.none(),
    st.booleans(),
    st.floats(),
    st.integers(-(2**63), 2**63 - 1),
    st.decimals(allow_nan=False).filter(lambda value: abs(value.adjusted()) < 300),
    st.floats(width=32).map(np.float32),
    st.integers(-128, 127).map(np.int8),
    st.booleans().map(np.bool_),
    st.sampled_from([pd.NA, Decimal("NaN"), [], [1.0], (2,), {"a": 1}]),
)
unhurried = settings(deadline=None)
KINDS = (bool, "i1", "<i4", ">i8", "u2", "u8", "f2", "<f4", ">f4", "f8", ">f8", "g")


def as_pandas_has_it(values):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of masked cells
        return np.asarray(pd.to_numeric(pd.Series(values), errors="coerce"), dtype=np.float64)


def assert_as_pandas_has_it(values):
    found = number(values)
    assert found.dtype == np.float64 and type(found) is np.ndarray
    # The last bit of text: pandas does not round it to the nearest.
    np.testing.assert_allclose(found, as_pandas_has_it(values), rtol=1e-15, atol=0)
    return found


def objects(cells):
    values = np.empty(len(cells), dtype=object)
    values[:] = cells
    return values


@unhurried
@given(st.lists(CELLS, max_size=8), st.data())
def test_cells_of_any_kind_are_what_pandas_takes_them_for(cells, data):
    values = objects(cells)
    assert_as_pandas_has_it(values)
    mask = data.draw(st.lists(st.booleans(), min_size=len(cells), max_size=len(cells)))
    found = number(np.ma.array(values, mask=mask))
    np.testing.assert_array_equal(found, np.where(mask, np.nan, number(values)))


@unhurried
@given(st.lists(TEXT, max_size=8))
def test_text_is_what_pandas_takes_it_for_and_rounded_to_the_nearest(words):
    found = assert_as_pandas_has_it(np.array(words, dtype=str))
    assert_as_pandas_has_it(np.array([word.encode() for word in words], dtype=bytes))
    there = ~np.isnan(found)
    nearest = [float(word) for word, kept in zip(words, there, strict=True) if kept]
    np.testing.assert_array_equal(found[there], nearest)


@pytest.mark.parametrize("kind", KINDS)
@unhurried
@given(numbers=st.lists(st.integers(0, 100) | st.just(2**63), max_size=8), data=st.data())
def test_numbers_stay_what_they_are(kind, numbers, data):
    with np.errstate(over="ignore"):
        values = np.array(numbers, dtype=np.uint64).astype(kind)
    np.testing.assert_array_equal(number(values), as_pandas_has_it(values))
    mask = data.draw(st.lists(st.booleans(), min_size=len(numbers), max_size=len(numbers)))
    hidden = np.ma.array(values, mask=mask)
    np.testing.assert_array_equal(number(hidden), as_pandas_has_it(hidden))


@unhurried
@given(st.lists(st.floats(), max_size=8))
def test_every_bit_of_a_real_number_is_kept(numbers):
    values = np.array(numbers, dtype=np.float64)
    assert number(values).tobytes() == values.tobytes()
    with np.errstate(over="ignore"):
        halved = values.astype(np.float32)
    assert number(halved).tobytes() == halved.astype(np.float64).tobytes()


@pytest.mark.parametrize(
    "values",
    [
        np.array(["2020-01-01", "NaT"], dtype="M8[ns]"),
        np.array([1, 2], dtype="m8[s]"),
        np.array([1 + 0j, 1j]),
        np.array([(1, 2.0)] * 2, dtype=[("a", "i4"), ("b", "f8")]),
        objects([pd.NaT, np.datetime64("2020-01-01")]),
        objects([np.timedelta64(3, "s"), pd.Timestamp("2020-01-01")]),
        objects([10**400, Decimal("sNaN")]),
        objects([np.ma.masked, np.array(1.0)]),
    ],
    ids=[
        "times",
        "durations",
        "complex",
        "records",
        "a time",
        "a duration",
        "beyond floats",
        "arrays",
    ],
)
def test_what_pandas_makes_numbers_of_or_fails_at_is_none(values):
    assert np.isnan(number(values)).tolist() == [True, True]


def test_infinity_may_have_blanks_around_it_as_other_numbers_have():
    assert number(np.array([" inf", "-Infinity\n", "i nf"])).tolist()[:2] == [np.inf, -np.inf]


def test_several_values_in_a_row_are_an_error():
    with pytest.raises(ValueError, match=r"arrays of shape \(2,\) in a row"):
        number(np.zeros((3, 2)))
