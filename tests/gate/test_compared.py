"""What a candidate says beside the champion: counted, and judged by stated limits."""

import numpy as np
import pytest

from ojala.gate.shadow import Compared, Limits, compared


def answers(classes, z_gal, z_qso=None, reasons=None, **more):
    number = len(classes)
    found = {
        "CLASS": np.array(classes, dtype=object),
        "Z_GAL": np.array(z_gal, dtype=np.float32),
        "Z_GAL_ERR": np.full(number, 0.01, dtype=np.float32),
        "Z_QSO": np.array(z_qso or [1.0] * number, dtype=np.float32),
        "Z_QSO_ERR": np.full(number, 0.1, dtype=np.float32),
        "REASON": np.array(reasons or [""] * number, dtype=object),
    }
    return found | {name: np.array(values, dtype=np.float32) for name, values in more.items()}


GALAXIES = answers(["GALAXY"] * 4, [0.1, 0.2, 0.3, 0.4])


def test_a_model_beside_itself_changes_nothing():
    found = compared(GALAXIES, GALAXIES, 0.5)
    expected = Compared(requests=1, sources=4, classed=4, redshifts=4, seconds=0.5)
    assert found == expected and Limits(sources=1).exceeded(found) == []


def test_classes_redshifts_and_lost_answers_are_counted():
    champion = answers(
        ["GALAXY", "QSO", "STAR", "GALAXY", "", "QSO"],
        [0.1, 0.1, 0.1, 0.1, np.nan, 0.1],
        [1.0, 1.0, 1.0, 1.0, np.nan, 2.0],
        ["", "", "", "", "no i", ""],
    )
    candidate = answers(
        ["GALAXY", "GALAXY", "STAR", "QSO", "GALAXY", "QSO"],
        [0.1299, 9.0, 9.0, 0.1301, 0.1, 9.0],  # of galaxies alone: 3 sigma are 0.03
        [9.0, 1.29, 9.0, 9.0, 1.0, 1.69],  # of quasars alone: 0.3
    )
    assert compared(champion, candidate, 0.0) == Compared(
        requests=1, sources=5, classed=5, class_changes=2, redshifts=4, far=2
    )


@pytest.mark.parametrize(
    "candidate",
    [
        answers(["GALAXY"] * 4, [0.1, 0.2, 0.3, np.nan]),
        answers(["GALAXY"] * 4, [0.1, 0.2, 0.3, np.inf]),
        answers(["GALAXY"] * 3 + [""], [0.1, 0.2, 0.3, np.nan], reasons=["", "", "", "no i"]),
    ],
)
def test_an_answer_that_the_champion_had_is_lost(candidate):
    found = compared(GALAXIES, candidate, 0.0)
    assert (found.sources, found.lost, found.classed, found.redshifts) == (4, 1, 3, 3)
    assert Limits(sources=1).exceeded(found) == ["1 of 4 answers lost, at most 0 of them may be"]


def test_a_second_mode_may_come_and_go_and_a_head_of_one_alone_is_left_out():
    champion = GALAXIES | {"Z_GAL_MODE_2": np.full(4, 0.5), "AGE": np.ones(4)}
    candidate = GALAXIES | {"Z_GAL_MODE_2": np.full(4, np.nan)}
    assert compared(champion, candidate, 0.0).lost == 0


@pytest.mark.parametrize("kept", [["Z_GAL", "Z_GAL_ERR"], ["CLASS"], []])
def test_what_was_not_asked_is_not_compared(kept):
    asked = {name: GALAXIES[name] for name in [*kept, "REASON"]}
    found = compared(asked, asked, 0.0)
    assert found.sources == 4
    assert found.classed == (4 if "CLASS" in kept else 0)
    assert found.redshifts == (4 if "Z_GAL" in kept else 0)


def part_of(columns, rows):
    return {name: values[rows] for name, values in columns.items()}


def test_counts_add_up():
    other = answers(["GALAXY", "QSO", "GALAXY", "STAR"], [0.1, 0.9, 0.3, 0.4])
    parts = [
        compared(part_of(GALAXIES, rows), part_of(other, rows), 1.0)
        for rows in (slice(3), slice(3, 4))
    ]
    whole = compared(GALAXIES, other, 2.0)
    assert whole.class_changes == 2 and whole.far == 1
    assert parts[0] + parts[1] == Compared(**vars(whole) | {"requests": 2})


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (Compared(classed=1000, class_changes=20), None),
        (Compared(classed=1000, class_changes=21), "21 of 1000 classes changed, at most 0.02"),
        (Compared(redshifts=500, far=51), "51 of 500 redshifts beyond 3 sigma, at most 0.1"),
        (Compared(redshifts=500, far=50), None),
    ],
)
def test_a_limit_is_the_last_that_passes(found, told):
    exceeded = Limits(class_changes=0.02, far=0.1).exceeded(found)
    assert (exceeded == []) if told is None else exceeded[0].startswith(told)


@pytest.mark.parametrize("wrong", [{"sources": 0}, {"far": 1.1}, {"lost": -0.1}, {"far": np.nan}])
def test_a_limit_that_is_none_is_refused(wrong):
    with pytest.raises(ValueError, match="expected"):
        Limits(**wrong)
