"""The border where errors of obstore and boto3 become ours.

First an ``Answer``: what the server said, in whichever client's words. Then a verdict on it, by one table for both.
Of a reply only its code and message are kept: bodies and tracebacks of the clients may name credentials.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

import botocore.exceptions
import obstore.exceptions

from schemas.errors import ConfigError, DeniedError, RestowError, UnreachableError
from stores.interface import Absent, Fault, Reason

# FileNotFoundError is obstore's 404.
FAILURES = (
    obstore.exceptions.BaseError,
    FileNotFoundError,
    botocore.exceptions.BotoCoreError,
    botocore.exceptions.ClientError,
)
"""What a call of either client raises."""
Failure = (
    obstore.exceptions.BaseError
    | FileNotFoundError
    | botocore.exceptions.BotoCoreError
    | botocore.exceptions.ClientError
)

# obstore's errors are text. Its URLs hold no space, so a key cannot look like the rest of the sentence.
REPLY = re.compile(
    r"Error performing [A-Z]+ \S+ in .*? - Server returned non-2xx status code: (\d{3})[^:]*:(.*)", re.DOTALL
)
CODE = re.compile(r"<Code>([^<]*)</Code>")
MESSAGE = re.compile(r"<Message>([^<]*)</Message>")
CAUSE = re.compile(r'(?:message|error): "([^"]+)"')
REDIRECTED = "Received redirect"
NO_ETAG = "ETag Header missing"
"""What obstore says of a write that was done."""
MESSAGE_LENGTH = 200

RIGHTS = "s3:GetObject, s3:PutObject, s3:DeleteObject and s3:ListBucket"


class Kind(Enum):
    """What an answer means, whoever asked."""

    ABSENT = auto()
    REFUSED = auto()
    NO_BUCKET = auto()
    DENIED = auto()
    OTHER_REGION = auto()
    INVALID = auto()
    PASSING = auto()
    SILENT = auto()


CODES = {
    "NoSuchKey": Kind.ABSENT,
    "NoSuchBucket": Kind.NO_BUCKET,
    "InvalidBucketName": Kind.NO_BUCKET,
    "AccessDenied": Kind.DENIED,
    "ExpiredToken": Kind.DENIED,
    "InvalidAccessKeyId": Kind.DENIED,
    "InvalidToken": Kind.DENIED,
    "SignatureDoesNotMatch": Kind.DENIED,
    "TokenRefreshRequired": Kind.DENIED,
    "AuthorizationHeaderMalformed": Kind.OTHER_REGION,
    "AuthorizationQueryParametersError": Kind.DENIED,
    "IllegalLocationConstraintException": Kind.OTHER_REGION,
    "PermanentRedirect": Kind.OTHER_REGION,
    "BadDigest": Kind.PASSING,
    "IncompleteBody": Kind.PASSING,
    "InternalError": Kind.PASSING,
    # The reply that told the end of an upload in parts was lost, and the upload is no more: it may have been made.
    "NoSuchUpload": Kind.PASSING,
    "RequestTimeout": Kind.PASSING,
    "ServiceUnavailable": Kind.PASSING,
    "SlowDown": Kind.PASSING,
    "XAmzContentSHA256Mismatch": Kind.PASSING,
    # botocore's own, before anything is sent
    "NoCredentialsError": Kind.DENIED,
    "PartialCredentialsError": Kind.DENIED,
    "CredentialRetrievalError": Kind.DENIED,
    "ParamValidationError": Kind.INVALID,
}
STATUSES = {
    301: Kind.OTHER_REGION,
    307: Kind.OTHER_REGION,
    401: Kind.DENIED,
    403: Kind.DENIED,
    404: Kind.ABSENT,
    408: Kind.PASSING,
    409: Kind.PASSING,
    429: Kind.PASSING,
    501: Kind.REFUSED,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request that did not succeed."""

    status: int | None
    """HTTP status; None: no reply, or none that could be read."""
    code: str
    """S3's error code, or the name of botocore's error; empty where there is neither, as on HEAD."""
    message: str

    @property
    def said(self) -> str:
        head = self.code or ("" if self.status is None else str(self.status))
        return ": ".join(part for part in (head, self.message) if part)

    @property
    def kind(self) -> Kind:
        if self.code in CODES:
            return CODES[self.code]
        if self.status is None:
            return Kind.SILENT
        return STATUSES.get(self.status, Kind.PASSING if self.status >= 500 else Kind.REFUSED)

    @property
    def may_pass(self) -> bool:
        """Whether the same request may well be answered otherwise in a moment."""
        return self.kind in {Kind.PASSING, Kind.SILENT}


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked for, to name it in messages."""

    endpoint: str
    bucket: str
    own_bucket: bool
    """Whether it is the config's. What fails in another bucket concerns only the rows that name it."""
    url: str


