"""Numbers, sizes and shell words as plans, reports and progress write them."""

from __future__ import annotations

import shlex

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def counted(count: int, noun: str) -> str:
    """Return ``1 document`` or ``2,035 documents``."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def size(count: int) -> str:
    """Return a number of bytes in binary units: ``512 B``, ``1.0 KiB``, ``941.9 MiB``."""
    if count < 1024:
        return f"{count:,} B"
    tenths = count * 10
    for unit in _UNITS:
        # Whole numbers only: a float has no room for every size. Rounded half up, 1023.95 KiB being 1.0 MiB.
        tenths, rest = divmod(tenths, 1024)
        if (rounded := tenths + (rest >= 512)) < 10240 or unit == _UNITS[-1]:
            return f"{rounded // 10:,}.{rounded % 10} {unit}"
    raise AssertionError("the last unit takes every size")


def shell_word(text: str) -> str:
    """Quote ``text`` for a shell. What is not printable goes into ``$'…'``, byte for byte, so that it can be pasted."""
    if text.isprintable():
        return shlex.quote(text)
    data = text.encode("utf-8", "surrogateescape")
    return "$'" + "".join(chr(b) if 32 <= b < 127 and b not in b"'\\" else f"\\x{b:02x}" for b in data) + "'"


def path_word(path: str) -> str:
    """Quote a path for a shell, and keep it from being read as an option."""
    return shell_word(f"./{path}" if path.startswith("-") else path)
