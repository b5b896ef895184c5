"""A deployment whose S3 is reached through a proxy that a test can script."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from restow.demo.servers import S3Server
from tests.anchore.s3 import Clients
from tests.faults.s3_proxy import S3Proxy, s3_proxy


@pytest.fixture
def proxy(s3_server: S3Server, clients: Clients) -> Iterator[S3Proxy]:
    client = clients.at(s3_server.url, s3_server.access_key, s3_server.secret_key)
    with s3_proxy(s3_server.url, client) as made:
        yield made
