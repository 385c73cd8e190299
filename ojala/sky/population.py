"""What there is in a cell of the simulated sky: samples of galaxies, quasars and stars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from ojala.sky.galaxies import galaxies
from ojala.sky.quasars import quasars
from ojala.sky.stars import stars
from ojala.sky.streams import Stream, generator
from ojala.tables.shards import Columns

SAMPLES: dict[str, tuple[ModuleType, str, str]] = {
    "BGS": (galaxies, "bgs", "bright"),
    "MWS": (stars, "mws", "bright"),
    "LRG": (galaxies, "lrg", "dark"),
    "ELG": (galaxies, "elg", "dark"),
    "QSO": (quasars, "qso", "dark"),
    "FAINT": (stars, "faint", "dark"),
    "field galaxies": (galaxies, "field", ""),
    "field quasars": (quasars, "field", ""),
    "field stars": (stars, "field", ""),
    "LOWZ": (galaxies, "lowz", "bright"),
    "DC3R2": (galaxies, "dc3r2", "dark"),
}
"""Samples by name: who draws and renders them, what they are called there, DESI's programme."""

LABELLED = (
    *("LOGM", "LOGSFR", "HALPHA_CONT", "HBETA_CONT", "OII_3727_EW", "OIII_5007_EW"),
    *("HBETA_4861_EW", "HALPHA_6562_EW", "NII_6584_EW", "TEFF", "LOGG", "FEH", "ALPHAFE"),
    *("LOGMBH", "LOGL3000", "host_fraction", "host_young", "broad_fraction"),
)
"""Numbers that some class has and others lack; every merged table has them all."""

FIELD = ("field galaxies", "field quasars", "field stars")


@dataclass(frozen=True)
class Sample:
    """The sources of one sample in a cell: its name and their truth, a row each."""

    name: str
    truth: Columns

    def __len__(self) -> int:
        return len(self.truth["z"])


def draw(
    seed: int, healpix: int, num_sources: int, mix: Mapping[str, float], stream: Stream
) -> list[Sample]:
    """Draw the sources of a cell.

    mix: relative frequency by name of SAMPLES; stream: of the numbers in each sample. Samples come
    in the order of SAMPLES; one that happens to have no source here is left out.
    """
    names = [name for name in SAMPLES if mix.get(name, 0) > 0]
    if not names or num_sources == 0:
        return []
    shares = np.array([mix[name] for name in names])
    counts = generator(seed, healpix, stream).multinomial(num_sources, shares / shares.sum())
    return [
        Sample(name, _draw_sample(seed, healpix, name, int(count)))
        for name, count in zip(names, counts, strict=True)
        if count
    ]


def render(
    sample: Sample, wave: NDArray[np.float64], num_rows: int
) -> Iterator[NDArray[np.float32]]:
    """Noiseless spectra of a sample, 1e-17 erg/s/cm2/A, ``num_rows`` sources at a time.

    wave: Angstrom, (num_wave,); gives arrays of (num_rows, num_wave), the last may be shorter
    """
    module = SAMPLES[sample.name][0]
    for start in range(0, len(sample), num_rows):
        rows = {name: values[start : start + num_rows] for name, values in sample.truth.items()}
        yield module.render(rows, wave)


def merged(samples: Sequence[Sample]) -> Columns:
    """The truth of all samples in one table, with their names in the column ``sample``.

    A number that a class does not have is NaN, or 0 where it is whole; a text is "".
    """
    columns: Columns = {"sample": np.repeat([s.name for s in samples], [len(s) for s in samples])}
    columns |= {name: np.full(len(columns["sample"]), np.nan) for name in LABELLED}
    kinds = {name: values for sample in samples for name, values in sample.truth.items()}
    for name, example in kinds.items():
        columns[name] = np.concatenate(
            [sample.truth.get(name, _absent(example, len(sample))) for sample in samples]
        )
    return columns


def _draw_sample(seed: int, healpix: int, name: str, num_sources: int) -> Columns:
    module, sample, _ = SAMPLES[name]
    stream = Stream.POPULATION + list(SAMPLES).index(name)
    truth: Columns = module.draw(generator(seed, healpix, stream), num_sources, sample)
    return truth


def _absent(example: NDArray[np.generic], num_sources: int) -> NDArray[np.generic]:
    shape = (num_sources, *example.shape[1:])
    if example.dtype.kind == "f":
        return np.full(shape, np.nan, example.dtype)
    return np.zeros(shape, example.dtype)
