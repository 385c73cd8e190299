"""A service follows the registry: what the alias names is prepared beside what answers.

Every process of the server runs a ``Follower``. The one that leads asks the registry where the
alias is, and wishes for that edition; each process then loads it, checks it on golden sources and
says what it found (``serving.agreement``). When all are ready it answers, from one request to the
next. When one finds a fault, the edition is refused and the one before goes on; it is tried again
after a while, since what was missing may have come.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from serving import metrics, packed, registered, settings
from serving.agreement import READY, Agreement, Outcome, Wish
from serving.answering import Answering, rehearsed
from serving.edition import UNREGISTERED, Edition

log = logging.getLogger("bentoml.ojala")

LOOK = 0.1
"""Seconds between two looks at what the other processes say."""

RETRY = 60.0
"""Seconds after which an edition that was refused is tried again."""


class Absent(Exception):
    """This process does not hold the edition that is to answer."""


class Follower:
    """The editions that a process holds, and the thread that brings them."""

    def __init__(
        self,
        agreement: Agreement,
        *,
        standing: Callable[[], Edition] = registered.standing,
        load: Callable[[Edition], Answering] = rehearsed,
        interval: float | None = None,
    ) -> None:
        self.agreement = agreement
        self._standing, self._load = standing, load
        self.interval = interval or settings.follow_seconds()
        self._held: dict[Edition, Answering] = {}
        self._answered: Edition | None = None
        self._told: tuple[str, str] | None = None
        self._said = 0
        self._call = ""
        self._asked = -float("inf")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def begin(self) -> None:
        """Hold what the server answers with, found by whichever process is first; then follow.

        Raises ValueError where there is nothing to begin with.
        """
        while (edition := self.agreement.answering()) is None:
            if self.agreement.leads():
                edition = self._standing()
                self._held[edition] = self._load(edition)
                self.agreement.answer_with(edition)
            else:
                time.sleep(LOOK)
        if edition not in self._held:
            self._held[edition] = self._load(edition)
        self._note_answering()
        self._thread.start()

    def end(self) -> None:
        """Follow no longer."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self.agreement.leave()

    def now(self) -> Answering:
        """What a request that begins now is answered with, to its end.

        Raises Absent where this process does not hold it.
        """
        for _ in range(2):  # the first may go between the two questions, the next is there then
            edition = self.agreement.answering()
            found = self._held.get(edition) if edition else None
            if found is not None:
                return found
        raise Absent(f"this process does not hold {edition}, ask again")

    def state(self) -> str:
        """Whether the alias is followed, in a sentence."""
        if packed.standing() is not None:
            return "what is packed in this Bento is served, no alias is followed"
        answering, wish = self.agreement.answering(), self.agreement.wish()
        if answering is not None and answering.version == UNREGISTERED:
            return "a directory is served, no alias is followed"
        outcome = self.agreement.outcome()
        if outcome.registry:
            return f"the registry cannot be asked: {outcome.registry}"
        if wish.edition is None or wish.edition == answering:
            return "followed"
        if outcome.number == wish.number and outcome.refused:
            return f"refused {wish.edition}: {outcome.refused}"
        return f"{wish.edition} is being prepared"

    def step(self) -> None:
        """Look once: lead where it is this process that does, and do what is wished for."""
        if self.agreement.leads():
            self._lead()
        self._prepare()
        self._note_answering()

    def _run(self) -> None:
        while not self._ended.wait(LOOK):
            try:
                self.step()
            except Exception:  # what answers goes on, whatever became of what is to be next
                log.exception("following the registry")

    def _lead(self) -> None:
        call = self.agreement.hurried()
        if call != self._call or time.monotonic() - self._asked >= self.interval:
            self._call = call  # before it asks: one that comes meanwhile is another
            self._ask()
            self._asked = time.monotonic()
        wish = self.agreement.wish()
        if wish.edition is None or self.agreement.outcome().number == wish.number:
            return
        said = self.agreement.said(wish)
        faults = [one for one in said if one not in ("", READY)]
        if faults:
            self._refuse(wish, faults[0])
        elif all(one == READY for one in said):
            self._switch(wish, wish.edition)

    def _ask(self) -> None:
        """Wish for what the alias names, if that is another edition than the one that answers."""
        outcome = self.agreement.outcome()
        try:
            wanted = self._standing()
        except Exception as error:
            told = " ".join(str(error).split())
            metrics.registry_failures.inc()
            self.agreement.decide(replace(outcome, registry=told))
            return
        if outcome.registry:
            self.agreement.decide(replace(outcome, registry=""))
        wish = self.agreement.wish()
        if wanted == self.agreement.answering():
            if wish.edition not in (None, wanted):
                self._wish_for(None)
            return
        is_refused = outcome.number == wish.number and bool(outcome.refused)
        if wanted != wish.edition or (
            outcome.number == wish.number
            and (not is_refused or time.monotonic() - outcome.at > RETRY)
        ):
            self._wish_for(wanted)

    def _wish_for(self, wanted: Edition | None) -> None:
        before = self.agreement.wish().edition
        if before is not None and before != wanted:
            metrics.version_refused.labels(version=before.version).set(0)
        self.agreement.wish_for(wanted)

    def _refuse(self, wish: Wish, why: str) -> None:
        assert wish.edition is not None
        log.error("refused %s: %s", wish.edition, why)
        metrics.switches_refused.labels(version=wish.edition.version).inc()
        metrics.version_refused.labels(version=wish.edition.version).set(1)
        self.agreement.decide(Outcome(number=wish.number, refused=why, at=time.monotonic()))

    def _switch(self, wish: Wish, edition: Edition) -> None:
        self.agreement.answer_with(edition)
        self.agreement.decide(Outcome(number=wish.number, at=time.monotonic()))
        metrics.switches.labels(version=edition.version).inc()
        metrics.version_refused.labels(version=edition.version).set(0)
        log.info("answering with %s", edition)

    def _prepare(self) -> None:
        """Load what is wished for beside what answers, once for each wish."""
        wish = self.agreement.wish()
        if wish.edition is None or wish.number == self._said:
            return
        said = READY
        try:
            if wish.edition not in self._held:
                self._held = self._kept() | {wish.edition: self._load(wish.edition)}
        except Exception as error:  # whatever a broken bundle raises is a reason to refuse it
            said = " ".join(str(error).split()) or type(error).__name__
        self._said = wish.number
        self.agreement.say(wish, said)

    def _kept(self) -> dict[Edition, Answering]:
        """What answers; an edition before it goes when another one is to come."""
        answering = self.agreement.answering()
        return {one: made for one, made in self._held.items() if one == answering}

    def _note_answering(self) -> None:
        """Tell the metrics which version answers, and which no longer does."""
        edition = self.agreement.answering()
        if edition is None or edition == self._answered or edition not in self._held:
            return
        if self._told:  # of an edition that may be held no longer
            metrics.version_served.labels(*self._told).set(0)
        model = self._held[edition].model
        self._told = (model.version, model.digest)
        metrics.version_served.labels(*self._told).set(1)
        self._answered = edition
