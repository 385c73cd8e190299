"""A toy sky for the tests of the model: three classes whose photometry tells what they are.

Galaxies have a break at 4000 (1 + z) and an Halpha line, stars are black bodies, quasars power
laws with a broad line at 2800 (1 + z). Quantities are simple functions of what shapes the light.
"""

import numpy as np

from ojala.tables.shards import as_table, jpas_schema, mocks_schema
from ojala.vocabulary.bands import bands, reference_band
from ojala.vocabulary.quantities import CLASSES, MORPHTYPES

WAVE = np.array([band.wave for band in bands()])


def toy_table(num_sources=300, seed=0, labelled=True, missing=0.0, noise=0.02):
    """A training table (or a J-PAS one) of toy sources with a share of bands missing."""
    rng = np.random.default_rng(seed)
    spectype = rng.integers(0, 3, num_sources)
    z = np.where(spectype == 2, rng.uniform(0.4, 3.0, num_sources), rng.uniform(0, 1, num_sources))
    ew = np.where(spectype == 0, rng.lognormal(2, 1, num_sources), 0.0)
    teff = rng.uniform(4000, 9000, num_sources)
    mag_i = rng.uniform(17, 22, num_sources)
    flux = light(spectype, z, ew, teff, rng.normal(0, 0.3, num_sources))
    columns = photometry(flux, mag_i, rng, noise=noise, missing=missing)
    columns["MORPHTYPE"] = np.where(spectype == 0, rng.integers(0, 3, num_sources), 3).astype("i1")
    if labelled:
        columns |= labels(spectype, z, ew, teff, mag_i, rng)
        columns["weight"] = rng.uniform(0.5, 1.5, num_sources)
        columns["split"] = np.where(np.arange(num_sources) % 5 == 0, "val", "train").astype(object)
        return as_table(columns, mocks_schema())
    return as_table(columns, jpas_schema())


def light(spectype, z, ew, teff, slope):
    """Flux density in every band over that in i, (num_sources, 60)."""
    rest = WAVE / (1 + z[:, None])
    power = (WAVE / 7500) ** (slope[:, None] - 1)
    break_4000 = 1 / (1 + np.exp(-(rest - 4000) / 100)) + 0.3
    halpha = ew[:, None] * np.exp(-0.5 * ((rest - 6563) / 90) ** 2) / 60
    mgii = 3 * np.exp(-0.5 * ((rest - 2800) / 90) ** 2)
    star = (WAVE / 7500) ** -5 / np.expm1(1.44e8 / (WAVE * teff[:, None]))
    flux = np.choose(
        spectype[:, None], [power * break_4000 * (1 + halpha), star, power * (1 + mgii)]
    )
    return flux / flux[:, [i_column()]]


def i_column():
    return [band.token for band in bands()].index(reference_band().token)


def photometry(flux, mag_i, rng, noise, missing):
    """Columns of bands with errors; the i band is never missing."""
    columns = {}
    for position, band in enumerate(bands()):
        error = noise * (1 + 0.5 * rng.random(len(mag_i)))
        value = flux[:, position]
        if band.kind == "broad":
            value = mag_i - 2.5 * np.log10(value * (band.wave / 7500) ** 2)
        observed = (rng.random(len(mag_i)) >= missing) | (band.token == reference_band().token)
        columns[band.token] = np.where(
            observed, value + error * rng.normal(size=len(mag_i)), np.nan
        )
        columns[f"{band.token}_ERR"] = np.where(observed, error, np.nan)
    return columns


def labels(spectype, z, ew, teff, mag_i, rng):
    """Columns of what is asked for, each known for its own class."""
    logm = 10.5 - 0.4 * (mag_i - 19.5) + 1.5 * z
    values = {
        "LOGM": (0, logm, 0.1),
        "LOGSFR": (0, 0.7 * (logm - 10) + np.log10(ew + 0.1), 0.2),
        "HALPHA_6562_EW": (0, ew, 0.5),
        "HBETA_4861_EW": (0, ew / 4, 0.5),
        "OIII_5007_EW": (0, ew / 3, 0.5),
        "NII_6584_EW": (0, ew / 2, 0.5),
        "HALPHA_CONT": (0, 1 - 0.2 * z, 0.02),
        "HBETA_CONT": (0, 1 - 0.3 * z, 0.02),
        "Z_GAL": (0, z, 1e-4),
        "Z_QSO": (2, z, 1e-3),
        "TEFF": (1, teff, 50.0),
        "LOGG": (1, 4.5 - (teff - 4000) / 1e4, 0.1),
        "FEH": (1, -0.5 + 0 * teff, 0.1),
        "ALPHAFE": (1, 0.2 + 0 * teff, 0.05),
    }
    columns = {"SPECTYPE": spectype.astype("i1"), "z": np.where(spectype == 1, 0.0, z)}
    columns["spectype"] = np.array(CLASSES, dtype=object)[spectype]
    for token, (code, value, error) in values.items():
        known = spectype == code
        columns[token] = np.where(known, value + error * rng.normal(size=len(z)), np.nan)
        columns[f"{token}_ERR"] = np.where(known, error, np.nan)
    assert len(MORPHTYPES) == 6
    return columns
