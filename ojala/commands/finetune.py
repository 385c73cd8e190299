"""``ojala finetune``: a head of your own on a trained bundle."""

from __future__ import annotations

import argparse
from pathlib import Path

from ojala.heads.finetune import Recipe, finetune
from ojala.heads.fit import FinetuneConfig
from ojala.tables import project, result
from ojala.vocabulary.quantities import CLASSES

EXAMPLE = """\
Train a head: a quantity of your own from the embeddings of a trained bundle.

Example:
    ojala finetune masses.csv --quantity LOGMASS_DAS_PAN25 --name bh-mass --classes QSO
    ojala predict sources.fits --heads models/heads --out answers.fits

The table names its sources by TARGETID (SURVEY and PROGRAM too, where it has them) or by TILE_ID
and NUMBER. Beside the quantity it may hold its 1 sigma error, <QUANTITY>_ERR. The head is asked by
its name, and every head in models/heads is a column of the catalogue."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala finetune``."""
    parser.description = EXAMPLE
    parser.add_argument(
        "labels", type=Path, metavar="LABELS", help="CSV, ECSV, FITS, VOTable or Parquet"
    )
    parser.add_argument(
        "--quantity", required=True, help="column of the labels, and of the answers"
    )
    parser.add_argument("--name", required=True, help="name of the head, such as bh-mass")
    parser.add_argument(
        "--classes",
        default=",".join(CLASSES),
        help="classes to train on, such as QSO or GALAXY,QSO",
    )
    parser.add_argument(
        "--photometry",
        type=Path,
        help="Parquet table of the sources (default data/weights, or data/jpas for TILE_ID)",
    )
    parser.add_argument("--bundle", type=Path, default=Recipe.base, help="(default %(default)s)")
    parser.add_argument(
        "--out", type=Path, help="directory of the head (default models/heads/NAME)"
    )
    for name in ("unit", "ucd", "description"):
        parser.add_argument(f"--{name}", default="", help=f"{name} of the catalogue's column")
    parser.add_argument("--steps", type=int, default=FinetuneConfig.num_steps, help="of training")
    parser.add_argument("--seed", type=int, default=FinetuneConfig.seed, help="(%(default)s)")
    project.add_argument(parser)
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Train a head: ``ojala finetune LABELS --quantity Q --name NAME``."""
    recipe = Recipe(
        labels=arguments.labels,
        quantity=arguments.quantity,
        name=arguments.name,
        classes=tuple(arguments.classes.split(",")),
        photometry=arguments.photometry,
        base=arguments.bundle,
        out=arguments.out,
        unit=arguments.unit,
        ucd=arguments.ucd,
        description=arguments.description,
    )
    done = finetune(recipe, FinetuneConfig(num_steps=arguments.steps, seed=arguments.seed))
    counts, scores, seconds = done.counts, done.scores, done.seconds
    lines = [
        f"head {recipe.name} in {done.place}, digest {done.digest[:12]}",
        f"{counts['labels']} labels, {counts['train']} sources trained on, "
        f"{counts['val']} held out, {counts['unanswered']} without usable photometry",
        f"held out: bias {scores['bias']:+.3f}, sigma_nmad {scores['sigma_nmad']:.3f} "
        f"(a constant: {scores['sigma_nmad_of_labels']:.3f})",
        f"embedded in {seconds['embed']:.1f} s, trained in {seconds['fit']:.1f} s",
    ]
    record = {"head": recipe.name, "out": done.place, "digest": done.digest}
    result.tell(
        arguments, lines, record | {"counts": counts, "held_out": scores, "seconds": seconds}
    )
