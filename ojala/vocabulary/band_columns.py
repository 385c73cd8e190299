"""Which columns of anyone's catalogue are the bands, by their names (docs/tables.md).

A name is read without regard to case: words, one of which is a band (J0660, J660, iSDSS, G). The
other words tell what the column holds; those of errors (ERR, RELERR, E) are set apart. What is
plainly a band but not plainly understood is refused, never left out in silence.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from ojala.vocabulary.bands import broad_bands, narrow_bands, reference_band
from ojala.vocabulary.filters import filters

Kind = Literal["ratio", "flux", "mag"]

NARROW = {band.token for band in narrow_bands()}
BROAD = {band.token for band in broad_bands()}
REFERENCE = reference_band().token
OF_REFERENCE = filters()[-1].name
"""What the survey's catalogue calls the filter of the reference: iSDSS of J-PAS."""

NARROW_WORDS = {token.lower(): token for token in NARROW}
BROAD_WORDS = {token.removeprefix("MAG_").lower(): token for token in BROAD} | {
    OF_REFERENCE.lower(): REFERENCE
}
ARE_NUMBERED = any(re.fullmatch(r"J0\d{3}", token) for token in NARROW)
"""Whether bands are called by their wavelength in nm, as those of J-PAS, J-PLUS and S-PLUS are."""

ERROR_WORDS = {"err", "error", "relerr", "e", "sigma"}
OTHER_WORDS = {"flag", "flags", "mask", "snr", "sn", "class", "num", "norm", "wmap", "single"}
"""Of columns about a band that hold no light."""

APERTURE = r"(auto|iso|petro|aper(_cor)?_\d+_\d+)"
FORMS: dict[str, Kind] = {
    r"(ratio)?": "ratio",
    rf"(flux_)?{APERTURE}": "flux",
    rf"mag(_{APERTURE})?": "mag",
}
"""What narrow bands hold, by the words beside the band."""

PREFERRED = ("", "flux_aper_cor_3_0", "aper_cor_3_0", "mag_aper_cor_3_0")
"""Which of several forms is taken: ratios, then the aperture that the model is trained on."""

EXAMPLE = "J0660" if "J0660" in NARROW else narrow_bands()[0].token
KNOWN = (
    f"known are {EXAMPLE} (flux over that of {reference_band().name}), FLUX_APER_COR_3_0_{EXAMPLE} "
    f"or APER_COR_3_0_{EXAMPLE} (1e-19 erg/s/cm2/Angstrom) and MAG_APER_COR_3_0_{EXAMPLE} (AB), "
    f"these with {OF_REFERENCE} of the same aperture, and MAG_G for broad bands (AB)"
)

NUMBERS = {
    number: token
    for token in NARROW
    if re.fullmatch(r"J0\d{3}", token)
    for number in (token[1:], token[1:].lstrip("0"), f"{token[1:].lstrip('0')}0")
}
"""Wavelengths of the narrow bands as a name may hold them, in nm or Angstrom."""
ENOUGH_NUMBERED = 5
MOSTLY = 0.8
IN_ARRAYS = re.compile(rf"(flux|mag)_{APERTURE}")


@dataclass(frozen=True, kw_only=True)
class BandColumns:
    """Names of the columns of the bands.

    values, errors: by token; kind: what the narrow bands hold
    i_value, i_error: light of i in the aperture of the narrow bands, "" where there is none
    auto: AUTO_iSDSS, the total i flux in 1e-19 erg/s/cm2/Angstrom, "" where there is none
    """

    values: Mapping[str, str]
    errors: Mapping[str, str]
    kind: Kind
    i_value: str
    i_error: str
    auto: str

    def names(self) -> set[str]:
        """Every column that is needed."""
        chosen = {*self.values.values(), *self.errors.values()}
        return (chosen | {self.i_value, self.i_error, self.auto}) - {""}


class Reading(NamedTuple):
    """What a column's name says: ``form`` holds the words beside the band, "{}" a broad one."""

    name: str
    token: str
    form: str
    is_error: bool


