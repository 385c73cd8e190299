"""The census counts every source that has a class once."""

from __future__ import annotations

import numpy as np

from ojala.training_set.census import beside, census, shares


def mocks(**changed):
    columns = {
        "SPECTYPE": np.array([0, 0, 1, 2, -1], dtype=np.int8),
        "MORPHTYPE": np.array([0, -1, 3, 3, 3], dtype=np.int8),
        "MAG_i": np.array([15.0, 20.0, 23.5, np.nan, 19.0]),
        "z": np.array([0.01, 0.4, 0.0, 7.0, 0.1]),
    }
    return columns | changed


def test_every_source_with_a_class_is_counted_once():
    assert sum(row["number"] for row in census(mocks())) == 4


def test_bins_hold_their_lower_edge_and_end_open():
    found = {(row["class"], row["morphtype"]): (row["i"], row["z"]) for row in census(mocks())}
    assert found == {
        ("GALAXY", "DEV"): ("< 16", "< 0.02"),
        ("GALAXY", ""): ("20 - 21", "0.4 - 0.6"),
        ("STAR", "PSF"): (">= 23", ""),
        ("QSO", "PSF"): ("", ">= 3.5"),
    }


def test_shares_are_of_the_sources_with_a_class():
    assert shares(mocks()) == {
        "share of GALAXY": 0.5,
        "share of STAR": 0.25,
        "share of QSO": 0.25,
    }
    assert sum(shares(mocks(SPECTYPE=np.full(5, -1, np.int8))).values()) == 0


def test_only_what_is_published_stands_beside():
    (row,) = beside({"LRG per square degree": 700.0, "of my own": 1.0})
    assert row["here"] == 700.0
    assert row["published"] == 605.0
    assert row["source"] == "Zhou et al. 2023"
