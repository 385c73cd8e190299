"""Sources of a few bands, as the service takes them and as the Predictor does."""

import numpy as np
from toy_sky import toy_table

BANDS = ("MAG_i", "J0378", "J0500", "J0660", "J0820")


def few_bands(num_sources):
    """Sources, a mapping each."""
    table = toy_table(num_sources, seed=4)
    return [{name: table[name][row].as_py() for name in BANDS} for row in range(num_sources)]


def in_columns(sources):
    """The same by band."""
    return {name: np.array([row[name] for row in sources]) for name in BANDS}
