"""The Predictor draws quantities together, each in the light of those before."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.special import ndtr
from toy_learning import learnt
from toy_model import PATCHED, UNDROPPED
from toy_sky import toy_table

from ojala.model.bundle import LABEL_CONTEXT
from ojala.model.predictor import Predictor
from ojala.tables.shards import columns_of
from ojala.training.batch import MaskingConfig
from ojala.training.views import ViewsConfig
from ojala.vocabulary.quantities import CLASSES, MORPHTYPES, observations

LABELS = 0.5
MASKING = MaskingConfig(views=ViewsConfig(label_context=LABELS))
CHAIN = ["Z_GAL", "LOGM", "LOGSFR"]


@pytest.fixture(scope="module", params=[UNDROPPED, PATCHED], ids=["Gaussians", "steps"])
def predictor(request):
    return Predictor(learnt(request.param, MASKING, **{LABEL_CONTEXT: LABELS}))


@pytest.fixture(scope="module")
def sky():
    return columns_of(toy_table(30, seed=3, missing=0.15))


def test_the_first_quantity_is_distributed_as_it_is_answered(predictor, sky):
    draws = predictor.sample(sky, CHAIN, 400)["Z_GAL"].astype(np.float64)
    if predictor.model.heads.redshift is None:
        said = predictor.predict(sky, ["Z_GAL"])
        pit = ndtr((draws - said["Z_GAL"][:, None]) / said["Z_GAL_ERR"][:, None])
    else:
        pdf = predictor.redshifts(sky)["Z_GAL"]
        pit = np.stack([pdf.cdf(z) for z in draws.T])
    assert pit.mean() == pytest.approx(0.5, abs=0.02)
    assert np.quantile(pit, [0.1, 0.3, 0.9]) == pytest.approx([0.1, 0.3, 0.9], abs=0.02)
    mass, direct = predictor.sample(sky, ["LOGM"], 400)["LOGM"], predictor.predict(sky, ["LOGM"])
    deviates = (mass - direct["LOGM"][:, None]) / direct["LOGM_ERR"][:, None]
    assert deviates.mean() == pytest.approx(0, abs=0.03)
    assert deviates.std() == pytest.approx(1, abs=0.03)


def test_each_quantity_alone_is_distributed_as_it_is_answered(predictor, sky):
    draws, direct = predictor.sample(sky, CHAIN, 400, seed=1), predictor.predict(sky, CHAIN)
    for token in CHAIN[1:]:
        deviates = (draws[token] - direct[token][:, None]) / direct[f"{token}_ERR"][:, None]
        assert deviates.mean() == pytest.approx(0, abs=0.03)
        assert deviates.std() == pytest.approx(1, abs=0.03)


def test_quantities_go_together_as_those_answered_with_the_ones_before_known(predictor, sky):
    num_draws = 300
    draws = predictor.sample(sky, CHAIN, num_draws, seed=1)
    known = {name: np.repeat(column, num_draws) for name, column in sky.items()}
    known |= {token: draws[token].ravel() for token in CHAIN[:2]}
    for token, before in (("LOGM", CHAIN[:1]), ("LOGSFR", CHAIN[:2])):
        said = predictor.predict(known, [token], context=(*observations(), *before))
        deviates = (draws[token].ravel() - said[token]) / said[f"{token}_ERR"]
        within, moved = (
            values.reshape(-1, num_draws) - values.reshape(-1, num_draws).mean(axis=1)[:, None]
            for values in (deviates, said[token])
        )
        left = np.corrcoef(within.ravel(), moved.ravel())[0, 1]
        assert left == pytest.approx(0, abs=0.1), "what was drawn before has its say"


def test_shapes_and_kinds_are_those_of_the_quantities(predictor, sky):
    without = [token for token in observations() if token not in ("MORPHTYPE", "J0500")]
    asked = ["SPECTYPE", "MORPHTYPE", "J0500", "Z_QSO"]
    draws = predictor.sample(sky, asked, 20, context=without)
    assert list(draws) == [*asked, "REASON"]
    assert all(draws[token].shape == (30, 20) for token in asked)
    assert set(draws["SPECTYPE"].ravel()) <= set(CLASSES)
    assert set(draws["MORPHTYPE"].ravel()) <= set(MORPHTYPES)
    assert np.array_equal(np.isfinite(draws["Z_QSO"]), draws["SPECTYPE"] == "QSO")


def test_a_source_has_its_draws_wherever_it_stands_and_seeds_reproduce(predictor, sky):
    few = {name: column[[4, 20]] for name, column in sky.items()}
    whole, part = predictor.sample(sky, CHAIN, 6, seed=5), predictor.sample(few, CHAIN, 6, seed=5)
    other = predictor.sample(few, CHAIN, 6, seed=6)
    for token in CHAIN:
        assert part[token] == pytest.approx(whole[token][[4, 20]], rel=1e-3, abs=1e-3)
        assert not np.isclose(part[token], other[token]).any()


def test_who_cannot_be_answered_has_no_draws_and_a_reason(predictor, sky):
    blank = dict(sky)
    blank["MAG_i"] = np.where(np.arange(30) == 3, np.nan, sky["MAG_i"])
    draws = predictor.sample(blank, ["SPECTYPE", "LOGM"], 4)
    assert np.isnan(draws["LOGM"][3]).all() and list(draws["SPECTYPE"][3]) == [""] * 4
    assert draws["REASON"][3] and not draws["REASON"][4]
    nobody = {name: column[:0] for name, column in sky.items()}
    assert predictor.sample(nobody, CHAIN, 4)["LOGM"].shape == (0, 4)


@pytest.mark.parametrize(
    ("queries", "message"),
    [
        (["LOGM", "COLOUR"], "'COLOUR' is not a token"),
        (["LOGM", "MAG_i"], "MAG_i is to be drawn and is shown as well"),
        (["Z_GAL", "Z_QSO"], "no class of sources has all of Z_GAL, Z_QSO"),
    ],
)
def test_queries_that_cannot_be_drawn_are_errors(predictor, sky, queries, message):
    with pytest.raises(ValueError, match=message):
        predictor.sample(sky, queries, 3)


def test_seeds_below_zero_and_heads_are_errors(predictor, sky):
    with pytest.raises(ValueError, match="seed is -1, expected 0 or more"):
        predictor.sample(sky, ["LOGM"], 3, seed=-1)
    digest = predictor.bundle.digest
    head = SimpleNamespace(name="age", quantity="AGE", base=digest)
    with pytest.raises(ValueError, match="age is a head: it has no distribution"):
        Predictor(predictor.bundle, heads=[head]).sample(sky, ["LOGM", "age"], 3)


def test_a_network_that_was_never_shown_labels_draws_one_quantity_at_a_time(predictor, sky):
    unaware = Predictor(replace(predictor.bundle, provenance={LABEL_CONTEXT: 0.0}))
    with pytest.raises(ValueError, match="trained without labels in its context"):
        unaware.sample(sky, CHAIN, 3)
    assert np.isfinite(unaware.sample(sky, ["LOGM"], 3)["LOGM"]).all()
