"""What PostgreSQL answers when it cannot: what passes is tried again, what lasts ends the run in order."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.anchore import canaries
from tests.anchore.deployment import Deployment
from tests.cli import Cli
from tests.end_to_end.codes import DENIED, DONE, FAILED, UNREACHABLE
from tests.end_to_end.holding import sources_locked, wait_until_held
from tests.end_to_end.migration import Migration, few
from tests.end_to_end.test_fence import wait_until
from tests.faults.pg_migration import assert_done_once, planned
from tests.nursery import Rig

HURRY = Rig("tests.faults.pg_rigs:hurry", {})
JOURNAL, SWITCH = "restow.copy", "archive_metadata"
"""Where an answer is given: to whatever writes to the table."""

PASSING = {"deadlock": "40P01", "serialization failure": "40001", "cancelled": "57014", "disk full": "53100"}
LASTING = {"disk full": ("53100", "free space"), "read-only": ("25006", "primary"), "cancelled": ("57014", "_timeout")}


def refuse(deployment: Deployment, table: str, state: str, *, times: int | None = None) -> None:
    """Let every write to a table, or only the first so many, be answered with this SQLSTATE."""
    name = table.replace(".", "_")
    with deployment.engine.begin() as connection:
        connection.execute(sa.text(f"CREATE SEQUENCE refused_{name}"))
        connection.execute(
            sa.text(
                f"""
                CREATE FUNCTION refuse_{name}() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    IF nextval('refused_{name}') <= {times or 1_000_000} THEN
                        RAISE EXCEPTION 'refused by the test' USING ERRCODE = '{state}';
                    END IF;
                    RETURN NULL;
                END $$;
                CREATE TRIGGER refuse BEFORE INSERT OR UPDATE OR DELETE ON {table}
                    FOR EACH STATEMENT EXECUTE FUNCTION refuse_{name}();
                """
            )
        )


def allow(deployment: Deployment, table: str) -> None:
    name = table.replace(".", "_")
    with deployment.engine.begin() as connection:
        connection.execute(sa.text(f"DROP FUNCTION refuse_{name} CASCADE; DROP SEQUENCE refused_{name}"))


def address(deployment: Deployment) -> str:
    url = sa.make_url(deployment.database_url)
    return f"{url.host}:{url.port}/{url.database}"


@pytest.fixture
def migration(deployment: Deployment, cli: Cli) -> Migration:
    return planned(deployment, cli, few())


@pytest.mark.parametrize("answer", PASSING)
def test_what_passes_is_tried_again(migration: Migration, answer: str) -> None:
    """The journal is refused three times in a row, which the tries allow, and so is the switch."""
    migration.apply("plan.json", "--through", "copy")
    for table in (JOURNAL, SWITCH):
        refuse(migration.deployment, table, PASSING[answer], times=3)

    migration.cli.run("apply", "plan.json", "--yes", rig=HURRY).must_end(DONE)

    for table in (JOURNAL, SWITCH):
        allow(migration.deployment, table)
    assert_done_once(migration)


@pytest.mark.parametrize(("answer", "table"), [*((answer, JOURNAL) for answer in LASTING), ("disk full", SWITCH)])
def test_3_what_lasts_ends_the_run_and_says_what_to_do(migration: Migration, answer: str, table: str) -> None:
    state, step = LASTING[answer]
    migration.apply("plan.json", "--through", "copy")
    refuse(migration.deployment, table, state)

    said = migration.cli.run("apply", "plan.json", "--yes", rig=HURRY).must_end(FAILED)

    assert f"database {address(migration.deployment)}: refused by the test (SQLSTATE {state})" in said.stderr
    assert step in said.stderr
    assert not said.stdout
    allow(migration.deployment, table)
    migration.assert_not_switched()
    migration.apply()
    assert_done_once(migration)


def test_77_a_database_that_may_only_be_read(migration: Migration) -> None:
    with migration.deployment.engine.begin() as connection:
        connection.execute(
            sa.text(f"ALTER DATABASE {connection.engine.url.database} SET default_transaction_read_only = on")
        )

    with migration.writes_nothing():
        said = migration.apply(code=DENIED)
        migration.cli.run("apply", "plan.json", "--dry-run").must_end(DENIED)

    assert "default_transaction_read_only" in said.stderr
    assert "primary" in said.stderr


@pytest.fixture
def limited(migration: Migration, administrator: sa.Engine) -> Iterator[str]:
    """A role with all the rights that a run needs; unlike a superuser it may be short of connections."""
    database = sa.make_url(migration.deployment.database_url).database
    role = f"{database}_limited"
    with administrator.connect() as connection:
        connection.execute(sa.text(f"CREATE ROLE {role} LOGIN"))
        connection.execute(sa.text(f"GRANT CREATE ON DATABASE {database} TO {role}"))
    with migration.deployment.engine.begin() as connection:
        for what in ("TABLES", "SEQUENCES"):
            connection.execute(sa.text(f"GRANT ALL ON ALL {what} IN SCHEMA public TO {role}"))
    yield role
    with migration.deployment.engine.begin() as connection:
        connection.execute(sa.text(f"DROP OWNED BY {role} CASCADE"))
    with administrator.connect() as connection:
        connection.execute(sa.text(f"REVOKE ALL ON DATABASE {database} FROM {role}"))
        connection.execute(sa.text(f"DROP ROLE {role}"))


def limit(administrator: sa.Engine, role: str, connections: int) -> None:
    with administrator.connect() as connection:
        connection.execute(sa.text(f"ALTER ROLE {role} CONNECTION LIMIT {connections}"))


def as_role(migration: Migration, role: str) -> dict[str, str]:
    url = sa.make_url(migration.deployment.database_url).set(username=role, password=canaries.DATABASE_PASSWORD)
    return {"RESTOW_DB_CONNECT": url.render_as_string(hide_password=False)}


def test_too_many_connections(migration: Migration, administrator: sa.Engine, limited: str) -> None:
    """At the start the run does not begin; half-way it ends, as soon as it needs one more."""
    env = as_role(migration, limited)
    limit(administrator, limited, 0)
    with migration.writes_nothing():
        said = migration.cli.run("apply", "plan.json", "--yes", env=env, rig=HURRY).must_end(UNREACHABLE)
    assert "too many connections" in said.stderr
    assert "wait until other connections end" in said.stderr

    limit(administrator, limited, 10)
    with sources_locked(migration.deployment):
        running = migration.cli.start("apply", "plan.json", "--yes", "--jobs", "1", env=env, rig=HURRY)
        wait_until_held(migration.deployment, running)
        limit(administrator, limited, 1)
    assert "too many connections" in running.finish().must_end(FAILED).stderr
    migration.assert_not_switched()

    limit(administrator, limited, 10)
    migration.cli.run("apply", "plan.json", "--yes", env=env).must_end(DONE)
    assert_done_once(migration)


def test_the_lock_outlives_the_server_s_patience_with_idle_connections(
    migration: Migration, administrator: sa.Engine, limited: str
) -> None:
    with administrator.connect() as connection:
        connection.execute(sa.text(f"ALTER ROLE {limited} SET idle_session_timeout = '200ms'"))
    with sources_locked(migration.deployment):
        running = migration.cli.start("apply", "plan.json", "--yes", env=as_role(migration, limited))
        wait_until_held(migration.deployment, running)
        wait_until(
            migration.deployment,
            """
            SELECT clock_timestamp() - state_change > interval '1 s'
            FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory' AND classid = 2
            """,
        )
    running.finish().must_end(DONE)

    assert_done_once(migration)


def test_the_switch_takes_as_long_as_it_takes_but_not_if_nobody_asks_any_more(migration: Migration) -> None:
    """No statement_timeout of the role ends it; a client that has vanished does not keep Anchore's table."""
    migration.apply("plan.json", "--through", "copy")
    database = sa.make_url(migration.deployment.database_url).database
    with migration.deployment.engine.begin() as connection:
        connection.execute(sa.text(f"ALTER DATABASE {database} SET statement_timeout = '10min'"))
        connection.execute(sa.text(SETTINGS))
    migration.apply()

    with migration.deployment.engine.begin() as connection:
        assert connection.execute(sa.text("SELECT statement, idle FROM settings")).one() == ("0", "1min")


SETTINGS = """
    CREATE TABLE settings (statement text, idle text);
    CREATE FUNCTION note_settings() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO settings SELECT current_setting('statement_timeout'),
                                    current_setting('idle_in_transaction_session_timeout');
        RETURN NULL;
    END $$;
    CREATE TRIGGER note AFTER INSERT ON tasks FOR EACH STATEMENT EXECUTE FUNCTION note_settings();
"""
