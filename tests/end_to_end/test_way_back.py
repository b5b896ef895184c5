"""``undo`` and ``clean`` from outside: the way back while sources exist, and the deferred clean."""

from __future__ import annotations

import contextlib
import re
from dataclasses import replace

import pytest
import sqlalchemy as sa

from tests.anchore import canaries
from tests.anchore.documents import Document, Name
from tests.end_to_end.codes import REFUSED
from tests.end_to_end.holding import IMPATIENT
from tests.end_to_end.migration import Migration

PLAN = "plan.json"


def undo(migration: Migration, *flags: str, code: int = 0) -> str:
    return migration.cli.run("undo", PLAN, "--yes", *flags).must_end(code).stdout


def clean(migration: Migration, *flags: str, code: int = 0) -> str:
    return migration.cli.run("clean", PLAN, "--yes", *flags).must_end(code).stdout


def written_since(migration: Migration) -> list[Document]:
    """Rewrite one document, add one and delete one under the new config; return what there is then."""
    first, second, *rest = sorted(migration.expected.documents.values(), key=lambda one: one.name)
    anchore = migration.deployment.anchore(migration.destination)
    changed = replace(first, content=b'{"document": "changed since"}')
    added = replace(first, archive_id="added since", document_name="added since.json", content=b'{"document": 1}')
    anchore.put(changed)
    anchore.put(added)
    anchore.delete(second)
    return [changed, added, *rest]


def rows(migration: Migration) -> dict[Name, dict[str, object]]:
    """Return Anchore's rows, without the number of the transaction that wrote each."""
    taken = migration.deployment.snapshot().rows
    return {name: {column: row[column] for column in row if column != "xmin"} for name, row in taken.items()}


