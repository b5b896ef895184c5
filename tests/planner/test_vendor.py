"""The flags make the vendor's tool do just the move: shown by a stand-in for that tool, and told in the documents."""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from planner.diff import Outline, moves
from planner.load import load_config
from planner.vendor import equivalent_command, required_flags
from schemas.backend import DbLocation
from schemas.config import Compression, FileForm, StorageConfig
from schemas.plan import PlannedStore, Side

PAGE = Path(__file__).parents[2] / "docs" / "required-flags.md"
ARCHIVE = "analysis_archive"
BUCKETS = (ARCHIVE, "analysis_data", "policy_bundles")
SCHEMES = {"db": "db://", "db2": "db2://", "s3": "s3://", "localfs": "file://"}
PLACES: dict[str, dict[str, Any]] = {
    "db": {"name": "db", "config": {}},
    "db2": {"name": "db2", "config": {}},
    "localfs": {"name": "localfs", "config": {"archive_data_dir": "/archive"}},
    "s3 one": {"name": "s3", "config": {"iamauto": True, "url": "http://one:9000", "bucket": "one"}},
    "s3 two": {"name": "s3", "config": {"iamauto": True, "url": "http://one:9000", "bucket": "two", "prefix": "p/"}},
    "s3 abroad": {"name": "s3", "config": {"iamauto": True, "url": "http://abroad:9000", "bucket": "one"}},
}
Catalog = dict[str, Any]
Load = Callable[[Catalog], StorageConfig]


class ToolError(Exception):
    """The vendor's tool ends without having touched a document."""


@dataclass
class World:
    """What there is before and after the tool ran."""

    rows: dict[str, str]
    """Content URL of each bucket's one document."""
    payloads: dict[tuple[str, str], bool]
    """Whether it is compressed, by the server and the URL it is found at."""
    touched: set[str] = field(default_factory=set)

    def migrate(self, flags: Sequence[str], source: Catalog, destination: Catalog) -> None:
        """Do what the vendor's ``migrate`` does: select by scheme, copy and point one by one, delete at the source."""
        parser = argparse.ArgumentParser(exit_on_error=False)
        for switch in ("--from-analysis-archive", "--to-analysis-archive", "--nodelete"):
            parser.add_argument(switch, action="store_true")
        parser.add_argument("--bucket", action="append", default=[])
        given = parser.parse_args(flags)
        old = section_of(source, archive=given.from_analysis_archive)
        new = section_of(destination, archive=given.to_analysis_archive)
        scheme = SCHEMES[old["storage_driver"]["name"]]
        selected = [
            bucket
            for bucket, url in self.rows.items()
            if url.startswith(scheme) and (not given.bucket or bucket in given.bucket)
        ]
        self.touched = set(selected)
        for bucket in selected:
            here = (server(old), self.rows[bucket])
            if here not in self.payloads:
                continue  # the tool logs it and goes on
            self.rows[bucket] = url_on(new, bucket)
            self.payloads[server(new), self.rows[bucket]] = new["compression"]["enabled"] is True
            if not given.nodelete and old["storage_driver"]["name"] != new["storage_driver"]["name"]:
                del self.payloads[here]


def section_of(catalog: Catalog, *, archive: bool) -> Catalog:
    found = next(
        (catalog[key] for key in ([ARCHIVE] if archive else ["object_store", "archive"]) if catalog.get(key)), None
    )
    if found is None:
        raise ToolError("No valid configuration found")
    return {"compression": {"enabled": False}, "storage_driver": PLACES["db"], **found}


def section_for(catalog: Catalog, bucket: str) -> Catalog:
    """Where Anchore itself keeps this bucket's documents."""
    if bucket == ARCHIVE and catalog.get(ARCHIVE):
        return section_of(catalog, archive=True)
    return section_of({"object_store": {"storage_driver": PLACES["db"]}} | catalog, archive=False)


def server(section: Catalog) -> str:
    driver = section["storage_driver"]
    return str(driver["config"].get("url", driver["name"]))


