import numpy as np
import pyarrow.parquet as pq
import pytest
from scipy.stats import gaussian_kde, kstest
from toy_training_set import population

from ojala.tables.shards import as_table, column, jpas_schema, mocks_schema, read_table
from ojala.training_set.crossmatch import CrossmatchConfig, crossmatch
from ojala.training_set.sampling import COLUMNS, WeightsConfig, density, training_table, weights

CONFIG = WeightsConfig()


def test_each_class_gets_a_third():
    columns = population()
    probability = weights(columns, CONFIG)
    for code in range(3):
        assert probability[columns["SPECTYPE"] == code].sum() == pytest.approx(1 / 3)
    assert np.all(probability > 0)


def test_a_missing_class_leaves_its_share_to_the_others_and_unknown_ones_are_never_drawn():
    columns = population()
    columns["SPECTYPE"] = np.where(columns["SPECTYPE"] == 2, -1, columns["SPECTYPE"])
    probability = weights(columns, CONFIG)
    assert np.all(probability[columns["SPECTYPE"] == -1] == 0)
    assert probability[columns["SPECTYPE"] == 0].sum() == pytest.approx(1 / 2)


def test_quasars_come_out_flat_in_redshift():
    rng = np.random.default_rng(4)
    num = 20_000
    columns = {name: np.full(num, np.nan) for name in COLUMNS}
    columns |= {"SPECTYPE": np.full(num, 2), "z": np.clip(rng.normal(1.6, 0.35, num), 0.1, 3.1)}
    probability = weights(columns, CONFIG)
    drawn = columns["z"][rng.choice(num, 2000, p=probability)]
    middle = drawn[(drawn > 0.9) & (drawn < 2.3)]
    assert kstest(columns["z"], "uniform", (0.9, 1.4)).statistic > 0.08
    assert kstest(middle, "uniform", (0.9, 1.4)).statistic < 0.06


@pytest.mark.parametrize("num_dims", [1, 2, 3])
def test_density_agrees_with_the_exact_kernel_estimate(num_dims):
    rng = np.random.default_rng(5)
    mixing = rng.normal(size=(num_dims, num_dims)) + 2 * np.eye(num_dims)
    points = rng.normal(size=(3000, num_dims)) @ mixing
    config = WeightsConfig(num_bins=50, subsample=3000)
    estimate = density(points, np.random.default_rng(0), config)
    exact = gaussian_kde(points.T, bw_method="scott")(points.T)
    ratio = estimate / exact
    dense = exact > np.quantile(exact, 0.1)
    assert np.std(np.log(ratio[dense])) < 0.05 * num_dims


def test_rarer_sources_weigh_more_and_the_cap_holds():
    columns = population()
    probability = weights(columns, CONFIG)
    galaxies = columns["SPECTYPE"] == 0
    z, weight = columns["z"][galaxies], probability[galaxies]
    assert np.median(weight[z > 1.2]) > 3 * np.median(weight[(z > 0.2) & (z < 0.5)])
    tight = weights(columns, WeightsConfig(cap_quantile=0.5))[galaxies]
    assert tight.max() / np.median(tight) == pytest.approx(1.0)


def test_sources_without_any_measurement_keep_the_mean_weight():
    columns = population()
    rows = np.flatnonzero(columns["SPECTYPE"] == 1)
    for name in COLUMNS[1:]:
        columns[name][rows[0]] = np.nan
    probability = weights(columns, CONFIG)
    assert probability[rows[0]] == pytest.approx(1 / 3 / len(rows), rel=0.1)


def test_the_training_table_drops_what_is_matched_and_adds_up(tmp_path):
    rng = np.random.default_rng(6)
    columns = population(900) | {"targetid": np.arange(900)}
    columns |= {"ra": 180 + 3 * rng.random(900), "dec": 30 + 3 * rng.random(900)}
    columns |= {"survey": np.full(900, "main"), "program": np.full(900, "dark")}
    pq.write_table(as_table(columns, mocks_schema()), tmp_path / "mocks.parquet")
    jpas = {name: columns[name][:200] for name in ("ra", "dec")}
    pq.write_table(as_table(jpas, jpas_schema()), tmp_path / "jpas.parquet")
    split = CrossmatchConfig(nside=256)
    paths = [tmp_path / "mocks.parquet", tmp_path / "jpas.parquet"]
    crossmatch(*paths, tmp_path / "sets", split)
    excluded = tmp_path / "sets/excluded.parquet"
    counts = training_table(paths[0], excluded, paths[1], tmp_path / "table", CONFIG, split)
    table = read_table(tmp_path / "table")
    assert counts["rows"] + counts["excluded"] == 900
    assert column(table, "targetid").min() == 200
    for name in ("train", "val"):
        inside = column(table, "split") == name
        assert inside.sum() == counts[name] > 0
        assert column(table, "weight")[inside].sum() == pytest.approx(1.0)
    pq.write_table(read_table(excluded).slice(1), excluded)
    with pytest.raises(ValueError, match=r"1 training sources lie within 1.0 arcsec"):
        training_table(paths[0], excluded, paths[1], tmp_path / "leaky", CONFIG, split)
    assert not (tmp_path / "leaky").exists()


def test_an_axis_without_spread_does_no_harm():
    points = np.array([[1.0, 2.0, 3.0], [1.5, 2.0, 3.0]])
    assert np.all(density(points, np.random.default_rng(0), CONFIG) > 0)