def verdict(answer: Answer, asked: Asked) -> Absent | Fault | RestowError:
    """Decide what an answer means: for the one document that was asked for, or for the whole backend.

    ``UNAVAILABLE`` is about the document as long as the backend answers otherwise; only asking it can tell.
    """
    kind = answer.kind
    if kind is Kind.ABSENT:
        return Absent()
    if answer.may_pass:
        return Fault(Reason.UNAVAILABLE, _said(answer, asked))
    if kind is Kind.REFUSED:
        return Fault(Reason.REFUSED, _said(answer, asked))
    if not asked.own_bucket and kind is Kind.NO_BUCKET:
        return Fault(Reason.MISSING, _said(answer, asked))
    if not asked.own_bucket and kind in {Kind.DENIED, Kind.INVALID}:
        return Fault(Reason.REFUSED, _said(answer, asked))
    return error_of(answer, asked)


def error_of(answer: Answer, asked: Asked) -> RestowError:
    """Return what an answer means when it is the backend that was asked about, not a document."""
    kind, said = answer.kind, _said(answer, asked)
    match kind:
        case Kind.NO_BUCKET:
            return UnreachableError(
                f"bucket {asked.bucket} does not exist at {asked.endpoint}",
                hint="create it, or set create_bucket: true in the config",
            )
        case Kind.DENIED:
            return DeniedError(said, hint=f"check the keys, and their rights on bucket {asked.bucket}: {RIGHTS}")
        case Kind.OTHER_REGION:
            return UnreachableError(said, hint=f"bucket {asked.bucket} is in another region: correct it in the config")
        case Kind.INVALID | Kind.REFUSED:
            return ConfigError(said, hint="correct bucket and prefix in the config")
        case Kind.ABSENT:
            return UnreachableError(said, hint="is this an S3 endpoint? Check the url in the config")
        case Kind.PASSING:
            return UnreachableError(said, hint="run again")
        case Kind.SILENT:
            return UnreachableError(said, hint="check endpoint and network, then run again")
        case _:
            assert_never(kind)


def answer_of(failure: Failure) -> Answer:
    match failure:
        case botocore.exceptions.ClientError():
            return _reply_of_boto(failure)
        case botocore.exceptions.BotoCoreError():
            return Answer(None, type(failure).__name__, _cut(str(failure)))
        case _:
            return _reply_of_obstore(failure)


def fault_of_entry(code: str, message: str) -> Fault | None:
    """Judge one entry of a bulk deletion's list of errors; None: the object was gone before."""
    kind = Answer(200, code, "").kind
    if kind is Kind.ABSENT:
        return None
    reason = Reason.UNAVAILABLE if kind is Kind.PASSING else Reason.REFUSED
    return Fault(reason, f"not deleted: {code}: {_cut(message)}")


def _said(answer: Answer, asked: Asked) -> str:
    if answer.kind is Kind.SILENT:
        return f"{asked.endpoint} does not answer for {asked.url}: {answer.message}"
    return f"{asked.url}: {asked.endpoint} says {answer.said}"


def _reply_of_boto(failure: botocore.exceptions.ClientError) -> Answer:
    error = failure.response.get("Error", {})
    status = failure.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    code = error.get("Code", "")
    # Where a reply has no body, as on HEAD, botocore puts the status in the code's place; of an empty element, which
    # is all the message that Ceph sends, it makes None.
    return Answer(status, "" if code == str(status) else code or "", _cut(error.get("Message") or ""))


def _reply_of_obstore(failure: Exception) -> Answer:
    said, _, debug = str(failure).partition("\n\nDebug source:")
    reply = REPLY.search(said)
    if reply is not None:
        body = reply[2]
        return Answer(int(reply[1]), _first(CODE, body), _cut(_first(MESSAGE, body)))
    if isinstance(failure, obstore.exceptions.UnauthenticatedError):
        return Answer(401, "", _cut(said))
    if REDIRECTED in said:
        return Answer(301, "", _cut(said))
    cause = _first(CAUSE, debug) or ("no reply in time" if "TimedOut" in debug else said)
    return Answer(None, "", _cut(cause))


def _first(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[1] if found else ""


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MESSAGE_LENGTH else line[:MESSAGE_LENGTH] + "…"
