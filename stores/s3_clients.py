"""The two clients of one S3 backend: boto3 for the control plane and odd keys, obstore for the data.

Both are told everything outright, because each would look into the environment for what it is not told, and not into
the same variables. Of the environment counts only what counts for Anchore's boto3: the default region, the CA bundle
and, with ``iamauto``, the credential chain.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

import botocore.exceptions
import obstore.exceptions
from obstore.store import S3Store as ObstoreS3
from pydantic import SecretStr

from schemas.backend import S3Location
from schemas.config import S3Driver
from schemas.errors import ConfigError, DeniedError
from stores.s3_ambience import Ambience
from stores.s3_retry import Budget

if TYPE_CHECKING:
    from botocore.credentials import Credentials
    from mypy_boto3_s3 import S3Client
    from obstore.store import ClientConfig, RetryConfig, S3Credential

CONNECT_SECONDS = 10
READ_SECONDS = 60
"""Bound on the silence of a server, the sending of a request counted in."""
PATIENT_SECONDS = 600
"""The same for large payloads, which a slow line does not send in a minute."""
REQUEST_SECONDS = 3600
"""Bound on one request as a whole, however alive it is."""
RETRIES = 8
"""Of a request for a document: a server may be started anew meanwhile."""
LOOK_RETRIES = 2
"""Of a request that asks how the backend is."""
RETRY_SECONDS = 60
"""No retry begins later than this after the first failure."""
BACKOFF_SECONDS = (0.2, 5.0)
"""The first pause and the longest."""
DEFAULT_REGION = "us-east-1"
TOKEN_SECONDS = 360
"""obstore asks for credentials anew when less than five minutes are left, so once a minute; boto3 renews in time."""
OBJECT_SETTINGS = ("AWS_SERVER_SIDE_ENCRYPTION", "AWS_SSE_KMS_KEY_ID", "AWS_SSE_BUCKET_KEY_ENABLED",
                   "AWS_SSE_CUSTOMER_KEY_BASE64", "AWS_CHECKSUM_ALGORITHM")  # fmt: skip
"""Variables by which obstore alone would change what it writes, and which cannot be overruled."""

Load = Literal["small", "large", "parts", "copy"]
"""What a client of obstore's is for: requests that take seconds, one that may take minutes, an upload in parts, or a
copy from this bucket to any."""


class S3Clients:
    """Clients of one endpoint with one identity. Thread-safe; obstore's are made a bucket at a time, when needed."""

    def __init__(self, driver: S3Driver, location: S3Location, *, connections: int) -> None:
        """Raise ConfigError when credentials or CA bundle are incomplete, DeniedError when there are none to find."""
        _refuse_object_settings()
        self._location = location
        self._connections = connections
        self._ambience = Ambience()
        self._lock = threading.RLock()
        self._data: dict[tuple[str, Load], ObstoreS3] = {}
        self._control: S3Client | None = None
        with _refusing(location):
            _refuse_odd_url(location.endpoint)
            self._region = location.region or self._ambience.setting("region") or DEFAULT_REGION
            self._root_certificate = _root_certificate(self._ambience)
            self._credentials = _credentials(driver, self._ambience)
        self.endpoint: str = location.endpoint or self.control.meta.endpoint_url
        """URL without trailing slash."""
        self.budget = Budget(RETRIES, RETRY_SECONDS, *BACKOFF_SECONDS)
        """For requests about documents. Neither client tries again by itself, but for single parts of an upload."""
        self.look_budget = Budget(LOOK_RETRIES, RETRY_SECONDS, *BACKOFF_SECONDS)
        """For requests about the backend itself, whose silence is to be told soon."""

    @property
    def control(self) -> S3Client:
        """boto3's client."""
        with self._lock:
            if self._control is None:
                from stores.s3_control import open_control

                # Without keys of its own, boto3 walks the chain that _Ambient found, on the same session.
                fixed = self._credentials() if isinstance(self._credentials, _Fixed) else None
                session = self._ambience.session
                with _refusing(self._location):
                    self._control = open_control(
                        session, self._location, self._region, fixed, connections=self._connections,
                        connect_seconds=CONNECT_SECONDS, read_seconds=READ_SECONDS,
                    )  # fmt: skip
            return self._control

    @property
    def endpoint_has_path(self) -> bool:
        """True: a gateway's path, or one that begins with a bucket; only requests for objects are the same for both."""
        return "/" in self.endpoint.partition("://")[2]

    def data(self, bucket: str, load: Load = "small") -> ObstoreS3:
        """Return obstore's client of a bucket."""
        with self._lock:
            made = self._data.get((bucket, load))
            if made is None:
                made = self._data[bucket, load] = self._open(bucket, load)
            return made

    def close(self) -> None:
        with self._lock:
            self._data.clear()
            if self._control is not None:
                self._control.close()

    def _open(self, bucket: str, load: Load) -> ObstoreS3:
        client: ClientConfig = {
            "allow_http": self.endpoint.startswith("http://"),
            "connect_timeout": timedelta(seconds=CONNECT_SECONDS),
            "read_timeout": timedelta(seconds=PATIENT_SECONDS if load in {"large", "copy"} else READ_SECONDS),
            "timeout": timedelta(seconds=REQUEST_SECONDS),
            "pool_max_idle_per_host": str(self._connections),
        }
        if self._root_certificate is not None:
            client["root_certificate"] = self._root_certificate
        first, most = BACKOFF_SECONDS
        retry: RetryConfig = {
            # A part is a request of its own, which nobody else can send again.
            "max_retries": RETRIES if load == "parts" else 0,
            "retry_timeout": timedelta(seconds=RETRY_SECONDS),
            "backoff": {"init_backoff": timedelta(seconds=first), "max_backoff": timedelta(seconds=most), "base": 2},
        }
        try:
            return ObstoreS3(
                bucket,
                endpoint=self.endpoint,
                aws_endpoint_url_s3=self.endpoint,
                region=self._region,
                # Taken for one bucket's own, the endpoint itself is where a copy goes, and its path names the bucket.
                virtual_hosted_style_request=load == "copy",
                s3_express=False,
                skip_signature=False,
                unsigned_payload=False,
                request_payer=False,
                client_options=client,
                retry_config=retry,
                credential_provider=self._credentials,
            )
        except obstore.exceptions.BaseError as error:
            said = str(error).partition("\n")[0]
            raise ConfigError(f"bucket {bucket} at {self.endpoint} cannot be opened: {said}") from None


