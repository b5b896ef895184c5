"""What README and docs tell people to type works as written, and what they list is what the program has."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from bench.main import parser
from schemas.exit_codes import ExitCode
from schemas.report import Failed, Ledger, MoveReport, Report, StageReport
from tests.anchore.config import Config, Db, Section
from tests.anchore.deployment import Deployment
from tests.cli import Cli
from tests.end_to_end.migration import begin, few

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").glob("*.md"))]


def typed(page: Path, program: str) -> list[str]:
    """The commands of the page's console blocks, in their order."""
    blocks = re.findall(r"```console\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    return [line.removeprefix("$ ") for line in lines if line.startswith(f"$ {program} ")]


@pytest.mark.parametrize("page", [page for page in PAGES if typed(page, "restow")], ids=lambda page: page.name)
def test_the_commands_of_a_page_run_in_their_order(page: Path, deployment: Deployment, cli: Cli) -> None:
    source = Config(Section(Db()))
    destination = Config(Section(deployment.s3(prefix="internaltest"), compress_above_kbytes=1))
    begin(deployment, cli, source, destination, documents=few())
    deployment.write_config("config.old.yaml", source)
    for command in typed(page, "restow"):
        words = shlex.split(command, comments=True)[1:]
        cli.run(*words).must_end(0)


def test_the_two_commands_of_the_readme_are_targets_of_the_makefile() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = [shlex.split(command, comments=True)[1] for command in typed(README, "make")]
    assert named == ["demo", "test"]
    for target in named:
        assert f"\n{target}: " in makefile


def test_every_command_of_the_program_is_in_the_readme_and_the_other_way_round(cli: Cli) -> None:
    listed = set(re.findall(r"^\| `restow (\w+)", README.read_text(encoding="utf-8"), re.MULTILINE))
    listed |= set(re.findall(r"`restow (\w+)`", README.read_text(encoding="utf-8")))
    said = cli.run("--help").must_end(0).stdout
    known = set(re.findall(r"^  (\w+)  ", said.split("Commands:")[1], re.MULTILINE))
    assert listed == known


@pytest.mark.parametrize("page", [README, ROOT / "docs" / "exit-codes.md"], ids=lambda page: page.name)
def test_every_exit_code_is_in_the_table(page: Path) -> None:
    rows = re.findall(r"^\| ([\d ,·]+) \|", page.read_text(encoding="utf-8"), re.MULTILINE)
    codes = {int(number) for row in rows for number in re.findall(r"\d+", row)}
    assert codes == {int(code) for code in ExitCode}


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs/adr").glob("*.md"))], ids=str)
def test_every_link_to_a_file_of_ours_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_every_flag_that_the_pages_name_is_one_of_the_programs_or_the_vendors(cli: Cli) -> None:
    commands = re.findall(r"^  (\w+)  ", cli.run("--help").must_end(0).stdout.split("Commands:")[1], re.MULTILINE)
    helped = [cli.run("--help").stdout, *(cli.run(command, "--help").must_end(0).stdout for command in commands)]
    known = {flag for text in helped for flag in re.findall(r"--[a-z][a-z-]+", text)}
    known |= set(re.findall(r"--[a-z][a-z-]+", parser().format_help()))
    vendors = {"--from-analysis-archive", "--to-analysis-archive", "--nodelete", "--dontask"}
    vendors |= {"--transfers", "--checkers", "--numworkers"}  # of the tools that the benchmark runs beside it
    for page in PAGES:
        named = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page.read_text(encoding="utf-8")))
        assert named <= known | vendors, f"{page.name}: {sorted(named - known - vendors)}"


def test_the_report_format_page_has_every_field_of_the_report() -> None:
    page = (ROOT / "docs" / "report-format.md").read_text(encoding="utf-8")
    for model in (Report, MoveReport, Ledger, StageReport, Failed):
        for name, field in model.model_fields.items():
            assert f"`{field.alias or name}`" in page, f"{model.__name__}.{name}"