def url_on(section: Catalog, bucket: str) -> str:
    driver = section["storage_driver"]
    place = driver["config"]
    head = f"{place['bucket']}/{place.get('prefix', '')}" if driver["name"] == "s3" else ""
    return f"{SCHEMES[driver['name']]}{head}admin/{bucket}/key"


def filled(catalog: Catalog, buckets: Sequence[str]) -> World:
    sections = {bucket: section_for(catalog, bucket) for bucket in buckets}
    rows = {bucket: url_on(section, bucket) for bucket, section in sections.items()}
    payloads = {
        (server(section), rows[bucket]): section["compression"]["enabled"] for bucket, section in sections.items()
    }
    return World(rows, payloads)


def all_catalogs() -> Iterator[Catalog]:
    """Every place for the working set; for the archive each place, none, and one with compression."""
    drivers = [driver for driver in PLACES.values() if driver["name"] != "localfs"]
    archives: list[Catalog] = [{}, *({"storage_driver": driver} for driver in drivers)]
    archives.append({"storage_driver": PLACES["s3 two"], "compression": {"enabled": True}})
    for driver, archive in itertools.product(drivers, archives):
        yield {"object_store": {"storage_driver": driver}, ARCHIVE: archive}


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    folder = tmp_path_factory.mktemp("configs")
    known: dict[str, StorageConfig] = {}

    def load(catalog: Catalog) -> StorageConfig:
        text = json.dumps({"services": {"catalog": catalog}})
        if text not in known:
            path = folder / f"config-{len(known)}.yaml"
            path.write_text(text, encoding="utf-8")
            known[text] = load_config(path, environment={})
        return known[text]

    return load


def belongs(outline: Outline, bucket: str) -> bool:
    return outline.shared or ("analysis_archive" if bucket == ARCHIVE else "object_store") == outline.store


def flags_of(
    outline: Outline,
    old: StorageConfig,
    new: StorageConfig,
    *,
    buckets: Sequence[str] | None = BUCKETS,
    only: tuple[str, ...] = (),
    keep: bool = False,
) -> tuple[str, ...]:
    mine = None if buckets is None else [bucket for bucket in buckets if belongs(outline, bucket)]
    return required_flags(outline, old, new, buckets=mine, only_buckets=only, keep_source=keep)


PICTURES: dict[str, tuple[tuple[str, ...], tuple[str, ...], bool]] = {
    "both stores hold documents": (BUCKETS, (), True),
    "no image is archived": (BUCKETS[1:], (), True),
    "nothing but archived images": (BUCKETS[:1], (), True),
    "offline": (BUCKETS, (), False),
    "one bucket of the working set": (BUCKETS, ("analysis_data",), True),
    "the archive's bucket": (BUCKETS, (ARCHIVE,), True),
    "a bucket of each store": (BUCKETS, ("policy_bundles", ARCHIVE), True),
}


@pytest.mark.parametrize(("buckets", "only", "counted"), PICTURES.values(), ids=PICTURES.keys())
def test_between_any_two_configs_the_tool_selects_what_the_move_selects_and_brings_it_where_anchore_looks(
    load: Load, buckets: tuple[str, ...], only: tuple[str, ...], counted: bool
) -> None:
    known = [(catalog, load(catalog)) for catalog in all_catalogs()]
    for (source, old), (destination, new) in itertools.product(known, repeat=2):
        world, wanted = filled(source, buckets), filled(destination, buckets)
        for outline in moves(old, new):
            mine = {bucket for bucket in buckets if belongs(outline, bucket)}
            flags = flags_of(outline, old, new, buckets=buckets if counted else None, only=only)
            world.migrate(flags, source, destination)
            case = (source, destination, outline.store, flags)
            assert world.touched == {bucket for bucket in mine if bucket in only or not only}, case
            for bucket in world.touched:
                section = section_for(destination, bucket)
                assert world.rows[bucket] == wanted.rows[bucket], case
                assert world.payloads[server(section), world.rows[bucket]] == section["compression"]["enabled"], case


