"""Names of columns as archives give them out: with the schema or the table before them, or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from ojala.tables.catalogues import Catalogue


def short_names(names: Iterable[str]) -> dict[str, str]:
    """Each name without schema and quotes: "jpas.tile_id" and 'jpas."tile_id"' are tile_id.

    A name stays as it is where two columns would be called alike.
    """
    names = list(names)
    short = {name: name.rpartition(".")[2].strip('"') or name for name in names}
    count = Counter(short.values())
    return {name: brief if count[brief] == 1 else name for name, brief in short.items()}


def without_schema(table: Catalogue) -> Catalogue:
    """The catalogue with the short names of its columns."""
    short = short_names(table.names)
    return replace(
        table,
        names={short[name]: stored for name, stored in table.names.items()},
        units={short[name]: unit for name, unit in table.units.items()},
    )
