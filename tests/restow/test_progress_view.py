"""What goes to stderr while a run works: it may be wide, closed or gone, and must never be the end of a migration."""

from __future__ import annotations

import io
import sys

import pytest

from restow.progress_view import Bar, Lines
from restow.talk import Talk


class Terminal(io.StringIO):
    def isatty(self) -> bool:  # type: ignore[explicit-override]  # typing.override is not in Python 3.11
        return True


@pytest.fixture(params=[OSError, BrokenPipeError, ValueError])
def gone(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal whose other side was closed."""

    def fail(*_: object) -> int:
        raise request.param

    screen = Terminal()
    monkeypatch.setattr(screen, "write", fail)
    monkeypatch.setattr(screen, "flush", fail)
    monkeypatch.setattr(sys, "stderr", screen)


@pytest.mark.usefixtures("gone")
def test_a_bar_on_a_terminal_that_is_gone() -> None:
    with Bar(Talk()) as bar:
        bar.begin("copy", documents=2, size=10)
        bar.advance(1, 5)
        bar.note("switched")
        with bar.aside():
            pass
        bar.advance(1, 5)


@pytest.mark.usefixtures("gone")
def test_lines_on_a_terminal_that_is_gone() -> None:
    lines = Lines(Talk())
    lines.begin("copy", documents=2, size=10)
    lines.advance(2, 10)
    lines.note("switched")
    lines.close()


def test_a_name_that_would_steer_the_terminal_is_shown_beside_a_bar_and_does_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)

    with Bar(Talk()) as bar:
        bar.note("of \x1b]0;owned\x07 and \x1b[2J")

    shown = screen.getvalue()
    assert "\\x1b]0;owned\\x07" in shown
    assert "\x1b]0;" not in shown
    assert "\x1b[2J" not in shown


def test_a_stage_whose_work_is_not_counted_is_told_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """Away from a terminal the switch, for which Anchore is stopped, would be silence."""
    lines = Lines(Talk())
    lines.begin("switch", documents=0, size=0)

    assert capsys.readouterr().err == "switch\n"


def test_what_others_say_beside_a_bar_stands_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Brackets are markup to what draws the bar: a question lost its [y/N], and so would an account its name."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)

    with Bar(Talk()) as bar:
        bar.begin("copy", documents=2, size=10)
        with bar.aside():
            sys.stderr.write("Go on? [y/N]: ")
            sys.stderr.flush()
        Talk().say("of [bold]account[/bold]")
        bar.note("of [red]account[/red]")

    shown = screen.getvalue()
    assert "Go on? [y/N]: " in shown
    assert "[bold]account[/bold]" in shown
    assert "[red]account[/red]" in shown
