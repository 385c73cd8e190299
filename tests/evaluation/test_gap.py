import numpy as np
import pytest
from matched import CONFIG, matched, rows_of

from ojala.evaluation.gap import gaps
from ojala.measures.metrics import NOT_ENOUGH


def test_a_set_has_no_gap_to_itself():
    pair = matched(900)
    result = gaps(pair, pair, CONFIG)
    assert result["class"]["weighted_f1"]["difference"] == 0
    for measure in ("bias", "sigma_nmad", "outlier_fraction"):
        entry = result["galaxy"]["z"][measure]
        assert entry["difference"] == entry["low"] == entry["high"] == 0


def test_a_gap_is_found_with_its_interval():
    predicted, truth = matched(3000)
    shifted = predicted | {"LOGM": predicted["LOGM"] + 0.05}
    entry = gaps((shifted, truth), (predicted, truth), CONFIG)["galaxy"]["LOGM"]
    assert entry["bias"]["difference"] == pytest.approx(0.05)
    assert entry["bias"]["low"] == pytest.approx(entry["bias"]["high"])
    assert entry["bias"]["real_low"] < entry["bias"]["real"] < entry["bias"]["real_high"]
    assert entry["sigma_nmad"]["difference"] == pytest.approx(0, abs=1e-9)


def test_only_sources_scored_in_both_sets_are_compared():
    predicted, truth = matched(900)
    fewer = predicted | {"TEFF": np.where(np.arange(900) % 2, predicted["TEFF"], np.nan)}
    result = gaps((predicted, truth), (fewer, truth), CONFIG)["star"]
    assert result["TEFF"]["bias"]["num_sources"] < result["LOGG"]["bias"]["num_sources"]
    assert result["TEFF"]["bias"]["difference"] == 0


def test_too_few_pairs_are_not_enough_objects():
    pair = matched(900)
    kept = pair[1]["SPECTYPE"] != 2
    few = rows_of(pair[0], kept), rows_of(pair[1], kept)
    result = gaps(few, few, CONFIG)
    assert result["qso"]["z"]["sigma_nmad"]["difference"] == NOT_ENOUGH
    assert result["class"]["weighted_f1"]["difference"] == NOT_ENOUGH
    assert result["galaxy"]["z"]["bias"]["difference"] == 0


def test_sets_of_other_sources_are_refused():
    real, synth = matched(50), matched(50)
    synth[1]["targetid"] = synth[1]["targetid"][::-1]
    with pytest.raises(ValueError, match="same sources"):
        gaps(real, synth, CONFIG)
