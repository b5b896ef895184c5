"""The journal's tables, as they are created on the first apply. Change them only with a migration of what exists."""

from __future__ import annotations

SCHEMA = "CREATE SCHEMA IF NOT EXISTS restow"
TABLES: tuple[str, ...] = (
    "CREATE SEQUENCE IF NOT EXISTS restow.run",
    """
    CREATE TABLE IF NOT EXISTS restow.route (
        id           integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        store        text NOT NULL,
        source       text NOT NULL,
        destination  text NOT NULL,
        encoding     text NOT NULL,
        UNIQUE (store, source, destination, encoding)
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS restow.round (
        seq          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        plan_digest  text NOT NULL,
        plan         text NOT NULL,
        store        text NOT NULL,
        shared       boolean NOT NULL,
        source       text NOT NULL,
        destination  text NOT NULL,
        route        integer NOT NULL REFERENCES restow.route,
        state        text NOT NULL CHECK (state IN ('copying', 'verified', 'switched', 'cleaned', 'undone')),
        owner        bigint NOT NULL,
        who          text NOT NULL,
        host         text NOT NULL,
        started      timestamptz NOT NULL DEFAULT clock_timestamp(),
        switched     timestamptz,
        ended        timestamptz
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS restow.task (
        id           integer PRIMARY KEY,
        round        bigint NOT NULL REFERENCES restow.round
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS restow.copy (
        route           integer NOT NULL REFERENCES restow.route,
        bucket          text NOT NULL,
        archive_id      text NOT NULL,
        user_id         text NOT NULL,
        document_name   text NOT NULL,
        old_url         text,
        old_digest      text,
        old_size        bigint,
        old_compressed  boolean,
        old_updated     bigint,
        new_url         text NOT NULL,
        new_digest      text,
        new_size        bigint,
        new_compressed  boolean,
        content_sha256  text,
        state           text NOT NULL CHECK (state IN ('intended', 'copied', 'switched', 'cleaned', 'accepted')),
        run             bigint NOT NULL,
        checked         bigint,
        PRIMARY KEY (route, bucket, archive_id, user_id, document_name)
    -- Each copy is updated two or three times; with room left in its page, the index is not.
    ) WITH (fillfactor = 45)
    """,
)

MISSING_GRANTS = """
    SELECT format('GRANT %s TO %I', needed.privilege, current_user) AS wanted FROM (
        SELECT format('CREATE ON DATABASE %I', current_database()) AS privilege,
               to_regnamespace('restow') IS NOT NULL
               OR has_database_privilege(current_database(), 'CREATE') AS held
        UNION ALL
        SELECT format('%s ON SCHEMA restow', privilege), has_schema_privilege(oid, privilege)
        FROM pg_namespace, (VALUES ('USAGE'), ('CREATE')) AS privileges (privilege)
        WHERE nspname = 'restow' AND (privilege = 'USAGE' OR NOT EXISTS (
            SELECT FROM pg_class WHERE relnamespace = pg_namespace.oid AND relname = 'copy'))
        UNION ALL
        SELECT format('%s ON restow.%I', privilege, relname), has_table_privilege(c.oid, privilege)
        FROM pg_class c, (VALUES ('SELECT'), ('INSERT'), ('UPDATE'), ('DELETE')) AS privileges (privilege)
        WHERE relnamespace = to_regnamespace('restow') AND relkind = 'r'
        UNION ALL
        SELECT 'USAGE ON SEQUENCE restow.run', CASE WHEN relkind = 'S' THEN has_sequence_privilege(c.oid, 'USAGE') END
        FROM pg_class c WHERE relnamespace = to_regnamespace('restow') AND relname = 'run'
    ) AS needed
    WHERE NOT held
"""
"""What to ask of an administrator, so that the role can keep the journal: statements as they are."""
