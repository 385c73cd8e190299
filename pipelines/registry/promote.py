"""``ojala promote``: the gate between a candidate and the alias that is served."""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ojala.gate import gate, page
from ojala.gate.config import PromoteConfig
from ojala.gate.gate import Row, Shown
from ojala.gate.inspection import inspected
from ojala.tables import project, result
from ojala.tables.shards import columns_of, read_table
from ojala.tables.writing import written_whole
from pipelines import params, paths
from pipelines.registry import aliases, digests, head_states, shadow, tracking, versions
from pipelines.registry.store import CANDIDATE, CHAMPION, PREVIOUS
from pipelines.registry.versions import Version

TEST_SET = paths.CROSSMATCH / "test_real.parquet"
PROMOTION = paths.REPORTS / "promotion.md"

PASSED, REFUSED, BROKEN, FORCED = "passed", "refused", "broken", "forced"

EXAMPLE = """\
Open a candidate in a process of its own, compare it with the champion on the same sources of
Test-Real, and make it the champion where it is no worse. reports/promotion.md says row by row
what was found. --force promotes what was compared and refused, but never a broken bundle.

With --shadow a running service first asks the candidate a share of what it is asked, after it has
answered, and the candidate is promoted where it says the same within the limits.

Examples:
    ojala promote
    ojala promote --shadow --share 0.2 --service http://localhost:3000
    ojala promote 7 --force --reason "the new spectra are worth 1 % of the quasars\""""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What the gate found.

    outcome: PASSED, REFUSED or BROKEN; why: of the last two; rows: none of a broken candidate
    num_golden: objects that it answered as at its registration
    shadow: what came of standing in the shadow, "" where it did not
    """

    candidate: Version
    champion: Version | None
    outcome: str
    why: str = ""
    rows: list[Row] = field(default_factory=list)
    num_golden: int = 0
    shadow: str = ""


@dataclass(frozen=True, kw_only=True)
class Promoted:
    """What a promotion came to; found: None where the version was champion already."""

    said: str
    champion: Version
    heads: list[head_states.HeadState]
    found: Verdict | None = None

    def lines(self) -> list[str]:
        """For a person."""
        return [self.said, *map(str, self.heads)]

    def record(self) -> dict[str, Any]:
        """For a program."""
        found = self.found
        return {
            "champion": asdict(self.champion),
            "previous": asdict(found.champion) if found and found.champion else None,
            "gate": found.outcome if found else None,
            "rows": [asdict(row) for row in found.rows] if found else [],
            "shadow": found.shadow if found else "",
            "heads": [one.record() for one in self.heads],
        }


@dataclass(frozen=True, kw_only=True)
class Order:
    """Who asks for a promotion, when and why, and whether in spite of the gate.

    trial: in the shadow of the champion, None for none
    """

    by: str
    at: str
    reason: str
    force: bool
    trial: shadow.Trial | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of ``ojala promote``."""
    parser.description = EXAMPLE
    parser.add_argument(
        "version", nargs="?", default=CANDIDATE, help="number or alias; the candidate by default"
    )
    parser.add_argument("--force", action="store_true", help="promote what the gate refuses")
    parser.add_argument("--reason", default="", help="why; --force needs one")
    shadow.add_arguments(parser)
    project.add_argument(parser)
    result.add_argument(parser)


def main(arguments: argparse.Namespace) -> None:
    """Promote, or raise ValueError saying why not."""
    reason = arguments.reason.strip()
    if arguments.force and not reason:
        raise ValueError('--force needs --reason "...": it is kept with the version')
    order = Order(
        by=aliases.who(),
        at=aliases.now(),
        reason=reason,
        force=arguments.force,
        trial=shadow.asked_for(arguments),
    )
    config = params.section("promote", PromoteConfig)
    with aliases.alone():
        if not versions.models():
            raise ValueError("no model is registered; dvc repro register makes a candidate")
        _put_right()
        done = _promote(_asked_for(arguments.version), order, config)
    result.tell(arguments, done.lines(), done.record())


def _put_right() -> None:
    """Undo or complete what a promotion or rollback before this one left half done."""
    with aliases.moving():
        undone = aliases.recover()
        if undone:
            print(f"promote: {undone}", file=sys.stderr)
            head_states.follow()


