"""Almost valid configs and plans in numbers: what loads can be planned, shown and read again; the rest is refused."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any, Literal

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.snippet import private_text, snippet_text
from planner.build import PlanOptions, build_plan
from planner.load import load_config
from planner.read_plan import read_plan
from planner.render_markdown import render_markdown
from planner.render_text import render_text
from planner.snippet import complete_snippet, redacted_snippet
from restow.planning import show_file
from schemas.canonical import digest, file_text
from schemas.errors import ConfigError, PlanError
from schemas.report import Failed, Ledger, MoveReport, Report, StageReport
from tests.fuzz.mutations import mutated
from tests.fuzz.valid import CONFIGS
from tests.planner import plans

PLANS = [make().document() for make in (plans.db_to_split, plans.refused, plans.offline, plans.hostile)]
REPORT = Report(
    format_version="1.0",
    command="apply",
    plan_digest="sha256:" + "0" * 64,
    started="2026-01-01T00:00:00Z",
    ended="2026-01-01T00:00:01Z",
    exit_code=3,
    outcome="1 document failed",
    hint="run again",
    moves=(
        MoveReport(
            store="object_store",
            shared=True,
            from_="db",
            to="s3://documents/",
            round=1,
            state="copying",
            stages=(StageReport(stage="copy", documents=2, bytes=2000, seconds=0.5),),
            buckets=(
                Ledger(
                    bucket="policy_bundles",
                    found=3,
                    appeared=0,
                    copied=2,
                    already_there=0,
                    failed={"missing": 1},
                    vanished=0,
                    accepted=0,
                    left=0,
                    unaccounted=0,
                ),
            ),
            failures=(
                Failed(bucket="policy_bundles", document="policy_bundles/admin/a", reason="missing", detail="-"),
            ),
            failures_not_listed=2,
            kept_sources={"row changed": 1},
        ),
    ),
).document()
EXAMPLES = [pytest.param(150, id="some"), pytest.param(2_000, id="many", marks=pytest.mark.long)]
# Damage that no mutation of values does.
SPOILED = st.tuples(
    st.integers(0, 10_000), st.sampled_from(["", "\n", " ", "  ", "\t", ":", "'", '"', "{", "[", "&", "*"])
)


def yaml_of(content: object) -> str:
    return yaml.safe_dump(content, allow_unicode=True, sort_keys=False)


def spoil(text: str, damage: list[tuple[int, str]]) -> str:
    for position, new in damage:
        where = position % len(text)
        text = text[:where] + new + text[where + 1 :]
    return text


@pytest.mark.parametrize("count", EXAMPLES)
def test_a_config_that_loads_can_be_planned_and_shown(tmp_path: Path, count: int) -> None:
    source, destination = tmp_path / "config.yaml", tmp_path / "dest-config.yaml"
    source.write_text(yaml_of(CONFIGS[0]), encoding="utf-8")

    @settings(max_examples=count, deadline=None)
    @given(
        content=st.sampled_from(CONFIGS).flatmap(mutated),
        damage=st.lists(SPOILED, max_size=2),
        helm_job=st.booleans(),
    )
    def example(content: object, damage: list[tuple[int, str]], *, helm_job: bool) -> None:
        destination.write_text(spoil(yaml_of(content), damage), encoding="utf-8", errors="surrogatepass")
        try:
            config = load_config(destination, environment={"ANCHORE_X": "x"}, helm_job=helm_job)
        except ConfigError:
            return
        for form in ("config", "helm"):
            assert snippet_text(redacted_snippet(config, form))
        assert private_text(complete_snippet(config))
        before = load_config(source, environment={})
        made = build_plan(before, config, None, PlanOptions(tmp_path))
        (tmp_path / "plan.json").write_text(file_text(made.document()), encoding="utf-8")
        read = read_plan(tmp_path / "plan.json")
        assert read == made
        assert render_text(read)
        assert render_markdown(read)

    example()


@pytest.mark.parametrize("count", EXAMPLES)
def test_a_plan_that_is_read_can_be_shown(tmp_path: Path, count: int) -> None:
    """Whoever edits a plan may compute its digest anew."""
    file = tmp_path / "plan.json"

    @settings(max_examples=count, deadline=None)
    @given(content=st.sampled_from(PLANS).flatmap(mutated), sealed=st.booleans())
    def example(content: Any, *, sealed: bool) -> None:
        if sealed and isinstance(content, dict):
            rest = {key: value for key, value in content.items() if key != "plan_digest"}
            content = {**rest, "plan_digest": digest(rest)}
        file.write_text(json.dumps(content), encoding="utf-8")
        try:
            read = read_plan(file)
        except PlanError:
            return
        assert render_text(read)
        assert render_markdown(read)

    example()


@pytest.mark.parametrize("count", EXAMPLES)
def test_a_report_is_shown_or_refused(tmp_path: Path, count: int) -> None:
    file = tmp_path / "plan.report.json"

    @settings(max_examples=count, deadline=None)
    @given(content=mutated(REPORT), form=st.sampled_from(["text", "markdown", "json"]))
    def example(content: Any, form: Literal["text", "markdown", "json"]) -> None:
        file.write_text(json.dumps(content), encoding="utf-8")
        with contextlib.suppress(PlanError):
            show_file(file, form)

    example()
