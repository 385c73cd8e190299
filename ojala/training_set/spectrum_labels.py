"""Labels of spectra: what redrock and the value-added catalogues say of a source.

A label is joined by TARGETID, survey and program, and holds only for the spectral classes that
quantities.ecsv gives it. What is missing is NaN; the row stays.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from ojala.physics.milky_way import transmission
from ojala.surveys.desi.tree import catalogues
from ojala.surveys.desi.vacs import read_bhmass, read_cigale, read_fastspecfit, read_mws
from ojala.surveys.desi.vacs_layout import PAN25
from ojala.tables.shards import Columns, spectype_codes
from ojala.vocabulary.emission_lines import rest_waves
from ojala.vocabulary.quantities import quantities

READERS: dict[str, Callable[..., Columns]] = {
    "fastspecfit": read_fastspecfit,
    "cigale": read_cigale,
    "mws": read_mws,
    "bhmass": read_bhmass,
}

CONTINUUM_LINES = {"HBETA_CONT": "HBETA_4861", "HALPHA_CONT": "HALPHA_6562"}
"""The line of each continuum that is a label."""

CLASSES_OF = {q.token: q.classes for q in quantities() if q.token not in ("MORPHTYPE", "SPECTYPE")}
CLASSES_OF |= {"OII_3727_EW": ("GALAXY",), PAN25: ("QSO",)}
"""Spectral classes for which a label holds."""

Group = tuple[str, str]
"""Survey and program."""


@dataclass(frozen=True)
class Labels:
    """Labels of many sources, ready to be looked up; about 120 bytes per source and catalogue.

    tables: for each survey and program, the catalogues' columns, each sorted by ``targetid``
    """

    tables: Mapping[Group, tuple[Columns, ...]]

    def of(self, targetid: NDArray[np.int64], group: Group) -> Columns:
        """Every label that the catalogues of this survey and program know, row by row.

        targetid, and every column: (num_sources,)
        """
        found: Columns = {}
        for table in self.tables.get(group, ()):
            place = np.searchsorted(table["targetid"], targetid)
            place = np.minimum(place, len(table["targetid"]) - 1)
            known = table["targetid"][place] == targetid
            for token, values in table.items():
                if token != "targetid":
                    found[token] = np.where(known, values[place], np.float32(np.nan))
        return found


def read_labels(directory: str | Path, targetid: NDArray[np.int64]) -> Labels:
    """The labels of the sources ``targetid`` in all catalogues of a directory.

    Raises ValueError as the readers do, and for a source that comes twice in one kind of
    catalogue within one survey and program.

    targetid: (num_sources,)
    """
    found = [(kind, path) for kind, paths in catalogues(directory).items() for path in paths]
    bar = tqdm(found, desc="labels", unit="catalogue", leave=False, disable=not sys.stderr.isatty())
    pieces: dict[str, list[Columns]] = defaultdict(list)
    for kind, path in bar:
        pieces[kind].append(READERS[kind](path, targetid))
    tables: dict[Group, list[Columns]] = defaultdict(list)
    for kind, parts in pieces.items():
        whole = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        names = ", ".join(str(path) for known, path in found if known == kind)
        for group, table in _by_group(whole):
            _check_unique(table["targetid"], group, names)
            tables[group].append(table)
    return Labels({group: tuple(columns) for group, columns in tables.items()})


def redshift_labels(redshifts: Columns) -> Columns:
    """SPECTYPE, Z_GAL, Z_QSO from redrock's Z, ZERR, SPECTYPE ("" and NaN where unknown)."""
    z_err = np.where(redshifts["ZERR"] > 0, redshifts["ZERR"], np.nan)
    z = np.where(np.isfinite(z_err), redshifts["Z"], np.nan)
    labels: Columns = {"SPECTYPE": spectype_codes(redshifts["SPECTYPE"].tolist())}
    for token in ("Z_GAL", "Z_QSO"):
        labels |= {token: z, f"{token}_ERR": z_err}
    return labels


def continuum_over_i(
    labels: Columns,
    z: NDArray[np.float64],
    ebv: NDArray[np.floating],
    i_flux: NDArray[np.floating],
    i_flux_err: NDArray[np.floating],
) -> Columns:
    """HBETA_CONT and HALPHA_CONT over the i flux of the same spectrum, with errors.

    FastSpecFit's continua are corrected for Milky-Way dust and bands are as observed, so the
    continuum is dimmed again by the transmission at the line's observed wavelength. Both it and
    i_flux are of the light in the fibre, 1e-17 erg/s/cm2/Angstrom.

    All arrays and columns: (num_sources,).
    """
    ratios: Columns = {}
    for token, line in CONTINUUM_LINES.items():
        if token in labels:
            dimming = transmission(rest_waves()[line] * (1 + np.nan_to_num(z)), ebv)
            ratio = labels[token] * dimming / i_flux
            error = labels[f"{token}_ERR"] * dimming / i_flux
            ratios[token] = ratio
            ratios[f"{token}_ERR"] = np.hypot(error, ratio * i_flux_err / i_flux)
    return ratios


def valid_for_class(labels: Columns, spectype: NDArray[Any]) -> Columns:
    """The labels, NaN in the rows whose class they are not defined for.

    labels, spectype: (num_sources,)
    """
    kept: Columns = {}
    for name, values in labels.items():
        token = name.removesuffix("_ERR")
        if token not in CLASSES_OF:
            kept[name] = values
        else:
            kept[name] = np.where(np.isin(spectype, CLASSES_OF[token]), values, np.nan)
    return kept


def _by_group(labels: Columns) -> list[tuple[Group, Columns]]:
    """The rows of each survey and program, sorted by targetid, without the two key columns."""
    parts = []
    names = np.char.add(np.char.add(labels["survey"], "/"), labels["program"])
    for name in np.unique(names):
        rows = np.flatnonzero(names == name)
        rows = rows[np.argsort(labels["targetid"][rows], kind="stable")]
        columns = {
            key: values[rows] for key, values in labels.items() if key not in ("survey", "program")
        }
        survey, program = str(name).split("/", 1)
        parts.append(((survey, program), columns))
    return parts


def _check_unique(targetid: NDArray[np.int64], group: Group, names: str) -> None:
    twice = targetid[1:][np.diff(targetid) == 0]
    if len(twice):
        raise ValueError(f"{names}: TARGETID {twice[0]} comes twice in {'/'.join(group)}")
