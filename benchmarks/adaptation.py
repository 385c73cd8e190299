"""Does adaptation work here? Test-Real against Test-Synth with and without it, over seeds.

    python benchmarks/adaptation.py --seeds 3 --epochs 10 --out docs/figures/adaptation

Trains the section ``train`` of params.yaml once per seed and weight of the MMD on the tables of a
finished `make repro`, all else equal, and writes OUT.json and OUT.png.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from itertools import product
from operator import getitem
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.figure import Figure
from tqdm import tqdm

from ojala.evaluation.comparisons import brighter_than
from ojala.evaluation.config import TITLES, EvaluateConfig
from ojala.evaluation.scores import summary
from ojala.figures.style import save
from ojala.model.bundle import Bundle
from ojala.model.network import Ojala
from ojala.model.predictor import Predictor
from ojala.model.presets import preset
from ojala.tables.shards import columns_of, read_table
from ojala.training.config import TrainConfig
from ojala.training.fit import fit
from ojala.training.resident import measured_scaling, resident
from pipelines import params, paths

MEASURES = {
    "Weighted F1 of class": ("weighted_f1",),
    r"$\sigma_{\rm NMAD}$ of galaxies, $\Delta z/(1+z)$": ("galaxy", "sigma_nmad"),
    "Outliers of galaxies (share)": ("galaxy", "outlier_fraction"),
    r"$\sigma_{\rm NMAD}$ of quasars, $\Delta z/(1+z)$": ("qso", "sigma_nmad"),
}


def main() -> None:
    """Train, score, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, help="in place of the parameter file's")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), help="the same")
    parser.add_argument("--mmd-weights", type=float, nargs="+", default=[0.0, 0.2])
    parser.add_argument("--out", type=Path, default=Path("reports/adaptation"))
    options = parser.parse_args()
    config = params.section("train", TrainConfig)
    given = {"num_epochs": options.epochs, "precision": options.precision}
    config = replace(config, **{name: value for name, value in given.items() if value})
    runs = []
    for run in trained(config, list(product(range(options.seeds), options.mmd_weights))):
        runs.append(run)
        options.out.with_suffix(".json").write_text(json.dumps(runs, indent=1) + "\n")
    save(picture(runs), options.out.with_suffix(".png"))
    for run in runs:
        print(run)


def trained(config: TrainConfig, cases: list[tuple[int, float]]) -> Iterator[dict[str, Any]]:
    """One entry per training: its seed and weight, which ``cases`` lists, and the measures."""
    table, jpas = read_table(paths.WEIGHTS), read_table(paths.JPAS)
    scaling = measured_scaling(table, ew_transform=config.ew_transform, seed=config.seed)
    mocks = resident(table, scaling, labelled=True, split="train")
    target = resident(jpas, scaling, labelled=False)
    assert config.adaptation is not None, "the section train adapts"
    for seed, weight in tqdm(cases, unit="training"):
        adaptation = replace(config.adaptation, mmd_weight=weight)
        changed = replace(config, seed=seed, adaptation=adaptation)
        torch.manual_seed(seed)
        model = Ojala(preset(config.preset))
        for _ in fit(model, mocks, target, changed):
            pass
        predictor = Predictor(Bundle(model=model, scaling=scaling))
        yield {"seed": seed, "mmd_weight": weight} | {
            name: measures(predictor, name) for name in TITLES
        }


def measures(predictor: Predictor, name: str) -> dict[str, Any]:
    """MEASURES on a test set, as `evaluate` takes them from every observed token.

    "n" holds the number of sources behind each: all, or those of the class.
    """
    config = params.section("evaluate", EvaluateConfig)
    truth = columns_of(read_table(paths.CROSSMATCH / f"{name}.parquet"))
    bright = brighter_than(truth, config.faint_limit)
    found = summary(predictor.predict(truth), truth, bright, config)
    measured = {label: reduce(getitem, path, found) for label, path in MEASURES.items()}
    counted = {
        label: reduce(getitem, path[:-1], found)["num_sources"] for label, path in MEASURES.items()
    }
    return measured | {"n": counted}


def picture(runs: list[dict[str, Any]]) -> Figure:
    """A panel per measure: each training a line from Test-Synth to Test-Real."""
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    for axis, label in zip(figure.subplots(1, len(MEASURES)), MEASURES, strict=True):
        for run in runs:
            adapted = run["mmd_weight"] > 0
            axis.plot(
                np.arange(2) + (0.04 if adapted else -0.04),
                [run[name][label] for name in reversed(TITLES)],
                "o-" if adapted else "s--",
                color="tab:orange" if adapted else "0.4",
                label=rf"$\lambda_{{\rm MMD}}$ = {run['mmd_weight']:g}"
                if run["seed"] == 0
                else None,
            )
        axis.set_xticks([0, 1], [*reversed(TITLES.values())])
        axis.set(xlim=(-0.3, 1.3), ylabel=label)
        num_seeds = len({run["seed"] for run in runs})
        axis.set_title(f"{num_seeds} seeds, n = {runs[0]['test_real']['n'][label]:,}", fontsize=9)
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right", frameon=False)
    return figure


if __name__ == "__main__":
    main()
