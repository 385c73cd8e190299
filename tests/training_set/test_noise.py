import numpy as np
import pyarrow.parquet as pq
import pytest

from ojala.tables.shards import (
    CLEAN_SUFFIX,
    PERTURBED,
    as_table,
    column,
    jpas_schema,
    mocks_schema,
    read_table,
    write_shards,
)
from ojala.training_set.noise import DonorConfig, donors, noisy, noisy_table, same_magnitude


def jpas_sky(num=4000, seed=0):
    """Sources whose errors grow with i and share a factor per night; the embedding knows it."""
    rng = np.random.default_rng(seed)
    mag_i = rng.uniform(17, 22, num).astype(np.float32)
    night = rng.normal(0, 0.5, num)
    embeddings = np.stack([night, rng.normal(size=num) * 0.01], axis=1).astype(np.float32)
    columns = {"MAG_i": mag_i}
    for token in PERTURBED:
        columns[f"{token}_ERR"] = (0.01 * 10 ** (0.3 * (mag_i - 19)) * np.exp(night)).astype("f4")
        columns.setdefault(token, np.ones(num, "f4"))
    return columns, embeddings


def test_donors_are_of_the_same_magnitude_and_alike():
    jpas, embeddings = jpas_sky()
    rng = np.random.default_rng(1)
    mag_i = rng.uniform(17.5, 21.5, 500).astype(np.float32)
    wanted = np.stack([rng.normal(0, 0.4, 500), np.zeros(500)], axis=1).astype(np.float32)
    donor = donors(wanted, mag_i, embeddings, jpas["MAG_i"], DonorConfig(), rng)
    assert np.all(np.floor(jpas["MAG_i"][donor] / 0.1) == np.floor(mag_i / 0.1))
    assert np.median(np.abs(embeddings[donor, 0] - wanted[:, 0])) < 0.1


def test_bins_widen_until_enough_are_found_and_no_i_means_no_donor():
    jpas, embeddings = jpas_sky(50)
    mag_i = np.array([12.0, 25.0, np.nan], dtype=np.float32)
    rng = np.random.default_rng(2)
    donor = donors(np.zeros((3, 2), "f4"), mag_i, embeddings, jpas["MAG_i"], DonorConfig(), rng)
    assert jpas["MAG_i"][donor[0]] < 18.5
    assert jpas["MAG_i"][donor[1]] > 20.5
    assert donor[2] == -1


def test_too_few_donors_is_an_error():
    with pytest.raises(ValueError, match="only 2 J-PAS sources"):
        two = np.array([18.0, 19.0], dtype=np.float32)
        donors(np.zeros((1, 2), "f4"), two[:1], np.zeros((2, 2), "f4"), two, DonorConfig(), None)


def test_a_table_with_too_few_donors_is_an_error_before_anything_is_written(tmp_path):
    jpas, _ = jpas_sky(4)
    pq.write_table(as_table(jpas, jpas_schema()), tmp_path / "jpas.parquet")
    with pytest.raises(ValueError, match="only 4 J-PAS sources have an i magnitude"):
        noisy_table(tmp_path, tmp_path / "jpas.parquet", tmp_path / "noise", None, DonorConfig())
    assert not (tmp_path / "noise").exists()


def test_errors_and_missing_bands_are_the_donors_and_the_scatter_is_theirs():
    jpas, _ = jpas_sky()
    jpas["J0500_ERR"][7] = np.nan
    num = 3000
    mocks = {token: np.ones(num, "f4") for token in PERTURBED}
    mocks |= {f"{token}_ERR": np.full(num, 1e-3, "f4") for token in PERTURBED}
    donor = np.full(num, 7)
    donor[0] = -1
    columns = noisy(mocks, jpas, donor, 0.0, np.random.default_rng(3))
    assert np.all(np.isnan(columns["J0500"][1:]))
    assert np.all(np.isnan(columns["J0500_ERR"][1:]))
    assert columns["J0660"][0] == 1.0
    assert columns["J0660_ERR"][0] == np.float32(1e-3)
    assert np.all(columns["J0660_ERR"][1:] == jpas["J0660_ERR"][7])
    assert np.std(columns["J0660"][1:]) == pytest.approx(jpas["J0660_ERR"][7], rel=0.05)
    assert np.mean(columns["J0660"][1:]) == pytest.approx(1.0, abs=0.01)


def test_similar_donors_keep_the_errors_of_the_bands_together_and_magnitudes_alone_do_not():
    jpas, embeddings = jpas_sky()
    rng = np.random.default_rng(4)
    errors = np.stack([jpas[f"{token}_ERR"] for token in PERTURBED], axis=1)
    mag_i = rng.uniform(19, 19.2, 800).astype(np.float32)
    wanted = np.stack([rng.normal(0, 0.5, 800), np.zeros(800)], axis=1).astype(np.float32)
    donor = donors(wanted, mag_i, embeddings, jpas["MAG_i"], DonorConfig(), rng)
    similar = np.log(errors[donor])
    bands = np.arange(len(PERTURBED))
    drawn = same_magnitude(mag_i, jpas["MAG_i"], rng, num_draws=len(bands))
    alone = np.log(errors[drawn, bands])
    assert np.corrcoef(similar[:, 0], similar[:, 30])[0, 1] > 0.95
    assert abs(np.corrcoef(alone[:, 0], alone[:, 30])[0, 1]) < 0.2


