"""The gas of galaxies: what lights it, and the lines that it sends out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ojala.physics.cosmology import sphere_area
from ojala.sky.galaxies import demographics, emission
from ojala.sky.galaxies.dust import STARS_OVER_GAS, cardelli, transmission
from ojala.sky.galaxies.starlight import SIDE_BANDS, continuum_at
from ojala.vocabulary.emission_lines import rest_waves

Floats = NDArray[np.float64]
Columns = dict[str, NDArray[Any]]

GAS_RICH = 0.5
"""Share of quiescent galaxies whose gas is lit by old stars; the others are all but lineless."""

TORUS_PER_OIII = 60.0
"""wave * L_wave at 4.6 micron over L([O III]) of a Seyfert: a tenth of its whole luminosity."""

BROAD_SHARE = 0.06
"""Share of nuclei with a broad H-alpha (type 1.9)."""


def gas_reddening(rng: np.random.Generator, logm: Floats, ebv: Floats) -> Floats:
    """E(B-V) of the lines: half by the stars' dust, half by mass, with 0.12 dex of scatter.

    logm: dex of Msun; ebv: of the stars, mag; all (num_sources,)
    """
    typical = demographics.halpha_attenuation(logm) / cardelli(rest_waves()["HALPHA_6562"])
    mean = 0.5 * (ebv / STARS_OVER_GAS + typical)
    return np.clip(mean * 10 ** (0.12 * rng.standard_normal(len(logm))), 0.0, 2.0)


def obscured_rate(truth: Columns) -> Floats:
    """Star-formation rate whose ultraviolet light is absorbed by dust, Msun/yr."""
    escaping = transmission(1600.0, truth["ebv_dust"], truth["dust_slope"])
    return np.asarray(10 ** truth["LOGSFR"] * (1 - escaping))


def nuclei(rng: np.random.Generator, z: Floats, logm: Floats) -> tuple[Floats, Floats]:
    """L([O III]) of active nuclei in erg/s, 0 where there is none, and their hardness (0 to 1).

    A third of massive galaxies (Kauffmann et al. 2003), more luminous in the past; luminous nuclei
    are Seyferts, faint ones LINERs.

    z, logm (dex of Msun), and both answers: (num_sources,)
    """
    num_sources = len(z)
    share = 0.33 * (1 + z) ** 0.5 / (1 + np.exp(-(logm - 10.4) / 0.25))
    log_oiii = 40.05 + 0.6 * (logm - 10.8) + 2.0 * np.log10(1 + z)
    log_oiii = log_oiii + 0.7 * rng.standard_normal(num_sources)
    excess = (log_oiii - 40.0 - 0.5 * (logm - 10.8)) / 0.25
    hardness = 1 / (1 + np.exp(-(excess + 0.6 * rng.standard_normal(num_sources))))
    return np.where(rng.random(num_sources) < share, 10**log_oiii, 0.0), hardness


def lines(rng: np.random.Generator, truth: Columns) -> Columns:
    """Observed fluxes of all lines, equivalent widths of the measured ones, and the nucleus.

    Three kinds of gas shine together: H II regions, a nucleus, and gas lit by old stars.
    truth: redshift, mass, rate, metallicity, dust and populations
    """
    num_sources = len(truth["z"])
    oiii, hardness = nuclei(rng, truth["z"], truth["LOGM"])
    spread = 0.12 * rng.standard_normal((2, num_sources))
    nuclear = emission.active(hardness, spread[0], truth["oh"])
    old = emission.active(np.zeros(num_sources), spread[1], truth["oh"])
    lit_by = {
        "stars": _young_gas(rng, truth),
        "nucleus": (oiii / nuclear["OIII_5007"], nuclear),
        "old": (_old_halpha(rng, truth) / old["HALPHA_6562"], old),
    }
    total = emission.mixed(list(lit_by.values()))
    columns: Columns = {
        "agn_fraction": lit_by["nucleus"][0] * nuclear["HALPHA_6562"] / total["HALPHA_6562"],
        "torus": TORUS_PER_OIII
        * oiii
        * hardness**2
        * 10 ** (0.3 * rng.standard_normal(num_sources)),
    }
    columns |= _broad(rng, columns["agn_fraction"])
    return columns | _observed(truth, total)


def _young_gas(rng: np.random.Generator, truth: Columns) -> tuple[Floats, emission.Ratios]:
    """H-beta luminosity (erg/s, no dust) and line ratios of H II regions.

    Galaxies that form more stars than local ones of their mass have harder radiation, which also
    moves distant galaxies along and above the local sequence (Kewley et al. 2013).
    """
    num_sources = len(truth["z"])
    excess = truth["LOGSFR"] - demographics.main_sequence(np.zeros(1), truth["LOGM"])
    harder = np.clip(0.12 * excess, -0.1, 0.25) + 0.12 * rng.standard_normal(num_sources)
    nitrogen = 0.09 * rng.standard_normal(num_sources)
    ratios = emission.star_forming(truth["oh"], harder, nitrogen)
    ionising = 10 ** (truth["LOGSFR"] + 0.1 * rng.standard_normal(num_sources))
    return ionising * emission.HALPHA_PER_SFR / ratios["HALPHA_6562"], ratios


def _old_halpha(rng: np.random.Generator, truth: Columns) -> Floats:
    """H-alpha luminosity (erg/s, no dust) of gas lit by old stars.

    About an Angstrom of equivalent width in the half of quiescent galaxies that have gas
    (Cid Fernandes et al. 2011); a little also in star-forming ones.
    """
    num_sources = len(truth["z"])
    width = np.where(rng.random(num_sources) < GAS_RICH, 0.9, 0.12)
    width = width * 10 ** (0.25 * rng.standard_normal(num_sources))
    seen = width * continuum_at(truth, "HALPHA_6562") * (1 + truth["z"])
    reddened = 10 ** (0.4 * truth["ebv_gas"] * cardelli(rest_waves()["HALPHA_6562"]))
    return np.asarray(
        seen * 1e-17 * sphere_area(truth["z"]) * np.where(truth["quiescent"], reddened, 0.3)
    )


def _broad(rng: np.random.Generator, agn_fraction: Floats) -> Columns:
    """Broad H-alpha of some nuclei: flux over that of the narrow line, and sigma in km/s."""
    num_sources = len(agn_fraction)
    broad = (rng.random(num_sources) < BROAD_SHARE) & (agn_fraction > 0.3)
    strength = 10 ** (0.3 + 0.3 * rng.standard_normal(num_sources))
    return {
        "broad_fraction": np.where(broad, strength, 0.0),
        "sigma_broad": 10 ** (3.1 + 0.15 * rng.standard_normal(num_sources)),
    }


def _observed(truth: Columns, luminosities: emission.Ratios) -> Columns:
    """Fluxes behind dust (1e-17 erg/s/cm2), equivalent widths (Angstrom, rest) and continua."""
    columns: Columns = {}
    per_flux = 1e17 / sphere_area(truth["z"])
    for name, luminosity in luminosities.items():
        dimmed = 10 ** (-0.4 * truth["ebv_gas"] * cardelli(rest_waves()[name]))
        columns[f"{name}_FLUX"] = luminosity * dimmed * per_flux
    columns["OII_3727_FLUX"] = columns["OII_3726_FLUX"] + columns["OII_3729_FLUX"]
    for line in SIDE_BANDS:
        continuum = continuum_at(truth, line)
        columns[f"{line}_EW"] = columns[f"{line}_FLUX"] / continuum / (1 + truth["z"])
        if line in ("HALPHA_6562", "HBETA_4861"):
            columns[f"{line.split('_')[0]}_CONT"] = continuum
    return columns
