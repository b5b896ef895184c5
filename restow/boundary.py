"""The one error boundary: whatever ends a command becomes one line, a hint and an exit code."""

from __future__ import annotations

import os
import platform
import re
import sys
import tempfile
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import NoReturn

import typer

from restow.files import let_go
from restow.talk import Talk
from schemas.errors import RestowError
from schemas.exit_codes import ExitCode

# Of a database URL that was given in the place of a file.
_USER_PART = re.compile(r"://\S*@")


def guarded(command: Callable[[], object], talk: Callable[[], Talk]) -> int:
    """Run ``command`` and return the exit code of the process."""
    try:
        result = command()
    except RestowError as error:
        talk().error(error.message, error.hint)
        return int(error.exit_code)
    except typer.TyperException as error:
        talk().error(_usage(error), "see restow --help")
        return int(ExitCode.USAGE)
    except (KeyboardInterrupt, typer.Abort):  # before typer is at work, or at a question
        talk().error("interrupted")
        return int(ExitCode.INTERRUPTED)
    except SystemExit as error:  # a signal that unwinds
        talk().error("interrupted")
        return error.code if isinstance(error.code, int) else int(ExitCode.UNEXPECTED)
    except Exception as error:  # noqa: BLE001 - the boundary: what gets here is our bug and must not end in silence
        talk().error(f"unexpected {type(error).__name__}", _where_the_trace_is(error))
        return int(ExitCode.UNEXPECTED)
    if result == ExitCode.INTERRUPTED:
        # What typer makes of Ctrl-C.
        talk().error("interrupted")
    return result if isinstance(result, int) else int(ExitCode.DONE)


def leave(code: int) -> NoReturn:
    """End the process with this exit code, whatever becomes of what it still has to say.

    At once: Python would wait for workers that a stop has given up, and take its modules apart for a fifth of a second.
    """
    for stream in (sys.stdout, sys.stderr):
        let_go(stream)
    os._exit(code)


def _usage(error: typer.TyperException) -> str:
    # Choices come one to a line, with tabs.
    message = " ".join(error.format_message().split())
    return _USER_PART.sub("://…@", message) or type(error).__name__


def _where_the_trace_is(error: BaseException) -> str:
    try:
        return f"report it with the trace in {_trace_file(error)}"
    except OSError as full:
        return f"report it; there is no trace, because none can be written: {full.strerror}"


def _trace_file(error: BaseException) -> str:
    """Write where it happened, but not the message or any value: those may hold a secret or a document."""
    from importlib.metadata import version

    handle, path = tempfile.mkstemp(prefix="restow-trace-", suffix=".log")
    with os.fdopen(handle, "w", encoding="utf-8") as log:
        log.write(f"restow {version('restow')}, Python {platform.python_version()}, {platform.platform()}\n")
        cause: BaseException | None = error
        while cause is not None:
            log.write(f"{type(cause).__module__}.{type(cause).__name__}\n{_frames(cause.__traceback__)}\n")
            cause = cause.__cause__ or cause.__context__
    return path


def _frames(trace: TracebackType | None) -> str:
    return "".join(traceback.format_tb(trace))