@contextlib.contextmanager
def _refusing(location: S3Location) -> Iterator[None]:
    try:
        yield
    except (botocore.exceptions.BotoCoreError, ValueError) as error:
        # A profile that does not exist, an endpoint that is no URL.
        raise ConfigError(f"bucket {location.bucket} cannot be opened: {error}") from None


def _credentials(driver: S3Driver, ambience: Ambience) -> _Fixed | _Ambient:
    if driver.iamauto:
        found = ambience.session.get_credentials()
        if found is None:
            raise DeniedError(
                f"bucket {driver.bucket} is configured with iamauto, but no AWS credentials are found here",
                hint="run where Anchore's role is available, or set AWS_PROFILE or the AWS_* variables",
            )
        return _Ambient(found)
    if driver.access_key is None or driver.secret_key is None:
        raise ConfigError(
            f"bucket {driver.bucket} is configured without access_key or secret_key", hint="set both, or iamauto: true"
        )
    return _Fixed(driver.access_key, driver.secret_key)


@dataclass(frozen=True, slots=True)
class _Fixed:
    """The config's keys, for obstore."""

    access_key: SecretStr
    secret_key: SecretStr

    def __call__(self) -> S3Credential:
        return {
            "access_key_id": self.access_key.get_secret_value(),
            "secret_access_key": self.secret_key.get_secret_value(),
            "token": None,
            "expires_at": None,
        }


@dataclass(frozen=True, slots=True)
class _Ambient:
    """What boto3 found and renews, for obstore."""

    credentials: Credentials

    def __call__(self) -> S3Credential:
        frozen = self.credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key or "",
            "secret_access_key": frozen.secret_key or "",
            "token": frozen.token,
            "expires_at": datetime.now(UTC) + timedelta(seconds=TOKEN_SECONDS),
        }


def _root_certificate(ambience: Ambience) -> bytes | None:
    """Read the CA bundle that boto3 would use, which obstore does not know of."""
    path = ambience.setting("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"the CA bundle {path} cannot be read: {error.strerror}", hint="correct AWS_CA_BUNDLE"
        ) from None


def _refuse_odd_url(url: str | None) -> None:
    """Raise ValueError for what the clients would take differently, or not survive."""
    if url is None:
        return
    parts = urlsplit(url)
    valid_port = parts.port  # raises where it is none
    if valid_port == 0 or parts.scheme not in {"http", "https"} or not parts.hostname or "?" in url or "#" in url:
        raise ValueError(f"{url} is no http or https URL of a server")


def _refuse_object_settings() -> None:
    found = sorted(name for name in os.environ if name.upper() in OBJECT_SETTINGS)
    if found:
        raise ConfigError(
            f"{', '.join(found)} would change how objects are written, which Anchore does not know of",
            hint="unset it",
        )