def test_the_noisy_table_keeps_order_keys_and_labels(tmp_path):
    jpas, embeddings = jpas_sky(300)
    pq.write_table(as_table(jpas, jpas_schema()), tmp_path / "jpas.parquet")
    rng = np.random.default_rng(5)
    mocks = {token: np.ones(40, "f4") for token in PERTURBED}
    mocks |= {f"{token}_ERR": np.full(40, 1e-3, "f4") for token in PERTURBED}
    mocks |= {"targetid": np.arange(40), "LOGM": rng.normal(10, 1, 40)}
    mocks["MAG_i"] = np.append(rng.uniform(17, 22, 39), np.nan)
    write_shards(iter([mocks]), tmp_path / "mocks", mocks_schema())

    def embed(columns):
        return embeddings[: len(columns["MAG_i"])]

    paths = [tmp_path / "mocks", tmp_path / "jpas.parquet", tmp_path / "noise"]
    counts = noisy_table(*paths, embed, DonorConfig())
    table = read_table(tmp_path / "noise")
    assert (counts["mocks"], counts["without_donor"]) == (40, 1)
    assert column(table, "targetid").tolist() == list(range(40))
    assert np.array_equal(column(table, "LOGM"), mocks["LOGM"].astype("f4"))
    assert np.isin(column(table, "J0660_ERR")[:39], jpas["J0660_ERR"]).all()
    for token in PERTURBED:
        noiseless = column(table, f"{token}{CLEAN_SUFFIX}")
        assert np.array_equal(noiseless, mocks[token].astype("f4"), equal_nan=True)
        assert not np.array_equal(column(table, token)[:39], noiseless[:39])


def test_zero_points_move_bands_singly_and_that_of_i_all_of_them_together():
    jpas, _ = jpas_sky(10)
    num = 4000
    jpas |= {f"{token}_ERR": np.full(10, 1e-6, "f4") for token in PERTURBED}
    mocks = {token: np.ones(num, "f4") for token in PERTURBED}
    mocks |= {f"{token}_ERR": np.full(num, 1e-3, "f4") for token in PERTURBED}
    columns = noisy(mocks, jpas, np.zeros(num, int), 0.03, np.random.default_rng(6))
    shift = {token: -2.5 * np.log10(columns[token]) for token in ("J0500", "J0800")}
    i_shift = columns["MAG_i"] - 1
    assert np.std(i_shift) == pytest.approx(0.03, rel=0.05)
    for values in shift.values():
        assert np.std(values) == pytest.approx(0.03 * np.sqrt(2), rel=0.05)
        assert np.std(values + i_shift) == pytest.approx(0.03, rel=0.05)
    assert np.corrcoef(*shift.values())[0, 1] == pytest.approx(0.5, abs=0.05)
    assert np.allclose(columns["J0500_ERR"], 1e-6)


def test_sources_of_the_same_magnitude_are_drawn_and_none_for_a_mock_without_i():
    rng = np.random.default_rng(7)
    jpas_mag_i = np.append(rng.uniform(17, 22, 5000), np.full(50, np.nan))
    mag_i = np.append(rng.uniform(17.5, 21.5, 200), np.nan)
    rows = same_magnitude(mag_i, jpas_mag_i, rng, num_draws=3)
    assert rows.shape == (201, 3)
    assert np.abs(jpas_mag_i[rows[:-1]] - mag_i[:-1, None]).max() < 0.1
    assert np.all(rows[-1] == -1)
    assert len(np.unique(rows[:-1])) > 400


def test_quiet_sources_are_not_preferred(tmp_path):
    """Mocks have little noise, but donors are noisy as often as the sources of J-PAS are."""
    rng = np.random.default_rng(8)
    num = 3000
    is_noisy = rng.random(num) < 0.5
    jpas = {"MAG_i": rng.uniform(19, 19.5, num), "MAG_i_ERR": np.full(num, 0.01)}
    colour = rng.normal(1, 0.1, num)
    for token in PERTURBED[:-1]:
        jpas[f"{token}_ERR"] = np.where(is_noisy, 0.3, 0.03)
        jpas[token] = colour + jpas[f"{token}_ERR"] * rng.standard_normal(num)
    pq.write_table(as_table(jpas, jpas_schema()), tmp_path / "jpas.parquet")
    mocks = {"MAG_i": rng.uniform(19, 19.5, 1000), "MAG_i_ERR": np.full(1000, 0.01)}
    colour = rng.normal(1, 0.1, 1000)
    for token in PERTURBED[:-1]:
        mocks |= {token: colour, f"{token}_ERR": np.full(1000, 1e-3)}
    write_shards(iter([mocks]), tmp_path / "mocks", mocks_schema())

    def embed(columns):
        """Colour, and how much the bands scatter."""
        fluxes = np.stack([columns[token] for token in PERTURBED[:-1]], axis=1)
        return np.stack([fluxes.mean(axis=1), fluxes.std(axis=1)], axis=1)

    paths = [tmp_path / "mocks", tmp_path / "jpas.parquet", tmp_path / "noise"]
    noisy_table(*paths, embed, DonorConfig(num_neighbours=1, calibration_err=0.0))
    donated = column(read_table(tmp_path / "noise"), "J0660_ERR")
    assert np.mean(donated > 0.1) == pytest.approx(0.5, abs=0.06)
