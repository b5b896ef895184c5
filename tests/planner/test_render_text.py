"""A plan in a terminal: complete, within 80 columns, and harmless whatever the names."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.render_table import cells
from planner.render_text import render_text
from planner.visible import visible
from schemas.plan import Plan
from tests.planner import plans

EXAMPLES = [
    plans.db_to_s3,
    plans.db_to_split,
    plans.nothing_to_do,
    plans.refused,
    plans.offline,
    plans.empty_move,
    plans.half_done,
    plans.many_buckets,
    plans.hostile,
]


def test_a_plan_reads_like_this() -> None:
    plan = plans.db_to_s3()
    assert (
        render_text(plan)
        == f"""\
To move: 2,035 documents (1.0 GiB) in 1 move.
config.yaml → dest-config.yaml, database postgres at db:5432

Risks: none found

Move 1 of 1: object_store and analysis_archive
  db → s3://anchore-engine-testing/internaltest
  Payloads are streamed through restow; the source is deleted by the clean
  stage.
  Approved for a drift of up to ±1,000 documents (25 %, at least 1,000) and ±1.0
  GiB (50 %, at least 1.0 GiB).

  bucket              documents       size  to copy  at destination
  ------------------  ---------  ---------  -------  --------------
  analysis_archive           35   50.0 MiB       35               0
  analysis_data           1,200  941.9 MiB    1,200               0
  image_content_data        600   40.0 MiB      600               0
  policy_bundles            200    1.0 MiB      200               0
  total                   2,035    1.0 GiB    2,035               0

  Flags that the vendor's tool needs: none. The whole command:
  {plan.moves[0].equivalent_command}

Config changes: 4
  services.catalog.object_store.compression.enabled: false → true
  services.catalog.object_store.storage_driver.config.bucket: (not set) →
    anchore-engine-testing
  services.catalog.object_store.storage_driver.config.secret_key: (changed)
  services.catalog.object_store.storage_driver.name: db → s3

What must stand under services.catalog of every config.yaml that has this
section, once the switch is done:
  object_store:
    compression:
      enabled: true
      min_size_kbytes: 100
    storage_driver:
      config:
        access_key: ${{ANCHORE_OBJECT_STORE_ACCESS_KEY}}
        bucket: anchore-engine-testing
        create_bucket: false
        prefix: internaltest
        secret_key: ${{ANCHORE_OBJECT_STORE_SECRET_KEY}}
        url: http://minio:9000
      name: s3

Apply exactly this plan with:
  restow apply plan.json --expect {plan.plan_digest}
"""
    )


def test_nothing_to_do_is_short() -> None:
    assert (
        render_text(plans.nothing_to_do())
        == """\
Nothing to do: both configs name the same places.
config.yaml → dest-config.yaml, database postgres at db:5432

Risks: none found

