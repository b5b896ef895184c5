"""The move that most tests begin with, and roles with fewer rights than Anchore's own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.anchore import canaries
from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.cli import Cli
from tests.end_to_end.migration import Migration, begin, few


@pytest.fixture
def migration(deployment: Deployment, cli: Cli) -> Migration:
    """A handful of documents in the database, to be moved to S3 with compression; not planned yet."""
    destination = Config(Section(deployment.s3(prefix="internaltest"), compress_above_kbytes=1))
    return begin(deployment, cli, Config(Section(Db())), destination, documents=few())


@pytest.fixture
def read_only_url(deployment: Deployment, administrator: sa.Engine) -> Iterator[str]:
    """A role that may read every table of Anchore's and write none, as a CI job has it."""
    yield from _role(deployment, administrator, "reader", "GRANT SELECT ON ALL TABLES IN SCHEMA public TO")


@pytest.fixture
def powerless_url(deployment: Deployment, administrator: sa.Engine) -> Iterator[str]:
    """A role that may connect and nothing else."""
    yield from _role(deployment, administrator, "powerless", "GRANT USAGE ON SCHEMA public TO")


@pytest.fixture
def journalless_url(deployment: Deployment, administrator: sa.Engine) -> Iterator[str]:
    """A role with every right on Anchore's tables, which may create no schema beside them."""
    grant = "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO"
    rights = "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO"
    yield from _role(deployment, administrator, "journalless", rights, grant)


def _role(deployment: Deployment, administrator: sa.Engine, name: str, *grants: str) -> Iterator[str]:
    url = sa.make_url(deployment.database_url)
    role = f"{url.database}_{name}"
    with administrator.connect() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN"))
    with deployment.engine.begin() as connection:
        for grant in grants:
            connection.execute(sa.text(f"{grant} {role}"))
    named = url.set(username=role, password=canaries.DATABASE_PASSWORD)
    yield named.render_as_string(hide_password=False)
    with deployment.engine.begin() as connection:
        connection.execute(sa.text(f"DROP OWNED BY {role}"))
    with administrator.connect() as connection:
        connection.execute(sa.text(f"DROP ROLE {role}"))
