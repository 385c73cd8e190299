"""The fine-tuned heads beside a served bundle: who answers there, and why another does not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from ojala.gate import signature
from ojala.heads import head
from ojala.model.head_protocol import by_name
from serving import settings
from serving.edition import UNREGISTERED


@dataclass(frozen=True, kw_only=True)
class ServedHead:
    """A head that there is.

    version: of the registered head, "unregistered" for one of a directory
    state: "ready", or why it does not answer; opened: the head itself, None where it does not
    place: its directory, where it was fetched; signed: the signature of its digest, "" for none
    """

    name: str
    version: str
    digest: str
    state: str
    opened: head.Head | None = None
    place: Path | None = None
    signed: str = ""


def opened(
    place: Path,
    base: str,
    *,
    name: str,
    version: str = UNREGISTERED,
    digest: str = "",
    signed: str = "",
) -> ServedHead:
    """The head of a directory, ready where it reads the embeddings of the bundle ``base``.

    digest: what it was registered as; a head with other files does not answer
    signed: the signature that it was registered with; of a directory it is the one beside it
    """
    signed = signed or signature.read_beside(place)
    found = ServedHead(
        name=name, version=version, digest=digest, state=head.READY, place=place, signed=signed
    )
    try:
        _check_files(place, digest)
        made = head.load(place, base)
    except ValueError as error:
        return replace(found, state=str(error).removeprefix(f"{place}: "))
    return replace(found, name=made.name, digest=made.digest, opened=made)


def _check_files(place: Path, digest: str) -> None:
    """Raise ValueError where a registered head's files are others, or a directory's not signed."""
    try:
        held = head.digest(place)
    except FileNotFoundError:  # what is missing is told where it is opened
        return
    if digest not in ("", held):
        raise ValueError("it holds another head than its digest says")
    trusted = settings.trusted_key()
    if not digest and trusted is not None:
        signed = signature.read_beside(place)
        signature.check(trusted, signature.HEAD, held, signed, str(place))


def in_directory(directory: Path, base: str) -> list[ServedHead]:
    """The heads of a directory that ``ojala finetune`` wrote to, whatever their state."""
    found = (opened(place, base, name=place.name) for place in head.places(directory))
    return together(found, base)


def together(heads: Iterable[ServedHead], base: str) -> list[ServedHead]:
    """Heads in their order; of two that answer the same the second does not answer."""
    kept: list[ServedHead] = []
    for one in heads:
        if one.opened is not None:
            try:
                by_name([*ready(kept), one.opened], base)
            except ValueError as error:
                one = replace(one, state=str(error), opened=None)
        kept.append(one)
    return kept


def ready(heads: Iterable[ServedHead]) -> list[head.Head]:
    """The heads that answer."""
    return [one.opened for one in heads if one.opened is not None]
