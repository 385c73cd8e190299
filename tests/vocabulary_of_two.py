"""A survey of two bands, NB66 and MAG_own: its tables, and what a process that has it can do.

As a script, ``python vocabulary_of_two.py BUNDLE`` trains on a toy sky, writes the bundle, and
prints what it learnt and answers. The survey is chosen by the environment, as everywhere.
"""

import json
import sys
from pathlib import Path

import numpy as np
from astropy.table import Table

from ojala.vocabulary.directory import PACKAGED


def write_tables(directory, tokens=("NB66", "MAG_own")):
    """Tables of J0660 and i of J-PAS under other names, and nothing beside them."""
    directory.mkdir(parents=True, exist_ok=True)
    bands = Table.read(PACKAGED / "bands.ecsv")
    bands = bands[[str(token) in ("J0660", "MAG_i") for token in bands["token"]]]
    bands["token_id"], bands["token"], bands["survey"] = [1, 2], list(tokens), ["Own", "Own"]
    bands.write(directory / "bands.ecsv", format="ascii.ecsv", overwrite=True)
    quantities = Table.read(PACKAGED / "quantities.ecsv")
    quantities["token_id"] = np.arange(3, 3 + len(quantities))
    quantities.write(directory / "quantities.ecsv", format="ascii.ecsv", overwrite=True)
    return directory


def main(path):
    import torch
    from toy_model import PATCHED, toy_model
    from toy_sky import toy_table

    from ojala.model import bundle
    from ojala.model.predictor import Predictor
    from ojala.tables.shards import columns_of
    from ojala.training.adaptation import AdaptationConfig
    from ojala.training.batch import MaskingConfig
    from ojala.training.config import TrainConfig
    from ojala.training.fit import fit
    from ojala.training.resident import measured_scaling, resident
    from ojala.training.views import ViewsConfig
    from ojala.vocabulary.quantities import vocabulary

    table, jpas = toy_table(200), toy_table(100, seed=1, labelled=False)
    scaling = measured_scaling(table)
    mocks, val = (resident(table, scaling, labelled=True, split=name) for name in ("train", "val"))
    config = TrainConfig(
        preset="demo",
        num_epochs=3,
        steps_per_epoch=30,
        batch_size=64,
        jpas_batch_size=16,
        learning_rate=3e-3,
        warmup_steps=2,
        precision="float32",
        storage="float32",
        val_rows=40,
        masking=MaskingConfig(
            num_targets=1,
            min_context=1,
            fresh_noise=True,
            calibration_err=0.04,
            views=ViewsConfig(),
        ),
        adaptation=AdaptationConfig(),
    )
    torch.manual_seed(0)
    network = toy_model(PATCHED)
    others = resident(jpas, scaling, labelled=False)
    losses = [e.metrics["train/loss"] for e in fit(network, mocks, others, config, val=val)]
    bundle.save(path, network, scaling, {})
    answers = Predictor(bundle.load(path)).predict(columns_of(table))
    print(
        json.dumps(
            {
                "vocabulary": vocabulary(),
                "losses": losses,
                "classes": sorted(set(answers["CLASS"])),
                "num_finite": int(np.isfinite(answers["Z_GAL"]).sum()),
                "asked": len(answers["Z_GAL"]),
            }
        )
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
