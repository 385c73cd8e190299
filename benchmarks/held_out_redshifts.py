"""Galaxies beyond the redshifts of training: what a network says that was shown none of them.

    python benchmarks/held_out_redshifts.py --highest 0.6 --epochs 12 --out reports/held_out.json

Trains the section ``train`` of params.yaml on the tables of a finished `make repro` without the
galaxies above ``--highest``, measures its domain on held-out mocks without them, and asks about
Test-Real: what scatter and outliers are left beyond, what share of the wrong answers there a flag
sets aside, and what share of the right answers elsewhere.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from ojala.catalogue.domain import Domain, measured
from ojala.catalogue.flags import flags
from ojala.catalogue.held_out import held_out
from ojala.evaluation.classification import class_codes
from ojala.evaluation.comparisons import brighter_than, is_class
from ojala.measures.metrics import OUTLIER_THRESHOLD, outlier_fraction, redshift_error, sigma_nmad
from ojala.model import bundle
from ojala.model.network import Ojala
from ojala.model.predictor import Predictor
from ojala.model.presets import preset
from ojala.tables.shards import Columns, columns_of, read_table
from ojala.training.config import TrainConfig
from ojala.training.fit import fit
from ojala.training.resident import measured_scaling, resident
from ojala.vocabulary.quality_flags import bit
from ojala.vocabulary.quantities import CLASSES
from pipelines import params, paths

SET_ASIDE = ("OUTSIDE_TRAINING", "CLASS_AMBIGUOUS", "REDSHIFT_MULTIMODAL", "REDSHIFT_WIDE")
"""Flags that keep a redshift out of a sample."""


def main() -> None:
    """Train without them, ask about them, write and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--highest", type=float, default=0.6, help="redshift of galaxies shown")
    parser.add_argument("--epochs", type=int, help="in place of the parameter file's")
    parser.add_argument("--bundle", type=Path, help="keep what was trained, or take it if there")
    parser.add_argument("--out", type=Path, default=Path("reports/held_out_redshifts.json"))
    options = parser.parse_args()
    config = params.section("train", TrainConfig)
    config = replace(config, num_epochs=options.epochs or config.num_epochs)
    table = without_distant(read_table(paths.WEIGHTS), options.highest)
    kept = options.bundle or options.out.with_suffix("")
    if not kept.exists():
        train(table, config, kept)
    opened = bundle.load(kept)
    predictor = Predictor(opened)
    domain = measured(predictor.embed(held_out(table)), opened.digest)
    truth = columns_of(read_table(paths.CROSSMATCH / "test_real.parquet"))
    limits = {"i < 21": 21.0, "i < 22.5": 22.5}
    said = answers(predictor, domain, truth)
    found = {
        name: shares(said, truth, options.highest, brighter_than(truth, limit))
        for name, limit in limits.items()
    }
    text = json.dumps({"highest": options.highest, "epochs": config.num_epochs} | found, indent=1)
    options.out.write_text(text + "\n")
    print(text)


def without_distant(table: pa.Table, highest: float) -> pa.Table:
    """The table without its galaxies of a redshift above ``highest``."""
    is_galaxy = pc.equal(table["SPECTYPE"], CLASSES.index("GALAXY"))
    return table.filter(pc.invert(pc.and_(is_galaxy, pc.greater(table["z"], highest))))


def train(table: pa.Table, config: TrainConfig, path: Path) -> None:
    """Train one network on the table, adapt it to J-PAS, and write its bundle."""
    scaling = measured_scaling(table, ew_transform=config.ew_transform, seed=config.seed)
    drawn: dict[str, Any] = {"sampling": config.sampling, "with_clean": config.masking.fresh_noise}
    mocks = resident(table, scaling, labelled=True, split="train", **drawn)
    val = resident(table, scaling, labelled=True, split="val")
    jpas = resident(read_table(paths.JPAS), scaling, labelled=False)
    torch.manual_seed(config.seed)
    model = Ojala(preset(config.preset))
    for epoch in fit(model, mocks, jpas, config, val=val):
        print(f"epoch {epoch.number}: loss {epoch.metrics['val/loss']:.3f}", flush=True)
    bundle.save(path, model.eval(), scaling, {"trained": "without distant galaxies"})


def answers(predictor: Predictor, domain: Domain, truth: Columns) -> Columns:
    """What the catalogue would say of the sources, and the flags of SET_ASIDE alone, bool."""
    shown = predictor.shown(truth)
    found = predictor.predict(shown, embeddings=True)
    outside = domain.outside(found.pop("EMBEDDING"))
    said = flags(found, shown, outside)
    return found | {"flagged": (said & sum(bit(name) for name in SET_ASIDE)) > 0, "out": outside}


def shares(
    said: Columns, truth: Columns, highest: float, chosen: NDArray[np.bool_]
) -> dict[str, Any]:
    """Scores beyond ``highest`` and shares of flagged answers, of the chosen rows."""
    true, given = class_codes(said, truth)
    z = np.where(said["CLASS"] == "QSO", said["Z_QSO"], said["Z_GAL"])
    is_near = np.abs(redshift_error(z, truth["z"])) <= OUTLIER_THRESHOLD
    right = (true >= 0) & (given == true) & (is_class(truth, "star") | is_near)
    is_distant = is_class(truth, "galaxy") & (truth["z"] > highest)
    beyond, elsewhere = chosen & is_distant, chosen & ~is_distant
    error = redshift_error(said["Z_GAL"], truth["z"])[beyond]
    return {
        "beyond": int(beyond.sum()),
        "beyond: sigma_nmad": sigma_nmad(error),
        "beyond: outliers": outlier_fraction(error, threshold=OUTLIER_THRESHOLD),
        "beyond: wrong": int((beyond & ~right).sum()),
        "beyond: wrong answers that are flagged": _share(said["flagged"], beyond & ~right),
        "beyond: outside the domain": _share(said["out"], beyond),
        "elsewhere: right answers that are flagged": _share(said["flagged"], elsewhere & right),
        "elsewhere: outside the domain": _share(said["out"], elsewhere),
    }


def _share(flagged: NDArray[np.bool_], of: NDArray[np.bool_]) -> float:
    return float(flagged[of].mean()) if of.any() else float("nan")


if __name__ == "__main__":
    main()
