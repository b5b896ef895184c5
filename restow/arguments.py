"""Global options stand before or after the command, as people type them; typer wants them before."""

from __future__ import annotations

from collections.abc import Sequence

from schemas.errors import UsageError

WITH_VALUE = frozenset(
    {"--db-connect", "--db-ca", "--db-timeout", "--db-connect-timeout", "--db-retries", "--log-format"}
)
FLAGS = frozenset({"--db-use-ssl", "--verbose", "-v", "--no-progress"})


def as_text(arguments: Sequence[str]) -> list[str]:
    """Return the arguments. Raises UsageError for bytes that are not UTF-8: they fit into no plan and no statement."""
    for number, word in enumerate(arguments, 1):
        try:
            word.encode()
        except UnicodeEncodeError:
            raise UsageError(
                f"argument {number} is not UTF-8 text", hint="rename the file, or set the terminal to UTF-8"
            ) from None
    return list(arguments)


def global_first(arguments: Sequence[str]) -> list[str]:
    """Return the arguments with the global options moved to the front; what follows ``--`` stays where it is."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    front: list[str] = []
    rest: list[str] = []
    words = iter(arguments[:end])
    for word in words:
        if word in FLAGS or word.split("=", 1)[0] in WITH_VALUE:
            front.append(word)
            if word in WITH_VALUE:
                front += list(next(([value] for value in words), []))
        else:
            rest.append(word)
    return [*front, *rest, *arguments[end:]]
