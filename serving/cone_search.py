"""The catalogue behind the Simple Cone Search of the Virtual Observatory (version 1.03).

``GET /scs?RA=&DEC=&SR=`` answers with a VOTable of the sources within SR degrees of a position.
What is wrong is told as the standard has it: a VOTable whose INFO is called Error.
"""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from xml.sax.saxutils import quoteattr

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray
from scipy.spatial import KDTree

from ojala.tables.formats.votables import write_votable
from ojala.vocabulary.bands import bands, reference_band

MEDIA_TYPE = "application/x-votable+xml"

NO_CATALOGUE = "no catalogue is served here: OJALA_CATALOGUE names one"

MOST = 10_000
"""Sources of one answer; where there are more, QUERY_STATUS is OVERFLOW."""

UCD1 = {"source_id": "ID_MAIN", "ra": "POS_EQ_RA_MAIN", "dec": "POS_EQ_DEC_MAIN"}
"""What the standard calls the three columns that every answer has."""

BRIEF = ("source_id", "ra", "dec", reference_band().token, "CLASS", "Z_GAL", "Z_QSO")
"""Columns of VERB=1; VERB=2, the default, has all but the observed bands, VERB=3 those too."""


@dataclass(frozen=True, kw_only=True)
class Cone:
    """A circle on the sky, degrees, and how much is to be told of it (1, 2 or 3).

    Raises ValueError naming the entry that is beyond its range.
    """

    ra: float
    dec: float
    radius: float
    verbosity: int = 2

    def __post_init__(self) -> None:
        for name, value, low, high in (
            ("RA", self.ra, 0, 360),
            ("DEC", self.dec, -90, 90),
            ("SR", self.radius, 0, 180),
            ("VERB", self.verbosity, 1, 3),
        ):
            if not low <= value <= high:
                raise ValueError(f"{name} is {value:g}, expected {low} ... {high}")


class ConeSearch:
    """A catalogue whose sources are found by their place.

    Raises ValueError for a file that is no catalogue of ``ojala_vac.parquet``'s columns.
    """

    def __init__(self, path: Path) -> None:
        try:
            table = pq.read_table(path)
        except (OSError, pa.ArrowInvalid) as error:
            raise ValueError(f"{path}: the catalogue cannot be read ({error})") from None
        missing = {"tile_id", "number", "ra", "dec"} - set(table.column_names)
        if missing:
            raise ValueError(f"{path}: the catalogue has no column {', '.join(sorted(missing))}")
        self.table = _with_id(table)
        self._places = KDTree(_directions(table["ra"].to_numpy(), table["dec"].to_numpy()))

    def found(self, cone: Cone) -> tuple[pa.Table, bool]:
        """Sources of a cone, the nearest first, and whether there are more than MOST."""
        centre = _directions(np.array([cone.ra]), np.array([cone.dec]))[0]
        chord = 2 * math.sin(math.radians(cone.radius) / 2)
        rows = np.array(self._places.query_ball_point(centre, chord), dtype=np.int64)
        if cone.radius == 0:  # by the standard a question for the columns alone
            rows = rows[:0]
        distance = np.linalg.norm(self._places.data[rows] - centre, axis=1)
        order = np.argsort(distance, kind="stable")[:MOST]
        return self.table.select(self._names(cone.verbosity)).take(rows[order]), len(rows) > MOST

    def _names(self, verbosity: int) -> list[str]:
        observed = {name for one in bands() for name in (one.token, f"{one.token}_ERR")}
        if verbosity == 1:
            return [name for name in BRIEF if name in self.table.column_names]
        hidden = observed - set(BRIEF) if verbosity == 2 else set()
        return [name for name in self.table.column_names if name not in hidden]


def served() -> ConeSearch | None:
    """The catalogue that OJALA_CATALOGUE names, if it does. Raises ValueError as it does."""
    path = os.environ.get("OJALA_CATALOGUE")
    return _opened(Path(path).resolve()) if path else None


@lru_cache(maxsize=1)
def _opened(path: Path) -> ConeSearch:
    """The catalogue of a file, once for /scs and /similar."""
    return ConeSearch(path)


def cone_of(asked: Mapping[str, str]) -> Cone:
    """The cone of the parameters of a request, whatever the case of their names.

    Raises ValueError naming the one that is missing or no number.
    """
    given = {name.upper(): value for name, value in asked.items()}
    numbers = {name: _number(given, name) for name in ("RA", "DEC", "SR")}
    verbosity = _number(given, "VERB") if "VERB" in given else 2.0
    if verbosity != int(verbosity):
        raise ValueError(f"VERB is {verbosity:g}, expected 1, 2 or 3")
    return Cone(
        ra=numbers["RA"], dec=numbers["DEC"], radius=numbers["SR"], verbosity=int(verbosity)
    )


def answer(search: ConeSearch, asked: Mapping[str, str]) -> bytes:
    """The VOTable that answers a request, or says what is wrong with it."""
    try:
        table, is_cut = search.found(cone_of(asked))
    except ValueError as error:
        return fault(str(error))
    told = {name.decode(): value.decode() for name, value in (table.schema.metadata or {}).items()}
    status = f"OVERFLOW: the {MOST} nearest sources" if is_cut else "OK"
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "answer.xml"
        write_votable(table, told | {"QUERY_STATUS": status}, path)
        return path.read_bytes()


def fault(told: str) -> bytes:
    """A VOTable that says what is wrong with a request."""
    return (
        (
            '<?xml version="1.0" encoding="utf-8"?>\n'
            '<VOTABLE version="1.4" xmlns="{}"><RESOURCE type="results">'
            '<INFO name="QUERY_STATUS" value="ERROR"/><INFO ID="Error" name="Error" value={}/>'
            "</RESOURCE></VOTABLE>\n"
        )
        .format("http://www.ivoa.net/xml/VOTable/v1.3", quoteattr(told))
        .encode()
    )


def _number(given: Mapping[str, str], name: str) -> float:
    if name not in given:
        raise ValueError(f"{name} is missing: expected RA, DEC and SR in degrees")
    try:
        value = float(given[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ValueError(f"{name} is {given[name]!r}, expected a number of degrees")
    return value


def _with_id(table: pa.Table) -> pa.Table:
    """The catalogue with one text that names a source, and the standard's UCDs."""
    pairs = zip(table["tile_id"].to_pylist(), table["number"].to_pylist(), strict=True)
    about = {"unit": "", "ucd": "", "description": "Tile and number of the source within it"}
    field = pa.field("source_id", pa.string(), metadata=about)
    table = table.add_column(0, field, [[f"{tile}-{number}" for tile, number in pairs]])
    fields = [
        one.with_metadata({**(one.metadata or {}), b"ucd": UCD1.get(one.name, _demoted(one))})
        for one in table.schema
    ]
    return table.cast(pa.schema(fields, metadata=table.schema.metadata))


def _demoted(field: pa.Field) -> str:
    """The UCD of a column that is not the main one: there is one ID, and it is source_id."""
    ucd: str = (field.metadata or {}).get(b"ucd", b"").decode()
    return ucd.replace("meta.id;meta.main", "meta.id")


def _directions(ra: NDArray[np.float64], dec: NDArray[np.float64]) -> NDArray[np.float64]:
    """Unit vectors, (num, 3), of positions in degrees, (num,) each."""
    alpha, delta = np.radians(ra), np.radians(dec)
    across = np.cos(delta)
    return np.stack([across * np.cos(alpha), across * np.sin(alpha), np.sin(delta)], axis=1)
