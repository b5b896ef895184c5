"""The errors that a person reads, sorted by who must act. One class, one exit code.

``message`` says what is wrong and where, ``hint`` what to do next. Neither may hold a secret.
"""

from __future__ import annotations

from typing import ClassVar

from schemas.exit_codes import ExitCode


class RestowError(Exception):
    """Base of all errors that end a command in an orderly way."""

    exit_code: ClassVar[ExitCode] = ExitCode.UNEXPECTED

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(RestowError):
    """A config file is unreadable, invalid, or names a driver that is not supported. The user edits the file."""

    exit_code = ExitCode.CONFIG_INVALID


class PlanError(RestowError):
    """The plan file is invalid, edited, of an unknown version, or not the one that was asked for."""

    exit_code = ExitCode.PLAN_INVALID


class StaleError(RestowError):
    """The configs or the inventory left what the plan approved. The user plans again."""

    exit_code = ExitCode.STALE


class RefusedError(RestowError):
    """The run would not be safe or was not confirmed. The operator decides."""

    exit_code = ExitCode.REFUSED


class LockedError(RestowError):
    """Another migration holds the lock."""

    exit_code = ExitCode.LOCKED


class StoppedError(RestowError):
    """The run stopped at a limit or by a signal; the same command goes on."""

    exit_code = ExitCode.STOPPED


class DocumentsFailedError(RestowError):
    """Some documents could not be dealt with, or a backend went away half-way; the message says what was switched."""

    exit_code = ExitCode.DOCUMENTS_FAILED


class IntegrityError(RestowError):
    """A settled row names wrong bytes; the source is kept."""

    exit_code = ExitCode.INTEGRITY


class UsageError(RestowError):
    """The command line does not make sense."""

    exit_code = ExitCode.USAGE


class UnreachableError(RestowError):
    """A backend or the database does not answer. Passing by nature: worth another try."""

    exit_code = ExitCode.UNREACHABLE


class DeniedError(RestowError):
    """A backend or the database refuses the credentials or lacks a right. Lasting: never retried."""

    exit_code = ExitCode.PERMISSION_DENIED
