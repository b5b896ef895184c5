"""A plan in a pull request: risks first, short enough for a comment, and harmless whatever the names.

The pages are read by a markdown parser, as a code host would read them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from planner.render_escape import clip, code, fence, mermaid, prose, row, table
from planner.render_markdown import render_markdown
from planner.visible import visible
from schemas.plan import Plan
from tests.planner import plans

PARSER = MarkdownIt("commonmark").enable("table")
ALLOWED_HTML = re.compile(r"<details><summary>[A-Za-z0-9 ,:']+</summary>\n|</details>\n?")
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
NAMES = st.lists(
    st.one_of(st.sampled_from(plans.HOSTILE), st.text(), st.text("`|\\<>[]()@#~ \n-*_a1", min_size=1)),
    min_size=1,
    max_size=6,
    unique=True,
)


def flat(tokens: Sequence[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from flat(token.children or ())


def parsed(markdown: str) -> list[Token]:
    return list(flat(PARSER.parse(markdown)))


def spans(markdown: str) -> list[str]:
    return [token.content for token in parsed(markdown) if token.type == "code_inline"]


def fences(markdown: str, language: str) -> list[str]:
    return [token.content for token in parsed(markdown) if token.type == "fence" and token.info == language]


def plain(markdown: str) -> list[str]:
    """The texts that stand outside of code: what a code host searches for links and mentions."""
    return [token.content for token in parsed(markdown) if token.type == "text"]


def tables(markdown: str) -> list[list[list[str]]]:
    """The cells of all tables."""
    found: list[list[list[str]]] = []
    for token in PARSER.parse(markdown):
        if token.type == "table_open":
            found.append([])
        elif token.type == "tr_open":
            found[-1].append([])
        elif token.type == "inline" and found and token.level > 2:
            found[-1][-1].append("".join(child.content for child in token.children or ()))
    return found


def test_a_page_goes_from_verdict_over_risks_to_folded_details() -> None:
    plan = plans.refused()
    page = render_markdown(plan)
    marks = [
        "## To move: 2,035 documents (1.0 GiB) in 1 move\n",
        "**apply will refuse this plan: it has 1 error finding.",
        "`config.yaml` → `dest-config.yaml`, database `postgres` at `db:5432`",
        "### Risks: 1 error, 1 warning, 1 info",
        "- **error** `destination-occupied` × 12: The place at `s3://anchore-engine-testing/internaltest` that",
        "  - `analysis_data/admin/sha256:0000000000000000000000000000000000000000000000000000000000000004`",
        "  - … and 7 more",
        "- **warning** `digest-missing` × 1",
        "- **info** `unset-variable`: `ANCHORE_OBJECT_STORE_SECRET_KEY` has no value here",
        "### Move 1 of 1: `object_store` and `analysis_archive`",
        "| bucket | documents | size | to copy | at destination |",
        "| `analysis_data` | 1,200 | 941.9 MiB | 1,200 | 0 |",
        "| **total** | 2,035 | 1.0 GiB | 2,035 | 0 |",
        "```mermaid\nflowchart LR\n",
        f"Plan digest: `{plan.plan_digest}`",
        "<details><summary>Config changes: 4</summary>",
        "| `services.catalog.object_store.storage_driver.config.secret_key` | (changed) | (changed) |",
        "<details><summary>Snippet: what must be set, once the switch is done</summary>",
        "<details><summary>The same with the vendor's tool</summary>",
    ]
    places = [page.index(mark) for mark in marks]
    assert places == sorted(places)
    assert "restow apply" not in page


def test_the_apply_command_stands_in_the_open() -> None:
    plan = plans.db_to_split()
    page = render_markdown(plan, plan_path="plans/it's one.json")
    assert page.index("restow apply") < page.index("<details>")
    assert fences(page, "sh")[0] == f"restow apply 'plans/it'\"'\"'s one.json' --expect {plan.plan_digest}\n"


def test_a_path_that_is_too_long_for_the_page_is_left_to_the_reader() -> None:
    page = render_markdown(plans.db_to_s3(), plan_path="x" * 100_000)
    assert fences(page, "sh")[0] == f"restow apply PLAN --expect {plans.db_to_s3().plan_digest}\n"
    assert len(page) < 60_000


def test_the_chart_shows_each_store_today_and_later() -> None:
    (chart,) = fences(render_markdown(plans.db_to_split()), "mermaid")
    assert chart.splitlines() == [
        "flowchart LR",
        '    object_store["object_store"]',
        '    analysis_archive["analysis_archive"]',
        '    place0[("db")]',
        '    place1[("s3#58;//anchore-engine-testing/internaltest at http#58;//minio#58;9000")]',
        '    place2[("s3#58;//anchore-archive in eu-central-1")]',
        '    object_store -.->|"today"| place0',
        '    object_store ==>|"after the switch, 2,000 documents"| place1',
        '    analysis_archive -.->|"today"| place0',
        '    analysis_archive ==>|"after the switch, 35 documents"| place2',
    ]


def test_the_chart_shows_a_store_that_stays() -> None:
    split = plans.db_to_split().document()
    split["destination"]["analysis_archive"] = split["source"]["analysis_archive"]
    split["moves"] = split["moves"][:1]
    (chart,) = fences(render_markdown(plans.sealed(split)), "mermaid")
    assert 'analysis_archive -->|"stays"| place0' in chart


def test_one_bucket_name_at_two_endpoints_is_two_places() -> None:
    elsewhere = {**plans.S3, "endpoint": "https://other:9000"}
    plan = plans.changed(plans.db_to_s3(), source=plans.side("config.yaml", plans.store(elsewhere)))
    (chart,) = fences(render_markdown(plan), "mermaid")
    assert "at https#58;//other#58;9000" in chart
    assert "at http#58;//minio#58;9000" in chart


def test_offline_and_empty_moves_say_so() -> None:
    assert "Documents are not counted (offline)." in render_markdown(plans.offline())
    assert '"after the switch"' in render_markdown(plans.offline())
    assert "0 documents: nothing to copy." in render_markdown(plans.empty_move())
    assert "There is nothing to apply." in render_markdown(plans.nothing_to_do())


def test_rare_counts_get_columns_when_there_are_any() -> None:
    header = tables(render_markdown(plans.half_done()))[0][0]
    assert header[5:] == ["elsewhere", "unreachable", "unverifiable"]


def test_an_accepted_error_is_marked_and_its_documents_have_a_column() -> None:
    accepted = [{"code": "destination-occupied", "count": 12, "digest": "sha256:" + "0" * 64}]
    buckets = [plans.bucket("a", 20, 20, accepted=12)]
    page = render_markdown(plans.moving(buckets, findings=[plans.ERROR, plans.WARNING], accepted=accepted))
    assert "- **error**, accepted `destination-occupied` × 12: " in page
    assert "- **warning** `digest-missing`" in page
    assert tables(page)[0][0][5:] == ["accepted"]
    assert "--expect" in page


@pytest.mark.parametrize("make", EXAMPLES)
def test_the_snippet_can_be_read_back(make: Callable[[], Plan]) -> None:
    plan = make()
    assert [yaml.safe_load(text) for text in fences(render_markdown(plan), "yaml")] == [plan.snippet] * bool(
        plan.snippet
    )


@pytest.mark.parametrize("name", plans.HOSTILE)
def test_hostile_names_are_shown_and_not_acted_upon(name: str) -> None:
    page = render_markdown(plans.hostile([name]))
    check_harmless(page)
    first = tables(page)[0]
    assert first[1][0].strip(" ") == visible(name).strip(" ")
    assert all(len(line) == len(first[0]) for line in first)
    assert visible(name).strip(" ") in [span.strip(" ") for span in spans(page)]


@given(NAMES)
@settings(max_examples=60, deadline=None)
def test_no_name_breaks_the_page(names: list[str]) -> None:
    plan = plans.hostile(names)
    page = render_markdown(plan)
    check_harmless(page)
    buckets, changes = tables(page)[0], tables(page)[-1]
    assert len(buckets) == len(names) + 2
    assert len(changes) == len(names) + 1
    assert {len(line) for line in buckets} == {len(buckets[0])}
    assert fences(page, "sh")[0].startswith("restow apply plan.json --expect sha256:")


def check_harmless(page: str) -> None:
    """Only our own markup is in the page: no link, no image, no other HTML, nothing to be mentioned or linked."""
    tokens = parsed(page)
    html = [token.content for token in tokens if token.type.startswith("html")]
    assert [text for text in html if not ALLOWED_HTML.fullmatch(text)] == []
    assert not {token.type for token in tokens} & {"link_open", "image", "hr", "code_block", "blockquote_open"}
    headings = [tokens[index + 1].content for index, token in enumerate(tokens) if token.type == "heading_open"]
    assert all(re.match(r"To move|Risks: |Move \d+ of |Nothing to do", heading) for heading in headings)
    assert [text for text in plain(page) if re.search(r"[@<>$\[\]~_#]|://|www\.|:\w+:|&\w+;", text)] == []
    assert page.replace("\n", "").isprintable()
    opened = re.findall(r"^<details>", page, re.MULTILINE)
    closed = re.findall(r"^</details>$", page, re.MULTILINE)
    assert len(opened) == len(closed)


# What a plan can be made of to be long.
BIG = 70_000
LONG: dict[str, dict[str, Any]] = {
    "thousands of buckets": {"moves": [plans.move([plans.bucket(f"bucket_{i}", i, i) for i in range(5_000)])]},
    "buckets with long names": {"moves": [plans.move([plans.bucket(f"{i}|" * 3_000, i, i) for i in range(50)])]},
    "thousands of moves": {"moves": [plans.move(plans.BUCKETS)] * 2_000},
    "moves with long names": {"moves": [plans.move(plans.BUCKETS, to="|" * BIG, only_buckets=["`" * BIG])] * 3},
    "thousands of findings": {"findings": [plans.ERROR, plans.WARNING, plans.INFO] * 2_000},
    "findings with long messages": {"findings": [{**plans.ERROR, "message": "a#b `` " * 10_000}] * 30},
    "findings with long examples": {"findings": [{**plans.ERROR, "examples": ["`" * BIG] * 20}] * 3},
    "findings with long codes": {"findings": [{**plans.ERROR, "code": "\x1b" * BIG}] * 3},
    "thousands of changes": {"config_changes": plans.CHANGES * 2_000},
    "changes with long values": {
        "config_changes": [{"path": "p" * BIG, "before": "|" * BIG, "after": ["`" * BIG]}] * 9
    },
    "a snippet with many lines": {"snippet": {f"key{i}": i for i in range(20_000)}},
    "a snippet with long lines": {"snippet": {"a": "x" * BIG, "`" * 5_000: "`" * BIG}},
    "long flags and commands": {
        "moves": [plans.move(plans.BUCKETS, required_flags=["-x" * BIG], equivalent_command="`" * BIG)] * 2
    },
    "thousands taken on": {"accepted": [{"code": "digest-missing", "count": 1, "digest": ""}] * 5_000},
    "long names of files and database": {
        "source": plans.side("\U000e0001" * BIG, plans.store({**plans.S3, "bucket": "😀" * BIG})),
        "destination": plans.side("`" * BIG, plans.store({**plans.S3, "prefix": "漢" * BIG})),
        "database": {"host": "|" * BIG, "port": 5432, "name": "`" * BIG},
    },
}


def combined(kinds: Sequence[str]) -> dict[str, Any]:
    """What several kinds say, their lists put together."""
    whole: dict[str, Any] = {}
    for key, value in [item for kind in kinds for item in LONG[kind].items()]:
        whole[key] = whole[key] + value if isinstance(value, list) and key in whole else value
    return whole


@pytest.mark.parametrize("kind", LONG)
def test_the_page_fits_whatever_the_plan(kind: str) -> None:
    page = render_markdown(plans.moving(plans.BUCKETS, **LONG[kind]))
    assert len(page) < 60_000
    check_harmless(page)
    assert "restow apply plan.json --expect" in page or "Plan digest: `sha256:" in page
    assert page.startswith("## To move: 2,035 documents (1.0 GiB)")


@given(kinds=st.lists(st.sampled_from(list(LONG)), unique=True), names=NAMES, path=st.text())
@example(kinds=list(LONG), names=list(plans.HOSTILE), path="plan.json")
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_the_page_fits_whatever_is_combined(kinds: list[str], names: list[str], path: str) -> None:
    page = render_markdown(plans.changed(plans.hostile(names), **combined(kinds)), plan_path=path)
    assert len(page) < 60_000
    check_harmless(page)


def test_what_is_cut_is_counted_and_can_be_seen_elsewhere() -> None:
    see = "all of it: `restow show plan.json --format text`"
    page = render_markdown(plans.moving(plans.BUCKETS, **LONG["thousands of buckets"]))
    shown = len(re.findall(r"^\| `bucket_", page, re.MULTILINE))
    assert shown > 1_000
    assert f"\n\n… and {5_000 - shown:,} buckets more, {see}" in page
    assert "| **total** |" in page

    page = render_markdown(plans.moving(plans.BUCKETS, **LONG["thousands of changes"]))
    shown = len(re.findall(r"^\| `services", page, re.MULTILINE))
    assert f"\n\nConfig changes: 8,000: {8_000 - shown:,} changes cut, {see}" in page

    page = render_markdown(plans.moving(plans.BUCKETS, **LONG["a snippet with many lines"]))
    shown = len(re.findall(r"^key\d+: ", page, re.MULTILINE))
    assert f"{20_000 - shown:,} lines cut, {see}" in page

    page = render_markdown(plans.moving(plans.BUCKETS, **LONG["thousands of moves"]))
    shown = len(re.findall(r"^### Move ", page, re.MULTILINE))
    assert f"… and {2_000 - shown:,} moves more, {see}" in page

    page = render_markdown(plans.moving(plans.BUCKETS, **LONG["changes with long values"]))
    assert "… (cut, 70,000 characters in all)" in page


def test_of_too_many_findings_the_errors_stay_and_the_rest_is_counted() -> None:
    findings = [plans.INFO] * 2_000 + [plans.WARNING] * 300 + [plans.ERROR] * 20
    page = render_markdown(plans.moving(plans.BUCKETS, findings=findings))
    assert page.count("- **error**") == 20
    warnings, infos = page.count("- **warning**"), page.count("- **info**")
    assert warnings == 300 or infos == 0
    assert f"- … and {2_300 - warnings - infos:,} more (" in page
    assert f"{2_000 - infos:,} info), all of it: `restow show plan.json --format text`" in page


def test_risks_are_whole_as_long_as_there_are_details_to_cut() -> None:
    message = "Word " * 1_800
    long = {
        key: value for kind in ("thousands of buckets", "thousands of changes") for key, value in LONG[kind].items()
    }
    page = render_markdown(plans.moving(plans.BUCKETS, **long, findings=[{**plans.ERROR, "message": message}] * 4))
    assert page.count(message.strip()) == 4
    assert page.count("sha256:" + "0" * 64) == 4
    assert len(page) > 50_000


def test_findings_get_shorter_before_one_is_left_out() -> None:
    findings = [{**plans.ERROR, "message": f"Number {i}: " + "word " * 2_000} for i in range(40)]
    page = render_markdown(plans.moving(plans.BUCKETS, findings=findings))
    assert all(f"Number {i}: " in page for i in range(40))
    assert "characters in all" in page


@pytest.mark.parametrize(
    ("text", "markdown"),
    [
        ("Put the file there, then plan again.", "Put the file there, then plan again."),
        ("See s3://bucket/prefix, or dest-config.yaml.", "See `s3://bucket/prefix`, or `dest-config.yaml`."),
        ("3 of 1,200 (25 %) don't fit: digest-missing!", "3 of 1,200 (25 %) don't fit: digest-missing!"),
        ("ask @admin about #12 or GH-12", "ask `@admin` about `#12` or `GH-12`"),
        ("field db_connect_args is wrong", "field `db_connect_args` is wrong"),
        ("a ` tick and `` two", "a `` ` `` tick and ``` `` ``` two"),
        ("größer als 漢字 × 2", "größer als 漢字 × 2"),
        ("a\nb", r"`a\nb`"),
        ("", ""),
    ],
)
def test_messages_stay_prose_and_what_is_named_becomes_code(text: str, markdown: str) -> None:
    assert prose(text, 1_000) == markdown


@given(st.text())
def test_a_code_span_shows_just_its_text(text: str) -> None:
    shown = visible(text)
    expected = [] if not text else [shown] if shown.strip(" ") else [f" {shown} "]
    assert spans(f"x {code(text, 10**6)}") == expected


@given(st.text(), st.text())
def test_a_cell_holds_whatever_it_is_given(one: str, two: str) -> None:
    (found,) = tables(table(["a", "b"], [row([code(one, 10**6), code(two, 10**6)])], numbers=True))
    expected = [visible(text).strip(" ") if text else "(empty)" for text in (one, two)]
    assert [text.strip(" ") for text in found[1]] == expected


@given(st.text())
def test_a_fence_holds_whatever_it_is_given(text: str) -> None:
    content = "\n".join(visible(line) for line in text.split("\n"))
    assert fences(f"before\n\n{fence(text, 'sh')}\n\nafter", "sh") == [f"{content}\n"]


@given(st.text())
def test_a_label_is_plain_to_mermaid(text: str) -> None:
    label = mermaid(text, 10**6)
    assert re.fullmatch(r'"([A-Za-z0-9 /,-]|#\d+;)*"', label)
    assert "style" not in label
    assert "classDef" not in label
    assert re.sub(r"#(\d+);", lambda match: chr(int(match[1])), label[1:-1]) == visible(text)


@pytest.mark.parametrize("text", ["style a:b#c;", "linkstyle", "classDef x"])
def test_words_of_mermaid_are_split_up(text: str) -> None:
    label = mermaid(text)
    assert "style" not in label
    assert "classDef" not in label


def test_cutting_is_told() -> None:
    assert clip("abc", 3) == "abc"
    assert clip("abcd", 3) == "abc… (cut, 4 characters in all)"
    assert clip("\x1b" * 2, 4) == r"\x1b… (cut, 2 characters in all)"