def _asked_for(words: str) -> Version:
    version = versions.find(words)
    if versions.is_head(version.name):
        raise ValueError(
            f"{version.name} is a head: it follows its base, which is what is promoted"
        )
    return version


def _promote(candidate: Version, order: Order, config: PromoteConfig) -> Promoted:
    champion = versions.named(CHAMPION)
    if champion is not None and champion.digest == candidate.digest:
        said = f"{champion} is champion already, nothing is done"
        return Promoted(said=said, champion=champion, heads=head_states.follow())
    _check_not_taken_back(candidate, order)
    previous = versions.aliases().get(PREVIOUS, "")
    found = judged(candidate, champion, config)
    run_id = _recorded(found, order, config)
    if found.outcome == BROKEN or (found.outcome == REFUSED and not order.force):
        notes = {"gate": found.outcome, "gate_why": found.why[:500], "gate_run": run_id}
        versions.tag(candidate, notes)
        raise ValueError(f"{candidate} is {found.outcome}: {found.why} (see {PROMOTION})")
    if order.trial is not None:
        found = replace(found, shadow=_stood(candidate, champion, order.trial))
    with aliases.moving():
        aliases.carry_out(_move(found, order, previous, run_id))
        states = head_states.follow()
    tracking.client().set_tag(run_id, "champion_now", candidate.version)
    _write(found, order, config, moved=True)
    before = f"; {champion} is previous" if champion else ""
    return Promoted(
        said=f"{candidate} is champion{before}: {page.counted(found.rows)} (see {PROMOTION})",
        champion=candidate,
        heads=states,
        found=found,
    )


def _stood(candidate: Version, champion: Version | None, trial: shadow.Trial) -> str:
    """What came of standing in the shadow. Raises ValueError, kept with the version, if it fell."""
    if champion is None:
        raise ValueError("there is no champion whose shadow to stand in: promote without --shadow")
    try:
        return str(shadow.stood(candidate, champion, trial))
    except ValueError as error:
        versions.tag(candidate, {"shadow": str(error)[:500]})
        raise


def _check_not_taken_back(candidate: Version, order: Order) -> None:
    """What was rolled back does not come back by itself with the next run of a schedule."""
    notes = versions.tags(candidate)
    if "rolled_back_at" in notes and not order.force:
        raise ValueError(
            f"{candidate} was rolled back at {notes['rolled_back_at']} "
            f"({notes.get('rolled_back_reason', '-')}); --force --reason promotes it all the same"
        )


def judged(candidate: Version, champion: Version | None, config: PromoteConfig) -> Verdict:
    """The gate: is the candidate whole, and is it no worse than the champion?

    Raises ValueError where there is no test set.
    """
    if not TEST_SET.is_file():
        raise ValueError(f"{TEST_SET}: no test set to compare on; dvc repro crossmatch makes it")
    try:
        given, num_golden = _shown(candidate, config)
    except ValueError as error:
        return Verdict(candidate=candidate, champion=champion, outcome=BROKEN, why=str(error))
    standing: Shown | None = None
    against: list[str] = []
    if champion is not None:
        try:
            standing, _ = _shown(champion, config)
        except ValueError as error:
            against.append(f"the champion, {champion}, cannot be compared with: {error}")
    rows = gate.verdict(given, standing, columns_of(read_table(TEST_SET)), config)
    against += [page.in_words(row) for row in rows if row.refuses]
    more = f" and {len(against) - 3} more" if len(against) > 3 else ""
    return Verdict(
        candidate=candidate,
        champion=champion,
        outcome=REFUSED if against else PASSED,
        why="; ".join(against[:3]) + more,
        rows=rows,
        num_golden=num_golden,
    )


def _shown(version: Version, config: PromoteConfig) -> tuple[Shown, int]:
    """What a version shows in a process of its own."""
    with tempfile.TemporaryDirectory() as copy:
        found = inspected(
            versions.fetch(version, Path(copy)),
            digest=version.digest,
            sources=TEST_SET,
            num_timed=config.num_timed,
            timeout=config.timeout,
        )
    shown = Shown(answers=found.answers, latency=found.latency, megabytes=found.megabytes)
    return shown, found.num_golden


