"""Requests that are made up from the OpenAPI document: no 5xx, no hang, right answers afterwards.

By schemathesis; of what is not in the document, broken tables and odd cones, by hypothesis alone.
OJALA_FUZZ_EXAMPLES is how many there are of each: a few in the suite, `make fuzz` asks more.
"""

import os
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from server import asked, server
from toy_sky import toy_table

from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.files import write_table_file
from serving.tables import SUFFIXES

pytestmark = pytest.mark.slow
EXAMPLES = int(os.environ.get("OJALA_FUZZ_EXAMPLES", "5"))
PATIENCE = 30
"""Seconds that any answer may take."""

PHASES = "examples,fuzzing" if EXAMPLES < 20 else "examples,coverage,fuzzing"
"""Coverage is of every property in turn: a thousand requests."""

GOOD = {"MAG_i": 19.0, "J0500": 0.8, "J0660": 1.1}


made_up = settings(
    max_examples=20 * EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def address(place, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("server")
    catalogue = {"ra": [10.0, 20.0], "dec": [0.0, 1.0], "MAG_i": [19.0, 20.0]}
    columns = {"tile_id": [1, 1], "number": [1, 2]} | catalogue
    pq.write_table(pa.table(columns), elsewhere / "vac.parquet")
    known = {"OJALA_BUNDLE": place / "ojala", "OJALA_HEADS": place / "heads"}
    known |= {"OJALA_CATALOGUE": elsewhere / "vac.parquet"}
    with server(elsewhere / "log", **known) as address:
        yield address


@pytest.fixture(scope="module")
def right(place):
    """What the Predictor says of a plain source."""
    columns = {name: np.array([value]) for name, value in GOOD.items()}
    return Predictor(bundle.load(place / "ojala")).predict(columns, ["Z_GAL", "LOGM"])


def check_answers(address, right):
    status, answer = asked(f"{address}/predict", {"sources": [GOOD], "queries": ["Z_GAL", "LOGM"]})
    assert status == 200
    (given,) = answer["predictions"]
    for name in ("Z_GAL", "Z_GAL_ERR", "LOGM", "LOGM_ERR"):
        assert np.float32(given[name]) == right[name][0]


def test_no_request_of_the_document_is_answered_by_a_5xx_or_not_at_all(address, right, tmp_path):
    words = ["run", f"{address}/docs.json", "--checks", "not_a_server_error"]
    words += ["--max-examples", str(EXAMPLES), "--phases", PHASES, "--continue-on-failure"]
    words += ["--request-timeout", str(PATIENCE), "--generation-database", "none"]
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", *words, "--no-color"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60 + 60 * EXAMPLES,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert "not_a_server_error" in done.stdout or "generated" in done.stdout, done.stdout
    check_answers(address, right)


def status(address, body=None, **headers):
    """The status of an answer, which comes in time."""
    request = urllib.request.Request(address, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            answer.read()
            return answer.status
    except urllib.error.HTTPError as refused:
        refused.read()
        return refused.code


@pytest.fixture(scope="module", params=SUFFIXES)
def table(request, tmp_path_factory):
    """A media type, and a small table of it."""
    path = tmp_path_factory.mktemp("table") / f"table{SUFFIXES[request.param]}"
    sky = toy_table(3, seed=4, labelled=False)
    own = pa.table({"ID": pa.array([1, 2, 3]), "note": ["a", "b c", ""]})
    for name in ("MAG_i", "MAG_i_ERR", "J0378", "J0500"):
        own = own.append_column(name, sky[name])
    write_table_file(own, path)
    return request.param, path.read_bytes()


changes = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 64), st.binary(max_size=64)), min_size=1, max_size=4
)


def changed(content, places):
    """A file of which pieces are others: where (a share of its length), how long, and what."""
    for where, length, what in places:
        at = int(where * len(content))
        content = content[:at] + what + content[at + length :]
    return content


def test_no_table_however_broken_is_answered_by_a_5xx(address, table, right):
    media_type, content = table
    sent = {"Content-Type": media_type}
    assert status(f"{address}/predict_table", content, **sent) == 200

    @made_up
    @given(changes, st.booleans())
    def asked_with(places, is_cut):
        body = changed(content, places)
        body = body[: len(body) // 2] if is_cut else body
        assert status(f"{address}/predict_table?queries=Z_GAL", body, **sent) < 500

    asked_with()
    check_answers(address, right)


numbers = st.one_of(st.floats().map(str), st.integers().map(str), st.text(max_size=8))


def test_no_cone_however_meant_is_answered_by_a_5xx(address, right):
    assert status(f"{address}/scs?RA=10&DEC=0&SR=1") == 200

    @made_up
    @given(
        st.lists(
            st.tuples(st.sampled_from(["RA", "DEC", "SR", "VERB", "ra", "MAXREC"]), numbers),
            max_size=6,
        )
    )
    def asked_for(query):
        encoded = urllib.parse.urlencode(query, errors="replace")
        assert status(f"{address}/scs?{encoded}") < 500

    asked_for()
    check_answers(address, right)
