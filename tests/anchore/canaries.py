"""Secrets that the tests plant in every secret field and look for in every output (invariant I9).

Letters and digits only: no quoting changes how they look. All begin with ``PREFIX``, so that a test can plant more of
them, one for each field of a config, which are looked for as well.
"""

from __future__ import annotations

import base64
import hashlib
import re

PREFIX = "CANARY"
ACCESS_KEY = "CANARYACCESSKEYQ7XW"
SECRET_KEY = "CANARYSECRETKEYm4V9tR2sK8pL0"
DATABASE_PASSWORD = "CANARYDBPASSWORDz6Hn3"
URL_USER = "CANARYURLUSERb5T"
URL_PASSWORD = "CANARYURLPASSWORDd8J"
OTHER_SERVICE = "CANARYOTHERSERVICEw2Ck"

ALL = (ACCESS_KEY, SECRET_KEY, DATABASE_PASSWORD, URL_USER, URL_PASSWORD, OTHER_SERVICE)

_PLANTED = re.compile(rf"{PREFIX}\w*")
# Where a terminal's width breaks a line, maybe in a box, and how JSON and repr() write a break.
_BREAKS = re.compile(r"(?:\s|[│|]|\x1b\[[0-9;]*m|\\[nrt]|\\\n)+")
_ESCAPES = ("%{:02x}", "{:02x}", r"\x{:02x}", r"\u{:04x}", "&#{};", "&#x{:x};")
_HASHES = ("md5", "sha1", "sha256")


def found_in(text: str) -> list[str]:
    """Return the canaries that ``text`` holds: whole, in other case, broken over lines, encoded, escaped or hashed."""
    joined = _BREAKS.sub("", text)
    folded = joined.casefold()
    found = set(_PLANTED.findall(text))
    found |= {f"{PREFIX} in parts"} if PREFIX in joined and not found else set()
    found |= {f"base64 of {PREFIX}" for form in _BASE64 if form in joined}
    return sorted(found | {name for name, form in _FOLDED if form in folded})


def _inside_base64(secret: str) -> list[str]:
    """Return what ``secret`` looks like inside of something that is base64, by what stands before it."""
    forms = []
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + secret.encode()).decode()
        # Without the characters that have bits of a neighbour in them.
        forms.append(encoded[-(-before * 8 // 6) : (before + len(secret)) * 8 // 6])
    return forms


_BASE64 = _inside_base64(PREFIX)
_FOLDED = (
    *((one, one.casefold()) for one in ALL),
    *((f"{form} of {PREFIX}", "".join(form.format(byte) for byte in PREFIX.encode())) for form in _ESCAPES),
    *(
        (f"{kind} of {one}", hashlib.new(kind, one.encode(), usedforsecurity=False).hexdigest())
        for kind in _HASHES
        for one in ALL
    ),
)
"""Names, and forms as they look when upper case and breaks are gone."""