def _move(found: Verdict, order: Order, previous: str, run_id: str) -> aliases.Move:
    was = found.champion
    notes = {
        "promoted_by": order.by,
        "promoted_at": order.at,
        "promoted_reason": order.reason or "it passed the gate",
        "promoted_over": f"version {was.version}, digest {was.digest}" if was else "no champion",
        "gate": FORCED if found.outcome == REFUSED else found.outcome,
        "gate_why": found.why[:500],
        "gate_run": run_id,
        "shadow": found.shadow,
        **dict.fromkeys(("rolled_back_by", "rolled_back_at", "rolled_back_reason"), ""),
    }
    return aliases.Move(
        champion=found.candidate.version,
        previous=was.version if was else previous,
        was_champion=was.version if was else "",
        was_previous=previous,
        by=order.by,
        at=order.at,
        notes={found.candidate.version: notes},
    )


def _recorded(found: Verdict, order: Order, config: PromoteConfig) -> str:
    """Write the page, and a run with it, its table and its numbers; the run's id."""
    _write(found, order, config, moved=False)
    over = f" over {found.champion.version}" if found.champion else ""
    data = digests.data_digests([str(paths.CROSSMATCH)])
    with tracking.run(
        f"promote {found.candidate.version}{over}", {"promote": asdict(config)}, data
    ) as run_id:
        notes = {"gate": found.outcome, "forced": str(order.force), "by": order.by}
        notes |= {"reason": order.reason, "why": found.why[:5000]}
        notes |= {"candidate": f"{found.candidate.version} {found.candidate.digest}"}
        if found.champion:
            notes["champion"] = f"{found.champion.version} {found.champion.digest}"
        for key, value in notes.items():
            tracking.client().set_tag(run_id, key, value)
        tracking.log_metrics(run_id, _numbers(found.rows), step=0)
        tracking.log_files(run_id, PROMOTION, "promotion")
        if found.rows:
            tracking.log_table(run_id, [asdict(row) for row in found.rows], "promotion.json")
    return run_id


def _numbers(rows: list[Row]) -> dict[str, dict[str, float]]:
    """Numbers that the UI can set side by side between promotions."""
    compared = [row for row in rows if row.part in (gate.CLASS, gate.QUANTITY, gate.COST)]
    columns = ("candidate", "champion", "worse")
    return {name: {row.name: getattr(row, name) for row in compared} for name in columns}


def _write(found: Verdict, order: Order, config: PromoteConfig, *, moved: bool) -> None:
    """reports/promotion.md."""
    text = page.page(
        f"Promotion of {found.candidate}: {_outcome(found, order, moved)}",
        _about(found, order),
        found.rows,
        confidence=config.confidence,
        num_draws=config.num_draws,
        proof=config.proof,
        section="promote",
    )
    with written_whole(PROMOTION) as partial:
        partial.write_text(text)


def _outcome(found: Verdict, order: Order, moved: bool) -> str:
    if moved:
        return "champion by force" if found.outcome == REFUSED else "champion"
    return found.outcome


def _about(found: Verdict, order: Order) -> dict[str, str]:
    """What stands at the top of the page."""
    was = found.champion
    about = {
        "Candidate": f"{found.candidate}, digest `{found.candidate.digest[:12]}`, "
        f"run `{found.candidate.run_id}`",
        "Champion": f"{was}, digest `{was.digest[:12]}`, run `{was.run_id}`"
        if was
        else "none: a first model need only reach the floors",
        "Gate": f"{found.outcome}" + (f": {found.why}" if found.why else ""),
        "Asked by": f"{order.by}, {order.at}" + (", with --force" if order.force else ""),
        "Reason": order.reason or "-",
        "Commit": digests.git_commit(),
    }
    if found.shadow:
        about["In the shadow"] = found.shadow
    if found.rows:
        of_set = digests.data_digests([str(paths.CROSSMATCH)]).get(str(paths.CROSSMATCH), "-")
        about["Test set"] = f"`{TEST_SET}`, digest of its directory `{of_set}`"
        about["Golden objects"] = (
            f"{found.num_golden} answered as at registration"
            if found.num_golden
            else "none were stored with this version; answers are finite and honest in form"
        )
        about["Rows"] = page.counted(found.rows)
    return about
