"""Registered heads follow the champion: ready beside it, or a state says what one needs."""

from __future__ import annotations

from dataclasses import dataclass

from ojala.heads.head import READY
from pipelines.registry import tracking, versions
from pipelines.registry.store import CHAMPION, HEAD_PREFIX
from pipelines.registry.versions import Version

STATE = "state"
"""Tag of a head's version: ready, or why it does not answer beside the champion."""


@dataclass(frozen=True, kw_only=True)
class HeadState:
    """The version of a head that fits the champion best, and its state beside it."""

    version: Version
    state: str

    @property
    def name(self) -> str:
        """What the head is asked by."""
        return self.version.name.removeprefix(HEAD_PREFIX)

    def __str__(self) -> str:
        return f"head {self.name}, version {self.version.version}: {self.state}"

    def record(self) -> dict[str, str]:
        """The same for a program."""
        return {"name": self.name, "version": self.version.version, "state": self.state}


def follow() -> list[HeadState]:
    """Note the state of every version of every head; champion of each is the one that fits.

    Where none fits, the head has no champion, and nobody is given one of another bundle. May be
    done again at any time; before the first promotion there is nothing to follow.
    """
    champion = versions.named(CHAMPION)
    if champion is None:
        return []
    return [_follow(name, champion) for name in versions.models() if versions.is_head(name)]


def _follow(name: str, champion: Version) -> HeadState:
    found = [HeadState(version=one, state=state(one, champion)) for one in versions.versions(name)]
    for one in found:
        if versions.tags(one.version).get(STATE) != one.state:
            versions.tag(one.version, {STATE: one.state})
    best = next((one for one in found if one.state == READY), found[0])
    standing = versions.aliases(name).get(CHAMPION)
    if best.state == READY and standing != best.version.version:
        tracking.client().set_registered_model_alias(name, CHAMPION, best.version.version)
    elif best.state != READY and standing is not None:
        tracking.client().delete_registered_model_alias(name, CHAMPION)
    return best


def state(version: Version, champion: Version) -> str:
    """READY, or why a version of a head does not answer beside the champion."""
    notes = versions.tags(version)
    if notes.get("base_digest") == champion.digest:
        return READY
    number = notes.get("base_version", "")
    if number.isdigit() and int(number) > int(champion.version):
        return f"waiting: its base, version {number}, is not the champion ({champion.version})"
    return f"retrain needed: its base is version {number or '?'}, not {champion.version}"


@dataclass(frozen=True, kw_only=True)
class Noted:
    """A version of a head as it was last noted; alias: CHAMPION or ""."""

    name: str
    version: str
    alias: str
    state: str


def noted() -> list[Noted]:
    """Every version of every head, as it was last noted."""
    shown = []
    for name in filter(versions.is_head, versions.models()):
        champion = versions.aliases(name).get(CHAMPION)
        for one in versions.versions(name):
            state = versions.tags(one).get(STATE, "no champion yet")
            alias = CHAMPION if one.version == champion else ""
            shown.append(Noted(name=name, version=one.version, alias=alias, state=state))
    return shown