def test_each_flag_is_needed(load: Load) -> None:
    """Without it the tool selects or does something else, for one of the documents that there may be."""
    known = [(catalog, load(catalog)) for catalog in all_catalogs()]
    for (source, old), (destination, new) in itertools.product(known, repeat=2):
        before = filled(source, BUCKETS)
        for outline in moves(old, new):
            flags = flags_of(outline, old, new)
            for switch in [flag for flag in flags if flag.endswith("-analysis-archive")]:
                if switch.startswith("--from") and len({server(section_for(source, one)) for one in BUCKETS}) == 1:
                    continue  # two places on one server, which need not have the same rights
                other, proper = deepcopy(before), deepcopy(before)
                proper.migrate(flags, source, destination)
                other.migrate([flag for flag in flags if flag != switch], source, destination)
                assert other != proper, (source, destination, flags)


NO_SECTION: dict[str, Catalog] = {
    "default install": {},
    "empty section": {"object_store": {}, "archive": {}},
    "before 0.2.4": {"archive_driver": "localfs", "use_db": False, "archive_data_dir": "/archive"},
}


@pytest.mark.parametrize("catalog", NO_SECTION.values(), ids=NO_SECTION.keys())
def test_no_flag_helps_the_tool_where_a_file_has_no_section(load: Load, catalog: Catalog) -> None:
    there = {"object_store": {"storage_driver": PLACES["s3 one"]}}
    for source, destination in ((catalog, there), (there, catalog)):
        (outline,) = moves(load(source), load(destination))
        flags = flags_of(outline, load(source), load(destination))
        assert flags == ()
        with pytest.raises(ToolError):
            World({}, {}).migrate(flags, source, destination)


def test_a_section_for_the_archive_stands_in_for_the_working_sets_that_is_not_written(load: Load) -> None:
    """Anchore takes the default for it, the tool nothing at all."""
    source = {ARCHIVE: {"storage_driver": PLACES["db"]}}
    destination = {"object_store": {"storage_driver": PLACES["s3 one"]}, ARCHIVE: {"storage_driver": PLACES["db"]}}
    (outline,) = moves(load(source), load(destination))
    flags = flags_of(outline, load(source), load(destination))
    world = filled(source, BUCKETS)
    world.migrate(flags, source, destination)
    assert world.touched == set(BUCKETS[1:])
    assert flags[0] == "--from-analysis-archive"


def test_the_archives_section_never_stands_in_for_a_working_set_in_another_place(load: Load) -> None:
    source = {ARCHIVE: {"storage_driver": PLACES["s3 two"]}}
    destination = {"object_store": {"storage_driver": PLACES["s3 one"]}, **source}
    (outline,) = moves(load(source), load(destination))
    flags = flags_of(outline, load(source), load(destination))
    with pytest.raises(ToolError):
        filled(source, BUCKETS).migrate(flags, source, destination)


# The table of docs/required-flags.md, read as it stands there.

FORMS: dict[str, Callable[[Catalog], Catalog]] = {
    "": lambda catalog: catalog,
    "`archive:`": lambda catalog: {"archive": catalog.pop("object_store"), **catalog},
    "`archive_driver`": lambda catalog: {
        "archive_driver": catalog["object_store"]["storage_driver"]["name"],
        **catalog["object_store"]["storage_driver"]["config"],
    },
    "`analysis_archive: {enabled: true}`": lambda catalog: {**catalog, ARCHIVE: {"enabled": True}},
}


def catalog_of(words: str) -> Catalog:
    """Read a cell such as ``db + s3 one`` or ``localfs as `archive_driver```."""
    places, _, form = words.partition(" as ")
    working, *archive = places.split(" + ")
    catalog: Catalog = {"object_store": {"storage_driver": PLACES[working]}}
    if archive:
        catalog[ARCHIVE] = {"storage_driver": PLACES[archive[0]]}
    return FORMS[form](catalog)


def table() -> list[tuple[tuple[str, str, str], list[tuple[str, str]]]]:
    """Return the cases of the page's first table, each with its moves and their flags, in order."""
    text = PAGE.read_text(encoding="utf-8").split("\n\n| from |")[1].split("\n\n")[0]
    cells = [[cell.strip() for cell in line.strip("| ").split("|")] for line in text.splitlines()[2:]]
    rows = [((row[0], row[1], row[2]), (row[3], row[4])) for row in cells]
    return [(case, [told for _, told in group]) for case, group in itertools.groupby(rows, key=lambda row: row[0])]


