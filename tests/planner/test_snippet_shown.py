"""Where ``show`` says that the snippet goes: it depends on the form of the destination's file."""

from __future__ import annotations

import pytest

from planner.render_markdown import render_markdown
from planner.render_text import render_text
from schemas.config import FileForm
from schemas.plan import Plan
from tests.planner import plans


def moving_to(form: FileForm) -> Plan:
    destination = {**plans.side("dest-config.yaml", plans.store(plans.S3, plans.PACKED)), "form": form}
    return plans.moving(plans.BUCKETS, destination=destination)


@pytest.mark.parametrize(
    ("form", "text", "markdown"),
    [
        (
            "config",
            "under services.catalog of every config.yaml that has this section",
            "under `services.catalog` of every `config.yaml` that has this section",
        ),
        (
            "helm",
            "under anchoreConfig.catalog in the values of the Helm chart",
            "under `anchoreConfig.catalog` in the values of the Helm chart",
        ),
        (
            "helm-job",
            "under anchoreConfig.catalog in the values of the Helm chart, osaaMigrationJob.enabled being false",
            "under `anchoreConfig.catalog` in the values of the Helm chart, `osaaMigrationJob.enabled` being false",
        ),
    ],
)
def test_show_says_where_the_snippet_goes(form: FileForm, text: str, markdown: str) -> None:
    plan = moving_to(form)
    assert f"What must stand {text}, once the switch is done:" in render_text(plan, width=200).splitlines()
    assert f"Set {markdown}:" in render_markdown(plan).splitlines()
