"""What of an S3 config is in order before a document is stored: endpoint, credentials, bucket, permission to list."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, assert_never

from schemas.backend import S3Location
from schemas.config import S3Driver
from schemas.errors import ConfigError, DeniedError, RestowError
from stores.s3_clients import S3Clients
from stores.s3_errors import FAILURES, Answer, Asked, Kind, answer_of, error_of

S3Part = Literal["endpoint", "credentials", "bucket", "list"]

NOT_ALLOWED = frozenset({"AccessDenied", "AllAccessDisabled", "AccountProblem", ""})
"""Codes of a denial, 403, that knows who asks; every other doubts the keys."""


@dataclass(frozen=True, slots=True)
class S3Obstacle:
    part: S3Part
    error: RestowError


def s3_obstacle(driver: S3Driver, location: S3Location) -> S3Obstacle | None:
    """Ask for the first name under the prefix, and say what stands in the way; None: nothing.

    A missing bucket does not where the config has it created.
    """
    try:
        clients = S3Clients(driver, location, connections=1)
    except DeniedError as error:
        return S3Obstacle("credentials", error)
    except ConfigError as error:
        return S3Obstacle("endpoint", error)
    try:
        clients.look_budget.spend(
            lambda: clients.control.list_objects_v2(Bucket=location.bucket, Prefix=location.prefix, MaxKeys=1)
        )
    except FAILURES as failure:
        answer = answer_of(failure)
    else:
        return None
    finally:
        clients.close()
    part = _part(answer)
    if part is None or (answer.kind is Kind.NO_BUCKET and driver.create_bucket):
        return None
    url = f"s3://{location.bucket}/{location.prefix}"
    return S3Obstacle(part, error_of(answer, Asked(clients.endpoint, location.bucket, own_bucket=True, url=url)))


def _part(answer: Answer) -> S3Part | None:
    match answer.kind:
        case Kind.DENIED:
            return "list" if answer.status == 403 and answer.code in NOT_ALLOWED else "credentials"
        case Kind.NO_BUCKET | Kind.OTHER_REGION | Kind.INVALID:
            return "bucket"
        case Kind.SILENT | Kind.PASSING:
            return "endpoint"
        case Kind.ABSENT | Kind.REFUSED:
            # Not every server, or path to one, has this request; documents are never looked for by it.
            return None
        case _:
            assert_never(answer.kind)
