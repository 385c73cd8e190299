"""A small untrained bundle over the toy sky, heads on it, and photometry to label."""

import numpy as np
import pyarrow.parquet as pq
import torch
from toy_model import SIZES, toy_model
from toy_sky import toy_table

from ojala.heads import head
from ojala.heads.head import HeadConfig, HeadNetwork
from ojala.model import bundle
from ojala.training.resident import measured_scaling


def toy_bundle(directory, seed=0):
    """An untrained bundle; another seed is another base."""
    scaling = measured_scaling(toy_table(60))
    provenance = {"run_id": f"run{seed}", bundle.LABEL_CONTEXT: 0.25}
    bundle.save(directory, toy_model(seed=seed), scaling, provenance)
    return directory


def toy_head(directory, base, name="bh-mass", quantity="LOGMASS", seed=0, **settings):
    """An untrained head of a bundle."""
    torch.manual_seed(seed)
    config = HeadConfig(
        name=name, quantity=quantity, base=bundle.digest(base), width=SIZES.width, **settings
    )
    network = HeadNetwork(config.width, config.dropout)
    head.save(directory, network, config, {"labels": "toy"})
    return directory


def toy_photometry(path, num_sources=200, seed=0):
    """A training table of named sources as one Parquet file."""
    table = toy_table(num_sources, seed=seed)
    for name, values in (
        ("targetid", np.arange(num_sources) + 39_627_000_000_000_000),
        ("survey", np.array(["main", "sv1"], dtype=object)[np.arange(num_sources) % 2]),
        ("program", np.full(num_sources, "dark", dtype=object)),
    ):
        place = table.column_names.index(name)
        table = table.set_column(place, table.schema.field(place), [values])
    pq.write_table(table, path)
    return table
