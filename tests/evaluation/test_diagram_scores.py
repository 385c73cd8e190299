import numpy as np
import pytest
from matched import matched

from ojala.evaluation.diagram_scores import (
    BPT_TYPES,
    bpt_sample,
    bpt_scores,
    type_scores,
    whan_scores,
)
from ojala.measures.metrics import NOT_ENOUGH


def test_the_papers_table_2_follows_from_its_completenesses():
    # Ke01: SF complete to 99.8 %, AGN to 51.8 %.
    true = np.array(["SF"] * 1000 + ["AGN"] * 1000)
    given = np.array(["SF"] * 998 + ["AGN"] * 2 + ["AGN"] * 518 + ["SF"] * 482)
    result = type_scores(true, given, BPT_TYPES, 10)
    in_percent = {t: [round(100 * result[t][m], 1) for m in ("purity", "f1")] for t in BPT_TYPES}
    assert in_percent["SF"] == pytest.approx([67.4, 80.5], abs=0.11)
    assert in_percent["AGN"] == pytest.approx([99.6, 68.1], abs=0.11)


def test_another_type_or_none_counts_as_missed():
    true, given = np.array(["SF"] * 10), np.array(["SF"] * 6 + ["wAGN"] * 3 + [""])
    result = type_scores(true, given, ("SF", "sAGN"), 5)
    assert result["SF"]["completeness"] == pytest.approx(0.6)
    assert result["sAGN"]["f1"] == NOT_ENOUGH


def test_the_only_type_with_enough_sources_has_neither_purity_nor_f1():
    true, given = np.array(["SF"] * 100 + ["AGN"] * 3), np.full(103, "SF")
    result = type_scores(true, given, BPT_TYPES, 10)["SF"]
    assert result == {
        "num_sources": 100,
        "completeness": 1.0,
        "purity": NOT_ENOUGH,
        "f1": NOT_ENOUGH,
    }


def test_purity_does_not_depend_on_how_common_a_type_is():
    true = np.array(["SF"] * 100 + ["AGN"] * 10)
    given = np.where(np.arange(110) % 5 == 0, "AGN", "SF")
    often = type_scores(true, given, BPT_TYPES, 5)
    rare = type_scores(true[50:], given[50:], BPT_TYPES, 5)
    assert often["AGN"]["purity"] == pytest.approx(rare["AGN"]["purity"])


def test_what_is_predicted_perfectly_scores_one_in_every_table():
    predicted, truth = matched(3000)
    for token in ("HALPHA_6562_EW", "NII_6584_EW", "HBETA_4861_EW", "OIII_5007_EW"):
        predicted[token] = truth[token]
    for table in (bpt_scores(predicted, truth, 21.0, 10), whan_scores(predicted, truth, 21.0, 10)):
        for of_line in table.values():
            for of_type in of_line.values():
                assert of_type["f1"] in (1.0, NOT_ENOUGH)


def test_the_sample_shows_all_four_lines():
    _, truth = matched(2000)
    sample = bpt_sample(truth, 21.0)
    assert np.all(truth["z"][sample] < 0.36)
    for token in ("HALPHA_6562_EW", "NII_6584_EW", "HBETA_4861_EW", "OIII_5007_EW"):
        assert np.all(truth[token][sample] > 3)
    strongest = np.maximum(truth["HALPHA_6562_EW"], truth["NII_6584_EW"])[sample]
    assert np.all(strongest > 10)
