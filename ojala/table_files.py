"""Tables from anyone: CSV, ECSV, FITS and VOTable files, packed with gzip or not."""

from __future__ import annotations

import csv
import gzip
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io.votable import from_table
from astropy.io.votable.tree import Info
from astropy.table import Column, Table

from ojala.units import only_other_warnings, with_known_units, with_standard_units
from ojala.writing import written_whole

FORMATS = {
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
    ".fits": "fits",
    ".fit": "fits",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
}
"""Format of a table by the suffix of its name."""

PACKED = ".gz"

CUT_SHORT = "(?s).*(truncated|Error validating header)"
"""What astropy merely warns of when a FITS file ends too early."""


def table_format(path: Path) -> str:
    """The format that a file's name tells. Raises ValueError where it tells none."""
    suffix = Path(path.stem).suffix if path.suffix.lower() == PACKED else path.suffix
    if suffix.lower() not in FORMATS:
        known = ", ".join([*FORMATS, ".parquet"])
        raise ValueError(f"{path}: expected a name that ends in one of {known}")
    return FORMATS[suffix.lower()]


def read_table_file(path: Path) -> Table:
    """The table of a file, the first one where it holds several.

    Raises ValueError with one sentence that names the file and what is wrong with it.
    """
    file_format = table_format(path)
    try:
        if path.stat().st_size == 0:
            raise ValueError("the file is empty")
        if file_format == "ascii.csv":
            return _read_csv(path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # units outside the standards, several tables
            warnings.filterwarnings("error", CUT_SHORT)
            return with_known_units(Table.read(path, format=file_format))
    except Exception as error:  # whatever a reader of someone's file may raise
        said = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"{path}: not a readable table ({said})") from None


def write_table_file(table: Table, path: Path) -> None:
    """Write a table in the format of the path's suffix, whole or not at all.

    Raises ValueError naming the file where the format cannot hold the table.
    """
    file_format = table_format(path)
    table = with_standard_units(table, file_format)
    for name in table.colnames:
        table[name] = _storable(table[name])
    try:
        with written_whole(path) as partial, only_other_warnings():
            if file_format == "votable":
                _write_votable(table, partial)
            else:
                table.write(partial, format=file_format)
    except (ValueError, TypeError) as error:
        said = " ".join(str(error).split())
        raise ValueError(f"{path}: this format cannot hold the table ({said})") from None


def _write_votable(table: Table, path: Path) -> None:
    """A VOTable with the text of the table's header as INFO, which astropy leaves out."""
    document = from_table(table)
    for name, text in table.meta.items():
        if isinstance(text, str):
            document.infos.append(Info(name=name, value=text))
    document.to_xml(str(path))


def _storable(column: Any) -> Any:
    """A column as a type that every format has."""
    if column.dtype == np.int8:  # FITS has none of this width: astropy would write true or false
        return column.astype(np.int16)
    if column.dtype.kind == "M":
        return column.astype(str)
    if column.dtype.kind == "O" and all(isinstance(value, str | None) for value in column):
        text = Column(["" if value is None else value for value in column], dtype=str)
        text.unit, text.description = column.unit, column.description
        return text
    return column


def _read_csv(path: Path) -> Table:
    """A CSV file; a row shorter than the header, as in a file that was cut, is an error."""
    opener = gzip.open if path.suffix.lower() == PACKED else open
    with opener(path, "rt", encoding="utf-8-sig") as file:
        text = str(file.read())
    names = next(csv.reader(text.lstrip().splitlines()[:1]), [])
    check_names([name.strip() for name in names])
    # No line is a comment: a name may begin with "#".
    return Table.read(text + "\n", format="ascii.basic", delimiter=",", guess=False, comment="\0")


def check_names(names: list[str]) -> None:
    """Raise ValueError for a column that is there twice: which one would be meant?"""
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"column {twice[0]} is there twice")
