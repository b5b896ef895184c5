"""The operator of the machine: types commands, believes what they say, and holds them to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hypothesis import currently_in_test_context, note

from tests.anchore.config import Config, Section, url_for
from tests.anchore.documents import BOTH, Store
from tests.anchore.snapshot import Snapshot, differences
from tests.cli import Result
from tests.crash.effects import KILLED
from tests.end_to_end.codes import DONE, FAILED, INTEGRITY, REFUSED, STALE
from tests.end_to_end.test_gates import live_service
from tests.machine.model import Model, evidence, unnamed
from tests.machine.world import Die, World

Command = Literal["apply", "undo", "clean"]

LIVE = {"switched", "cleaned"}
IN_FORCE = "config.yaml"
REPORT = "report.json"
ONLY_COPIES = {"copy", "verify"}
ACCEPTABLE = ("payload-missing", "payload-corrupt", "documents-unreachable")
"""What a reviewer may take on of documents that nobody can read."""


@dataclass(frozen=True)
class Planned:
    """A plan that was made once, with the two configurations that it is about."""

    number: int
    source: Config
    destination: Config
    digest: str
    moved: frozenset[Store]
    deletes: bool
    """Whether its ``apply`` deletes the sources."""
    blocked: bool
    """Whether it says itself that ``apply`` will refuse it."""
    accepts: bool
    """Whether it leaves documents that nobody can read where they are."""

    @property
    def file(self) -> str:
        return f"plan-{self.number}.json"

    @property
    def old_file(self) -> str:
        return f"source-{self.number}.yaml"


@dataclass
class Operator:
    world: World
    model: Model
    plans: list[Planned] = field(default_factory=list)
    last: tuple[str, ...] = ()
    """The command that was the last thing to happen, if it ended well."""
    edited: bool = False
    """Whether a place was ever changed without a move."""
    stranded: bool = False
    """Whether a plan was ever to leave documents that nobody can read where they are."""
    _now: Snapshot | None = None

    def something_happened(self) -> None:
        """Anchore has written, or there was an accident."""
        self.model.after_anchore()
        self.last, self._now = (), None

    def before(self) -> Snapshot:
        """Return what there is now, by the last look if nothing was done since."""
        if self._now is None:
            self._now = self.world.look()
        return self._now

    def put_in_force(self, config: Config) -> None:
        self.model.in_force = config
        self.world.deployment.write_config(IN_FORCE, config)

    def planned(self, which: int) -> Planned:
        """Return one of the plans; 0 is the latest."""
        return self.plans[-1 - which % len(self.plans)]

    def plan(self, destination: Config, *, keep: bool, accept: bool, bucket: str | None = None) -> None:
        number = len(self.plans)
        file, new_file = f"plan-{number}.json", f"dest-{number}.yaml"
        self.world.deployment.write_config(f"source-{number}.yaml", self.model.in_force)
        self.world.deployment.write_config(new_file, destination)
        flags = [*(["--keep-source"] if keep else []), *(["--bucket", bucket] if bucket else [])]
        flags += ["--deep", *(word for code in ACCEPTABLE for word in ("--ignore", code))] if accept else []
        self._only_look({DONE}, "plan", IN_FORCE, new_file, "-o", file, *flags)
        content = self.world.content_of(file)
        self.stranded |= bool(content["accepted"])
        self.plans.append(
            Planned(
                number=number,
                source=self.model.in_force,
                destination=destination,
                digest=content["plan_digest"],
                moved=_moved(content),
                deletes=not keep,
                blocked=any(finding["severity"] == "error" for finding in content["findings"]),
                accepts=bool(content["accepted"]),
            )
        )
        self.last = ()

    def apply(self, planned: Planned, *, through: str, full: bool, named: bool, die: Die | None) -> None:
        flags = ["--through", through, "--verify", "full" if full else "digest"]
        # Who names the old file says that it is in force still, or was until this plan.
        if named and self.model.in_force in {planned.source, planned.destination}:
            flags += ["--source", planned.old_file]
        self.run("apply", planned, flags, die=die)

    def run(self, command: Command, planned: Planned, flags: Sequence[str], *, die: Die | None) -> None:
        before, old = self.before(), self.model.in_force
        undoes = command == "undo" or (command == "clean" and self._undone(planned))
        allowed = self._codes(command, planned, flags, before)
        words = (command, planned.file, "--yes", "--report", REPORT, *flags)
        result = self.world.run(*words, die=die)
        if currently_in_test_context():
            note(f"{' '.join(words)} → {result.code} {result.stderr.strip().splitlines()[-1:]}")
        self.last = words if result.code == DONE else ()
        now = self._after()
        if result.code == KILLED:
            self.model.debris |= unnamed(now.payloads.keys() - before.payloads.keys())
        else:
            _assert_documented(result, allowed)
        if result.code in {STALE, REFUSED}:
            _assert_nothing_written(before, now, result)
        self._put_in_force_what_is(command, planned, result)
        by = f"{'back' if undoes else 'there'} {planned.digest}"
        self.model.take_switch(before, now, old, by)
        self._look_after(result, before, now, accepts=planned.accepts)
        if result.code == DONE and not ONLY_COPIES & {*flags}:
            self._assert_done(command, planned, flags, now, old, by=by, undoes=undoes)

    def again(self) -> None:
        """Type the same command again, when it ended well: nothing is left to do."""
        before = self.before()
        result = self.world.run(*self.last).must_end(DONE)
        # A run that only copies takes its round all the same.
        _assert_nothing_written(before, self._after(), result, journal_too=not ONLY_COPIES & {*self.last})

    def run_beside_a_service(self, command: Command, planned: Planned) -> None:
        before = self.before()
        with live_service(self.world.deployment):
            result = self.world.run(command, planned.file, "--yes", "--source", planned.old_file)
        now = self._after()
        _assert_documented(result, {DONE, REFUSED, STALE, FAILED, INTEGRITY})
        changed = [name for name in before.rows if evidence(before.rows[name]) != evidence(now.rows[name])]
        assert not changed, f"switched while a service lives: {changed}\n{result.stderr}"
        self.last = ()
        self._look_after(result, before, now, accepts=planned.accepts)

    def look(self, planned: Planned, what: str) -> None:
        rehearsed = ["--dry-run", "--source", planned.old_file] if what in {"apply", "undo", "clean"} else []
        self._only_look({DONE, REFUSED, STALE}, what, planned.file, *rehearsed)

    def verify(self, *, full: bool) -> None:
        """The tool's own audit says what an outsider finds; of a row without digest nobody can tell."""
        rows = self.before().rows
        known = {INTEGRITY if self.model.lost else DONE}
        blind = any(rows[name]["digest"] is None for name in self.model.lost)
        self._only_look({DONE, INTEGRITY} if blind else known, "verify", IN_FORCE, *(["--full"] if full else []))

    def _only_look(self, allowed: set[int], *words: str) -> None:
        before = self.before()
        result = self.world.run(*words)
        _assert_documented(result, allowed)
        _assert_nothing_written(before, self._after(), result)

    def _after(self) -> Snapshot:
        self._now = self.world.look()
        return self._now

    def _put_in_force_what_is(self, command: Command, planned: Planned, result: Result) -> None:
        """Put in force what the command says; of a dead one the journal tells."""
        target = planned.source if command == "undo" else planned.destination
        if result.code == KILLED:
            arrived = self._undone(planned) if command == "undo" else bool(self._states(planned))
        else:
            arrived = bool(result.stdout.strip()) or (command == "apply" and result.code == DONE and not planned.moved)
        now = self.model.in_force
        if not arrived or now == target:
            return
        if now in {planned.source, planned.destination}:
            self.put_in_force(target)
        elif command == "undo":
            chosen = {store: (target if store in planned.moved else now).section(store) for store in BOTH}
            self.put_in_force(joined(chosen["object_store"], chosen["analysis_archive"]))

    def _codes(self, command: Command, planned: Planned, flags: Sequence[str], before: Snapshot) -> set[int]:
        """Return the codes that the command may end with."""
        # Rows of a place that was left without a move can look as if they were at a destination.
        done = {DONE, *({FAILED, INTEGRITY} if self.model.lost or self.edited else ())}
        if command != "apply" and not planned.moved:
            return {DONE}
        match command:
            case "apply" if "--source" not in flags and self.model.in_force != planned.source:
                return {DONE, STALE}
            case "apply":
                refused = self.edited or self.stranded or self._is_in_the_way(planned, before)
                return done | ({REFUSED} if refused else set())
            case "undo":
                clear = self._states(planned) == {"switched"}
                return done if clear and not self.edited else done | {REFUSED}
            case "clean" if self._undone(planned):
                # Whether a copy is needed is asked at the source; the documents may not be there any more.
                moved_on = any(
                    self.model.place(store) != planned.source.section(store).place for store in planned.moved
                )
                return done | ({INTEGRITY} if moved_on else set())
            case "clean":
                return done if self._states(planned) else {DONE, REFUSED}

    def _is_in_the_way(self, planned: Planned, before: Snapshot) -> bool:
        """Whether a document would be written where another one stands, or the plan had something in its way."""
        urls = {row["content_url"]: name for name, row in before.rows.items()}
        targets = {
            url_for(planned.destination.section(document.store).place, document): name
            for name, document in self.model.documents.items()
            if document.store in planned.moved
        }
        return planned.blocked or any(urls.get(url, name) != name for url, name in targets.items())

    def _assert_done(
        self,
        command: Command,
        planned: Planned,
        flags: Sequence[str],
        now: Snapshot,
        old: Config,
        *,
        by: str,
        undoes: bool,
    ) -> None:
        """Documents are where the command was to bring them, and what it made superfluous is gone."""
        config = planned.source if undoes else planned.destination
        if command == "apply" and self.model.in_force != config:
            assert self.model.in_force == old, "done, but the configuration is neither the old nor the new one"
            return
        for name, row in now.rows.items():
            document = self.model.documents[name]
            moved = document.store in planned.moved and not self.edited and name not in self.model.lost
            if moved and command != "clean":
                assert row["content_url"] == url_for(config.section(document.store).place, document), row
        left = [] if command == "clean" else self.model.left_of_deleted(now, config, planned.moved)
        cleans = command == "clean" or (command == "apply" and planned.deletes and "clean" in flags)
        left += self.model.not_cleaned(now, by) if cleans else []
        assert not left, "\n".join(left)

    def _look_after(self, result: Result, before: Snapshot, now: Snapshot, *, accepts: bool) -> None:
        faults = self.model.faults(before, now, given_up=self.model.lost if accepts else ())
        assert not faults, "\n".join([*faults, f"after {' '.join(result.arguments)} → {result.code}", result.stderr])

    def _states(self, planned: Planned) -> set[str]:
        """Return the states of the latest live rounds of the stores that a plan moves, if they are all that plan's."""
        found = set()
        for store in planned.moved:
            rounds = [one for one in self.world.rounds() if one["shared"] or one["store"] == store]
            live = [one for one in rounds if one["state"] in LIVE]
            if not live or live[-1]["plan_digest"] != planned.digest:
                return set()
            found.add(live[-1]["state"])
        return found

    def _undone(self, planned: Planned) -> bool:
        """Whether the plan was undone and nothing was switched since."""
        rounds = self.world.rounds()
        mine = [number for number, one in enumerate(rounds) if one["plan_digest"] == planned.digest]
        if not mine or rounds[mine[-1]]["state"] != "undone":
            return False
        return not any(one["state"] in LIVE for one in rounds[mine[-1] :])


def joined(working: Section, archive: Section) -> Config:
    """Return the configuration with these sections, shared if they are the same."""
    return Config(working) if working == archive else Config(working, archive)


def _moved(plan: dict[str, Any]) -> frozenset[Store]:
    """Return the stores that a plan moves; a store that is shared on both sides moves with the other."""
    one = all(plan[side]["analysis_archive"]["shared"] for side in ("source", "destination"))
    return frozenset(store for move in plan["moves"] for store in BOTH if one or store == move["store"])


def _assert_documented(result: Result, allowed: set[int]) -> None:
    assert "Traceback" not in result.stderr, result.stderr
    said = f"restow {' '.join(result.arguments)} → {result.code}, not {allowed}\n{result.stderr[-3000:]}"
    assert result.code in allowed, said


def _assert_nothing_written(before: Snapshot, now: Snapshot, result: Result, *, journal_too: bool = True) -> None:
    written = [one for one in differences(before, now) if journal_too or not one.startswith("table restow.")]
    assert not written, "\n".join([*written, f"by {' '.join(result.arguments)} → {result.code}", result.stderr])
