"""A result is lines for a person, or one JSON object and nothing else."""

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import numpy as np
import pytest

from ojala.tables import result


def told(capsys, record, *words):
    parser = ArgumentParser()
    result.add_argument(parser)
    result.tell(parser.parse_args(words), ["one", "two"], record)
    return capsys.readouterr().out


def test_lines_stand_one_below_the_other(capsys):
    assert told(capsys, {"a": 1}) == "one\ntwo\n"
    result.tell(Namespace(), ["of a caller without the option"], {})
    assert capsys.readouterr().out == "of a caller without the option\n"


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (np.float32(0.5), 0.5),
        (np.int64(2**62 + 1), 2**62 + 1),
        (float("nan"), None),
        (np.float64("inf"), None),
        (np.bool_(True), True),
        (Path("a/b.fits"), "a/b.fits"),
        ((1, "x", None), [1, "x", None]),
        ({7: {"deep": [np.float32("nan")]}}, {"7": {"deep": [None]}}),
    ],
)
def test_a_record_is_json_that_any_reader_takes(capsys, value, plain):
    out = told(capsys, {"it": value}, "--json")
    assert out.count("\n") == 1

    def refuse(word):
        raise AssertionError(word)

    assert json.loads(out, parse_constant=refuse) == {"it": plain}
