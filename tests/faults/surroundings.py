"""Changes what a run finds around it: closed streams, a terminal of its own. Each function here is a
rig, see ``tests.nursery.Rig``.
"""

from __future__ import annotations

import fcntl
import os
import pkgutil
import signal
import sys
import termios
from collections.abc import Mapping, Sequence
from typing import Any


def close_streams(numbers: Sequence[int]) -> None:
    """As a shell does for ``<&-``, ``>&-`` and ``2>&-``, and Python when it starts then."""
    for number in numbers:
        os.close(number)
        setattr(sys, ("stdin", "stdout", "stderr")[number], None)


def take_terminal() -> None:
    """Make what stdin is the terminal of a session that this process leads, as a login does."""
    heed_terminals()
    os.setsid()
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def heed_terminals() -> None:
    """As in a shell, also where the tests themselves are to outlive theirs."""
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def outlive_terminals() -> None:
    """As ``nohup`` does."""
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def together(rigs: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    for function, arguments in rigs:
        pkgutil.resolve_name(function)(**arguments)
