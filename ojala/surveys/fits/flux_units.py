"""Units of flux densities, in any of the spellings that survey files have.

"10**-17 erg/(s cm2 Angstrom)", "1e-17 ergs/s/cm^2/A" and "10-17 erg s-1 cm-2 Ang-1" are one unit.
Astropy parses units once the words are its own: it takes "A" for ampere and knows no "ergs".
"""

from __future__ import annotations

import re
import warnings

from astropy import units as u

FLUX_DENSITY = u.erg / u.s / u.cm**2 / u.AA
"""f_lambda: erg/s/cm2/Angstrom."""

_WORDS = {
    **dict.fromkeys(("erg", "ergs"), "erg"),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), "s"),
    **dict.fromkeys(("a", "aa", "ang", "angs", "angstrom", "angstroms"), "Angstrom"),
    "cm": "cm",
}
_POWER_OF_TEN = re.compile(
    r"\(?(?:1(?:\.0*)?\s*[x*]?\s*)?10"  # "10", "1 x 10"
    r"(?:\s*(?:\*\*|\^)\s*([+-]?\d+)|\s*(?:\*\*|\^)?\s*\(\s*([+-]?\d+)\s*\)|([+-]\d+))"
)
_NUMBER = re.compile(r"\(?((?:\d+\.?\d*|\.\d+)(?:[eEdD][+-]?\d+)?)")


def in_flux_density(text: str, power: int = 1) -> float:
    """What a value in this unit is multiplied with to be in (erg/s/cm2/Angstrom)**power.

    Raises ValueError for what is no unit, or the unit of another quantity.
    """
    scale, rest = _scale(text.strip())
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", u.UnitsWarning)  # several slashes: all are spellings
            return scale * float(u.Unit(_spelt(rest)).to(FLUX_DENSITY**power))
    except (ValueError, TypeError, u.UnitConversionError):
        raise ValueError(f"{text!r} is not a unit of flux per wavelength") from None


def _scale(text: str) -> tuple[float, str]:
    """The power of ten or the number that a unit begins with, and the rest."""
    found = _POWER_OF_TEN.match(text)
    if found:
        scale = 10.0 ** int(found[1] or found[2] or found[3])
    else:
        found = _NUMBER.match(text)
        scale = float(found[1].lower().replace("d", "e")) if found else 1.0
    if not found or text[found.end() :].lstrip().startswith("/"):
        return 1.0, text  # "1 / ...": astropy's business
    rest = text[found.end() :].lstrip(" ")
    return scale, rest.lstrip(").*x ")


def _spelt(text: str) -> str:
    """A unit in astropy's words: "ergs/sec/cm^2/A" -> "erg/s/cm**2/Angstrom"."""
    if re.fullmatch(r"\([^()]*\)", text):
        text = text[1:-1]
    words = re.sub(r"[A-Za-z]+", lambda word: _WORDS.get(word[0].lower(), word[0]), text)
    return words.replace("\u00c5", "Angstrom").replace("^", "**")
