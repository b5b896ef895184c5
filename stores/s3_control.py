"""boto3's client: the control plane, bulk deletions and odd keys. It takes long to load, so only who needs it does."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING, Any

import boto3
import botocore.config

from schemas.backend import S3Location

if TYPE_CHECKING:
    from botocore.session import Session
    from mypy_boto3_s3 import S3Client
    from obstore.store import S3Credential


def open_control(
    session: Session,
    location: S3Location,
    region: str,
    fixed: S3Credential | None,
    *,
    connections: int,
    connect_seconds: float,
    read_seconds: float,
) -> S3Client:
    """Return a client of the location's endpoint; without ``fixed`` keys it walks the session's credential chain.

    ``read_seconds``: bound on the silence of the server.
    Raises botocore's errors, and ValueError for an endpoint that is none.
    """
    config = botocore.config.Config(
        connect_timeout=connect_seconds,
        read_timeout=read_seconds,
        retries={"mode": "standard", "total_max_attempts": 1},
        max_pool_connections=max(10, connections),
        s3={"addressing_style": "auto" if location.endpoint is None else "path"},
        ignore_configured_endpoint_urls=True,  # type: ignore[call-arg]  # the stubs are behind
        # Other than AWS, servers have stored the framing of boto3's own checksums as if it were content.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    client = boto3.Session(botocore_session=session).client(
        "s3",
        endpoint_url=location.endpoint,
        region_name=region,
        config=config,
        aws_access_key_id=fixed["access_key_id"] if fixed else None,
        aws_secret_access_key=fixed["secret_access_key"] if fixed else None,
    )
    client.meta.events.register("before-sign.s3.DeleteObjects", _add_content_md5)
    return client


def _add_content_md5(request: Any, **_: object) -> None:
    # AWS takes any checksum; many other servers want this one for a bulk deletion.
    digest = hashlib.md5(request.data, usedforsecurity=False).digest()
    request.headers["Content-MD5"] = base64.b64encode(digest).decode("ascii")
