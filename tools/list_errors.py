"""Bring docs/errors.md up to date: what happened comes from the code, what to do about it stays."""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.from_code import DOCS, error_classes, first_paragraph
from trunkline.domain.errors import TrunklineError

TARGET = DOCS / "errors.md"
NO_ADVICE = "**User:**\n\n**Operator:**"

_SECTION = re.compile(r"^## `(?P<code>[^`]+)`\n(?P<body>.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)
_ADVICE = re.compile(r"^\*\*User:\*\*.*", re.MULTILINE | re.DOTALL)


def advice_by_code(page: str) -> dict[str, str]:
    """Return what the page says a user and an operator do, by error code."""
    found = {}
    for section in _SECTION.finditer(page):
        advice = _ADVICE.search(section["body"])
        found[section["code"]] = advice.group().strip() if advice else ""
    return found


def render_section(cls: type[TrunklineError], advice: str) -> str:
    """Return one error's section; without advice it has the empty places to fill in."""
    fact = f"{first_paragraph(cls)} Kind: {cls.kind.value}. Class: `{cls.__name__}`."
    return f"## `{cls.code}`\n\n{fact}\n\n{advice or NO_ADVICE}\n"


def render(page: str) -> str:
    """Return the page with the code's part renewed, and codes that are gone left out."""
    head = page.split("\n## ")[0].rstrip() + "\n"
    advice = advice_by_code(page)
    sections = [render_section(cls, advice.get(cls.code, "")) for cls in error_classes()]
    return "\n".join([head, *sections])


if __name__ == "__main__":
    TARGET.write_text(render(TARGET.read_text()))
