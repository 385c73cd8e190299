"""Arguments that commands share: the bundle and the heads that answer, and what is asked."""

from __future__ import annotations

import argparse
from pathlib import Path

from ojala.catalogue.answerer import Recipe
from ojala.catalogue.answers import Asked


def add_bundle(parser: argparse.ArgumentParser) -> None:
    """``--bundle``."""
    parser.add_argument(
        "--bundle",
        type=Path,
        default=Path("models/ojala"),
        help="directory of a trained model (%(default)s)",
    )


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """``--bundle``, ``--heads`` and ``--queries``."""
    add_bundle(parser)
    parser.add_argument(
        "--heads", type=Path, help="directory of heads that answer as well, such as models/heads"
    )
    parser.add_argument(
        "--queries", help="such as SPECTYPE,Z_GAL (default: all 15 quantities, and every head)"
    )


def recipe_of(arguments: argparse.Namespace) -> Recipe:
    """How to open what was named."""
    queries = arguments.queries and tuple(map(str.strip, arguments.queries.split(",")))
    return Recipe(bundle=arguments.bundle, heads=arguments.heads, queries=queries)


def opened(recipe: Recipe) -> Asked:
    """The Predictor and its queries.

    Raises ValueError for a directory that holds no heads, and a query that is none.
    """
    asked = recipe.asked()
    if recipe.heads and not asked.heads:
        raise ValueError(f"{recipe.heads}: no heads here; ojala finetune makes one")
    return asked
