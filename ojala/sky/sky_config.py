"""What the simulated sky is to hold: its parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ojala.sky.footprint import Cell, lay_out
from ojala.sky.population import FIELD, SAMPLES


def _desi_mix() -> dict[str, float]:
    galaxies = {"BGS": 0.28, "LOWZ": 0.02, "DC3R2": 0.14, "LRG": 0.11, "ELG": 0.11}
    return galaxies | {"QSO": 0.19, "MWS": 0.12, "FAINT": 0.03}


def _field_mix() -> dict[str, float]:
    return {"field galaxies": 0.69, "field stars": 0.30, "field quasars": 0.011}


@dataclass(frozen=True, kw_only=True)
class SkyConfig:
    """What the simulated sky holds.

    seed: of all random numbers
    num_desi: sources with a DESI spectrum; num_jpas: sources where J-PAS looks, those of DESI among
        them; num_both: sources that are both
    desi_per_cell, jpas_per_cell: sources in a HEALPix pixel of nside 64 (0.84 square degrees)
    desi_mix, field_mix: relative frequency of each sample among DESI's sources and among the others
    gap: size of the difference between J-PAS photometry and simulations, 0 none, 1 as expected
    bad_share: share of DESI's spectra that are spoilt
    missing_tray_share: share of J-PAS tiles that lack a tray of filters
    blend_share: share of the DESI sources that J-PAS sees together with a neighbour within 1 arcsec

    Raises ValueError naming the parameter that is out of range.
    """

    seed: int = 1
    num_desi: int = 10_000
    num_jpas: int = 30_000
    num_both: int = 2_000
    desi_per_cell: int = 250
    jpas_per_cell: int = 1_250
    desi_mix: dict[str, float] = field(default_factory=_desi_mix)
    field_mix: dict[str, float] = field(default_factory=_field_mix)
    gap: float = 1.0
    bad_share: float = 0.04
    missing_tray_share: float = 0.05
    blend_share: float = 0.005

    def __post_init__(self) -> None:
        for name in ("seed", "num_desi", "num_jpas", "num_both"):
            _check(name, getattr(self, name), getattr(self, name) >= 0, "0 or more")
        for name in ("desi_per_cell", "jpas_per_cell"):
            number = getattr(self, name)
            _check(name, number, 0 < number < 10**6, "a number from 1 to 999999")
        for name in ("bad_share", "missing_tray_share", "blend_share"):
            _check(name, getattr(self, name), 0 <= getattr(self, name) <= 1, "a share from 0 to 1")
        _check("gap", self.gap, self.gap >= 0, "0 or more")
        both = min(self.num_desi, self.num_jpas)
        _check("num_both", self.num_both, self.num_both <= both, f"at most {both}, as sources have")
        _check_mix("desi_mix", self.desi_mix, [name for name in SAMPLES if name not in FIELD])
        _check_mix("field_mix", self.field_mix, FIELD)

    def cells(self) -> list[Cell]:
        """The cells of the sky, in order of pixel."""
        return lay_out(
            num_desi=self.num_desi,
            num_jpas=self.num_jpas,
            num_both=self.num_both,
            desi_per_cell=self.desi_per_cell,
            jpas_per_cell=self.jpas_per_cell,
        )


def _check(name: str, value: object, is_right: bool, expected: str) -> None:
    if not is_right:
        raise ValueError(f"simulate.{name} is {value}, expected {expected}")


def _check_mix(name: str, mix: Mapping[str, float], known: Sequence[str]) -> None:
    for sample, share in mix.items():
        if sample not in known:
            raise ValueError(
                f"simulate.{name}: {sample!r} is not a sample, expected one of {', '.join(known)}"
            )
        _check(f"{name}[{sample!r}]", share, share >= 0, "0 or more")
    _check(name, dict(mix), sum(mix.values()) > 0, "one sample at least with a frequency above 0")