Found = dict[str, dict[str, list[str]]]
"""Names of columns by form and token."""


def band_columns(names: Iterable[str]) -> BandColumns:
    """The columns of a catalogue that hold bands.

    Raises ValueError with the columns that were seen: for two that could be one band, a band that
    is there in a form of unknown meaning alone, or light in an aperture without that of i.
    """
    names = list(names)
    values, errors = _readings(names)
    form = _form(values, names)
    kind = _kind(form) or "ratio"
    chosen = {token: found for token, found in values[form].items() if token in NARROW}
    _refuse_left_out(values, chosen)
    chosen |= _broad(values)
    i_value = i_error = ""
    if kind != "ratio":
        i_value = _one(_of_i(values, form), "i")
        i_error = _one(_of_i(errors, form), "the error of i")
        if not i_value:
            seen = chosen[min(chosen.keys() & NARROW)][0]
            raise ValueError(
                f"column {seen} holds light in an aperture, and there is no {OF_REFERENCE} of the "
                f"same to divide by; {KNOWN}"
            )
    if NARROW.isdisjoint(chosen):
        _refuse_numbered(names)
    picked = {token: _one(found, token) for token, found in chosen.items()}
    return BandColumns(
        values=picked,
        errors={token: name for token in picked if (name := _error(errors, token, form))},
        kind=kind,
        i_value=i_value,
        i_error=i_error,
        auto=_one(_of_i(values, "auto"), "AUTO_iSDSS"),
    )


def _readings(names: Sequence[str]) -> tuple[Found, Found]:
    values: Found = defaultdict(lambda: defaultdict(list))
    errors: Found = defaultdict(lambda: defaultdict(list))
    for name in names:
        if reading := _read(name):
            (errors if reading.is_error else values)[reading.form][reading.token].append(name)
    return values, errors


@lru_cache(4096)
def _read(name: str) -> Reading | None:
    """What a name says; the names of one catalogue, or of requests, come again and again."""
    plain = re.sub(r"^(flux|mag)(?=j\d)", r"\1_", name.strip().lower())
    words = [word for word in re.split(r"[^0-9a-z]+", plain) if word]
    bands = [word for word in words if word in BROAD_WORDS or _narrow(word)]
    is_error = not ERROR_WORDS.isdisjoint(words)
    words = [word for word in words if word not in ERROR_WORDS]
    narrow = [word for word in bands if word not in BROAD_WORDS]
    if len(narrow) == 1 and len(bands) == 1:
        words.remove(bands[0])
        return Reading(name, _narrow(bands[0]), "_".join(words), is_error)
    if len(bands) == 1:
        form = "_".join("{}" if word == bands[0] else word for word in words)
        return Reading(name, BROAD_WORDS[bands[0]], form, is_error)
    return None


def _narrow(word: str) -> str:
    """The token of a narrow band by a word of a name, "" of another word: J660 is J0660.

    A number that is no band's is a token still, to be refused.
    """
    if ARE_NUMBERED and re.fullmatch(r"j0?\d{3}", word):
        return f"J0{word[-3:]}"
    return NARROW_WORDS.get(word, "")


def _kind(form: str) -> Kind | None:
    for pattern, kind in FORMS.items():
        if re.fullmatch(pattern, form):
            return kind
    return None


def _form(values: Found, names: Sequence[str]) -> str:
    """The form in which the narrow bands are taken."""
    forms = {form: found for form, found in values.items() if not NARROW.isdisjoint(found)}
    if wrong := sorted(values[""].keys() - NARROW - BROAD):
        raise ValueError(
            f"column {values[''][wrong[0]][0]}: {narrow_bands()[0].survey} has no such narrow band"
        )
    for form in PREFERRED:
        if form in forms:
            return form
    known = sorted(form for form in forms if _kind(form))
    if len(known) > 1:
        seen = " and ".join(forms[form][min(forms[form])][0] for form in known[:2])
        raise ValueError(f"columns {seen} are both narrow bands: leave one kind; {KNOWN}")
    arrays = [name for name in names if IN_ARRAYS.fullmatch(name.strip().lower())]
    if arrays and not forms:
        raise ValueError(
            f"column {arrays[0]} holds all filters in one array: ojala jpas and ojala predict read "
            "such a table, with FLUX_ or MAG_APER_COR_3_0 and AUTO"
        )
    return known[0] if known else ""


