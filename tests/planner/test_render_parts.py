"""The words and numbers of a rendered plan."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.render_parts import apply_command, envelope_words, flags_words, refusal, tally, value_text, verdict
from planner.render_table import cells, fits, table, wrap
from planner.visible import visible
from schemas.plan import Counts, Envelope, Plan
from tests.planner import plans


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "(not set)"),
        ("s3", "s3"),
        ("", '""'),
        (False, "false"),
        (100, "100"),
        ({"b": 1, "a": [None]}, '{"a": [null], "b": 1}'),
    ],
)
def test_values_of_settings_are_one_line(value: object, text: str) -> None:
    assert value_text(value) == text


@given(st.text(st.characters()))
def test_nothing_invisible_is_left(text: str) -> None:
    shown = visible(text)
    assert shown.isprintable()
    assert (shown == text) == text.isprintable()


def test_the_tally_leaves_out_what_there_is_not() -> None:
    findings = plans.refused().findings
    assert tally(findings) == "1 error, 1 warning, 1 info"
    assert tally([findings[0], findings[0], findings[1], findings[1]]) == "2 warnings, 2 info"
    assert tally([]) == ""


HALF_DONE = (
    "Of these: 477 to copy; 900 at the destination already; 20 in a third place that both configs read, where they "
    "stay; 3 where neither config can read them."
)


@pytest.mark.parametrize(
    ("plan", "sentences"),
    [
        (plans.nothing_to_do(), ["Nothing to do: both configs name the same places."]),
        (
            plans.changed(plans.nothing_to_do(), config_changes=plans.CHANGES[:1]),
            [
                "Nothing to do: both configs name the same places.",
                "1 setting will change: see the config changes.",
            ],
        ),
        (plans.db_to_s3(), ["To move: 2,035 documents (1.0 GiB) in 1 move."]),
        (plans.db_to_split(), ["To move: 2,035 documents (1.0 GiB) in 2 moves."]),
        (
            plans.empty_move(),
            ["To move: 0 documents, in 1 move. There is nothing to copy; only the config changes."],
        ),
        (
            plans.moving([], moves=[plans.move([], only_buckets=["policy_bundels"])]),
            ["To move: 0 documents, in 1 move. There is none in what --bucket names: policy_bundels."],
        ),
        (plans.offline(), ["To move: documents not counted (offline), in 1 move."]),
        (
            plans.half_done(),
            [
                "To move: 477 of 1,400 documents (942.9 MiB in all) in 1 move.",
                HALF_DONE,
            ],
        ),
        (
            plans.moving([plans.bucket("a", 7, 7, at_destination=7)]),
            ["To move: 0 of 7 documents (7 B in all) in 1 move.", "Of these: 7 at the destination already."],
        ),
        (
            plans.moving([plans.bucket("a", 7, 7, accepted=2)]),
            [
                "To move: 5 of 7 documents (7 B in all) in 1 move.",
                "Of these: 5 to copy; 2 left as they are, accepted with --ignore.",
            ],
        ),
    ],
)
def test_the_verdict_says_what_will_move(plan: Plan, sentences: list[str]) -> None:
    assert verdict(plan) == sentences


def test_it_is_said_when_apply_will_refuse() -> None:
    assert refusal(plans.db_to_s3()) is None
    assert "it has 1 error finding" in (refusal(plans.refused()) or "")


@pytest.mark.parametrize(
    ("driver", "location", "why"),
    [
        ("swift", {"auth_url": "https://keystone:5000", "container": "box", "prefix": ""}, "driver swift yet"),
        ("localfs", {"archive_data_dir": "data/archive"}, "archive_data_dir data/archive is relative"),
        ("localfs", {"archive_data_dir": "/data/archive"}, None),
    ],
    ids=["swift", "relative", "absolute"],
)
def test_a_place_that_apply_cannot_open_is_told_to_reviewers(
    driver: str, location: dict[str, str], why: str | None
) -> None:
    place = {**plans.store(location), "driver": driver}
    said = refusal(plans.moving(plans.BUCKETS, destination=plans.side("dest-config.yaml", place)))
    assert (said is None) if why is None else why in (said or "")
    assert "made offline" in (refusal(plans.offline()) or "")


def test_an_accepted_error_is_no_reason_to_refuse() -> None:
    accepted = {"code": "destination-occupied", "count": 12, "digest": "sha256:" + "0" * 64}
    assert refusal(plans.changed(plans.refused(), accepted=[accepted])) is None


@pytest.mark.parametrize(
    ("documents", "size_", "words"),
    [
        (0, 0, "±1,000 documents (25 %, at least 1,000) and ±1.0 GiB (50 %, at least 1.0 GiB)."),
        (4_003, 2 << 30, "±1,000 documents (25 %, at least 1,000) and ±1.0 GiB (50 %, at least 1.0 GiB)."),
        (400_000, 300 << 30, "±100,000 documents (25 %, at least 1,000) and ±150.0 GiB (50 %, at least 1.0 GiB)."),
    ],
)
def test_the_envelope_is_told_with_its_limits(documents: int, size_: int, words: str) -> None:
    totals = Counts.model_validate(plans.counts(documents, size_))
    assert envelope_words(Envelope(), totals) == f"Approved for a drift of up to {words}"


def test_flags_of_the_vendors_tool_can_be_pasted() -> None:
    plan = plans.db_to_split()
    assert [flags_words(move) for move in plan.moves] == [
        "none",
        "--to-analysis-archive --bucket analysis_archive --nodelete",
    ]
    named = plans.moving(plans.BUCKETS, moves=[plans.move(plans.BUCKETS, required_flags=["--bucket", "it's; rm"])])
    assert flags_words(named.moves[0]) == "--bucket 'it'\"'\"'s; rm'"


def test_without_counts_nothing_is_approved() -> None:
    assert "nothing was counted" in envelope_words(Envelope(), None)


PATHS = [
    "plan.json",
    "my plan.json",
    "-rf.json",
    "it's $HOME `x` \\ \".json",
    "\x1b[31m'red'\\.json",
    "a\nb",
    "é\u202e",
    "\udcff",
]


@pytest.mark.parametrize("path", PATHS)
def test_the_apply_command_can_be_pasted_whatever_the_path(path: str) -> None:
    command = apply_command(plans.db_to_s3(), path)
    assert command.isprintable()
    arguments = command.removeprefix("restow ")
    said = subprocess.run(["bash", "-c", f"printf '%s\\0' {arguments}"], capture_output=True, check=True).stdout  # noqa: S607
    dashed = f"./{path}" if path.startswith("-") else path
    digest = plans.db_to_s3().plan_digest
    assert said == b"\0".join([b"apply", dashed.encode("utf-8", "surrogateescape"), b"--expect", digest.encode(), b""])


@pytest.mark.parametrize(("text", "width"), [("", 0), ("abc", 3), ("漢字", 4), ("e\u0301", 1), ("ﾊﾝ", 2), ("Ａ", 2)])
def test_width_is_that_of_a_terminal(text: str, width: int) -> None:
    assert cells(text) == width


@given(text=st.text(), width=st.integers(10, 80), indent=st.integers(0, 6))
@settings(max_examples=200)
def test_wrapped_text_keeps_to_the_width_and_loses_nothing(text: str, width: int, indent: int) -> None:
    shown = visible(text)
    lines = wrap(shown, width, first=" " * indent)
    assert all(cells(line) <= width for line in lines)
    assert all(line.startswith(" " * indent) for line in lines)
    assert "".join(line[indent:] for line in lines).replace(" ", "") == shown.replace(" ", "")


def test_wrapping_breaks_at_spaces_where_it_can() -> None:
    assert wrap("one two three abcdefghijklmnop", 10, first="- ") == [
        "- one two",
        "  three",
        "  abcdefgh",
        "  ijklmnop",
    ]


def test_a_table_lines_up_also_with_wide_characters() -> None:
    assert table(["bucket", "documents"], [["漢字テスト", "1"], ["abc", "12,345"]], 40) == [
        "bucket      documents",
        "----------  ---------",
        "漢字テスト          1",
        "abc            12,345",
    ]


def test_a_name_that_is_too_long_gets_lines_of_its_own() -> None:
    assert table(["bucket", "documents"], [["a" * 45, "1"], ["abc", "2"]], 30) == [
        "bucket               documents",
        "-------------------  ---------",
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "aaaaaaaaaaaaaaa",
        "                             1",
        "abc                          2",
    ]


def test_columns_fit_when_names_keep_some_room() -> None:
    header, rows = ["bucket", "documents"], [["a" * 100, "1"]]
    assert fits(header, rows, 24 + 2 + 9)
    assert not fits(header, rows, 24 + 2 + 8)
