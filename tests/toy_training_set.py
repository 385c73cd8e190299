"""What a training set is tested on: a population in unequal numbers, and errors of bands."""

import numpy as np

from ojala.training_set.sampling import COLUMNS


def errors_of(num, shared, seed=0):
    """Errors that grow with i, ``shared`` of their scatter common to all bands."""
    rng = np.random.default_rng(seed)
    mag_i = rng.uniform(17, 22.5, num)
    night = shared * rng.normal(size=(num, 1)) + (1 - shared) * rng.normal(size=(num, 54))
    return mag_i, 0.02 * 10 ** (0.3 * (mag_i[:, None] - 20)) * np.exp(0.3 * night)


def population(num=6000, seed=0):
    """Galaxies, stars and quasars in unequal numbers, a few without labels."""
    rng = np.random.default_rng(seed)
    spectype = rng.choice([0, 1, 2], num, p=[0.8, 0.15, 0.05])
    columns = {name: np.full(num, np.nan) for name in COLUMNS} | {"SPECTYPE": spectype}
    columns["z"] = np.where(spectype == 0, rng.gamma(2, 0.2, num), rng.gamma(4, 0.4, num))
    for name, centre in (("MAG_G", 21), ("MAG_R", 20), ("MAG_i", 19.5)):
        columns[name] = rng.normal(centre, 0.5, num)
    galaxy, star = spectype == 0, spectype == 1
    columns["LOGM"][galaxy] = rng.normal(10.3, 0.5, galaxy.sum())
    columns["LOGSFR"][galaxy] = rng.normal(0, 0.5, galaxy.sum())
    for line in ("OIII_5007", "NII_6584", "HBETA_4861", "HALPHA_6562", "OII_3727"):
        columns[f"{line}_EW"][galaxy] = rng.normal(3, 4, galaxy.sum())
    columns["NII_6584_EW"][:500] = np.nan
    columns["TEFF"][star] = rng.normal(5500, 700, star.sum())
    columns["LOGG"][star] = rng.normal(4.4, 0.3, star.sum())
    columns["FEH"][star] = rng.normal(-0.6, 0.4, star.sum())
    columns["TEFF"][star & (rng.random(num) < 0.1)] = np.nan
    return columns