There is nothing to apply.
"""
    )


def test_risks_come_first_the_worst_before_the_others() -> None:
    text = render_text(plans.refused())
    marks = [
        "To move:",
        "apply will refuse this plan",
        "Risks: 1 error, 1 warning, 1 info",
        "ERROR destination-occupied × 12",
        "    - analysis_data/admin/sha256:0000000000000000000000000000000000000000000000000000000000000004",
        "    - … and 7 more",
        "WARNING digest-missing × 1",
        "INFO unset-variable\n",
        "Move 1 of 1",
    ]
    places = [text.index(mark) for mark in marks]
    assert places == sorted(places)


@pytest.mark.parametrize("make", [plans.refused, plans.offline])
def test_no_command_is_given_that_would_be_refused(make: Callable[[], Plan]) -> None:
    plan = make()
    text = render_text(plan)
    assert "restow apply" not in text
    assert text.endswith(f"Plan digest:\n{plan.plan_digest}\n")


def test_the_apply_command_is_the_last_line_and_names_the_file() -> None:
    plan = plans.db_to_split()
    last = render_text(plan, plan_path="my plans/1.json").splitlines()[-1]
    assert last == f"  restow apply 'my plans/1.json' --expect {plan.plan_digest}"


def test_an_offline_plan_counts_nothing() -> None:
    text = render_text(plans.offline())
    assert "documents not counted (offline), in 1 move" in text
    assert "Documents are not counted (offline)." in text
    assert "documents were not looked at" in text
    assert "total" not in text


def test_a_move_of_no_documents_says_so() -> None:
    text = render_text(plans.empty_move())
    assert "To move: 0 documents, in 1 move." in text
    assert "0 documents: nothing to copy." in text
    assert "restow apply" in text


def test_rare_counts_get_columns_when_there_are_any() -> None:
    wide = render_text(plans.half_done(), width=120)
    assert "at destination  elsewhere  unreachable  unverifiable" in wide
    assert "elsewhere" not in render_text(plans.db_to_s3(), width=120)


def test_without_room_rare_counts_get_a_table_of_the_buckets_that_have_them() -> None:
    lines = render_text(plans.half_done()).splitlines()
    first = lines.index("  Of these, in 1 bucket:")
    assert [line.split() for line in lines[first + 1 : first + 5]] == [
        ["bucket", "elsewhere", "unreachable", "unverifiable"],
        ["-" * 13, "-" * 9, "-" * 11, "-" * 12],
        ["analysis_data", "20", "3", "7"],
        ["total", "20", "3", "7"],
    ]


def test_the_scope_of_a_limited_plan_is_told() -> None:
    limited = plans.moving(plans.BUCKETS, moves=[plans.move(plans.BUCKETS[:2], only_buckets=["analysis_data", "x"])])
    assert "Only these buckets (--bucket): analysis_data, x." in render_text(limited)


def test_what_was_taken_on_is_told() -> None:
    accepted = [{"code": "digest-missing", "count": 1_234, "digest": "sha256:" + "0" * 64}]
    assert "accepted with --ignore: digest-missing × 1,234" in render_text(
        plans.changed(plans.db_to_s3(), accepted=accepted)
    )


def test_an_accepted_error_is_marked_and_its_documents_have_a_column() -> None:
    accepted = [{"code": "destination-occupied", "count": 12, "digest": "sha256:" + "0" * 64}]
    buckets = [plans.bucket("a", 20, 20, accepted=12), plans.bucket("b", 1, 1)]
    shown = render_text(plans.moving(buckets, findings=[plans.ERROR, plans.WARNING], accepted=accepted))
    assert "ERROR destination-occupied × 12, accepted" in shown
    assert "WARNING digest-missing × 1\n" in shown
    assert "at destination  accepted" in shown
    assert ["a", "20", "20", "B", "8", "0", "12"] in [line.split() for line in shown.splitlines()]
    assert "--expect" in shown


def test_every_bucket_is_in_the_table() -> None:
    text = render_text(plans.many_buckets())
    assert all(f"  customer_bucket_{index:03}  " in text for index in range(300))


@pytest.mark.parametrize("make", EXAMPLES)
def test_lines_keep_to_the_width_but_for_what_is_to_be_copied(make: Callable[[], Plan]) -> None:
    plan = make()
    head, _, _ = render_text(plan).partition("What must stand under")
    copied = {f"  {visible(move.equivalent_command)}" for move in plan.moves}
    copied |= {f"    - {visible(name)}" for finding in plan.findings for name in finding.examples}
    assert [line for line in head.splitlines() if cells(line) > 80 and line not in copied] == []


@pytest.mark.parametrize("make", EXAMPLES)
def test_the_snippet_can_be_read_back(make: Callable[[], Plan]) -> None:
    plan = make()
    if plan.snippet:
        lines = render_text(plan).partition("What must stand under")[2].splitlines()
        first = next(index for index, line in enumerate(lines) if line.startswith("  "))
        last = next(i for i, line in enumerate(lines) if line.startswith(("Apply exactly", "Plan digest")))
        assert yaml.safe_load("\n".join(lines[first:last])) == plan.snippet


@given(st.lists(st.text() | st.sampled_from(plans.HOSTILE), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_no_name_reaches_the_terminal_as_more_than_text(names: list[str]) -> None:
    text = render_text(plans.hostile(list(dict.fromkeys(names))), plan_path=names[0].replace("\0", ""))
    assert text.replace("\n", "").isprintable()


@pytest.mark.parametrize(
    "name", ["a\nApply exactly this plan with:", "x\r  restow apply other.json", "\n\nRisks: none found"]
)
def test_no_name_can_add_a_line(name: str) -> None:
    lines = render_text(plans.hostile([name])).splitlines()
    assert lines.count("Apply exactly this plan with:") == 1
    assert "Risks: none found" not in lines
    assert [line for line in lines if line.startswith("  restow apply")] == lines[-1:]
