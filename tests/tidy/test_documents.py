"""The documents agree with the code, and with their own rules."""

from __future__ import annotations

import datetime
import re
from collections import Counter
from enum import Enum
from pathlib import Path

import pytest

from tests.tidy.repository import REPOSITORY, project_files
from tools import assemble_changelog, draw_state_machines, list_errors
from tools.from_code import error_classes, member_comments, state_machines

DOCS = REPOSITORY / "docs"
RECORDS = sorted((DOCS / "adr").glob("[0-9]*.md"))
DOCUMENTS = [path for path in project_files() if path.suffix == ".md"]

RECORD_HEADINGS = ["Context", "Decision", "Price", "Refused"]
RECORD_LINES_MAX = 60  # A page.
STATUS = re.compile(
    r"Status: (?:accepted|replaced by \[\d{4}\]\(\d{4}-[\w-]+\.md\)), \d{4}-\d\d-\d\d"
)

FRAGMENT_KINDS = {"added", "changed", "fixed", "removed", "security"}


def test_every_error_has_a_code_of_its_own() -> None:
    counted = Counter(cls.code for cls in error_classes())
    assert [code for code, count in counted.items() if count > 1] == []
    for code in counted:
        assert re.fullmatch(r"[a-z_]+(\.[a-z_]+)+", code), code


def test_the_page_of_errors_is_up_to_date() -> None:
    page = list_errors.TARGET.read_text()
    assert list_errors.render(page) == page, "run `make docs`"


def test_every_error_says_what_user_and_operator_do() -> None:
    advice = list_errors.advice_by_code(list_errors.TARGET.read_text())
    complete = re.compile(r"\*\*User:\*\* \S.*\*\*Operator:\*\* \S", re.DOTALL)
    silent = [cls.code for cls in error_classes() if not complete.search(advice.get(cls.code, ""))]
    assert not silent, "docs/errors.md has no advice on these; `make docs` makes the places for it"


def test_the_state_diagrams_are_up_to_date() -> None:
    assert draw_state_machines.TARGET.read_text() == draw_state_machines.render(), "run `make docs`"


def test_every_state_can_be_reached_and_is_explained() -> None:
    for machine in state_machines():
        states: type[Enum] = type(machine.initial)
        reached = {machine.initial, *machine.transitions.values()}
        assert [state.name for state in states if state not in reached] == [], machine.name
        explained = member_comments(states)
        assert [state.name for state in states if state.name not in explained] == [], machine.name


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name)
def test_a_decision_record_follows_the_template(path: Path) -> None:
    text = path.read_text()
    number = path.name[:4]
    lines = text.splitlines()
    assert re.fullmatch(rf"# {number}: \S.*", lines[0]), "the title is `# NNNN: the decision`"
    assert re.fullmatch(r"\d{4}-[a-z0-9]+(-[a-z0-9]+)*\.md", path.name)
    assert [line[3:] for line in lines if line.startswith("## ")] == RECORD_HEADINGS
    assert len(lines) <= RECORD_LINES_MAX, "a record is a page at most"
    if number != "0000":
        assert STATUS.fullmatch(lines[2]), f"third line: {lines[2]!r}"
    for section in re.split(r"^## .*$", text, flags=re.MULTILINE)[1:]:
        assert section.strip(), "an empty section"


def test_decision_records_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in RECORDS] == list(range(len(RECORDS)))


def test_a_changelog_fragment_is_whole_sentences_under_a_known_kind() -> None:
    for path in (REPOSITORY / "changelog.d").iterdir():
        if path.name == "README.md":
            continue
        _, kind, suffix = path.name.split(".")
        assert (kind in FRAGMENT_KINDS, suffix) == (True, "md"), path.name
        text = path.read_text().strip()
        assert text[0].isupper() or text[0] == "`", path.name
        assert text.endswith("."), path.name


def test_a_release_puts_its_fragments_before_the_last_release() -> None:
    day = datetime.date(2027, 1, 31)
    first = assemble_changelog.insert(
        "# Changelog\n\nFor users.\n",
        assemble_changelog.section("0.1.0", day, [("added", "Ports.\n")]),
    )
    second = assemble_changelog.insert(
        first,
        assemble_changelog.section("0.2.0", day, [("fixed", "A,\nb.\n"), ("security", "C.\n")]),
    )
    assert second == (
        "# Changelog\n\nFor users.\n\n"
        "## 0.2.0 (2027-01-31)\n\n### Security\n\n* C.\n\n### Fixed\n\n* A,\n  b.\n\n"
        "## 0.1.0 (2027-01-31)\n\n### Added\n\n* Ports.\n"
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=str)
def test_every_link_leads_somewhere(path: Path) -> None:
    text = re.sub(r"^```.*?^```", "", (REPOSITORY / path).read_text(), flags=re.DOTALL | re.M)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = target.partition("#")
        aim = ((REPOSITORY / path).parent / name).resolve() if name else REPOSITORY / path
        if not aim.exists() or (anchor and anchor not in _anchors(aim)):
            broken.append(target)
    assert not broken


def _anchors(path: Path) -> set[str]:
    """The anchors that a heading gets, as Git forges make them."""
    headings = re.findall(r"^#+ (.*)$", path.read_text(), flags=re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings
    }


def test_every_proof_that_the_readme_names_exists() -> None:
    """The promises' table has a test file in its last column, once there is one."""
    readme = (REPOSITORY / "README.md").read_text()
    rows = re.findall(r"^\| \*\*([a-z ]+)\*\* \|.*\|(.*)\|$", readme, flags=re.MULTILINE)
    assert len(rows) == 10
    for promise, proof in rows:
        for name in re.findall(r"`(tests/[^`]+)`", proof):
            assert (REPOSITORY / name).exists(), f"{promise}: {name}"
