"""``ojala vac``: a catalogue of any size on all cores or a cluster, restartable."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

from ojala.catalogue import job, pieces, who_answers
from ojala.catalogue.answerer import Recipe
from ojala.catalogue.answers import check_ratios
from ojala.catalogue.ids import check_unique
from ojala.catalogue.merged import merge
from ojala.catalogue.seen import Seen, together
from ojala.model.bundle import read_json, write_json
from ojala.tables import project, result
from ojala.tables.files import table_format
from ojala.tables.writing import check_place, written_whole
from pipelines.cluster import catalogue

EXAMPLE = """\
Class, redshift and physical quantities of a large catalogue: what `ojala predict` answers, in
shards that workers make side by side. Killed at any moment and started again it goes on from the
shards that are finished. With RAY_ADDRESS in the environment the workers are those of that Ray
cluster, which must reach the catalogue, the bundle and the shards.

Example:
    ojala vac sources.parquet --bundle models/ojala --out answers --merged answers.parquet"""

INPUT = ".input"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala vac``."""
    parser.description = EXAMPLE
    parser.add_argument(
        "catalogue",
        type=Path,
        metavar="CATALOGUE",
        help="Parquet file or directory of part-*.parquet, FITS, CSV, ECSV or VOTable",
    )
    who_answers.add_arguments(parser)
    parser.add_argument(
        "--out", type=Path, required=True, help="directory of the shards, part-00000.parquet ..."
    )
    parser.add_argument(
        "--merged",
        type=Path,
        action="append",
        default=[],
        help="the shards as one file as well (any other format than Parquet is held in memory)",
    )
    parser.add_argument("--workers", type=int, help="(default: one for each core)")
    parser.add_argument(
        "--rows", type=int, default=pieces.ROWS, help="sources of a shard (%(default)s)"
    )
    project.add_argument(parser)
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Run ``ojala vac``."""
    for name in ("workers", "rows"):
        given = getattr(arguments, name)
        if given is not None and given < 1:
            raise ValueError(f"--{name} is {given}, expected 1 or more")
    for merged in arguments.merged:
        table_format(merged)
        check_place(merged)
    named = _settled(who_answers.recipe_of(arguments), arguments.out.resolve() / INPUT)
    made_by = named.made_by(who_answers.opened(named))
    # Workers stand elsewhere: paths that lead from anywhere.
    recipe = replace(
        named,
        bundle=named.bundle.resolve(),
        heads=named.heads and named.heads.resolve(),
        domain=named.domain and named.domain.resolve(),
        recalibration=named.recalibration and named.recalibration.resolve(),
    )
    found = _answered(arguments, recipe, made_by)
    record = {"out": arguments.out, "merged": arguments.merged, "sources": found.num_rows}
    lines = [f"{arguments.out}: {found.num_rows} sources"]
    result.tell(arguments, lines, record | {"bundle_digest": made_by["bundle"]})


def _settled(recipe: Recipe, place: Path) -> Recipe:
    """The recipe with an engine that every worker takes, and a job that goes on takes again."""
    if recipe.engine.is_settled:
        return recipe
    kept = place / f"engine-{recipe.engine.backend}-{recipe.engine.precision}.json"
    if kept.exists():
        return replace(recipe, engine=replace(recipe.engine, **read_json(kept)))
    settled = recipe.settled()
    with written_whole(kept) as partial:
        write_json(partial, {n: getattr(settled.engine, n) for n in ("backend", "precision")})
    return settled


def _answered(arguments: argparse.Namespace, recipe: Recipe, made_by: dict[str, object]) -> Seen:
    """Make the shards, and the merged files; what there was of the catalogue."""
    path, shards = arguments.catalogue, arguments.out.resolve()
    (shards / INPUT).mkdir(parents=True, exist_ok=True)
    plan = pieces.planned(path, shards / INPUT, arguments.rows)
    work = job.job_of(plan, shards, made_by)
    check_unique(work.pieces)
    catalogue.make_shards(work, recipe, catalogue.machines(arguments.workers))
    found = together(job.seen_of(work))
    for line in found.lines():
        print(f"{path}: {line}", file=sys.stderr)
    check_ratios(path, found)
    if sum(num for num, _ in found.unanswered.values()) == found.num_rows:
        raise ValueError(f"{path}: no source can be answered ({', '.join(found.unanswered)})")
    for merged in arguments.merged:
        merge(work, merged)
    return found
