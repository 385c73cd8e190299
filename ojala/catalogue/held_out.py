"""Sources that no network was trained on, by which it is judged what is usual."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

HELD_OUT = "val"


def held_out(table: pa.Table) -> pa.Table:
    """The rows "val" of a table with a column "split"; any other table is held out as a whole."""
    if "split" not in table.column_names:
        return table
    return table.filter(np.array(table["split"].to_pylist()) == HELD_OUT)
