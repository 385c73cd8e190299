"""Servers of one user on one machine leave one another alone."""

import pytest
from few_bands import few_bands
from server import asked, server
from test_promotion_under_load import metrics


def answered(address):
    """Sources that a server says it has answered."""
    counted = metrics(address).items()
    return sum(value for name, value in counted if name.startswith("ojala_sources_total{"))


@pytest.mark.slow
def test_a_second_server_does_not_take_away_the_metrics_of_the_first(place, tmp_path):
    known = {"OJALA_BUNDLE": place / "ojala", "BENTOML_HOME": tmp_path / "bentoml"}
    with server(tmp_path / "first", **known) as first:
        assert asked(f"{first}/predict", {"sources": few_bands(3)})[0] == 200
        with server(tmp_path / "second", **known) as second:
            for _ in range(2):
                assert asked(f"{second}/predict", {"sources": few_bands(2)})[0] == 200
            assert (answered(first), answered(second)) == (3.0, 4.0)
        assert asked(f"{first}/predict", {"sources": few_bands(5)})[0] == 200
        assert answered(first) == 8.0
