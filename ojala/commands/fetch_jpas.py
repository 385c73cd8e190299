"""``ojala fetch-jpas``: J-PAS photometry from the CEFCA archive."""

from __future__ import annotations

import argparse
from pathlib import Path

from ojala.surveys.jpas.pages import TABLES, fetch
from ojala.surveys.jpas.tap import LOGIN, LOGIN_NAME, LOGIN_PASSWORD, SERVICE, Archive, credentials
from ojala.tables import result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala fetch-jpas``."""
    parser.description = "Download J-PAS dual-mode photometry of the CEFCA archive, page by page."
    parser.add_argument("--out", type=Path, required=True, help="directory of pages")
    parser.add_argument("--url", default=SERVICE, help="TAP service (default: %(default)s)")
    parser.add_argument("--login-url", default=LOGIN, help="login form (default: %(default)s)")
    parser.add_argument("--no-login", action="store_true", help="for public tables")
    parser.add_argument("--form", choices=TABLES, default="mag", help="magnitudes or fluxes")
    parser.add_argument("--table", help="another table of the same columns")
    parser.add_argument("--where", default="", help="ADQL condition on the sources")
    parser.add_argument("--rows-per-page", type=int, default=20_000, help="(%(default)s)")
    parser.add_argument("--mode", choices=("async", "sync"), default="async", help="of the queries")
    result.add_argument(parser)
    parser.epilog = f"""The login comes from {LOGIN_NAME} and {LOGIN_PASSWORD}, or is asked for.

example: ojala fetch-jpas --out data/real/jpas --where "MAG_ERR_AUTO[jpas::iSDSS] < 0.2"
"""


def main(arguments: argparse.Namespace) -> None:
    """Fetch a dual-mode table: ``ojala fetch-jpas --out DIR``."""
    login_url = None if arguments.no_login else arguments.login_url
    name, password = credentials() if login_url else ("", "")
    archive = Archive(
        url=arguments.url,
        login_url=login_url,
        name=name,
        password=password,
        mode=arguments.mode,
    )
    archive.reach()
    num_sources = fetch(
        archive,
        arguments.out,
        form=arguments.form,
        table=arguments.table,
        where=arguments.where,
        rows_per_page=arguments.rows_per_page,
    )
    record = {"out": arguments.out, "sources": num_sources}
    result.tell(arguments, [f"{num_sources} sources in {arguments.out}"], record)
