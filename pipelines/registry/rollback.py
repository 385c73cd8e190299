"""``ojala rollback``: the champion of before, back in one command."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from typing import Any

from ojala.tables import project, result
from pipelines.registry import aliases, head_states, versions
from pipelines.registry.store import CHAMPION, PREVIOUS
from pipelines.registry.versions import Version

EXAMPLE = """\
Make the previous version the champion again. Who, when and why stay as notes at the version that
is taken back; it is promoted once more only with --force and a reason.

Example:
    ojala rollback --reason "redshifts of bright quasars are off since Monday\""""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala rollback``."""
    parser.description = EXAMPLE
    parser.add_argument("--reason", default="", help="why; kept as a note at the version")
    project.add_argument(parser)
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Roll back and say what is served now."""
    if not versions.models():
        raise ValueError("no model is registered; there is nothing to go back to")
    with aliases.moving():
        undone = aliases.recover()
        if undone:
            print(f"rollback: {undone}", file=sys.stderr)
        restored, taken_back = rolled_back(arguments.reason)
        states = head_states.follow()
    said = f"{restored} is champion again, {taken_back} is taken back"
    record: dict[str, Any] = {"champion": asdict(restored), "taken_back": asdict(taken_back)}
    record["heads"] = [one.record() for one in states]
    result.tell(arguments, [said, *map(str, states)], record)


def rolled_back(reason: str) -> tuple[Version, Version]:
    """Move the aliases; the version that is champion now, and the one that was.

    Raises ValueError where there is no champion, or none before it.
    """
    champion, previous = versions.named(CHAMPION), versions.named(PREVIOUS)
    if champion is None:
        raise ValueError("there is no champion; ojala promote makes one")
    if previous is None:
        back = versions.tags(champion).get("restored_at")
        why = f": it was restored by a rollback at {back}" if back else ""
        raise ValueError(f"there is no version before {champion}{why}; nothing to go back to")
    by, at = aliases.who(), aliases.now()
    notes = {"rolled_back_by": by, "rolled_back_at": at, "rolled_back_reason": reason or "-"}
    restored = {"restored_by": by, "restored_at": at, "restored_from": champion.version}
    aliases.carry_out(
        aliases.Move(
            champion=previous.version,
            previous="",
            was_champion=champion.version,
            was_previous=previous.version,
            by=by,
            at=at,
            notes={champion.version: notes, previous.version: restored},
        )
    )
    return previous, champion
