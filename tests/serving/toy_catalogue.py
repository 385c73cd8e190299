"""A small catalogue of toy sources, as OJALA_CATALOGUE names one."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from toy_sky import toy_table

from ojala.vocabulary.bands import bands

NUM = 60
TOKENS = [one.token for one in bands()]


def toy_catalogue(path):
    """The third of its sources has no i, and the fourth no class."""
    sky = toy_table(NUM, seed=4, labelled=False, missing=0.1).select(TOKENS)
    i = sky["MAG_i"].to_numpy().copy()
    i[2] = np.nan
    sky = sky.set_column(sky.column_names.index("MAG_i"), "MAG_i", pa.array(i))
    own = {
        "tile_id": np.arange(NUM) // 10 + 2**40,
        "number": np.arange(NUM) % 10,
        "ra": np.linspace(10, 20, NUM),
        "dec": np.linspace(-5, 5, NUM),
        "CLASS": np.where(np.arange(NUM) == 3, "", "GALAXY").astype(object),
        "Z_GAL": np.where(np.arange(NUM) == 3, np.nan, 0.5).astype(np.float32),
    }
    table = pa.table(own | {name: sky[name] for name in sky.column_names})
    pq.write_table(table.replace_schema_metadata({"bundle_digest": "abc"}), path)
    return path


def named(row):
    """What a source of a row is called."""
    return f"{row // 10 + 2**40}-{row % 10}"
