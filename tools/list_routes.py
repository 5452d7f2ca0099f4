"""Bring the tables of docs/http-api.md up to date: every route, from the literal route tables."""

from __future__ import annotations

import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.from_code import DOCS, first_paragraph
from trunkline.api.faces import Face, face_of
from trunkline.api.routes import DISCOVERY, ROUTES
from trunkline.api.routing import Auth, Route
from trunkline.domain.policy.rule import Rule

TARGET = DOCS / "http-api.md"

WHO = {
    Auth.PUBLIC: "anybody",
    Auth.USER: "user",
    Auth.LOGIN: "login",
    Auth.AGENT: "agent",
}


def table(name: str) -> str:
    """Return the table of one group: ``discovery``, or a face's name."""
    chosen = DISCOVERY if name == "discovery" else _of_face(Face(name))
    rows = [
        f"| {route.method} | `{route.path}` | {_who(route)} | {_does(route)} |" for route in chosen
    ]
    return "\n".join(["| method | path | who | what |", "|---|---|---|---|", *rows])


def _who(route: Route) -> str:
    return f"`{route.auth.name}`" if isinstance(route.auth, Rule) else WHO[route.auth]


def render(page: str) -> str:
    """Return the page with each table renewed between its two marks."""
    return re.sub(
        r"(<!-- routes of ([a-z]+) -->\n).*?(<!-- end -->)",
        lambda marks: f"{marks[1]}{table(marks[2])}\n{marks[3]}",
        page,
        flags=re.DOTALL,
    )


def _of_face(face: Face) -> list[Route]:
    known = {id(route) for route in DISCOVERY}
    return [
        route
        for route in ROUTES
        if id(route) not in known and face_of(route.path.removeprefix("/").split("/")) is face
    ]


def _does(route: Route) -> str:
    """Say what a handler does, less what stands in the columns before: `GET /servers`."""
    text = first_paragraph(route.handler).replace("``", "`").replace("|", "\\|")
    said = re.sub(r"^(Answer )?`[A-Z]+ [^`]*`[:.,;]? ?", "", text)
    return said[:1].upper() + said[1:]


if __name__ == "__main__":
    TARGET.write_text(render(TARGET.read_text()))
