"""``ojala promote --shadow``: the candidate beside the champion on what a running service is asked.

The alias ``shadow`` makes services that follow the registry ask that version too, after they have
answered, and compare (serving/shadow.py). Here it is set, what one service counted is read from its
/health, and the alias is taken away again, whatever comes.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import Any

import httpx

from ojala.client import Client, ServiceError
from ojala.gate.shadow import ALIAS, SESSION, SHARE, Compared, Limits
from pipelines.registry import aliases, tracking, versions
from pipelines.registry.store import MODEL
from pipelines.registry.versions import Version

PAUSE = 2.0
"""Seconds between two looks at the service."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How a candidate is tried beside the champion.

    service: its address; share: of the requests, drawn; timeout: seconds for all of it
    key: that the service asks for, None for none
    """

    service: str
    share: float
    timeout: float
    limits: Limits
    key: str | None = None

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise ValueError(f"--share is {self.share}, expected a share above 0, up to 1")
        if not self.timeout > 0:
            raise ValueError(f"--shadow-timeout is {self.timeout}, expected seconds above 0")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of a trial in the shadow."""
    least = Limits()
    group = parser.add_argument_group("in the shadow of the champion (docs/promotion.md)")
    group.add_argument("--shadow", action="store_true", help="try it on live requests first")
    group.add_argument(
        "--service",
        default="http://localhost:3000",
        help="the service that counts; OJALA_KEY is the key that it asks for (%(default)s)",
    )
    for name, kind, default, told in (
        ("share", float, 0.1, "of the requests that it is asked too"),
        ("shadow-sources", int, least.sources, "sources to compare before it is judged"),
        ("shadow-timeout", float, 3600.0, "seconds in which they must have come"),
        ("most-lost", float, least.lost, "largest share of answers that it lacks"),
        ("most-changed", float, least.class_changes, "largest share of other classes"),
        ("most-far", float, least.far, "largest share of redshifts beyond 3 sigma"),
    ):
        group.add_argument(f"--{name}", type=kind, default=default, help=f"{told} (%(default)s)")


def asked_for(arguments: argparse.Namespace) -> Trial | None:
    """The trial of a command line, None where it asks for none.

    Raises ValueError for a share, a number or a time that is none.
    """
    if not arguments.shadow:
        return None
    return Trial(
        service=arguments.service,
        key=os.environ.get("OJALA_KEY"),
        share=arguments.share,
        timeout=arguments.shadow_timeout,
        limits=Limits(
            sources=arguments.shadow_sources,
            lost=arguments.most_lost,
            class_changes=arguments.most_changed,
            far=arguments.most_far,
        ),
    )


def stood(candidate: Version, champion: Version, trial: Trial) -> Compared:
    """Let a candidate stand in the shadow until enough was compared.

    Raises ValueError where it was refused, came out otherwise than the limits let it, or too little
    was asked in time; and where the service answers with another version than the champion.
    """
    until = time.monotonic() + trial.timeout
    with Client(trial.service, key=trial.key, tries=3, timeout=30.0) as service:
        _check_champion(_health(service), champion, trial)
        with _in_shadow(candidate, trial.share) as session:
            while True:
                found = _found(_health(service), session, candidate, champion, trial)
                if found.classed >= trial.limits.sources:
                    break
                if time.monotonic() > until:
                    raise ValueError(
                        f"in {trial.timeout:g} seconds {trial.service} compared the classes of "
                        f"{found.classed} sources, expected {trial.limits.sources}: nothing is "
                        "changed"
                    )
                time.sleep(PAUSE)
    exceeded = trial.limits.exceeded(found)
    if exceeded:
        raise ValueError(f"{candidate} fell in the shadow: {'; '.join(exceeded)}")
    return found


@contextmanager
def _in_shadow(candidate: Version, share: float) -> Iterator[str]:
    """Let the alias name a candidate; the session that services tell by."""
    session = f"{aliases.now()} {aliases.who()} {uuid.uuid4().hex[:8]}"
    versions.tag(candidate, {SHARE: repr(share), SESSION: session})
    tracking.client().set_registered_model_alias(MODEL, ALIAS, candidate.version)
    print(f"promote: {candidate} stands in the shadow of the champion", file=sys.stderr)
    try:
        yield session
    finally:
        if versions.aliases().get(ALIAS) == candidate.version:
            tracking.client().delete_registered_model_alias(MODEL, ALIAS)
        versions.tag(candidate, {SHARE: "", SESSION: ""})


def _health(service: Client) -> dict[str, Any]:
    try:
        return service.health()
    except (ServiceError, httpx.HTTPError) as error:
        raise ValueError(f"the service cannot be asked how the candidate does: {error}") from None


def _check_champion(health: Mapping[str, Any], champion: Version, trial: Trial) -> None:
    if health.get("digest") != champion.digest:
        raise ValueError(
            f"{trial.service} answers with version {health.get('version')}, not with {champion}: "
            "it follows another registry, or has not followed yet"
        )


def _found(
    health: Mapping[str, Any], session: str, candidate: Version, champion: Version, trial: Trial
) -> Compared:
    """What the service counted in this session; nothing yet, where it does not know of it.

    Raises ValueError where it refused the candidate, or another champion answers by now.
    """
    _check_champion(health, champion, trial)
    told = health.get("shadow")
    if not told or told["session"] != session or told["champion"] != champion.version:
        return Compared()
    if told["state"].startswith("refused: "):
        why = told["state"].removeprefix("refused: ")
        raise ValueError(f"{candidate} was refused by {trial.service}: {why}")
    return Compared(**{one.name: told[one.name] for one in fields(Compared)})
