"""A share of what is answered is asked of a candidate too, afterwards, and compared.

Whoever asks for it by its name (``serving.named``) is answered by it, before what was overheard.

Where the registry has the alias ``shadow`` (``ojala promote --shadow`` sets it), each process of
the server has that version in a process beside it (``serving.standing``). A request is overheard
once it is answered; where others wait for their answer, or the candidate is not done with the ones
before, it is dropped. What was overheard of one champion is never counted for another.
"""

from __future__ import annotations

import contextlib
import logging
import queue
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import asdict, dataclass, replace
from typing import Any

from ojala.gate.shadow import Compared
from ojala.tables.shards import Columns
from serving import edition, metrics, registered, settings
from serving.agreement import Agreement
from serving.candidate import Overheard
from serving.edition import Edition
from serving.following import LOOK
from serving.gathering import Asked
from serving.named import Named, NotStanding
from serving.registered import Candidate
from serving.schemas import MAX_OF_CANDIDATE, InShadow
from serving.standing import Request, Standing, Told, behind

log = logging.getLogger("bentoml.ojala")

PREPARED, COMPARED, REFUSED, CHAMPION = (
    "being prepared",
    "compared",
    "refused: ",
    "it is the champion",
)
"""States of a candidate; of a refused one why follows."""

NOTHING = Compared()

MOST_WAITING = 4
"""Requests that wait for the candidate, beyond which others are dropped."""

NOBODY = "no candidate stands beside the version that answers: see ojala promote --shadow"


@dataclass(frozen=True, kw_only=True)
class Note:
    """How the candidate of a session compares with a champion, in one process."""

    session: str
    champion: str
    state: str
    dropped: int = 0
    found: Compared = NOTHING


