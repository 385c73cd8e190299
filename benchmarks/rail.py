"""RAIL's metrics beside OJALA's own, on galaxies of a matched set: the numbers of docs/rail.md.

    .rail/bin/python -m benchmarks.rail          # after make rail

An Informer with ``calibrate`` and without, their Estimators, and RAIL's CDE loss of the ensemble.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from contextlib import chdir
from pathlib import Path

import numpy as np
from rail.core.data import TableHandle
from rail.evaluation.metrics.cdeloss import CDELoss

from ojala import Predictor, load
from ojala.tables.shards import columns_of, read_table
from ojala.vocabulary.bands import bands
from rail_ojala import OjalaEstimator, OjalaInformer

NUM_POINTS = 30_001


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", type=Path, default=Path("models/ojala"))
    parser.add_argument("--sources", type=Path, default=Path("data/crossmatch/test_real.parquet"))
    arguments = parser.parse_args()
    found = compared(arguments.bundle.resolve(), galaxies(arguments.sources))
    print("| galaxies | CDE loss of RAIL | of the steps | zmode - Z_GAL, at most | temperature |")
    print("|---:|---:|---:|---:|---:|")
    print("| {:,} | {:.2f} | {:.2f} | {:.0e} | {:.2f} |".format(*found))


def galaxies(path):
    """Columns of the galaxies of a matched set."""
    columns = columns_of(read_table(path))
    rows = np.flatnonzero(np.isfinite(columns["Z_GAL"]) & np.isfinite(columns["MAG_i"]))
    return {name: values[rows] for name, values in columns.items()}


def compared(directory, columns):
    """Number of galaxies, both losses, largest difference of modes, temperature."""
    tokens = [band.token for band in bands()]
    names = {"bands": tokens, "err_bands": [f"{t}_ERR" for t in tokens], "names": tokens}
    table = {"object_id": np.arange(len(columns["Z_GAL"])), "redshift": columns["Z_GAL"]}
    table |= {name: columns[name].astype(float) for name in (*tokens, *names["err_bands"])}
    said = Predictor(load(directory))
    # RAIL's stages know nothing of the morphology: neither may the Predictor.
    pdf = said.redshifts(table, context=tokens)["Z_GAL"]
    modes = said.predict(table, ["Z_GAL"], context=tokens)["Z_GAL"]
    with tempfile.TemporaryDirectory() as place, chdir(place):
        ensemble, _ = asked(directory, table, names, calibrate=False)
        _, temperature = asked(directory, table, names, calibrate=True)
    edges, true = np.expm1(pdf.edges), table["redshift"].astype(float)
    theirs = CDELoss(ensemble, np.linspace(edges[0], edges[-1], NUM_POINTS), true).evaluate()
    apart = np.abs(np.squeeze(ensemble.ancil["zmode"]) - modes).max()
    return len(true), theirs.statistic, loss_of_steps(pdf, true), apart, temperature


def asked(directory, table, names, *, calibrate):
    """The ensemble of an Estimator, and the temperature that its Informer found."""
    settings = names | {"hdf5_groupname": "", "mag_limits": {}}
    informer = OjalaInformer.make_stage(
        name="inform", bundle=os.fspath(directory), calibrate=calibrate, **settings
    )
    handle = informer.inform(TableHandle("training", data=table))
    estimator = OjalaEstimator.make_stage(name="estimate", model=handle, **settings)
    return estimator.estimate(TableHandle("sources", data=table))(), handle().temperature


def loss_of_steps(pdf, true):
    """CDE loss (Izbicki & Lee 2017, Eq. 7) of p(z) itself, in z."""
    widths = np.diff(np.expm1(pdf.edges))
    density = pdf.probability / widths
    at_true = density[np.arange(len(pdf)), pdf.step_of(true)]
    return float(np.mean(density**2 @ widths - 2 * at_true))


if __name__ == "__main__":
    main()
