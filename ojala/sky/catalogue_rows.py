"""Rows of DESI's value-added catalogues, collected cell by cell and written at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ojala.surveys.desi.vacs import write_bhmass, write_cigale, write_fastspecfit, write_mws
from ojala.tables.shards import Columns

PATHS = {
    "fastspecfit bright": "fastspecfit/fastspec-iron-main-bright.fits",
    "fastspecfit dark": "fastspecfit/fastspec-iron-main-dark.fits",
    "cigale": "cigale/IronPhysProp_v1.2.fits",
    "mws": "mws/mwsall-pix-iron.fits",
    "bhmass": "bhmass/VAC_BHmass_338_v1.7.fits",
}
"""Files as DR1 names them; FastSpecFit's are split by programme."""

WRITERS = {
    "fastspecfit": write_fastspecfit,
    "cigale": write_cigale,
    "mws": write_mws,
    "bhmass": write_bhmass,
}

CLASSES = {
    "fastspecfit": ("GALAXY", "QSO"),
    "cigale": ("GALAXY", "QSO"),
    "mws": ("STAR",),
    "bhmass": ("QSO",),
}
"""Classes, as redrock found them, that a catalogue lists."""


class CatalogueRows:
    """The rows of all catalogues so far, a block of columns per cell."""

    def __init__(self) -> None:
        self.blocks: dict[str, list[Columns]] = defaultdict(list)

    def add(self, labels: Mapping[str, Columns]) -> None:
        """Add the rows of a cell, by the keys of PATHS."""
        for kind, columns in labels.items():
            if len(columns["targetid"]):
                self.blocks[kind].append(columns)

    def write(self, directory: Path) -> None:
        """Write the catalogues that have rows."""
        for kind, blocks in self.blocks.items():
            columns = {
                name: np.concatenate([block.get(name) for block in blocks]) for name in blocks[0]
            }
            WRITERS[kind.split()[0]](directory / PATHS[kind], columns)


def rows_of(labels: Mapping[str, Columns], keys: Columns) -> dict[str, Columns]:
    """The rows that each catalogue lists of the sources of a cell, by the keys of PATHS.

    labels: by the keys of WRITERS; keys: targetid, survey, program, healpix, ra, dec, z, spectype
    """
    listed: dict[str, Columns] = {}
    for path_key in PATHS:
        kind, _, program = path_key.partition(" ")
        chosen = np.isin(keys["spectype"], CLASSES[kind])
        if program:
            chosen &= keys["program"] == program
        if kind == "bhmass":  # a catalogue of masses, not of all quasars
            chosen &= np.isfinite(labels[kind]["LOGMASS_DAS_PAN25"])
        columns = {name: v[chosen].astype(np.float32) for name, v in labels[kind].items()}
        listed[path_key] = {name: v[chosen] for name, v in keys.items()} | columns
    return listed
