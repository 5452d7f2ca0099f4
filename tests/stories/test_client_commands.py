"""Every command of the `openstack` client is run, and does what docs/clients.md says of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from typing import Final, assert_never

import pytest

from tests.stories.client_commands import PAGE, Fate, counted, message_of, rendered, stories
from tests.stories.desk import BLANK, Desk, Desks
from tests.support.ssh_keys import an_ssh_key

# What is spoken for here. The client has more, for services of others: volumes, shares, objects.
GROUPS: Final = (
    "openstack.cli", "openstack.common", "openstack.compute.v2", "openstack.identity.v3",
    "openstack.image.v2", "openstack.network.v2", "openstack.placement.v1",
)  # fmt: skip
WRONGLY_SAID: Final = 2  # The exit status of a command that the client itself did not understand.
BROKEN: Final = re.compile(r"Traceback|unexpected error|Internal Server Error|HTTP 500")


@pytest.fixture
def desk(desks: Desks) -> Iterator[Desk]:
    with desks.set_up() as opened:
        yield opened


def what_is_there(desk: Desk) -> dict[str, str]:
    """What the stories speak of, by name."""
    key, file = desk.directory / "mine.pub", desk.directory / "disk.img"
    key.write_text(an_ssh_key())
    file.write_bytes(b"QFI\xfb" + bytes(508))
    return {
        "blank": " ".join(BLANK),
        "file": str(file),
        "host": "h1",
        "key": str(key),
        "password": desk.scene.site.passwords.demo,
    }


@pytest.mark.parametrize("story", stories())
def test_each_command_does_what_the_page_says(desk: Desk, story: str) -> None:
    known, sections = what_is_there(desk), stories()[story]
    said, wrong = {}, []
    for section in sections:
        for at, command in enumerate(section.commands):
            done = desk.openstack(
                desk.directory,
                *command.arguments(known),
                cloud="trunkline" if command.by_admin else "trunkline-demo",
            )
            saw = f"{command.words}: {done.returncode} {done.stderr.strip()[-300:]}"
            if BROKEN.search(done.stderr) or not _came_so(done, command.fate):
                wrong.append(saw)
            elif done.returncode != 0:
                said[section.heading, at] = message_of(done.stderr)
            if command.name is not None:
                known[command.name] = next(iter(done.stdout.splitlines()), "")
    assert not wrong, "\n".join(wrong)
    _hold_against_page(f"story {story}", rendered(sections, said))


def test_the_page_counts_what_is_served() -> None:
    _hold_against_page("counts", counted())


def _hold_against_page(block: str, told: str) -> None:
    """Compare `told` with a block of the page, or put it there where files are rewritten."""
    page = PAGE.read_text()
    begin, end = f"<!-- {block} -->\n", "<!-- end -->"
    before, _, rest = page.partition(begin)
    shown, _, after = rest.partition(end)
    if os.environ.get("TRUNKLINE_REWRITE_GOLDEN"):
        PAGE.write_text(f"{before}{begin}{told}{end}{after}")
    else:
        assert shown == told


def _came_so(done: subprocess.CompletedProcess[str], fate: Fate) -> bool:
    match fate:
        case Fate.SERVED:
            return done.returncode == 0
        case Fate.PASSED_OVER:
            return done.returncode == 0 and not (done.stdout + done.stderr).strip()
        case Fate.REFUSED | Fate.PLANNED:
            return done.returncode not in (0, WRONGLY_SAID)
        case _:
            assert_never(fate)


def test_no_command_of_the_client_is_left_out(desk: Desk) -> None:
    listed = json.loads(desk.run("command", "list", "-f", "json"))
    known = {c for group in listed if group["Command Group"] in GROUPS for c in group["Commands"]}
    said = {c.words for sections in stories().values() for s in sections for c in s.commands}
    longest = {words: _command_in(words, known) for words in said}
    assert [words for words, command in longest.items() if command is None] == []
    assert sorted(known - set(longest.values())) == []


def _command_in(words: str, known: set[str]) -> str | None:
    parts = words.split()
    found = [" ".join(parts[:n]) for n in range(1, len(parts) + 1)]
    return next((each for each in reversed(found) if each in known), None)
