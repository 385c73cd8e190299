"""What the model can be asked, and the vocabulary of all tokens: 76 of J-PAS.

One row of ``quantities.ecsv`` is one quantity (MORPHTYPE, which is observed, included).
Token ids are 1, 2, ... without gaps, of J-PAS the released model's; 0 is padding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from ojala.vocabulary.bands import Band, bands
from ojala.vocabulary.directory import directory, survey_table

CLASSES = ("GALAXY", "STAR", "QSO")
"""Spectral classes; a class's code is its position."""

MORPHTYPES = ("DEV", "EXP", "GGAL", "PSF", "REX", "SER")
"""Morphological types; a type's code is its position."""

REDSHIFTS = ("Z_GAL", "Z_QSO")
"""Tokens of the redshift if a source is a galaxy, and if it is a quasar."""

NEEDED = {"MORPHTYPE": MORPHTYPES, "SPECTYPE": CLASSES, **dict.fromkeys(REDSHIFTS, ())}
"""Quantities without which there is no model, and their categories."""

NO_CODE = -1
"""Code of a categorical value that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A token that is not a band.

    unit: astropy unit string; kind: "continuous" or "categorical"
    transform: "linear" or "asinh"; classes: spectral classes that it is defined for
    source: catalogue and column of the training label
    categories: names of the codes 0, 1, ...; empty for a continuous quantity
    """

    token_id: int
    token: str
    unit: str
    kind: str
    transform: str
    classes: tuple[str, ...]
    source: str
    categories: tuple[str, ...]
    description: str


@cache
def quantities() -> tuple[Quantity, ...]:
    """MORPHTYPE and the 15 quantities, in the order of their token ids.

    Raises ValueError naming the table for a quantity that the model is built on and that it lacks.
    """
    table = survey_table("quantities.ecsv")
    found = tuple(
        Quantity(
            token_id=int(row["token_id"]),
            token=str(row["token"]),
            unit=_text(row["unit"]),
            kind=str(row["kind"]),
            transform=str(row["transform"]),
            classes=tuple(str(row["classes"]).split(",")),
            source=str(row["source"]),
            categories=tuple(_text(row["categories"]).split(","))
            if _text(row["categories"])
            else (),
            description=str(row["description"]),
        )
        for row in table
    )
    has = {quantity.token: quantity.categories for quantity in found}
    for token, categories in NEEDED.items():
        if has.get(token) != categories:
            raise ValueError(
                f"{directory() / 'quantities.ecsv'}: expected a row {token}"
                f"{' of the categories ' + ','.join(categories) if categories else ''}"
            )
    return found


def quantity(token: str) -> Quantity:
    """The quantity of a token. Raises ValueError for an unknown one."""
    for candidate in quantities():
        if candidate.token == token:
            return candidate
    known = ", ".join(q.token for q in quantities())
    raise ValueError(f"quantity {token!r} is not known: expected one of {known}")


@cache
def vocabulary() -> tuple[str, ...]:
    """All tokens, 76 of J-PAS; the token of id n is ``vocabulary()[n - 1]``.

    Raises ValueError naming the tables where ids are not 1, 2, ... without gaps.
    """
    rows: list[Band | Quantity] = [*bands(), *quantities()]
    by_id = {row.token_id: row.token for row in rows}
    if sorted(row.token_id for row in rows) != list(range(1, len(rows) + 1)):
        raise ValueError(
            f"{directory()}: token ids of bands.ecsv and quantities.ecsv are not 1 ... "
            f"{len(rows)}, each once"
        )
    return tuple(by_id[token_id] for token_id in sorted(by_id))


def observations() -> tuple[str, ...]:
    """The tokens that a survey observes, bands and MORPHTYPE: 61 of J-PAS."""
    asked = set(queries())
    return tuple(token for token in vocabulary() if token not in asked)


def queries() -> tuple[str, ...]:
    """The 15 tokens that are asked for: every quantity but MORPHTYPE."""
    return tuple(quantity.token for quantity in quantities() if quantity.token != "MORPHTYPE")


def _text(value: object) -> str:
    text = str(value)
    return "" if text in ("--", "masked") else text
