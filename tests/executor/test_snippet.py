"""The snippet as text: YAML that says what it should, under comments that can do no harm."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from executor.snippet import private_text, snippet_text
from planner.snippet import Snippet, SnippetForm, ToSet

CONFIG = """\
# Set this under services.catalog, in place of the storage settings there, in EVERY config.yaml that has a
# services.catalog section, before any Anchore service starts.
# Remove there what may still name the old place: archive, analysis_archive.
# Set these variables for the services, in their environment or in the file that ANCHORE_ENV_FILE names:
#   ANCHORE_OBJECT_STORE_SECRET_KEY: object_store.storage_driver.config.secret_key of dest.yaml
# It refers to other variables that must be set as well: ANCHORE_KEY.
# Fill in these settings:
#   object_store.storage_driver.config.port: as in dest.yaml
services:
  catalog:
    object_store:
      storage_driver:
        name: s3
        config:
          access_key: '${ANCHORE_KEY}'
          secret_key: '${ANCHORE_OBJECT_STORE_SECRET_KEY}'
          port: <set in dest.yaml>
          bucket: b
"""
HELM = """\
# Set this in the values of the Helm chart, in place of the storage sections under anchoreConfig.catalog, then upgrade.
# Edit the values themselves: Helm would merge a second values file into them, and settings of the old place would stay.
# Keep osaaMigrationJob.enabled false: restow does what that job does.
# It refers to variables that must be set as well: ANCHORE_REGION.
anchoreConfig:
  catalog:
    object_store:
      storage_driver:
        config:
          existingCredentialSecret: anchore-s3
          region: ${ANCHORE_REGION}
"""
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
SECTIONS = st.dictionaries(
    TEXTS, st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3))
)


def snippet(section: dict[str, Any], form: SnippetForm = "config", **left_to_do: Any) -> Snippet:
    nothing: dict[str, Any] = {"variables": (), "references": (), "to_fill": (), "to_remove": ()}
    return Snippet(form=form, section=section, **{**nothing, **left_to_do})


def s3(**settings: object) -> dict[str, Any]:
    return {"object_store": {"storage_driver": {"name": "s3", "config": settings}}}


def test_the_part_of_a_config_yaml() -> None:
    secret = "${ANCHORE_OBJECT_STORE_SECRET_KEY}"
    made = snippet(
        s3(access_key="${ANCHORE_KEY}", secret_key=secret, port="<set in dest.yaml>", bucket="b"),
        variables=(
            ToSet("ANCHORE_OBJECT_STORE_SECRET_KEY", "object_store.storage_driver.config.secret_key of dest.yaml"),
        ),
        references=("ANCHORE_KEY",),
        to_fill=(ToSet("object_store.storage_driver.config.port", "as in dest.yaml"),),
        to_remove=("archive", "analysis_archive"),
    )
    assert snippet_text(made) == CONFIG


def test_the_part_of_the_chart_s_values() -> None:
    settings = {"existingCredentialSecret": "anchore-s3", "region": "${ANCHORE_REGION}"}
    section = {"object_store": {"storage_driver": {"config": settings}}}
    assert snippet_text(snippet(section, "helm", references=("ANCHORE_REGION",))) == HELM


def test_a_variable_of_the_chart_s_is_set_where_the_chart_sets_them() -> None:
    variable = ToSet("ANCHORE_OBJECT_STORE_OS_PASSWORD", "os_password of values.yaml")
    said = snippet_text(snippet(s3(), "helm", variables=(variable,)))
    assert "# Set these variables with the chart's extraEnv:\n#   ANCHORE_OBJECT_STORE_OS_PASSWORD: os_pass" in said


def test_a_file_that_may_hold_secrets_says_so() -> None:
    made = snippet(s3(secret_key="literal"))
    assert private_text(made) == "# This file may hold secrets.\n" + snippet_text(made)


@settings(deadline=None)
@given(SECTIONS, st.sampled_from(["config", "helm"]))
@example({"long": "word " * 200}, "config")
@example({"breaks": "a\n\u2028b\x85 c\r\n"}, "config")
def test_it_says_what_it_should(section: dict[str, Any], form: SnippetForm) -> None:
    said = snippet_text(snippet(section, form))
    head = ("services", "catalog") if form == "config" else ("anchoreConfig", "catalog")
    assert yaml.safe_load(said) == {head[0]: {head[1]: section}}
    assert said == snippet_text(snippet(section, form))
    assert said.isascii()


@settings(deadline=None)
@given(st.text(st.characters(codec="ascii", exclude_categories=["Cc"], exclude_characters="'")))
@example("0123")
@example("1e5")
@example("true")
@example("null")
@example("a: b # c")
@example("*%@")
@example("")
def test_a_secret_stays_text_whatever_it_looks_like(secret: str) -> None:
    """Anchore fills a variable in before it reads the YAML."""
    variable = ToSet("ANCHORE_OBJECT_STORE_SECRET_KEY", "secret_key of dest.yaml")
    said = snippet_text(snippet(s3(secret_key=f"${{{variable.name}}}"), variables=(variable,)))
    filled = yaml.safe_load(said.replace(f"${{{variable.name}}}", secret))
    assert filled["services"]["catalog"] == s3(secret_key=secret)


@settings(deadline=None)
@given(TEXTS, TEXTS)
@example("a\nservices: {}", "b\u2028services: {}")
@example("${ANCHORE_A}", "\x1b[2J\u202e")
def test_a_comment_stays_a_comment(name: str, value: str) -> None:
    made = snippet(s3(bucket="b"), variables=(ToSet(name, value),), to_fill=(ToSet(value, name),))
    said = snippet_text(made)
    assert yaml.safe_load(said) == {"services": {"catalog": s3(bucket="b")}}
    comments = said.partition("\nservices:")[0]
    assert "${" not in comments
    assert all(line.startswith("#") for line in comments.splitlines())
    assert comments.replace("\n", "").isprintable()


@pytest.mark.parametrize("form", ["config", "helm"])
def test_the_comments_are_short(form: SnippetForm) -> None:
    said = snippet_text(snippet(s3(bucket="b"), form, references=("ANCHORE_KEY",), to_remove=("archive",)))
    comments = [line for line in said.splitlines() if line.startswith("#")]
    assert len(comments) <= 5
    assert max(map(len, comments)) <= 120
