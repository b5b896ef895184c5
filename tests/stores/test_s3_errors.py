"""What each answer of an S3 server means, whichever client brought it."""

from __future__ import annotations

import botocore.exceptions
import pytest

from schemas.errors import ConfigError, DeniedError, RestowError, UnreachableError
from stores.interface import Absent, Fault, Reason
from stores.s3_errors import Answer, Asked, answer_of, error_of, fault_of_entry, verdict

OWN = Asked("http://minio:9000", "documents", own_bucket=True, url="s3://documents/a/b/k")
THIRD = Asked("http://minio:9000", "third", own_bucket=False, url="s3://third/a/b/k")


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (Answer(404, "NoSuchKey", ""), Absent),
        (Answer(404, "", ""), Absent),
        (Answer(404, "NoSuchBucket", ""), UnreachableError),
        (Answer(400, "InvalidBucketName", ""), UnreachableError),
        (Answer(403, "AccessDenied", ""), DeniedError),
        (Answer(403, "", ""), DeniedError),
        (Answer(401, "", ""), DeniedError),
        (Answer(403, "SignatureDoesNotMatch", ""), DeniedError),
        (Answer(403, "RequestTimeTooSkewed", ""), DeniedError),
        (Answer(400, "ExpiredToken", ""), DeniedError),
        (Answer(400, "AuthorizationQueryParametersError", ""), DeniedError),
        (Answer(None, "NoCredentialsError", ""), DeniedError),
        (Answer(301, "PermanentRedirect", ""), UnreachableError),
        (Answer(400, "AuthorizationHeaderMalformed", ""), UnreachableError),
        (Answer(None, "ParamValidationError", "Invalid bucket name"), ConfigError),
        (Answer(400, "InvalidRequest", ""), Fault),
        (Answer(400, "KeyTooLongError", ""), Fault),
        (Answer(400, "EntityTooLarge", ""), Fault),
        (Answer(405, "MethodNotAllowed", ""), Fault),
        (Answer(501, "NotImplemented", ""), Fault),
    ],
)
def test_an_answer_concerns_the_document_or_the_backend(answer: Answer, meaning: type[object]) -> None:
    judged = verdict(answer, OWN)
    assert type(judged) is meaning
    if isinstance(judged, Fault):
        assert judged.reason is Reason.REFUSED
        assert judged.detail.startswith("s3://documents/a/b/k: http://minio:9000 says ")
    if isinstance(judged, RestowError):
        assert judged.hint
        assert "minio" in judged.message


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(404, "NoSuchBucket", ""), Reason.MISSING),
        (Answer(403, "AccessDenied", ""), Reason.REFUSED),
        (Answer(403, "", ""), Reason.REFUSED),
    ],
)
def test_trouble_with_a_third_bucket_concerns_its_documents_alone(answer: Answer, reason: Reason) -> None:
    judged = verdict(answer, THIRD)
    assert isinstance(judged, Fault)
    assert judged.reason is reason


PASSING = [
    Answer(None, "", "Connection refused"),
    Answer(None, "EndpointConnectionError", "refused"),
    Answer(500, "InternalError", ""),
    Answer(503, "SlowDown", ""),
    Answer(507, "", ""),
    Answer(409, "OperationAborted", ""),
    Answer(429, "", ""),
    Answer(400, "RequestTimeout", ""),
    Answer(400, "BadDigest", ""),
    Answer(400, "XAmzContentSHA256Mismatch", ""),
    Answer(404, "NoSuchUpload", ""),
]


@pytest.mark.parametrize("answer", PASSING, ids=lambda answer: answer.code or str(answer.status))
@pytest.mark.parametrize("asked", [OWN, THIRD], ids=["own", "third"])
def test_what_may_pass_is_the_documents_as_long_as_the_backend_answers(answer: Answer, asked: Asked) -> None:
    assert answer.may_pass
    judged = verdict(answer, asked)
    assert isinstance(judged, Fault)
    assert judged.reason is Reason.UNAVAILABLE
    assert asked.url in judged.detail
    assert asked.endpoint in judged.detail
    assert isinstance(error_of(answer, asked), UnreachableError)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("NoSuchKey", None),
        ("AccessDenied", Reason.REFUSED),
        ("InternalError", Reason.UNAVAILABLE),
        ("", Reason.REFUSED),
    ],
)
def test_entries_of_a_bulk_deletion_are_faults_of_their_documents(code: str, reason: Reason | None) -> None:
    fault = fault_of_entry(code, "said the server")
    assert (fault.reason if fault else None) is reason


def test_botocores_stand_in_for_a_missing_code_is_no_code() -> None:
    error = {"Error": {"Code": "404", "Message": "Not Found"}, "ResponseMetadata": {"HTTPStatusCode": 404}}
    assert answer_of(botocore.exceptions.ClientError(error, "HeadObject")) == Answer(404, "", "Not Found")  # type: ignore[arg-type]


def test_a_server_that_sends_no_message_has_said_its_code() -> None:
    error = {"Error": {"Code": "NoSuchBucket", "Message": None}, "ResponseMetadata": {"HTTPStatusCode": 404}}
    assert answer_of(botocore.exceptions.ClientError(error, "ListObjectsV2")) == Answer(404, "NoSuchBucket", "")  # type: ignore[arg-type]


def test_long_messages_are_cut() -> None:
    error = {"Error": {"Code": "X", "Message": "a\n" * 5000}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    said = answer_of(botocore.exceptions.ClientError(error, "GetObject")).message  # type: ignore[arg-type]
    assert len(said) < 250
    assert "\n" not in said


def test_an_answer_reads_well() -> None:
    assert Answer(403, "AccessDenied", "Access Denied").said == "AccessDenied: Access Denied"
    assert Answer(503, "", "").said == "503"
    assert Answer(None, "", "no reply in time").said == "no reply in time"
