"""One place under two names: nothing may be moved onto itself, whatever the names look like."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.anchore.config import Config, Db, Localfs, Section
from tests.anchore.deployment import Deployment
from tests.cli import Cli
from tests.end_to_end.codes import DONE, REFUSED
from tests.end_to_end.migration import DESTINATION, SOURCE, begin, few, plan_of
from tests.end_to_end.test_traps import Alias, address

Place = Callable[[Deployment, Alias], Section]


@pytest.fixture
def endpoint(deployment: Deployment) -> Iterator[Alias]:
    """A second address of the S3 server, as a proxy or a load balancer gives it."""
    made = Alias(address(deployment.s3_server))
    yield made
    made.close()


def behind_another_endpoint(deployment: Deployment, endpoint: Alias) -> Section:
    return Section(replace(deployment.s3(), url=endpoint.url))


def by_another_host_name(deployment: Deployment, _: Alias) -> Section:
    place = deployment.s3()
    return Section(replace(place, url=place.url.replace("127.0.0.1", "localhost")))


def with_a_slash_behind(deployment: Deployment, _: Alias) -> Section:
    place = deployment.s3()
    return Section(replace(place, url=f"{place.url}/"))


def behind_a_symbolic_link_above(deployment: Deployment, _: Alias) -> Section:
    directory = Path(deployment.directory("old"))
    link = directory.with_name("link")
    link.symlink_to(directory.parent)
    return Section(Localfs(str(link / directory.name)))


def directory_with_a_slash_behind(deployment: Deployment, _: Alias) -> Section:
    return Section(Localfs(f"{deployment.directory('old')}/"))


def directory_by_way_of_its_parent(deployment: Deployment, _: Alias) -> Section:
    directory = Path(deployment.directory("old"))
    return Section(Localfs(f"{directory}/../{directory.name}"))


@pytest.mark.parametrize(
    "alias",
    [
        behind_another_endpoint,
        by_another_host_name,
        with_a_slash_behind,
        behind_a_symbolic_link_above,
        directory_with_a_slash_behind,
        directory_by_way_of_its_parent,
    ],
    ids=lambda alias: alias.__name__,
)
def test_a_place_is_never_moved_onto_itself(deployment: Deployment, cli: Cli, endpoint: Alias, alias: Place) -> None:
    """Either the plan sees that it is one place, or the run does before its first write."""
    new = alias(deployment, endpoint)
    old = Section(Localfs(deployment.directory("old")) if isinstance(new.place, Localfs) else deployment.s3())
    migration = begin(deployment, cli, Config(old), Config(new), documents=few())
    seen = not plan_of(migration.plan())["moves"]

    with migration.writes_nothing():
        migration.apply(code=DONE if seen else REFUSED)

    migration.assert_not_switched()


def test_one_table_by_two_database_urls_is_one_place(deployment: Deployment, cli: Cli) -> None:
    migration = begin(deployment, cli, Config(Section(Db())), Config(Section(Db())), documents=few())
    content = (deployment.root / SOURCE).read_text(encoding="utf-8")
    deployment.write_yaml(DESTINATION, content.replace("@127.0.0.1:", "@localhost:"))
    assert plan_of(migration.plan())["moves"] == []

    with migration.writes_nothing():
        migration.apply()


def test_an_undo_never_writes_through_an_old_name_that_leads_to_the_new_place(deployment: Deployment, cli: Cli) -> None:
    """The directory of the old config has become a link to the new one since."""
    old, new = (Path(deployment.directory(side)) for side in ("old", "new"))
    configs = (Config(Section(Localfs(str(path)))) for path in (old, new))
    migration = begin(deployment, cli, *configs, documents=few())
    migration.plan("--keep-source")
    migration.apply()
    old.rename(old.with_name("away"))
    old.symlink_to(new)

    with migration.writes_nothing():
        for command in ("undo", "clean"):
            cli.run(command, "plan.json", "--yes").must_end(REFUSED)
    assert deployment.reader(migration.destination).reads_all(migration.expected.documents)
