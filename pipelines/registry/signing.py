"""Keys, and signatures of what is registered, or of a directory.

    python -m pipelines.registry.signing --make signing_key.pem trusted_key.pem
    python -m pipelines.registry.signing ojala@candidate --key signing_key.pem
    python -m pipelines.registry.signing models/ojala --key signing_key.pem

Only files with the digest that a version was registered with are signed. The key is needed for
nothing else: it may stay on a machine that is on no network but the registry's.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import mlflow

from ojala.gate import signature
from ojala.heads import head
from ojala.model import bundle
from ojala.tables.faults import sentence
from pipelines.registry import versions


def sign_version(words: str, key: Path) -> versions.Version:
    """Sign a version of the model, or of a head, after a look at its files.

    Raises ValueError where they are not what the version's digest says.
    """
    version = versions.find(words)
    kind = signature.HEAD if versions.is_head(version.name) else signature.BUNDLE
    with tempfile.TemporaryDirectory() as directory:
        if kind == signature.HEAD:
            place = f"models:/{version.name}/{version.version}"
            held = head.digest(mlflow.artifacts.download_artifacts(place, dst_path=directory))
        else:
            held = bundle.digest(versions.fetch(version, Path(directory)))
    if held != version.digest:
        raise ValueError(f"{version} holds other files than its digest says: it is not signed")
    versions.tag(version, {signature.NOTE: signature.sign(key, kind, held)})
    return version


def sign_directory(place: Path, key: Path) -> Path:
    """Sign the bundle, or the head, of a directory; the signature's file stands beside it."""
    if (place / bundle.WEIGHTS).is_file() and (place / bundle.SCALING).is_file():
        kind, digest = signature.BUNDLE, bundle.digest(place)
    else:
        head.read_config(place)
        kind, digest = signature.HEAD, head.digest(place)
    out = signature.beside(place)
    out.write_text(signature.sign(key, kind, digest) + "\n")
    return out


def main() -> None:
    """Make keys, or sign what is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", nargs="?", help="MODEL@ALIAS, MODEL/VERSION, or a directory")
    parser.add_argument("--key", type=Path, help="the key to sign with")
    parser.add_argument("--make", type=Path, nargs=2, metavar=("KEY", "TRUSTED"))
    arguments = parser.parse_args()
    try:
        if arguments.make:
            signature.make_keys(*arguments.make)
            print("{}: sign with it; {}: for OJALA_TRUSTED_KEY".format(*arguments.make))
        elif arguments.what is None or arguments.key is None:
            parser.error("expected what to sign and --key, or --make")
        elif Path(arguments.what).is_dir():
            print(f"{sign_directory(Path(arguments.what), arguments.key)} is written")
        else:
            print(f"{sign_version(arguments.what, arguments.key)} is signed")
    except (ValueError, OSError) as error:
        sys.exit(f"signing: {sentence(error)}")


if __name__ == "__main__":
    main()
