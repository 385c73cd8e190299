"""Arguments that commands share: the bundle and the heads that answer, and what is asked."""

from __future__ import annotations

import argparse
from pathlib import Path

from ojala.catalogue.answerer import Recipe
from ojala.catalogue.answers import Asked
from ojala.engines.engine import BACKENDS, PRECISIONS, Engine

CONVERTED = ".converted"
"""Directory beside bundles with what engines made of them, by digest."""


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """``--bundle``."""
    parser.add_argument(
        "--bundle",
        type=Path,
        default=Path("models/ojala"),
        help="directory of a trained model (%(default)s)",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--bundle``, ``--heads``, ``--queries``, what judges and recalibrates, and the engine."""
    add_bundle(parser)
    parser.add_argument(
        "--heads", type=Path, help="directory of heads that answer as well, such as models/heads"
    )
    parser.add_argument(
        "--queries", help="such as SPECTYPE,Z_GAL (default: all 15 quantities, and every head)"
    )
    parser.add_argument(
        "--domain",
        type=Path,
        help="training domain of the bundle, by ojala domain: QUALITY_FLAGS tells who is outside",
    )
    parser.add_argument(
        "--recalibration",
        type=Path,
        help="of the bundle, by ojala recalibrate: honest class probabilities, and sets of classes "
        "and redshifts that hold what is true with 90 %%",
    )
    parser.add_argument(
        "--backend",
        choices=BACKENDS,
        default=Engine.backend,
        help="what computes the network (%(default)s); auto: the fastest on this machine whose "
        "answers about golden sources are the same",
    )
    parser.add_argument(
        "--precision",
        choices=PRECISIONS,
        default=Engine.precision,
        help="of the arithmetic (%(default)s); auto: bfloat16 where the processor has it",
    )


def recipe_of(arguments: argparse.Namespace) -> Recipe:
    """How to open what was named."""
    queries = arguments.queries and tuple(map(str.strip, arguments.queries.split(",")))
    engine = Engine(
        backend=arguments.backend,
        precision=arguments.precision,
        beside=arguments.bundle.absolute().parent / CONVERTED,
    )
    return Recipe(
        bundle=arguments.bundle,
        heads=arguments.heads,
        queries=queries,
        engine=engine,
        domain=arguments.domain,
        recalibration=arguments.recalibration,
    )


def opened(recipe: Recipe) -> Asked:
    """The Predictor and its queries.

    Raises ValueError for a directory that holds no heads, and a query that is none.
    """
    asked = recipe.asked()
    if recipe.heads and not asked.heads:
        raise ValueError(f"{recipe.heads}: no heads here; ojala finetune makes one")
    return asked
