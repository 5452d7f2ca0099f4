"""Write docs/state-machines.md from the transition tables."""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.from_code import DOCS, first_paragraph, member_comments, state_machines
from trunkline.domain.state_machine import StateMachine

TARGET = DOCS / "state-machines.md"

HEAD = """\
# State machines

`make docs` writes this page from the transition tables in `src/trunkline/domain/`; a test compares
the two. An event that a state has no arrow for raises `state.illegal_transition`
([errors](errors.md)). A state in brackets is where everything starts.
"""


def draw(machine: StateMachine[Any, Any]) -> str:
    """Return one machine as a diagram and two tables."""
    states, events = type(machine.initial), type(next(iter(machine.transitions))[1])
    lines = [
        f"## {machine.name.capitalize()}",
        "",
        first_paragraph(sys.modules[states.__module__]),
        "",
        "```mermaid",
        "stateDiagram-v2",
        f"    [*] --> {machine.initial.name}",
    ]
    lines += [
        f"    {state.name} --> {target.name}: {event.value}"
        for (state, event), target in machine.transitions.items()
    ]
    finals = set(machine.transitions.values()) - {state for state, _ in machine.transitions}
    lines += [f"    {state.name} --> [*]" for state in states if state in finals]
    lines += ["```", ""]
    lines += _meanings("state", states, initial=machine.initial)
    lines += _meanings("event", events, initial=None)
    lines += ["| in | on | goes to |", "|---|---|---|"]
    lines += [
        f"| {state.name} | {event.value} | {target.name} |"
        for (state, event), target in machine.transitions.items()
    ]
    return "\n".join([*lines, ""])


def _meanings(title: str, enumeration: type[Enum], *, initial: Enum | None) -> list[str]:
    comments = member_comments(enumeration)
    lines = [f"| {title} | meaning |", "|---|---|"]
    for member in enumeration:
        name = member.name if title == "state" else str(member.value)
        shown = f"[{name}]" if member is initial else name
        lines.append(f"| {shown} | {comments.get(member.name, '')} |")
    return [*lines, ""]


def render() -> str:
    """Return the whole page."""
    return "\n".join([HEAD, *(draw(machine) for machine in state_machines())])


if __name__ == "__main__":
    TARGET.write_text(render())
