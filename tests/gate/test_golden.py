"""Golden objects stand at the ends of a survey, and what a model says of them must not change."""

import numpy as np
import pytest
from toy_sky import toy_table

from ojala.gate import golden
from ojala.tables.shards import columns_of
from ojala.vocabulary.bands import narrow_bands


@pytest.fixture(scope="module")
def sources():
    return columns_of(toy_table(200, seed=1, labelled=False, missing=0.2))


def test_the_brightest_the_faintest_the_poorest_and_one_in_the_i_band_alone(sources):
    objects = golden.golden_objects(sources)
    assert np.nanmin(objects["MAG_i"]) == np.nanmin(sources["MAG_i"])
    assert np.nanmax(objects["MAG_i"]) == np.nanmax(sources["MAG_i"])

    def bands(columns):
        return np.isfinite([columns[band.token] for band in narrow_bands()]).sum(axis=0)

    assert bands(objects)[:-1].min() == bands(sources).min()
    assert bands(objects)[-1] == 0 and np.isfinite(objects["MAG_i"][-1])
    assert set(objects["MORPHTYPE"][:-1]) == set(sources["MORPHTYPE"])
    assert len(objects["MAG_i"]) < 20


def test_answers_are_stored_and_compared(tmp_path):
    objects = {"MAG_i": np.array([18.0, 20.0]), "MORPHTYPE": np.array(["PSF", None], dtype=object)}
    answers = {
        "Z_GAL": np.array([0.1, 0.2], dtype=np.float32),
        "Z_GAL_ERR": np.array([0.01, 0.02], dtype=np.float32),
        "CLASS": np.array(["QSO", "STAR"], dtype=object),
    }
    golden.write(tmp_path / "golden.parquet", objects, answers)
    read, stored = golden.read(tmp_path / "golden.parquet")
    assert list(read["MORPHTYPE"]) == ["PSF", None]
    golden.check_same(answers, stored)
    golden.check_same(answers | {"Z_GAL": answers["Z_GAL"] + 5e-5}, stored)  # half a percent
    with pytest.raises(ValueError, match=r"golden object 0: Z_GAL is 0\.1"):
        golden.check_same(answers | {"Z_GAL": answers["Z_GAL"] + 5e-4}, stored)
    with pytest.raises(ValueError, match="golden object 1: CLASS is QSO, it was STAR"):
        golden.check_same(answers | {"CLASS": np.array(["QSO", "QSO"], dtype=object)}, stored)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"Z_GAL": [0.1, np.nan]}, "source 1: Z_GAL is not finite"),
        ({"Z_GAL_ERR": [0.0, 0.1]}, "source 0: Z_GAL_ERR is not positive"),
        ({"P_QSO": [0.2, 0.7]}, "source 1: P_GALAXY . P_STAR . P_QSO is not 1"),
    ],
)
def test_answers_that_cannot_be(change, sentence):
    answers = {
        "Z_GAL": [0.1, 0.2],
        "Z_GAL_ERR": [0.1, 0.1],
        "P_GALAXY": [0.5, 0.5],
        "P_STAR": [0.3, 0.3],
        "P_QSO": [0.2, 0.2],
    }
    golden.check_answers({name: np.array(values) for name, values in answers.items()})
    wrong = answers | change
    with pytest.raises(ValueError, match=sentence):
        golden.check_answers({name: np.array(values) for name, values in wrong.items()})


def of_redshift(**changed):
    answers = {
        "Z_QSO": np.array([2.0, 1.0]),
        "Z_QSO_ERR": np.array([0.1, 0.02]),
        "Z_QSO_LOW95": np.array([0.001, 0.96]),
        "Z_QSO_MODE_2": np.array([np.nan, 2.3]),
        "Z_QSO_MODE_2_WEIGHT": np.array([0.0, 0.012]),
    }
    return {name: values.astype(np.float32) for name, values in (answers | changed).items()}


def test_what_is_read_from_p_of_z_may_change_by_a_hundredth_of_the_error():
    stored = of_redshift()
    golden.check_same(stored, stored)
    golden.check_same(of_redshift(Z_QSO_LOW95=np.array([0.0019, 0.96])), stored)
    with pytest.raises(ValueError, match="golden object 1: Z_QSO_LOW95"):
        golden.check_same(of_redshift(Z_QSO_LOW95=np.array([0.001, 0.961])), stored)
    with pytest.raises(ValueError, match="golden object 1: Z_QSO_MODE_2_WEIGHT"):
        golden.check_same(of_redshift(Z_QSO_MODE_2_WEIGHT=np.array([0.0, 0.3])), stored)


def test_a_second_mode_may_come_and_go_at_its_least_weight():
    stored = of_redshift()
    without = of_redshift(
        Z_QSO_MODE_2=np.full(2, np.nan), Z_QSO_MODE_2_WEIGHT=np.array([0.0, 0.0095])
    )
    golden.check_same(without, stored)
    golden.check_answers(without)