def _refuse_left_out(values: Found, chosen: Mapping[str, list[str]]) -> None:
    """Raise ValueError where a band is there only in a form that is not taken."""
    for form, found in values.items():
        if not OTHER_WORDS.isdisjoint(form.split("_")):
            continue
        left = sorted((found.keys() & NARROW) - chosen.keys())
        if left:
            seen = ", ".join(found[token][0] for token in left[:3])
            raise ValueError(
                f"column {seen}{' ...' if len(left) > 3 else ''}: narrow bands in a form that is "
                f"{'not that of ' + next(iter(chosen.values()))[0] if chosen else 'not known'}; "
                f"{KNOWN}"
            )


def _refuse_numbered(names: Sequence[str]) -> None:
    """Raise ValueError for columns of one form that are numbered as the narrow bands are.

    ENOUGH_NUMBERED of them, and few others of the form: a grid of p(z) has other numbers too.
    """
    numbered: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for name in names:
        plain = name.strip().lower()
        found = re.findall(r"(?<!\d)\d{3,4}(?!\d)", plain)
        words = set(re.split(r"[^a-z]+", plain))
        if len(found) == 1 and words.isdisjoint(ERROR_WORDS | OTHER_WORDS):
            form = plain.replace(found[0], "{}")
            numbered[form][NUMBERS.get(found[0], "")].append(name)
    for found_of in numbered.values():
        others = len(found_of.pop("", []))
        if len(found_of) >= ENOUGH_NUMBERED and len(found_of) >= MOSTLY * (len(found_of) + others):
            seen = [found_of[token][0] for token in sorted(found_of)]
            raise ValueError(
                f"columns {', '.join(seen[:3])} ... ({len(seen)}) are numbered as narrow bands are "
                f"and named as none: name them, or say --columns {min(found_of)}={seen[0]}; {KNOWN}"
            )


def _broad(values: Found) -> dict[str, list[str]]:
    """AB magnitudes by token. Raises ValueError for other light of a band that has none."""
    found = {**values["mag_auto_{}"], **values["mag_{}"]}
    found = {t: seen for t, seen in found.items() if t in values["mag_{}"] or t == REFERENCE}
    for form in ("flux_{}", "{}_mag", "{}_flux", "mag_auto_{}"):
        for token, seen in values[form].items():
            if token not in found and token != REFERENCE:
                raise ValueError(
                    f"column {seen[0]}: a broad band is an AB magnitude, named {token}; rename "
                    "what is meant, or leave it out"
                )
    return found


def _of_i(found: Found, form: str) -> list[str]:
    """Columns of i in the form of the narrow bands; FLUX_ may be left out in either name."""
    bare = form.removeprefix("flux_")
    forms = {form, bare} if bare.startswith("mag") else {form, bare, f"flux_{bare}"}
    named = [form for each in sorted(forms) for form in (f"{each}_{{}}", f"{{}}_{each}")]
    return [name for form in named for name in found[form].get(REFERENCE, [])]


def _error(errors: Found, token: str, form: str) -> str:
    """The column of a token's errors: of the same form, or else named for the token itself."""
    total = "mag_auto_{}" if token == REFERENCE else ""
    forms = (form, "") if token in NARROW else ("mag_{}", total)
    for each in forms:
        if name := _one(errors[each].get(token, []), f"the error of {token}"):
            return name
    return ""


def _one(names: Sequence[str], meant: str) -> str:
    """The one column that is meant, "" for none. Raises ValueError for several."""
    if len(names) > 1:
        raise ValueError(f"columns {' and '.join(names)} could both be {meant}: rename one")
    return names[0] if names else ""