class Shadow:
    """The candidate that stands beside what answers, and the thread that asks it."""

    def __init__(
        self,
        agreement: Agreement,
        *,
        wanted: Callable[[], Candidate | None] = registered.in_shadow,
        standing: Callable[[Edition], Standing] = behind,
        interval: float | None = None,
    ) -> None:
        self.agreement = agreement
        self._wanted, self._begin_standing = wanted, standing
        self.interval = interval or settings.follow_seconds()
        self._candidate: Candidate | None = None
        self._standing: Standing | None = None
        self._note: Note | None = None
        self._dropped = 0
        self._call = ""
        self._overheard: queue.Queue[Overheard | None] = queue.Queue(MOST_WAITING)
        self._named = Named()
        self._asked = -float("inf")
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shadow", daemon=True)

    def begin(self) -> None:
        """Look for a candidate from here on."""
        self._thread.start()

    def end(self) -> None:
        """Let the candidate go."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        self._let_go()
        self._named.refuse("the service ends")

    def overhear(self, asked: Asked, said: Columns, others_wait: bool) -> None:
        """Draw a request that was answered for the candidate; its caller waits for nothing."""
        candidate, note = self._candidate, self._note
        if candidate is None or note is None or note.state != COMPARED:
            return
        if random.random() >= candidate.share:
            return
        heard = Overheard(
            edition=asked.answering.edition,
            sources={name: values[:MAX_OF_CANDIDATE] for name, values in asked.sources.items()},
            queries=asked.queries,
            said={name: values[:MAX_OF_CANDIDATE] for name, values in said.items()},
        )
        try:
            if others_wait:
                raise queue.Full
            self._overheard.put_nowait(heard)
        except queue.Full:
            self._drop(candidate)

    def ask(self, request: Request) -> Future[Any]:
        """What the candidate will say to a request that asks for it by its name.

        Raises NotStanding unless all processes of the server have it ready, so that it does not
        depend on which of them is asked; and TooMany.
        """
        told = self.told()
        if told is None:
            raise NotStanding(NOBODY)
        if told.state != COMPARED:
            raise NotStanding(f"the candidate, version {told.version}: {told.state}")
        said = self._named.ask(request)
        if self._overheard.empty():  # the thread waits for what will be overheard
            with contextlib.suppress(queue.Full):
                self._overheard.put_nowait(None)
        metrics.shadow_requests.labels(version=told.version, outcome="by name").inc()
        return said

    def told(self) -> InShadow | None:
        """How the candidate compares, over all processes of the server; None without one."""
        candidate = _read(self.agreement.in_shadow())
        answering = self.agreement.answering()
        if candidate is None or answering is None:
            return None
        notes = [_note(entry) for entry in self.agreement.shadow_notes()]
        own = [
            note
            for note in notes
            if note and (note.session, note.champion) == (candidate.session, str(answering))
        ]
        states = [note.state for note in own]
        if len(own) < len(notes):
            states.append(PREPARED)
        worst = next((one for one in states if one.startswith(REFUSED)), None)
        state = worst or next((one for one in states if one != COMPARED), COMPARED)
        return InShadow(
            version=candidate.edition.version,
            session=candidate.session,
            share=candidate.share,
            state=state,
            champion=answering.version,
            dropped=sum(note.dropped for note in own),
            **asdict(sum((note.found for note in own), NOTHING)),
        )

    def step(self) -> None:
        """Look once: which candidate is wanted, and what the one that stands has said."""
        call, is_late = self.agreement.hurried(), time.monotonic() - self._asked >= self.interval
        if self.agreement.leads() and (is_late or call != self._call):
            self._call, self._asked = call, time.monotonic()
            self._ask()
        wanted = _read(self.agreement.in_shadow())
        if wanted != self._candidate:
            self._change(wanted)
        if self._candidate is not None:
            self._follow_champion(self._candidate)
            if self._standing is not None and self._note is not None:
                self._listen(self._candidate, self._standing, self._note)
            if self._note is not None and self._note.dropped != self._dropped:
                self._tell(replace(self._note, dropped=self._dropped))
        if self._note is None or self._note.state != COMPARED:
            self._named.refuse("the candidate that was asked stands no longer")

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self.step()
            except Exception:  # whatever becomes of a candidate, the champion answers
                log.exception("a candidate in the shadow")
            if self._standing is None:
                self._ended.wait(LOOK)

    def _ask(self) -> None:
        """Say which candidate all are to ask; where the registry is away it stays as it was."""
        try:
            wanted = self._wanted()
        except Exception as error:
            log.warning("whether there is a candidate is not known: %s", error)
            return
        entry = None if wanted is None else asdict(wanted)
        if _read(self.agreement.in_shadow()) != wanted:
            self.agreement.stand_in_shadow(entry)

    def _change(self, wanted: Candidate | None) -> None:
        """Let the candidate before go, and the one that is wanted stand."""
        self._let_go()
        if self._candidate is not None:
            metrics.shadow_refused.labels(version=self._candidate.edition.version).set(0)
        self._candidate, self._note = wanted, None

    def _follow_champion(self, candidate: Candidate) -> None:
        """Begin to count anew where another champion answers."""
        answering = self.agreement.answering()
        champion = str(answering)
        if answering is None or (self._note is not None and self._note.champion == champion):
            return
        state = PREPARED if self._note is None else self._note.state
        if answering == candidate.edition:
            state = CHAMPION
            self._let_go()
        elif state in (PREPARED, CHAMPION) and self._standing is None:
            state = PREPARED
            self._standing = self._begin_standing(candidate.edition)
        self._dropped = 0
        self._tell(Note(session=candidate.session, champion=champion, state=state))

    def _listen(self, candidate: Candidate, standing: Standing, note: Note) -> None:
        """Hear whether the candidate is ready; then ask it what waits for it."""
        if note.state == PREPARED:
            told = standing.told(LOOK)
        elif self._named:
            told = self._named.answer(standing, LOOK)
        else:
            told = self._asked_too(candidate, standing, note)
        if told is None:
            return
        (said,) = told
        if said is None:
            self._tell(replace(note, state=COMPARED))
        elif isinstance(said, str) or said.wrong:
            self._refuse(candidate, note, said if isinstance(said, str) else said.wrong)
        elif isinstance(said.answer, Compared):
            metrics.count_shadow(said.answer, candidate.edition.version)
            self._tell(replace(note, found=note.found + said.answer))
        else:
            self._drop(candidate)

    def _asked_too(
        self, candidate: Candidate, standing: Standing, note: Note
    ) -> tuple[Told] | None:
        """What the candidate says of what was overheard next, None where that is nothing."""
        try:
            heard = self._overheard.get(timeout=LOOK)
        except queue.Empty:
            return None
        if heard is None:  # somebody asks by name
            return None
        if str(heard.edition) != note.champion:
            self._drop(candidate)
            return None
        standing.ask(heard)
        told = None
        while told is None and not self._ended.is_set():
            told = standing.told(LOOK)
        return told

    def _refuse(self, candidate: Candidate, note: Note, why: str) -> None:
        log.error("%s does not stand in the shadow: %s", candidate.edition, why)
        metrics.shadow_refused.labels(version=candidate.edition.version).set(1)
        self._let_go()
        self._tell(replace(note, state=f"{REFUSED}{why}"))

    def _drop(self, candidate: Candidate) -> None:
        self._dropped += 1
        metrics.shadow_requests.labels(version=candidate.edition.version, outcome="dropped").inc()

    def _tell(self, note: Note) -> None:
        self._note = note
        self.agreement.note_shadow(asdict(note))

    def _let_go(self) -> None:
        if self._standing is not None:
            self._standing.end()
            self._standing = None


def _read(entry: dict[str, Any] | None) -> Candidate | None:
    if entry is None:
        return None
    return Candidate(**entry | {"edition": edition.of(entry["edition"])})


def _note(entry: dict[str, Any] | None) -> Note | None:
    return Note(**entry | {"found": Compared(**entry["found"])}) if entry else None