def test_keep_source_undo_apply_clean(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    migration.assert_at_destination(leftovers=[migration.source])

    snippet = undo(migration)
    assert "name: db" in snippet
    migration.assert_at_source(leftovers=[migration.destination])

    migration.apply()
    migration.assert_at_destination(leftovers=[migration.source])
    clean(migration)
    migration.assert_at_destination()
    with migration.writes_nothing():
        clean(migration)


def test_undo_puts_every_row_back_as_it_was(migration: Migration) -> None:
    before = rows(migration)
    migration.plan("--keep-source")
    migration.apply()

    undo(migration)

    assert rows(migration) == before


def test_undo_copies_back_what_was_written_after_the_switch(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    documents = written_since(migration)

    undo(migration)

    reads = migration.deployment.reader(migration.source).read_all({one.name: one for one in documents})
    assert reads == {one.name: one.content for one in documents}
    assert len(migration.deployment.snapshot().rows) == len(documents)


def test_undo_twice_writes_once(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    undo(migration)

    with migration.writes_nothing():
        assert "name: db" in undo(migration)


def test_clean_after_undo_removes_the_copies_at_the_destination(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    undo(migration)

    clean(migration)

    migration.assert_at_source()


def test_clean_after_undo_with_documents_written_since_leaves_nothing_at_the_destination(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    documents = written_since(migration)
    undo(migration)

    clean(migration)

    s3 = {url for url in migration.deployment.snapshot().payloads if url.startswith("s3://")}
    assert s3 == {url for url in migration.expected.before.payloads if url.startswith("s3://")}
    reads = migration.deployment.reader(migration.source).read_all({one.name: one for one in documents})
    assert all(isinstance(content, bytes) for content in reads.values())


def test_a_lost_source_payload_is_copied_back(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    migration.deployment.anchore(migration.source).delete_payload(migration.bundle)

    undo(migration)

    migration.assert_at_source(leftovers=[migration.destination])


def test_after_clean_there_is_no_undo_and_it_names_the_way_back(migration: Migration) -> None:
    migration.plan()
    migration.apply()

    with migration.writes_nothing():
        said = migration.cli.run("undo", PLAN, "--yes").must_end(REFUSED)

    assert "restow plan dest-config.yaml config.yaml" in said.stderr


def test_before_the_switch_there_is_nothing_to_undo_or_clean(migration: Migration) -> None:
    migration.plan()
    migration.apply(PLAN, "--through", "copy")

    with migration.writes_nothing():
        undo(migration, code=REFUSED)
        clean(migration, code=REFUSED)


def test_a_superseded_round_is_neither_cleaned_nor_undone(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    migration.plan_back("--keep-source")
    migration.apply("back.json")

    with migration.writes_nothing():
        said = migration.cli.run("clean", PLAN, "--yes").must_end(REFUSED)
        undo(migration, code=REFUSED)
        assert "superseded" in migration.cli.run("status", PLAN).must_end(0).stdout
    assert "remove what lies in db by hand" in said.stderr


def test_without_yes_and_without_a_terminal_both_refuse(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()

    with migration.writes_nothing():
        migration.cli.run("undo", PLAN).must_end(REFUSED)
        migration.cli.run("clean", PLAN).must_end(REFUSED)


def test_an_apply_that_would_only_delete_asks_too(migration: Migration) -> None:
    """Whoever kept the way back must not lose it by asking whether all is done."""
    migration.plan()
    migration.apply("plan.json", "--through", "switch")

    with migration.writes_nothing():
        said = migration.cli.run("apply", PLAN).must_end(REFUSED)
        migration.cli.run("apply", PLAN, "--through", "switch").must_end(0)
    assert "before the source payloads are deleted" in said.stderr
    declined = migration.cli.answer("apply", PLAN, reply="n\n").must_end(REFUSED)
    assert "Delete the source payloads in db. Go on?" in declined.stderr
    assert migration.sources <= migration.deployment.snapshot().payloads.keys()

    migration.cli.answer("apply", PLAN, reply="y\n").must_end(0)
    migration.assert_at_destination()
    with migration.writes_nothing():
        migration.cli.run("apply", PLAN).must_end(0)


def test_a_dry_run_of_either_writes_nothing(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()

    with migration.writes_nothing():
        assert "Dry run" in undo(migration, "--dry-run")
        assert "Dry run" in clean(migration, "--dry-run")


def test_clean_wants_the_old_config_when_the_new_one_stands_in_its_place(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    migration.deployment.write_config("config.old.yaml", migration.source)
    migration.deployment.write_config("config.yaml", migration.destination)

    with migration.writes_nothing():
        said = migration.cli.run("clean", PLAN, "--yes").must_end(4)
    assert "--source config.old.yaml" in said.stderr

    clean(migration, "--source", "config.old.yaml")
    migration.assert_at_destination()


def test_a_done_plan_is_done_when_the_new_config_stands_in_the_old_ones_place(migration: Migration) -> None:
    migration.plan()
    migration.apply()
    migration.deployment.write_config("config.yaml", migration.destination)

    with migration.writes_nothing():
        migration.apply()


def test_copying_ahead_for_a_later_plan_leaves_this_one_done_and_cleanable(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    migration.plan_back("--keep-source")
    migration.apply("back.json", "--through", "copy")

    said = migration.cli.run("status", PLAN).must_end(0).stdout
    assert "switched" in said
    assert "superseded" not in said
    clean(migration)

    assert migration.deployment.reader(migration.destination).reads_all(migration.expected.documents)


def test_an_undone_plan_prints_no_section_but_the_old_one(migration: Migration) -> None:
    """Whoever follows what stands there would have Anchore look where no row points to any more."""
    migration.plan("--keep-source")
    migration.apply()
    migration.deployment.write_config("config.old.yaml", migration.source)
    migration.deployment.write_config("config.yaml", migration.destination)
    section = undo(migration, "--source", "config.old.yaml")

    with migration.writes_nothing():
        again = migration.cli.run("undo", PLAN, "--yes").must_end(0)
    assert again.stdout == ""
    assert "already undone" in again.stderr
    assert "config.yaml does not hold what was planned" in again.stderr
    assert "--source FILE" in again.stderr
    assert undo(migration, "--source", "config.old.yaml") == section


def test_a_done_plan_prints_no_section_but_the_planned_one(migration: Migration) -> None:
    migration.plan()
    section = migration.apply().stdout
    migration.deployment.write_config("planned.yaml", migration.destination)
    migration.deployment.write_config("dest-config.yaml", migration.source)

    again = migration.apply("plan.json", "--snippet", "section.yaml")
    assert again.stdout == ""
    assert not (migration.deployment.root / "section.yaml").exists()
    assert "dest-config.yaml does not hold what was planned" in again.stderr
    assert "--dest FILE" in again.stderr
    assert migration.apply(PLAN, "--dest", "planned.yaml").stdout == section.replace("dest-config.yaml", "planned.yaml")


def test_the_new_config_may_be_moved_to_the_old_one_s_place(migration: Migration) -> None:
    """The last step of the window, with a file that is moved, not copied."""
    migration.plan("--keep-source")
    migration.apply()
    migration.deployment.write_config("config.old.yaml", migration.source)
    migration.deployment.write_config("config.yaml", migration.destination)
    (migration.deployment.root / "dest-config.yaml").unlink()

    with migration.writes_nothing():
        assert "already done" in migration.apply("plan.json", "--through", "switch").stderr
        assert "--source config.old.yaml" in migration.cli.run("clean", PLAN, "--yes").must_end(4).stderr
    undo(migration, "--source", "config.old.yaml")
    migration.assert_at_source(leftovers=[migration.destination])


def test_a_file_that_is_not_there_is_named(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    (migration.deployment.root / "dest-config.yaml").unlink()

    assert "dest-config.yaml" in migration.cli.run("clean", PLAN, "--yes").must_end(78).stderr


def test_an_undo_ends_what_was_begun_for_documents_that_came_later(migration: Migration) -> None:
    """A straggler at the source had a second round begun; with the first one undone there is nothing to go on with."""
    migration.plan("--keep-source")
    migration.apply()
    straggler = Document("policy_bundles", "straggler", "admin", b'{"document": "straggler"}')
    migration.deployment.anchore(migration.source).put(straggler)
    migration.apply("plan.json", "--through", "copy")
    undo(migration)
    here = migration.after_writes([*migration.expected.documents.values(), straggler])

    assert "already undone" in migration.cli.run("undo", PLAN, "--yes").must_end(0).stderr
    clean(migration)
    here.assert_at_source()
    here.apply()
    clean(migration)
    here.assert_at_destination()


def test_the_sources_of_a_plan_whose_way_back_was_undone_are_cleaned_with_that(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    migration.plan_back("--keep-source")
    migration.apply("back.json")
    migration.cli.run("undo", "back.json", "--yes").must_end(0)
    migration.assert_at_destination(leftovers=[migration.source])

    with migration.writes_nothing():
        said = migration.cli.run("clean", PLAN, "--yes").must_end(REFUSED)
    assert "clean the plan of the way back first" in said.stderr

    migration.cli.run("clean", "back.json", "--yes").must_end(0)
    migration.assert_at_destination()
    clean(migration)
    migration.assert_at_destination()


def test_a_clean_says_what_it_keeps(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    documents = written_since(migration)

    said = migration.cli.run("clean", PLAN, "--yes").must_end(0).stderr
    assert re.search("cleaned: the source payloads are gone, but 2 are kept: 2 because .*changed or went", said)
    assert migration.deployment.reader(migration.destination).reads_all(
        migration.after_writes(documents).expected.documents
    )


DOORS = {
    "a secret without a value": 78,
    "keys that are not accepted": 77,
    "a role that may only read": 77,
    "another migration": 6,
}


@pytest.mark.parametrize("command", ["undo", "clean"])
@pytest.mark.parametrize("door", DOORS)
def test_a_dry_run_stops_where_the_run_would(migration: Migration, read_only_url: str, command: str, door: str) -> None:
    migration.plan("--keep-source")
    migration.apply()
    file = migration.deployment.root / "dest-config.yaml"
    content, environment = file.read_text(encoding="utf-8"), {}
    with contextlib.ExitStack() as held:
        match door:
            case "a secret without a value":
                content = content.replace(canaries.SECRET_KEY, "${ANCHORE_NOWHERE}")
            case "keys that are not accepted":
                content = content.replace(canaries.SECRET_KEY, f"{canaries.SECRET_KEY}-outdated")
            case "a role that may only read":
                with migration.deployment.engine.begin() as connection:
                    reader = sa.make_url(read_only_url).username
                    connection.execute(sa.text(f"GRANT USAGE ON SCHEMA restow TO {reader}"))
                    connection.execute(sa.text(f"GRANT SELECT ON ALL TABLES IN SCHEMA restow TO {reader}"))
                environment["RESTOW_DB_CONNECT"] = read_only_url
            case _:
                lock = held.enter_context(migration.deployment.engine.connect())
                lock.execute(sa.text("SELECT pg_advisory_lock(2, 1)"))
        migration.deployment.write_yaml("dest-config.yaml", content)

        for how in ("--dry-run", "--yes"):
            with migration.writes_nothing():
                migration.cli.run(command, PLAN, how, env=environment, rig=IMPATIENT).must_end(DOORS[door])


def test_what_an_undo_left_is_cleaned_once(migration: Migration) -> None:
    migration.plan("--keep-source")
    migration.apply()
    undo(migration)
    clean(migration)

    with migration.writes_nothing():
        assert "already clean" in migration.cli.run("clean", PLAN).must_end(0).stderr
        assert "clean already" in clean(migration, "--dry-run")


def test_an_apply_cleans_no_sources_that_are_another_plan_s(migration: Migration) -> None:
    """As with clean; this plan means to delete its sources, and was stopped before that."""
    migration.plan()
    migration.apply("plan.json", "--through", "switch")
    migration.plan_back("--keep-source")
    migration.apply("back.json")
    migration.cli.run("undo", "back.json", "--yes").must_end(0)

    said = migration.apply(code=REFUSED)
    assert "clean the plan of the way back first" in said.stderr

    migration.cli.run("clean", "back.json", "--yes").must_end(0)
    migration.apply()
    migration.assert_at_destination()
