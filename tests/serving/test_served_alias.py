"""Which version is served: the champion, or before there is one the candidate; and its shadow."""

import pytest
from toy_registry import toy_version

from pipelines.registry import tracking, versions
from serving.edition import Edition
from serving.registered import Candidate, in_shadow, served


def test_the_champion_is_served_and_before_there_is_one_the_candidate(tmp_path, monkeypatch):
    for name in ("OJALA_BUNDLE", "OJALA_ALIAS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    first, second = (toy_version(tmp_path / "versions", seed=seed) for seed in range(2))
    assert served().version == second.version
    tracking.client().set_registered_model_alias("ojala", "champion", first.version)
    found = served()
    assert found.version == first.version and found.bundle.digest == first.digest
    monkeypatch.setenv("OJALA_ALIAS", "candidate")
    assert served().version == second.version
    monkeypatch.setenv("OJALA_ALIAS", "previous")
    with pytest.raises(ValueError, match="the alias previous; there are candidate, champion"):
        served()
    check_shadow(second)


def check_shadow(version):
    """The alias shadow names a candidate, by the share and the session of its tags."""
    assert in_shadow() is None
    tracking.client().set_registered_model_alias("ojala", "shadow", version.version)
    for share in ("", "none", "0", "1.01", "nan", "-0.5"):
        versions.tag(version, {"shadow_share": share, "shadow_session": "today"})
        with pytest.raises(ValueError, match=f"shadow_share is '{share}', expected"):
            in_shadow()
    versions.tag(version, {"shadow_share": "0.25"})
    found = Candidate(edition=Edition(version=version.version), share=0.25, session="today")
    assert in_shadow() == found
