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
