"""A bundle in a process of its own: opened, asked about golden objects and a test set, timed.

Whatever a broken bundle does there (fail, hang, crash), the process that asked is told in one
sentence and goes on.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from ojala.gate import golden
from ojala.measures.redshift_scores import score_columns
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.tables.shards import Columns, column, columns_of, read_table
from ojala.vocabulary.bands import reference_band

ANSWERS, FOUND = "answers.parquet", "found.json"
REPEATS = 3
"""Predictions that are timed; the shortest counts."""


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a bundle showed.

    answers: about every source of the test set, and scores of p(z)
    num_golden: objects whose answers were those at registration; 0 where none were stored
    latency: CPU seconds for the timed sources on one thread; megabytes: size of the bundle
    """

    answers: Columns
    num_golden: int
    latency: float
    megabytes: float


def inspected(
    directory: Path, *, digest: str, sources: Path, num_timed: int, timeout: float
) -> Inspection:
    """Inspect the bundle ``directory``, beside which its golden objects stand, apart from here.

    digest: what it is to be; sources: a test set; num_timed: sources of it that are timed
    Raises ValueError with what is wrong, also where it takes longer than ``timeout`` seconds.
    """
    # -P and the path: the code that runs there is the code that runs here, wherever that is.
    command = [sys.executable, "-P", "-c", _CHILD, str(Path(__file__).parents[2])]
    asked = ["--digest", digest, "--sources", str(sources), "--num-timed", str(num_timed)]
    with tempfile.TemporaryDirectory() as out:
        try:
            done = subprocess.run(
                [*command, str(directory), *asked, "--out", out],
                capture_output=True,
                text=True,
                timeout=timeout,
            )
        except subprocess.TimeoutExpired:
            raise ValueError(f"the bundle did not answer within {timeout:g} seconds") from None
        if done.returncode != 0:
            raise ValueError(_last_words(done))
        return read(Path(out))


_CHILD = """\
import sys
sys.path.insert(0, sys.argv.pop(1))
from ojala.gate import inspection
inspection.main()
"""


def _last_words(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines() or ["it said nothing"]
    if done.returncode < 0:
        return f"the process that opened the bundle died of signal {-done.returncode}"
    return lines[-1]


def main() -> None:
    """Inspect a bundle in this process; what is wrong is the last line of stderr."""
    parser = argparse.ArgumentParser()
    parser.add_argument("directory", type=Path)
    parser.add_argument("--digest", required=True)
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--num-timed", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    try:
        inspect(**vars(arguments))
    except (ValueError, OSError) as error:
        sys.exit(" ".join(str(error).split()))


def inspect(directory: Path, *, digest: str, sources: Path, num_timed: int, out: Path) -> None:
    """Inspect a bundle here and write what it showed into the directory ``out``.

    Raises ValueError with what is wrong.
    """
    opened = bundle.load(directory)
    if opened.digest != digest:
        raise ValueError(
            f"the bundle's digest is {opened.digest[:12]}, its version says {digest[:12]}"
        )
    predictor = Predictor(opened)
    num_golden = _check_golden(predictor, directory.parent / golden.GOLDEN)
    table = read_table(sources)
    answers = predictor.predict(table)
    golden.check_answers(answers)
    answers |= score_columns(predictor.redshifts(table), column(table, "z"))
    pq.write_table(
        pa.table({name: pa.array(values) for name, values in answers.items()}), out / ANSWERS
    )
    found = {
        "num_golden": num_golden,
        "latency": _seconds(predictor, table.slice(0, num_timed)),
        "megabytes": sum(file.stat().st_size for file in directory.iterdir()) / 1e6,
    }
    (out / FOUND).write_text(json.dumps(found))


def read(out: Path) -> Inspection:
    """What an inspection wrote."""
    found = json.loads((out / FOUND).read_text())
    return Inspection(answers=columns_of(pq.read_table(out / ANSWERS)), **found)


def _check_golden(predictor: Predictor, path: Path) -> int:
    """Number of golden objects; none where a version was registered without them."""
    if not path.exists():
        return 0
    objects, stored = golden.read(path)
    answers = predictor.predict(objects)
    golden.check_answers(answers)
    golden.check_same(answers, stored)
    return len(objects[reference_band().token])


def _seconds(predictor: Predictor, table: pa.Table) -> float:
    """CPU time on one thread, which does not depend on what else the machine does."""
    torch.set_num_threads(1)
    times = []
    for _ in range(REPEATS):
        began = time.process_time()
        predictor.predict(table)
        times.append(time.process_time() - began)
    return min(times)
