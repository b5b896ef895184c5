"""Foreign text, for a terminal or a page."""

from __future__ import annotations


def visible(text: str) -> str:
    """Return ``text`` with what a terminal or a page would act on, or hide, in the escapes of a Python string."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
