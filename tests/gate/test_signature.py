"""Signatures: of what was signed by whom, and of nothing else."""

import base64
import stat

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ojala.gate import signature
from ojala.gate.signature import BUNDLE, HEAD, check, make_keys, sign

DIGEST, OTHER = "ab" * 32, "ac" * 32


@pytest.fixture
def keys(tmp_path):
    made = tmp_path / "key.pem", tmp_path / "trusted.pem"
    make_keys(*made)
    return made


def test_what_a_trusted_key_signed_passes_and_nothing_else_does(keys, tmp_path):
    key, trusted = keys
    signed = sign(key, BUNDLE, DIGEST)
    check(trusted, BUNDLE, DIGEST, signed, "it")
    flipped = bytearray(base64.b64decode(signed))
    flipped[5] ^= 1
    for kind, digest, given in (
        (BUNDLE, OTHER, signed),
        (HEAD, DIGEST, signed),
        (BUNDLE, DIGEST, base64.b64encode(flipped).decode()),
        (BUNDLE, DIGEST, signed[:-8]),
        (BUNDLE, DIGEST, "no base64"),
    ):
        with pytest.raises(ValueError, match="it is signed by no key of"):
            check(trusted, kind, digest, given, "it")
    with pytest.raises(ValueError, match="it is not signed, and is to be by a key of"):
        check(trusted, BUNDLE, DIGEST, "", "it")
    make_keys(tmp_path / "other.pem", tmp_path / "other_trusted.pem")
    with pytest.raises(ValueError, match="signed by no key"):
        check(tmp_path / "other_trusted.pem", BUNDLE, DIGEST, signed, "it")


def test_one_key_may_follow_another(keys, tmp_path):
    make_keys(tmp_path / "next.pem", tmp_path / "next_trusted.pem")
    both = tmp_path / "both.pem"
    both.write_bytes(keys[1].read_bytes() + b"\n" + (tmp_path / "next_trusted.pem").read_bytes())
    for key in (keys[0], tmp_path / "next.pem"):
        check(both, HEAD, DIGEST, sign(key, HEAD, DIGEST), "it")


def test_a_key_is_its_owners_and_is_never_overwritten(keys, tmp_path):
    key, trusted = keys
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    with pytest.raises(FileExistsError):
        make_keys(key, tmp_path / "another.pem")
    with pytest.raises(FileExistsError):
        make_keys(tmp_path / "another.pem", trusted)
    assert key.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"no key", None])
def test_what_holds_no_trusted_key_trusts_nobody(keys, tmp_path, content):
    place = tmp_path / "none.pem"
    if content is not None:
        place.write_bytes(content)
    with pytest.raises(ValueError, match=r"none\.pem"):
        check(place, BUNDLE, DIGEST, sign(keys[0], BUNDLE, DIGEST), "it")


def test_a_key_of_another_kind_signs_nothing(tmp_path):
    other = ec.generate_private_key(ec.SECP256R1())
    secret = other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "ec.pem").write_bytes(secret)
    (tmp_path / "text.pem").write_text("no key")
    with pytest.raises(ValueError, match=r"ec\.pem: not a key of Ed25519"):
        sign(tmp_path / "ec.pem", BUNDLE, DIGEST)
    with pytest.raises(ValueError, match=r"text\.pem: not a readable key"):
        sign(tmp_path / "text.pem", BUNDLE, DIGEST)


def test_the_signature_of_a_directory_stands_beside_it(keys, tmp_path):
    place = tmp_path / "bundle"
    place.mkdir()
    assert signature.read_beside(place) == ""
    signature.beside(place).write_text("abc\n")
    assert signature.read_beside(place) == "abc" and not list(place.iterdir())
