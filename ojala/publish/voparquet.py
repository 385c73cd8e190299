"""Parquet that says what its columns are as a VOTable does: the VOParquet convention 1.0.

A VOTable without data stands in the file's metadata; readers of the Virtual Observatory (STIL,
astropy's "parquet.votable") take units, UCDs and descriptions from it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.compute as pc

from ojala.tables.columns import as_text, flat
from ojala.tables.files import header_of
from ojala.tables.formats.votables import write_votable

VERSION, CONTENT = b"IVOA.VOTable-Parquet.version", b"IVOA.VOTable-Parquet.content"
NAMESPACE = "http://www.ivoa.net/xml/VOTable/v1.3"


def with_votable(table: pa.Table) -> pa.Table:
    """A table whose metadata holds its VOTable beside what it had."""
    told = {VERSION: b"1.0", CONTENT: described(table)}
    return table.replace_schema_metadata({**(table.schema.metadata or {}), **told})


def described(table: pa.Table) -> bytes:
    """A VOTable of the columns of a table, without data."""
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "columns.vot"
        write_votable(table.slice(0, 0), header_of(table), path)
        root = ElementTree.parse(path).getroot()
    (element,) = root.iter(f"{{{NAMESPACE}}}TABLE")
    for content in element.findall(f"{{{NAMESPACE}}}DATA"):
        element.remove(content)
    for name, field in zip(table.column_names, element.iter(f"{{{NAMESPACE}}}FIELD"), strict=True):
        if field.get("arraysize") == "*":
            letters, octets = _longest(table[name])
            field.set("datatype", "char" if letters == octets else "unicodeChar")
            field.set("arraysize", str(max(letters, 2)))  # astropy reads no text of any length
    ElementTree.register_namespace("", NAMESPACE)
    text: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def _longest(column: pa.ChunkedArray) -> tuple[int, int]:
    """Letters and bytes of the longest text of a column, 0 where there is none."""
    text = as_text(flat(column))
    letters, octets = pc.max(pc.utf8_length(text)).as_py(), pc.max(pc.binary_length(text)).as_py()
    return letters or 0, octets or 0
