"""Signatures of bundles and heads: who holds the key has said that these files may answer.

Ed25519 over one line, of the kind and the digest of the files. Keys are PEM; of those that are
trusted there may be several in one file, so that one can follow another.
"""

from __future__ import annotations

import base64
import binascii
import os
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

BUNDLE, HEAD = "bundle", "head"
"""Kinds of what is signed."""

NOTE = "signature"
"""The tag of a registered version that holds its signature."""

KEY_ENDS = b"-----END PUBLIC KEY-----"


def make_keys(private: Path, public: Path) -> None:
    """Write a new key, which its owner alone may read, and the one that others trust.

    Raises FileExistsError where there is one already.
    """
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with open(os.open(private, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
        file.write(secret)
    with public.open("xb") as file:
        shown = key.public_key()
        file.write(shown.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def sign(key: Path, kind: str, digest: str) -> str:
    """The signature of a digest. Raises ValueError where the file holds no Ed25519 key."""
    try:
        opened = load_pem_private_key(key.read_bytes(), password=None)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{key}: not a readable key ({error})") from None
    if not isinstance(opened, Ed25519PrivateKey):
        raise ValueError(f"{key}: not a key of Ed25519")
    return base64.b64encode(opened.sign(_line(kind, digest))).decode()


def check(trusted: Path, kind: str, digest: str, signature: str, what: str) -> None:
    """Raise ValueError, which begins with ``what``, unless a trusted key signed that digest."""
    try:
        signed = base64.b64decode(signature, validate=True)
    except binascii.Error:
        signed = b""
    if not any(_is_by(key, signed, _line(kind, digest)) for key in keys(trusted)):
        state = "is signed by no key" if signature else "is not signed, and is to be by a key"
        raise ValueError(f"{what} {state} of {trusted}")


def keys(trusted: Path) -> list[Ed25519PublicKey]:
    """The keys of a file. Raises ValueError where there is none, or another kind among them."""
    try:
        parts = trusted.read_bytes().split(KEY_ENDS)[:-1]
        found = [load_pem_public_key(part.lstrip() + KEY_ENDS) for part in parts]
    except (OSError, ValueError) as error:
        raise ValueError(f"{trusted}: not a readable file of trusted keys ({error})") from None
    known = [key for key in found if isinstance(key, Ed25519PublicKey)]
    if not known or len(known) < len(found):
        raise ValueError(f"{trusted}: expected public keys of Ed25519 in PEM, and at least one")
    return known


def beside(place: Path) -> Path:
    """The file of the signature of a directory, which is none of its own files."""
    return place.with_name(f"{place.name}.{NOTE}")


def read_beside(place: Path) -> str:
    """The signature of a directory, "" where there is none."""
    file = beside(place)
    return file.read_text().strip() if file.is_file() else ""


def _line(kind: str, digest: str) -> bytes:
    return f"ojala {kind} sha256 {digest}\n".encode()


def _is_by(key: Ed25519PublicKey, signature: bytes, line: bytes) -> bool:
    try:
        key.verify(signature, line)
    except InvalidSignature:
        return False
    return True
