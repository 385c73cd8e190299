"""A catalogue with answers beside its own columns, and what they were made by in its header."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from ojala.catalogue.vac import HEADER_KEYS, card_text
from ojala.tables.columns import arrow_of, with_meanings
from ojala.tables.files import header_of, with_header
from ojala.tables.shards import Columns
from ojala.vocabulary.catalogue_columns import VacColumn, vac_column


def with_answers(table: pa.Table, answers: Columns, extra: Sequence[VacColumn] = ()) -> pa.Table:
    """A table with answers as further columns, which say their unit and meaning.

    extra: what columns mean that are not the catalogue's own (fine-tuned heads)
    """
    meanings = {}
    for name, values in answers.items():
        text = values.dtype.kind in "OU"
        table = table.append_column(name, arrow_of(values.astype(str) if text else values))
        meanings[name] = _meaning(name, extra)
    return with_meanings(table, meanings)


def _meaning(name: str, extra: Sequence[VacColumn]) -> dict[str, str]:
    """Unit and meaning of an answer, where there is a description of it."""
    try:
        column = vac_column(name, extra)
    except ValueError:  # a probability of a morphology
        return {}
    said = {"unit": column.unit, "description": column.description}
    return {key: text for key, text in said.items() if text}


def with_origin(table: pa.Table, origin: Mapping[str, str]) -> pa.Table:
    """A table whose header says what predicted, and no longer what did before.

    origin: entries of HEADER_KEYS; in Parquet they stand as metadata, elsewhere as header cards
    """
    cards = {card for card, _ in HEADER_KEYS.values()}
    header = {name: value for name, value in header_of(table).items() if name not in cards}
    header |= {
        HEADER_KEYS[entry][0]: card_text(entry, value) for entry, value in origin.items() if value
    }
    stale = {entry.encode() for entry in HEADER_KEYS}
    known = {name: v for name, v in (table.schema.metadata or {}).items() if name not in stale}
    known |= {entry.encode(): value.encode() for entry, value in origin.items() if value}
    return with_header(table.replace_schema_metadata(known), header)
