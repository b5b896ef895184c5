"""What the benchmark says in the end."""

from __future__ import annotations

import json

import pytest

from bench import main
from bench.cases import CASES
from bench.growth import name_of
from bench.moves import ALONE, BARE, FLOOR, RCLONE, RESTOW, S5CMD
from bench.samples import CaseResult, Sample
from bench.scale import BARE as BARE_GROUP_BY
from bench.scale import plan_name
from bench.scene import Scale
from bench.start import COMMANDS
from bench.table import case_text, markdown, number
from bench.targets import all_targets, judge

SCALE = Scale(near_jobs=16, far_jobs=64, growth=(1000, 100_000), few_rows=10, many_rows=1000)
FEW, MANY = plan_name(10), plan_name(1000)


def sample(seconds: float, *, peak_bytes: int = 0, cpu: float = 1.0, passed_bytes: int | None = None) -> Sample:
    return Sample(100, 1000, seconds, cpu, {"s3": 0.5}, peak_bytes, {}, passed_bytes)


def result(case: str, **seconds: float) -> CaseResult:
    return CaseResult(case, case, {name.replace("_", " "): (sample(wall),) for name, wall in seconds.items()})


def case_of(name: str, samples: dict[str, Sample]) -> CaseResult:
    return CaseResult(name, name, {contestant: (one,) for contestant, one in samples.items()})


UPLOAD = {RESTOW: sample(4), RCLONE: sample(4), S5CMD: sample(5), FLOOR: sample(2.8)}
KEPT: dict[str, dict[str, Sample]] = {
    "db-s3-mixed": UPLOAD,
    "db-s3-4k": UPLOAD,
    "s3-s3": {RESTOW: sample(1.1), RCLONE: sample(1.2), S5CMD: sample(1), FLOOR: sample(1)},
    "db-db2": {RESTOW: sample(5), BARE: sample(2)},
    "far-s3-s3": {RESTOW: sample(1.25, passed_bytes=50), FLOOR: sample(1), ALONE: sample(50)},
    "growth": {name_of(1000): sample(1, peak_bytes=506_000_000), name_of(100_000): sample(9, peak_bytes=506_000_000)},
    "plan-db-s3": {FEW: sample(1), MANY: sample(4, peak_bytes=150_000_000), BARE_GROUP_BY: sample(1)},
    "start": {command: sample(1, cpu=0.35) for command in COMMANDS},
}
"""Each just within what is promised."""


@pytest.mark.parametrize("case", KEPT)
def test_what_is_just_within_a_promise_keeps_it(case: str) -> None:
    verdicts = judge({case: case_of(case, KEPT[case])}, all_targets(SCALE))
    assert verdicts
    assert [one.target.text for one in verdicts if not one.met] == []


@pytest.mark.parametrize(
    ("case", "worse", "broken"),
    [
        ("db-s3-mixed", {RESTOW: sample(4.1)}, {"wall ÷ rclone's", "throughput ÷ the floor's"}),
        ("db-s3-4k", {S5CMD: sample(3.9)}, {"wall ÷ s5cmd's"}),
        ("s3-s3", {S5CMD: sample(0.9)}, {"wall ÷ s5cmd's"}),
        ("db-db2", {BARE: sample(1.9)}, {"wall ÷ the bare statement's"}),
        ("far-s3-s3", {ALONE: sample(49)}, {"throughput ÷ one at a time"}),
        ("far-s3-s3", {FLOOR: sample(0.9)}, {"throughput ÷ the floor's"}),
        (
            "far-s3-s3",
            {RESTOW: sample(1.25, passed_bytes=1000)},
            {"bytes through the client ÷ payload bytes"},
        ),
        (
            "growth",
            {name_of(100_000): sample(9, peak_bytes=507_000_000)},
            {f"peak memory, MB: {name_of(100_000)}"},
        ),
        ("plan-db-s3", {BARE_GROUP_BY: sample(0.9)}, {"(many − few − 1 s) ÷ GROUP BY"}),
        ("plan-db-s3", {MANY: sample(4, peak_bytes=151_000_000)}, {f"peak memory, MB: {MANY}"}),
        ("start", {"restow show": sample(1, cpu=0.36)}, {"CPU, s: restow show"}),
    ],
)
def test_what_is_just_beyond_a_promise_breaks_it(case: str, worse: dict[str, Sample], broken: set[str]) -> None:
    verdicts = judge({case: case_of(case, KEPT[case] | worse)}, all_targets(SCALE))
    assert {one.target.text for one in verdicts if not one.met} == broken


def test_every_promise_is_about_a_case_that_exists() -> None:
    assert {target.case for target in all_targets(SCALE)} <= {case.name for case in CASES}


def test_cases_have_names_of_their_own() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize(("value", "said"), [(0.123, "0.12"), (9.99, "9.99"), (12.34, "12.3"), (1234.5, "1,234")])
def test_numbers_are_said_with_three_digits(value: float, said: str) -> None:
    assert number(value) == said


def test_tables_line_up() -> None:
    assert markdown(("", "wall"), [("restow", "1.0"), ("rclone", "12.0")]).splitlines() == [
        "|        | wall |",
        "| ------ | ---: |",
        "| restow |  1.0 |",
        "| rclone | 12.0 |",
    ]


def test_a_table_compares_restow_with_those_that_did_the_same() -> None:
    alone = Sample(documents=10, bytes=100, wall=8.0, cpu=1.0, servers={})
    text = case_text(CaseResult("x", "db → s3", {RESTOW: (sample(4),), RCLONE: (sample(2),), ALONE: (alone,)}))
    cells = {row.split("|")[1].strip(): row.split("|")[-3].strip() for row in text.splitlines() if row.startswith("|")}
    assert (cells[RESTOW], cells[RCLONE], cells[ALONE]) == ("–", "2.00", "–")


def test_the_cases_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main.run(["--list"]) == 0
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.splitlines()] == [case.name for case in CASES]


def test_a_case_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main.run(["db-s3-*", "bd-s3-mixed"])
    assert ended.value.code == 2
    assert "bd-s3-mixed" in capsys.readouterr().err


def test_results_are_json() -> None:
    case = case_of("db-db2", KEPT["db-db2"])
    document = main.document({"db-db2": case}, judge({"db-db2": case}, all_targets(SCALE)))
    assert json.loads(json.dumps(document))["promises"][0]["kept"] is True
