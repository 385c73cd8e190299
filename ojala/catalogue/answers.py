"""``ojala predict``: what a bundle says of a catalogue, as a catalogue."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from tqdm import tqdm

from ojala import __version__
from ojala.catalogue import pieces, seen
from ojala.catalogue.answers_table import with_answers, with_origin
from ojala.catalogue.domain import Domain
from ojala.catalogue.flags import with_flags
from ojala.catalogue.in_blocks import growing
from ojala.catalogue.light import light
from ojala.catalogue.pieces import told_of
from ojala.catalogue.recalibration import Recalibration
from ojala.catalogue.seen import Seen
from ojala.catalogue.vac import NO_DOMAIN, NO_RECALIBRATION
from ojala.engines.engine import PLAIN
from ojala.heads import head
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.model.shown import Shown
from ojala.physics.derived import derived
from ojala.tables.files import check_writable, table_format, write_table_file
from ojala.tables.shards import Columns, read_table
from ojala.tables.writing import written_whole
from ojala.vocabulary.quality_flags import FLAGS_COLUMN


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Who is asked, and what: by default the 15 quantities and every head.

    heads: those of the predictor
    named: columns of a catalogue by what they are to be taken for (``light.called``)
    engine: that the predictor runs on, as people name it
    domain: by which QUALITY_FLAGS tells who is outside of it; None: that is not judged
    recalibration: by which probabilities and intervals hold what they state; None: as answered
    """

    predictor: Predictor
    queries: tuple[str, ...] | None = None
    heads: Sequence[head.Head] = ()
    named: Mapping[str, str] | None = None
    engine: str = PLAIN.said()
    domain: Domain | None = None
    recalibration: Recalibration | None = None

    def no_answers(self) -> Columns:
        """The columns of an answer without a row, but for QUALITY_FLAGS and what is derived."""
        blank = self.predictor.no_answers(self.queries)
        if self.recalibration is None:
            return blank
        return self.recalibration.of(blank, np.empty(0))


def predict(path: Path, out: Path, asked: Asked) -> int:
    """Write the catalogue of ``path`` with the answers as further columns; number of its rows.

    Into Parquet it goes in pieces, so that memory does not grow with the catalogue. The header says
    what predicted (HEADER_KEYS); what was used of the catalogue, and what was not, is said on
    stderr.
    Raises ValueError naming the file for one that cannot be read or is not understood, one whose
    narrow bands are no ratios, for a column that the catalogue already has, and before anything is
    predicted for one that ``out`` cannot hold.
    """
    if table_format(out) == "Parquet":
        with tempfile.TemporaryDirectory(prefix=".ojala-", dir=_existing(out)) as place:
            found = _in_pieces(pieces.planned(path, Path(place)), path, out, asked)
    else:
        catalogue = read_catalogue(path)
        with told_of(path):
            given = understood(catalogue, asked)
        found = Seen.of(given.shown)
        check_ratios(path, found)
        check_writable(catalogue, out, given.names)
        write_table_file(answered(catalogue, given, asked), out)
    for line in found.lines():
        print(f"{path}: {line}", file=sys.stderr)
    return found.num_rows


def _existing(out: Path) -> Path:
    """The nearest directory above a file that is to be written."""
    return next(place for place in out.absolute().parents if place.is_dir())


def _in_pieces(plan: Sequence[pieces.Piece], path: Path, out: Path, asked: Asked) -> Seen:
    """Write a Parquet file of answers piece by piece; what there was of the catalogue."""
    parts = []
    with written_whole(out) as partial, growing(partial) as write, _bar(plan) as bar:
        for piece in plan:
            table = pieces.read_piece(piece)
            with told_of(piece.path, piece.first):
                given = understood(table, asked)
            check_writable(table, out, given.names)
            write(answered(table, given, asked))
            parts.append(Seen.of(given.shown, piece.before))
            bar.update(piece.num_rows)
        found = seen.together(parts)
        check_ratios(path, found)
    return found


def _bar(plan: Sequence[pieces.Piece]) -> tqdm[Any]:
    total = sum(piece.num_rows for piece in plan)
    quiet = None if len(plan) > 1 else True
    return tqdm(total=total, desc="predict", unit=" sources", disable=quiet)


def check_ratios(path: Path, found: Seen) -> None:
    """Raise ValueError where narrow bands are no ratios of any source of a catalogue."""
    if found.is_no_ratios():
        raise ValueError(
            f"{path}: narrow bands are ratios to f_lambda(i), of order 1, and these are not: "
            "divide f_lambda of each band by that of i, or name that of i too (iSDSS)"
        )


class Understood(NamedTuple):
    """A catalogue as the network is shown it, its bands by token, and names of the answers."""

    shown: Shown
    columns: Columns
    names: list[str]


def understood(catalogue: pa.Table, asked: Asked) -> Understood:
    """What there is of a catalogue to answer about.

    Raises ValueError for columns that are not understood, one that is there already, and a cell
    that is no number.
    """
    columns = light(catalogue, asked.named)
    shown = asked.predictor.shown(columns)
    names = _names_of_answers(asked, "AUTO_iSDSS" in columns)
    for name in names:
        if name in catalogue.column_names:
            raise ValueError(f"column {name} is there already: rename it to keep it")
    return Understood(shown, columns, names)


def answered(catalogue: pa.Table, given: Understood, asked: Asked) -> pa.Table:
    """Rows of a catalogue with the answers as further columns."""
    predictor, queries = asked.predictor, asked.queries
    answers = with_flags(predictor, given.shown, queries, asked.domain, asked.recalibration)
    if queries is None and "AUTO_iSDSS" in given.columns:
        answers |= derived(answers, given.columns["AUTO_iSDSS"])
    answers["REASON"] = answers.pop("REASON")  # last
    extra = [one.column for one in asked.heads]
    table = with_answers(catalogue, answers, extra)
    origin = _origin(predictor.bundle, asked.heads)
    origin |= {"engine": asked.engine} | judged_by(asked)
    return with_origin(table, origin)


def judged_by(asked: Asked) -> dict[str, str]:
    """Entries of the provenance: the domain and the recalibration, or that there was none."""
    domain, recalibration = asked.domain, asked.recalibration
    return {
        "domain": domain.said() if domain else NO_DOMAIN,
        "recalibration": recalibration.said() if recalibration else NO_RECALIBRATION,
    }


def _names_of_answers(asked: Asked, scaled: bool) -> list[str]:
    """What the answers will be called, known before any is given; scaled: with line fluxes."""
    blank = asked.no_answers()
    if asked.queries is not None:
        return [*blank]
    return [*blank, *(derived(blank, np.empty(0)) if scaled else ()), FLAGS_COLUMN]


def read_catalogue(path: Path) -> pa.Table:
    """A table from CSV, ECSV, FITS, VOTable, a Parquet file or a directory of Parquet shards.

    Raises ValueError naming the file and what is wrong with it.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such catalogue")
    return read_table(path)


def _origin(opened: bundle.Bundle, heads: Sequence[head.Head]) -> dict[str, str]:
    """Entries of HEADER_KEYS that tell what predicted; the bundle may lack some."""
    made: dict[str, Any] = opened.provenance
    names = ("git_commit", "run_id", "params_digest", "data_source")
    return {name: str(made[name]) for name in names if made.get(name)} | {
        "ojala_version": __version__,
        "bundle_digest": opened.digest,
        "heads": ", ".join(f"{one.name} {one.digest}" for one in heads),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