@pytest.mark.parametrize(("case", "told"), table(), ids=[" ".join(case) for case, _ in table()])
def test_the_table_of_the_page_is_what_a_plan_says(
    load: Load, case: tuple[str, str, str], told: list[tuple[str, str]]
) -> None:
    source, destination = load(catalog_of(case[0])), load(catalog_of(case[1]))
    options = shlex.split(case[2].strip("`"))
    said = []
    for outline in moves(source, destination):
        flags = flags_of(
            outline,
            source,
            destination,
            buckets=None if "--offline" in options else BUCKETS,
            only=tuple(value for name, value in itertools.pairwise(options) if name == "--bucket"),
            keep="--keep-source" in options,
        )
        what = "everything" if outline.shared else {"object_store": "working set"}.get(outline.store, "archive")
        said.append((what, flags))
    assert said == [(what, () if flags == "none" else tuple(shlex.split(flags.strip("`")))) for what, flags in told]


def test_a_kept_source_adds_nodelete_and_the_tool_then_keeps_it(load: Load) -> None:
    source, destination = catalog_of("db"), catalog_of("s3 one")
    (outline,) = moves(load(source), load(destination))
    flags = flags_of(outline, load(source), load(destination), keep=True)
    assert flags == ("--nodelete",)
    before, kept, moved = (filled(source, BUCKETS) for _ in range(3))
    kept.migrate(flags, source, destination)
    moved.migrate((), source, destination)
    assert before.payloads.items() <= kept.payloads.items()
    assert not before.payloads.items() & moved.payloads.items()


def side(config: str, form: FileForm = "config") -> Side:
    store = PlannedStore(
        driver="db", location=DbLocation(table="archive_document"), compression=Compression(), shared=True
    )
    return Side(config=config, form=form, fingerprint="sha256:0", object_store=store, analysis_archive=store)


def test_the_command_asks_nothing_and_leaves_the_database_url_with_its_password_to_the_shell() -> None:
    command = equivalent_command(("--nodelete",), source=side("config.yaml"), destination=side("new/config.yaml"))
    assert command == (
        'anchore-manager objectstorage --db-connect "$RESTOW_DB_CONNECT" '
        "migrate --nodelete --dontask config.yaml new/config.yaml"
    )


FORM_PAIRS: list[tuple[FileForm, FileForm, list[str]]] = [
    ("config", "config", ["old.yaml", "new.yaml"]),
    ("helm", "helm", ["/config/config.yaml", "/config/dest-config.yaml"]),
    ("helm", "helm-job", ["/config/config.yaml", "/config/dest-config.yaml"]),
    ("config", "helm", ["old.yaml", "/config/dest-config.yaml"]),
]


@pytest.mark.parametrize(("old", "new", "files"), FORM_PAIRS)
def test_of_helm_values_the_tool_reads_the_files_that_the_chart_renders(
    old: FileForm, new: FileForm, files: list[str]
) -> None:
    command = equivalent_command((), source=side("old.yaml", old), destination=side("new.yaml", new))
    assert shlex.split(command)[-2:] == files


@pytest.mark.parametrize("word", ["a b", "$(reboot)", "it's", "", "`x`", "*", "; rm -rf /", "größe"])
def test_whatever_a_bucket_or_a_file_is_called_the_shell_takes_it_for_one_word(word: str) -> None:
    command = equivalent_command(
        ("--bucket", word), source=side(f"{word}.yaml"), destination=side(f"-{word}/config.yaml")
    )
    assert shlex.split(command)[5:] == ["--bucket", word, "--dontask", f"{word}.yaml", f"./-{word}/config.yaml"]


def test_a_name_with_a_line_break_leaves_the_command_on_one_line() -> None:
    command = equivalent_command(("--bucket", "a\nb"), source=side("config.yaml"), destination=side("dest.yaml"))
    assert "--bucket $'a\\x0ab' --dontask" in command
    assert "\n" not in command
