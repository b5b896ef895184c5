"""Secrets that the tests plant in every secret field and look for in every output (invariant I9).

Letters and digits only: no quoting or encoding changes how they look.
"""

from __future__ import annotations

ACCESS_KEY = "CANARYACCESSKEYQ7XW"
SECRET_KEY = "CANARYSECRETKEYm4V9tR2sK8pL0"
DATABASE_PASSWORD = "CANARYDBPASSWORDz6Hn3"
URL_USER = "CANARYURLUSERb5T"
URL_PASSWORD = "CANARYURLPASSWORDd8J"

ALL = (ACCESS_KEY, SECRET_KEY, DATABASE_PASSWORD, URL_USER, URL_PASSWORD)


def found_in(text: str) -> list[str]:
    """Return the canaries that ``text`` holds, whatever the case."""
    folded = text.casefold()
    return [canary for canary in ALL if canary.casefold() in folded]
