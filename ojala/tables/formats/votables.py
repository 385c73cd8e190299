"""VOTables: columns by the names of their FIELDs, and what the archive says of the rows."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from astropy import units as u
from astropy.io.votable import from_table, parse
from astropy.io.votable.tree import Info, TableElement, VOTableFile
from astropy.table import MaskedColumn, Table

from ojala.tables.columns import arrow_of, flat, is_text, masked_of, meaning
from ojala.tables.formats.unpacked import opened
from ojala.tables.units import known_unit, only_other_warnings, standard_text

STATUS = "QUERY_STATUS"


def open_votable(path: Path) -> TableElement:
    """The one table of a VOTable.

    Raises ValueError where there is none or several, a column is there twice, the archive says
    ERROR (with its own sentence), or OVERFLOW: it cut rows off.
    """
    with warnings.catch_warnings(), opened(path) as file:
        warnings.simplefilter("ignore")
        document = parse(file)
    _check_status(document)
    tables = [table for table in document.iter_tables() if not table.is_empty() or table.fields]
    if not tables:
        raise ValueError("no table found in this VOTable")
    if len(tables) > 1:
        names = ", ".join(t.name or t.ID or f"number {n}" for n, t in enumerate(tables, start=1))
        raise ValueError(
            f"it holds {len(tables)} tables ({names}): write the one into its own file"
        )
    return tables[0]


def _check_status(document: VOTableFile) -> None:
    for info in infos(document):
        status = (info.value or "").strip().upper()
        if info.name != STATUS or status in ("", "OK"):
            continue
        said = " ".join((info.content or "").split())
        if status == "OVERFLOW":
            raise ValueError(
                "the archive cut off its rows (QUERY_STATUS OVERFLOW), sources are missing: ask "
                f"for fewer at a time, or a higher limit{f' ({said})' if said else ''}"
            )
        raise ValueError(f"the archive answered {status}: {said or 'it does not say why'}")


def infos(document: VOTableFile) -> Iterator[Info]:
    """Every INFO of a VOTable: its own, its resources', its tables'."""
    yield from document.infos
    resources = list(document.resources)
    while resources:
        resource = resources.pop(0)
        yield from resource.infos
        resources.extend(resource.resources)
        for table in resource.tables:
            yield from table.infos


def names_of(table: TableElement) -> list[str]:
    """Names of the FIELDs, an ID where one has no name."""
    return [str(field.name or field.ID) for field in table.fields]


def meanings_of(table: TableElement) -> dict[str, dict[str, str]]:
    """Unit, description and UCD of each column."""
    found = {}
    for name, field in zip(names_of(table), table.fields, strict=True):
        unit, description = known_unit(
            str(field.unit or ""), " ".join((field.description or "").split())
        )
        said = {"unit": unit, "description": description, "ucd": field.ucd or ""}
        found[name] = {key: text for key, text in said.items() if text}
    return found


def header_of(table: TableElement) -> dict[str, Any]:
    """The INFO of a table by name."""
    return {info.name: info.value for info in table.infos if info.name != STATUS}


def read_votable(table: TableElement) -> pa.Table:
    """Every column, masked cells null."""
    arrays = []
    for field in table.fields:
        column = table.array[field.ID]
        if column.dtype.kind == "f":  # NaN is how a VOTable says null of a float
            column = np.ma.array(np.ma.getdata(column), mask=np.isnan(np.ma.getdata(column)))
        arrays.append(arrow_of(column))
    return pa.table(arrays, names=names_of(table))


def write_votable(table: pa.Table, header: dict[str, Any], path: Path) -> None:
    """Write a table that a VOTable can hold, the text of the header as INFO."""
    columns = [_column(field, flat(table[field.name])) for field in table.schema]
    with only_other_warnings():
        document = from_table(Table(columns, copy=False))
    (element,) = document.iter_tables()
    for field, one in zip(table.schema, element.fields, strict=True):
        one.ucd = meaning(field).get("ucd")
        if pa.types.is_boolean(field.type):
            one.datatype = "boolean"  # a bit has no null
            one._setup({}, None)
        elif one.arraysize and is_text(field.type):
            one.arraysize = "*"  # a text of any length, and none is no letter that is missing
            one._setup({}, None)
    for name, value in header.items():
        if isinstance(value, str):
            document.infos.append(Info(name=name, value=value))
    with only_other_warnings():
        document.to_xml(str(path), tabledata_format="binary2" if _padded(table) else "tabledata")


def _padded(table: pa.Table) -> bool:
    """Whether text begins or ends with blanks, which XML readers take away."""
    padded = (
        pc.match_substring_regex(flat(table[field.name]), r"^\s|\s$")
        for field in table.schema
        if is_text(flat(table[field.name]).type)
    )
    return any(pc.any(rows).as_py() for rows in padded)


def _column(field: pa.Field, array: pa.Array) -> MaskedColumn:
    values = masked_of(array)
    kind = np.ma.getdata(values).dtype
    wider = {"i1": "i2", "f2": "f4", "u2": "i4", "u4": "i8", "u8": "i8"}.get(kind.str[1:])
    if wider:
        values = values.astype(wider)
    if kind.kind == "U" and all(map(str.isascii, np.ravel(values).tolist())):
        values = np.char.encode(values, "ascii") if values.size else values.astype("S1")
    said = meaning(field)
    unit = standard_text(said.get("unit", ""), "vounit")
    return MaskedColumn(
        values,
        name=field.name,
        unit=_as_is(unit),
        description=said.get("description"),
    )


def _as_is(unit: str) -> Any:
    """A unit that astropy writes as it stands."""
    return u.UnrecognizedUnit(unit) if unit else None
