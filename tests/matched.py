"""A matched test set and predictions that scatter by what they state; sources without spectra."""

import numpy as np

from ojala.evaluation.config import EvaluateConfig
from ojala.evaluation.contexts import LABELS
from ojala.vocabulary.bands import narrow_bands
from ojala.vocabulary.quantities import CLASSES, quantities

CONTINUOUS = [q for q in quantities() if q.kind == "continuous"]
CONFIG = EvaluateConfig(min_class_objects=30, hidden_bands=(10, 50), num_draws=20, num_shown=300)

TYPICAL = {
    "LOGM": (9, 11),
    "LOGSFR": (-1, 1),
    "TEFF": (4000, 7000),
    "LOGG": (2, 5),
    "FEH": (-2, 0.3),
    "ALPHAFE": (0, 0.4),
    "HALPHA_CONT": (0.8, 1.2),
    "HBETA_CONT": (0.8, 1.2),
}
EW_RANGE = (1, 40)
SIGMA = {"TEFF": 100.0, "LOGG": 0.3, "HALPHA_CONT": 0.02, "HBETA_CONT": 0.02}


def truth_of(num, rng):
    code = rng.integers(0, 3, num)
    truth = {
        "targetid": np.arange(num),
        "SPECTYPE": code.astype(np.int8),
        "MAG_i": rng.uniform(16, 22, num),
        "z": rng.uniform(0.05, 0.3, num),
        "tile_id": np.arange(num) // 20,
        "z_err": np.full(num, 1e-5),
        "num_bands": np.where(rng.random(num) < 0.1, 52, 54),
        "AUTO_iSDSS": rng.uniform(100, 1000, num),
        "MORPHTYPE": rng.integers(0, 6, num).astype(np.int8),
    }
    for band in narrow_bands():
        truth[band.token] = rng.normal(1, 0.1, num)
    for token in ("MAG_G", "MAG_R", "MAG_Z", "MAG_W1", "MAG_W2"):
        truth[token] = truth["MAG_i"] + rng.normal(0.5, 0.3, num)
    for quantity in CONTINUOUS:
        valid = np.isin(np.array(CLASSES)[code], quantity.classes)
        value = rng.uniform(*TYPICAL.get(quantity.token, EW_RANGE), num)
        if quantity.token in ("Z_GAL", "Z_QSO"):
            value = truth["z"]
        truth[quantity.token] = np.where(valid, value, np.nan)
        truth[f"{quantity.token}_ERR"] = np.full(num, 0.01 * SIGMA.get(quantity.token, 0.1))
    return truth


def predictions_of(truth, rng, *, confused=0.0, sigma_z=0.01):
    num = len(truth["z"])
    given = np.where(rng.random(num) < confused, (truth["SPECTYPE"] + 1) % 3, truth["SPECTYPE"])
    predicted = {"CLASS": np.array(CLASSES, dtype=object)[given]}
    for code, name in enumerate(CLASSES):
        share = confused / 2
        predicted[f"P_{name}"] = np.where(given == code, 1 - confused, share)
    for quantity in CONTINUOUS:
        token = quantity.token
        sigma = SIGMA.get(token, 0.1)
        error = sigma_z * (1 + truth["z"]) if token.startswith("Z_") else np.full(num, sigma)
        known = np.nan_to_num(truth[token], nan=10.0)
        predicted[token] = known + error * rng.standard_normal(num)
        predicted[f"{token}_ERR"] = np.sqrt(error**2 - truth[f"{token}_ERR"] ** 2)
    return predicted


def matched(num=3000, seed=0, **settings):
    """Predictions of the full context, and the truth."""
    rng = np.random.default_rng(seed)
    truth = truth_of(num, rng)
    return predictions_of(truth, rng, **settings), truth


def in_every_context(predicted):
    """The same predictions whatever the model is shown."""
    names = [*LABELS, *(f"hidden_{number}" for number in CONFIG.hidden_bands)]
    return dict.fromkeys(names, predicted)


def rows_of(columns, rows):
    """Some rows of every column."""
    return {name: values[rows] for name, values in columns.items()}
