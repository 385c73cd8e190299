"""With OJALA_TRUSTED_KEY only what one of its keys signed is opened; without it all as before."""

import shutil

import pytest
from toy_heads import toy_bundle, toy_head
from toy_registry import emptied, toy_project, toy_version

from ojala.gate.signature import beside, make_keys
from ojala.model import bundle
from pipelines.registry import signing, versions
from serving import registered


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    with toy_project(tmp_path_factory.mktemp("signed")) as place:
        make_keys(place / "key.pem", place / "trusted.pem")
        yield place


@pytest.fixture
def trusted(project, monkeypatch):
    for name in ("OJALA_BUNDLE", "OJALA_ALIAS", "OJALA_HEADS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("OJALA_TRUSTED_KEY", str(project / "trusted.pem"))
    yield project
    emptied()


@pytest.fixture
def never_opened(monkeypatch):
    def opened(place):
        raise AssertionError(f"{place} was opened")

    monkeypatch.setattr(bundle, "load", opened)


def test_a_version_is_served_once_it_is_signed(trusted, monkeypatch):
    version = toy_version(trusted / "versions")
    with pytest.raises(ValueError, match=r"version 1 of ojala is not signed.*trusted\.pem"):
        registered.served()
    assert signing.sign_version("ojala@candidate", trusted / "key.pem") == version
    assert registered.served().bundle.digest == version.digest
    monkeypatch.delenv("OJALA_TRUSTED_KEY")
    assert registered.served().bundle.digest == version.digest


def test_who_writes_to_the_registry_but_has_no_key_is_not_served(trusted, never_opened):
    """Another bundle under the digest and the signature of a good one, or under its own digest."""
    toy_version(trusted / "versions")
    good = signing.sign_version("1", trusted / "key.pem")
    signed = versions.tags(good)["signature"]
    toy_version(trusted / "versions", seed=1, signature=signed)
    with pytest.raises(ValueError, match="version 2 of ojala is signed by no key"):
        registered.served()
    forged = toy_version(trusted / "versions", seed=2, signature=signed)
    versions.tag(forged, {"digest": good.digest})
    with pytest.raises(ValueError, match="version 3 of ojala holds another bundle than its digest"):
        registered.served()
    make_keys(trusted / "theirs.pem", trusted / "their_trusted.pem")
    other = toy_version(trusted / "versions", seed=3)
    signing.sign_version(other.version, trusted / "theirs.pem")
    with pytest.raises(ValueError, match="version 4 of ojala is signed by no key"):
        registered.served()


def test_what_is_not_what_its_digest_says_is_not_signed(trusted):
    version = toy_version(trusted / "versions")
    versions.tag(version, {"digest": "0" * 64})
    with pytest.raises(ValueError, match="holds other files than its digest says"):
        signing.sign_version("1", trusted / "key.pem")
    assert "signature" not in versions.tags(version)


def test_a_directory_is_served_once_it_is_signed(trusted, monkeypatch):
    place = toy_bundle(trusted / "bundles" / "ojala")
    monkeypatch.setenv("OJALA_BUNDLE", str(place))
    with pytest.raises(ValueError, match=f"{place} is not signed"):
        registered.served()
    assert signing.sign_directory(place, trusted / "key.pem") == beside(place)
    assert registered.served().bundle.digest == bundle.digest(place)
    other = toy_bundle(trusted / "bundles" / "other", seed=5)
    shutil.copy(beside(place), beside(other))
    monkeypatch.setenv("OJALA_BUNDLE", str(other))
    with pytest.raises(ValueError, match=f"{other} is signed by no key"):
        registered.served()


def test_a_head_answers_once_it_is_signed(trusted, monkeypatch):
    base = toy_bundle(trusted / "based" / "ojala")
    toy_head(trusted / "heads" / "bh-mass", base)
    signing.sign_directory(base, trusted / "key.pem")
    monkeypatch.setenv("OJALA_BUNDLE", str(base))
    monkeypatch.setenv("OJALA_HEADS", str(trusted / "heads"))
    (head,) = registered.served().heads
    assert head.opened is None and "is not signed" in head.state
    signing.sign_directory(trusted / "heads" / "bh-mass", trusted / "key.pem")
    (head,) = registered.served().heads
    assert head.opened is not None and head.state == "ready"
