"""What a user is told of a catalogue does not depend on how it was cut."""

import numpy as np
import pytest
from toy_sky import toy_table

from ojala.catalogue.seen import Seen, together
from ojala.model.shown import shown
from ojala.tables.shards import columns_of
from ojala.training.resident import measured_scaling
from ojala.vocabulary.quantities import observations


@pytest.fixture(scope="module")
def odd_sky():
    """Sources with marks, without errors, without i and with fluxes that are no ratios."""
    columns = {name: of.copy() for name, of in columns_of(toy_table(60, seed=4)).items()}
    columns["J0660"][[5, 31]] = 4321.5
    columns["J0390"][40] = -777.5
    columns["MAG_G"][50] = 44.0
    columns["J0500_ERR"][[2, 33, 34]] = 0.0
    columns["MAG_Z_ERR"][59] = -1.0
    columns["MAG_i"][[17, 44]] = np.nan
    for name in [name for name in columns if name[:1] == "J" and not name.endswith("_ERR")]:
        columns[name][[20, 55]] = 5000.0
    return columns


@pytest.mark.parametrize("rows", [1, 7, 33, 60])
def test_pieces_together_tell_what_the_whole_tells(odd_sky, rows):
    scaling = measured_scaling(toy_table(60))
    whole = Seen.of(shown(odd_sky, scaling, observations()))
    parts = []
    for first in range(0, 60, rows):
        part = {name: values[first : first + rows] for name, values in odd_sky.items()}
        parts.append(Seen.of(shown(part, scaling, observations()), first))
    found = together(parts)
    assert list(found.lines()) == list(whole.lines())
    assert found == whole
    assert len(list(whole.lines())) == 7
    assert Seen.from_json(found.to_json()) == found


def test_only_a_catalogue_that_is_wrong_throughout_is_refused(odd_sky):
    scaling = measured_scaling(toy_table(60))
    wrong = {name: values[[20, 55]] for name, values in odd_sky.items()}
    first = Seen.of(shown(wrong, scaling, observations()))
    assert first.is_no_ratios() and together([first, first]).is_no_ratios()
    assert not together([first, Seen.of(shown(odd_sky, scaling, observations()), 2)]).is_no_ratios()
    assert not together([]).is_no_ratios()
