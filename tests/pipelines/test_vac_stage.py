"""The catalogue is not written with a head that belongs to another bundle."""

import pytest
from toy_heads import toy_bundle, toy_head

from pipelines import vac


def test_a_head_of_another_bundle_is_told_with_both_ways_to_go_on(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    toy_bundle("models/ojala", seed=1)
    toy_head("models/heads/spin", toy_bundle("before", seed=0), name="spin", quantity="SPIN")
    with pytest.raises(ValueError) as raised:
        vac.vac()
    sentence = str(raised.value)
    assert sentence.startswith("models/heads/spin: retrain needed: head spin was trained on bundle")
    assert "ojala finetune LABELS --quantity SPIN --name spin" in sentence
    assert sentence.endswith("or remove models/heads/spin")
    assert not (tmp_path / "data/vac").exists()
