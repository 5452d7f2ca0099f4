"""What a person may say to the `openstack` command, and what becomes of it.

A file of `commands/` is a story, told to one site from top to bottom:

    = Heading
    A sentence about what follows.
    $ server list --long                       as a member of a project
    # server migrate web ?                     as an admin; `?`: refused, until it is built
    $ server pause web !                       `!`: refused, for good
    $ server unshelve web ~                    `~`: neither refused nor done, and nothing is said
    $ token issue -f value -c id > token       the first line that it prints is `{token}` below
"""

from __future__ import annotations

import enum
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent / "commands"
PAGE: Final = Path(__file__).resolve().parents[2] / "docs/clients.md"
MESSAGE_CHARS_MAX: Final = 160
_LINE: Final = re.compile(r"(?P<prompt>[#$]) (?P<words>.*?)( (?P<fate>[!?~])| > (?P<name>\w+))?")


class Fate(enum.Enum):
    """What becomes of a command: the words of the page."""

    SERVED = "served"
    REFUSED = "refused"
    PLANNED = "planned"
    PASSED_OVER = "nothing happens"


_FATES: Final = {
    None: Fate.SERVED,
    "!": Fate.REFUSED,
    "?": Fate.PLANNED,
    "~": Fate.PASSED_OVER,
}


_COUNTED: Final = {
    Fate.SERVED: "are served",
    Fate.REFUSED: "refused",
    Fate.PLANNED: "planned",
    Fate.PASSED_OVER: "come to nothing",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One line of a story."""

    words: str
    by_admin: bool
    fate: Fate
    name: str | None = None  # Of what it prints.

    def arguments(self, known: Mapping[str, str]) -> list[str]:
        """What `openstack` is called with."""
        return shlex.split(re.sub(r"\{(\w+)\}", lambda found: known[found[1]], self.words))


@dataclass(slots=True, kw_only=True)
class Section:
    """What a heading is over."""

    heading: str
    about: list[str] = field(default_factory=list)
    commands: list[Command] = field(default_factory=list)


def stories() -> dict[str, list[Section]]:
    """The sections of each file, by its name."""
    return {path.stem: _sections(path) for path in sorted(FOLDER.glob("*.txt"))}


def _sections(path: Path) -> list[Section]:
    found: list[Section] = []
    for line in path.read_text().splitlines():
        if line.startswith("= "):
            found.append(Section(heading=line.removeprefix("= ")))
        elif line[:2] in ("# ", "$ "):
            found[-1].commands.append(_command(line))
        elif line:
            found[-1].about.append(line)
    return found


def _command(line: str) -> Command:
    match = _LINE.fullmatch(line)
    assert match is not None, line
    return Command(
        words=match["words"],
        by_admin=match["prompt"] == "#",
        fate=_FATES[match["fate"]],
        name=match["name"],
    )


def rendered(sections: Sequence[Section], said: Mapping[tuple[str, int], str]) -> str:
    """The tables of a story; `said` has what was said to refused commands."""
    lines = []
    for section in sections:
        lines += [f"## {section.heading}", ""]
        if section.about:
            lines += [*section.about, ""]
        lines += ["| | `openstack` … | |", "|---|---|---|"]
        for at, command in enumerate(section.commands):
            prompt = "admin" if command.by_admin else ""
            words = command.words.replace("|", r"\|")
            message = said.get((section.heading, at), "")
            outcome = command.fate.value + (f": {message}" if message else "")
            lines.append(f"| {prompt} | `{words}` | {outcome} |")
        lines.append("")
    return "\n".join(lines)


def counted() -> str:
    """How many commands come to what, in words."""
    fates = Counter(c.fate for sections in stories().values() for s in sections for c in s.commands)
    told = ", ".join(f"{fates[fate]} {_COUNTED[fate]}" for fate in Fate)
    return f"Of {fates.total()} lines, {told}.\n"


def message_of(error: str) -> str:
    """What the client says of a refusal, without what differs from run to run."""
    told = next((line for line in reversed(error.splitlines()) if line.strip()), "")
    told = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID", told)
    told = re.sub(r"http://127\.0\.0\.1:\d+", "URL", told)
    told = told.replace("|", r"\|").replace("<", "&lt;")
    return told if len(told) <= MESSAGE_CHARS_MAX else f"{told[:MESSAGE_CHARS_MAX]}…"
