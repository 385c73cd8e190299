"""``ojala predict``: what a bundle says of a catalogue, as a catalogue."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from ojala import __version__
from ojala.catalogue.answers_table import with_answers, with_origin
from ojala.catalogue.domain import Domain
from ojala.catalogue.flags import with_flags
from ojala.catalogue.light import light
from ojala.catalogue.vac import NO_DOMAIN
from ojala.heads import head
from ojala.model import bundle
from ojala.model.predictor import Predictor
from ojala.model.shown import NO_RATIOS, Shown
from ojala.physics.derived import derived
from ojala.tables.files import check_writable
from ojala.tables.shards import read_table
from ojala.vocabulary.quality_flags import FLAGS_COLUMN


def predicted(
    path: Path,
    predictor: Predictor,
    queries: list[str] | None = None,
    heads: Sequence[head.Head] = (),
    out: Path | None = None,
    named: Mapping[str, str] | None = None,
    domain: Domain | None = None,
) -> pa.Table:
    """The catalogue of ``path`` with the answers as further columns, row by row.

    heads: those of the predictor; out: where the answers are to be written, for a refusal before
    they are made where it cannot hold the catalogue's own columns
    named: columns of the catalogue by what they are to be taken for (``light.called``)
    domain: by which QUALITY_FLAGS tells who is outside of it; None: that is not judged
    The header of the table says what predicted (HEADER_KEYS); what was used of the catalogue, and
    what was not, is said on stderr.
    Raises ValueError naming the file for one that cannot be read or is not understood, one whose
    narrow bands are no ratios, and for a column that the catalogue already has.
    """
    catalogue = read_catalogue(path)
    try:
        columns = light(catalogue, named)
        seen = predictor.shown(columns)
        if len(seen.reason) and np.all(seen.reason == NO_RATIOS):
            raise ValueError(
                "narrow bands are ratios to f_lambda(i), of order 1, and these are not: "
                "divide f_lambda of each band by that of i, or name that of i too (iSDSS)"
            )
        names = _names_of_answers(predictor, queries, "AUTO_iSDSS" in columns)
        for name in names:
            if name in catalogue.column_names:
                raise ValueError(f"column {name} is there already: rename it to keep it")
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if out is not None:
        check_writable(catalogue, out, names)
    answers = with_flags(predictor, seen, queries, domain)
    if queries is None and "AUTO_iSDSS" in columns:
        answers |= derived(answers, columns["AUTO_iSDSS"])
    answers["REASON"] = answers.pop("REASON")  # last
    _say(path, seen)
    extra = [one.column for one in heads]
    origin = _origin(predictor.bundle, heads) | {"domain": domain.said() if domain else NO_DOMAIN}
    return with_origin(with_answers(catalogue, answers, extra), origin)


def _names_of_answers(predictor: Predictor, queries: list[str] | None, scaled: bool) -> list[str]:
    """What the answers will be called, known before any is given; scaled: with line fluxes."""
    blank = predictor.no_answers(queries)
    if queries is not None:
        return [*blank]
    return [*blank, *(derived(blank, np.empty(0)) if scaled else ()), FLAGS_COLUMN]


def read_catalogue(path: Path) -> pa.Table:
    """A table from CSV, ECSV, FITS, VOTable, a Parquet file or a directory of Parquet shards.

    Raises ValueError naming the file and what is wrong with it.
    """
    if not path.exists():
        raise ValueError(f"{path}: no such catalogue")
    return read_table(path)


def _say(path: Path, seen: Shown) -> None:
    """What was used of a catalogue, what was taken for not observed, and who has no answers."""
    lines = [seen.bands_used(), *seen.notes]
    for reason in sorted(set(seen.reason) - {""}):
        rows = seen.reason == reason
        lines.append(
            f"{rows.sum()} of {len(rows)} sources have {reason} and no answers, "
            f"the first in row {np.argmax(rows) + 1} (rows count from 1)"
        )
    for line in lines:
        print(f"{path}: {line}", file=sys.stderr)


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
