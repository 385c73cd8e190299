"""The two entry points of DESC's photo-z data challenge of 2026, and as a command.

    python -m rail_ojala.challenge inform TRAINING.hdf5 MODEL.pkl
    python -m rail_ojala.challenge estimate MODEL.pkl TEST.hdf5 ESTIMATE.hdf5
    python -m rail_ojala.challenge both TRAINING.hdf5 TEST.hdf5 ESTIMATE.hdf5

Tables are HDF5 with their columns at the root, NaN where a source was not detected. What is written
is a qp ensemble with ``zmode`` and ``object_id``. ``run_taskset_N_estimation_only`` of a submission
calls ``estimation_only``, ``run_taskset_N_training_and_estimation`` the other.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import qp
import tables_io
from rail.core.data import TableHandle, default_model_write

from ojala.tables.writing import written_whole
from rail_ojala.informed import Informed
from rail_ojala.stages import OjalaEstimator, OjalaInformer

OBJECT_ID = "object_id"
BANDS = "ugrizy"
COLUMNS: dict[str, Any] = {
    "hdf5_groupname": "",
    "bands": [f"mag_{band}_lsst" for band in BANDS],
    "err_bands": [f"mag_{band}_lsst_err" for band in BANDS],
    "nondetect_val": math.nan,
}
"""Of the challenge's tables; u and y are not among OJALA's bands, nor are Roman's."""


def training_and_estimation(
    train_file: str | Path,
    test_file: str | Path,
    output_file: str | Path,
    bundle: str | Path = "models/ojala",
) -> None:
    """Calibrate p(z) on the training table, and estimate.

    The network is that of the bundle: what is trained here is its temperature alone.
    """
    _estimate(_informed(train_file, bundle), test_file, output_file)


def inform(
    train_file: str | Path, model_file: str | Path, bundle: str | Path = "models/ojala"
) -> None:
    """Calibrate p(z) on the training table, and write the model that ``estimation_only`` takes."""
    with written_whole(Path(model_file)) as partial:
        default_model_write(_informed(train_file, bundle), str(partial))


def estimation_only(model_file: str | Path, test_file: str | Path, output_file: str | Path) -> None:
    """Estimate with a model that ``OjalaInformer`` or ``inform`` has written."""
    _estimate(str(model_file), test_file, output_file)


def _informed(train_file: str | Path, bundle: str | Path) -> Informed:
    informer = OjalaInformer.make_stage(
        name="inform_ojala", bundle=str(bundle), calibrate=True, output_mode="return", **COLUMNS
    )
    informed: Informed = informer.inform(TableHandle("train", path=str(train_file)))()
    return informed


def _estimate(model: Informed | str, test_file: str | Path, output_file: str | Path) -> None:
    estimator = OjalaEstimator.make_stage(
        name="estimate_ojala", model=model, output_mode="return", **COLUMNS
    )
    table = tables_io.read(str(test_file))
    if OBJECT_ID not in table:
        raise ValueError(f"{test_file}: no column {OBJECT_ID}, which the answers are named by")
    ensemble: qp.Ensemble = estimator.estimate(TableHandle("test", path=str(test_file)))()
    ensemble.add_to_ancil({OBJECT_ID: np.asarray(table[OBJECT_ID])})
    with written_whole(Path(output_file)) as partial:
        ensemble.write_to(str(partial))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one of the three commands."""
    parser = argparse.ArgumentParser(prog="python -m rail_ojala.challenge", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("what", choices=("inform", "estimate", "both"))
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--bundle", type=Path, default=Path("models/ojala"))
    given = parser.parse_args(arguments)
    expected = 2 if given.what == "inform" else 3
    if len(given.files) != expected:
        parser.error(f"{given.what}: {len(given.files)} files, expected {expected}")
    first, second, last = given.files[0], given.files[1], given.files[-1]
    if given.what == "inform":
        inform(first, second, given.bundle)
    elif given.what == "estimate":
        estimation_only(first, second, last)
    else:
        training_and_estimation(first, second, last, given.bundle)


if __name__ == "__main__":
    main()
