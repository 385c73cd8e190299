"""Labels: joined by source, survey and program; valid for the classes they are defined for."""

import numpy as np
import pytest

from ojala.physics.milky_way import transmission
from ojala.surveys.desi.vacs import write_cigale
from ojala.training_set.spectrum_labels import (
    continuum_over_i,
    read_labels,
    redshift_labels,
    valid_for_class,
)


def cigale(targetid, survey="main", program="dark", mass=10.0):
    num = len(targetid)
    columns = {"targetid": np.array(targetid)}
    columns |= {"survey": np.full(num, survey), "program": np.full(num, program)}
    for token, value in (("LOGM", mass), ("LOGSFR", 0.5)):
        columns |= {token: np.full(num, value), f"{token}_ERR": np.full(num, 0.1)}
    return columns


def test_labels_are_joined_by_source_survey_and_program(tmp_path):
    rows = [cigale([3, 1], mass=9.0), cigale([1], program="bright", mass=11.0)]
    whole = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    write_cigale(tmp_path / "IronPhysProp_v1.2.fits", whole)
    labels = read_labels(tmp_path, np.array([1, 2, 3]))
    dark = labels.of(np.array([1, 2, 3]), ("main", "dark"))
    assert np.allclose(dark["LOGM"], [9, np.nan, 9], equal_nan=True)
    assert np.allclose(dark["LOGM_ERR"], [0.1, np.nan, 0.1], equal_nan=True)
    assert labels.of(np.array([1]), ("main", "bright"))["LOGM"] == [11]
    assert labels.of(np.array([1]), ("sv1", "dark")) == {}


def test_one_source_twice_in_a_catalogue_is_an_error(tmp_path):
    for version in ("v1.1", "v1.2"):
        write_cigale(tmp_path / f"IronPhysProp_{version}.fits", cigale([1, 2]))
    with pytest.raises(ValueError, match="TARGETID 1 comes twice in main/dark") as caught:
        read_labels(tmp_path, np.array([1, 2]))
    assert "IronPhysProp_v1.1.fits" in str(caught.value)


def test_a_label_holds_only_for_its_classes():
    labels = redshift_labels(
        {
            "Z": np.array([0.5, 2.0, 0.0, np.nan]),
            "ZERR": np.array([1e-4, 1e-3, 1e-5, np.nan]),
            "SPECTYPE": np.array(["GALAXY", "QSO", "STAR", ""]),
        }
    )
    tokens = ("TEFF", "TEFF_ERR", "LOGM", "HALPHA_6562_EW", "LOGMASS_DAS_PAN25")
    labels |= {token: np.ones(4) for token in tokens}
    kept = valid_for_class(labels, np.array(["GALAXY", "QSO", "STAR", ""]))
    known = {token: np.isfinite(values).tolist() for token, values in kept.items()}
    assert known["Z_GAL"] == known["Z_GAL_ERR"] == known["HALPHA_6562_EW"]
    assert known["Z_GAL"] == [True, False, False, False]
    assert known["LOGM"] == [True, True, False, False]
    assert known["Z_QSO"] == known["LOGMASS_DAS_PAN25"] == [False, True, False, False]
    assert known["TEFF"] == known["TEFF_ERR"] == [False, False, True, False]
    assert kept["SPECTYPE"].tolist() == [0, 2, 1, -1]


def test_a_redshift_without_an_error_is_missing():
    redshifts = {"Z": np.ones(2), "ZERR": np.array([0.0, 1e-4]), "SPECTYPE": np.full(2, "GALAXY")}
    assert np.isfinite(redshift_labels(redshifts)["Z_GAL"]).tolist() == [False, True]


def test_the_continuum_is_reddened_again_and_divided_by_i():
    z, ebv = np.array([0.1, 0.1]), np.array([0.0, 0.2])
    labels = {"HALPHA_CONT": np.array([3.0, 3.0]), "HALPHA_CONT_ERR": np.array([0.3, 0.3])}
    ratio = continuum_over_i(labels, z, ebv, np.full(2, 2.0), np.full(2, 0.1))
    dimming = transmission(6564.61 * 1.1, 0.2)
    assert np.allclose(ratio["HALPHA_CONT"], [1.5, 1.5 * dimming])
    assert np.allclose(ratio["HALPHA_CONT_ERR"] / ratio["HALPHA_CONT"], np.hypot(0.1, 0.05))
    assert "HBETA_CONT" not in ratio
