"""The journal survives a loss of power, and is never guessed at."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.agent.world import IGB, MLX, World, check
from tests.reconcile.scenes import a_nic, a_server
from trunkline.agent.journal import JournalFile, RealFiles
from trunkline.domain.port import VnicType
from trunkline.reconcile.observed import Journal
from trunkline.reconcile.report import DeviceCondition


class ForgetfulFiles:
    """A disk that keeps only what was synced: `lose_power` brings that back.

    A file's content is durable once the file is synced; its name, once its directory is.
    """

    def __init__(self) -> None:
        self.names: dict[Path, int] = {}  # What a process sees: name to inode.
        self.content: dict[int, bytes] = {}
        self.durable_names: dict[Path, int] = {}
        self.durable_content: dict[int, bytes] = {}
        self.syncs = 0

    def read(self, path: Path) -> bytes | None:
        return self.content[self.names[path]] if path in self.names else None

    def write(self, path: Path, content: bytes) -> None:
        inode = self.names.setdefault(path, len(self.content))
        self.content[inode] = content

    def sync(self, path: Path) -> None:
        self.syncs += 1
        if path in self.names:
            self.durable_content[self.names[path]] = self.content[self.names[path]]
        else:
            self.durable_names = dict(self.names)

    def replace(self, source: Path, target: Path) -> None:
        self.names[target] = self.names.pop(source)

    def lose_power(self) -> None:
        self.names = dict(self.durable_names)
        self.content = {
            inode: self.durable_content.get(inode, b"") for inode in range(len(self.content))
        }


class PowerFailure(BaseException):
    """Nothing of the agent goes on after it."""


class PowerCut:
    """Ends the agent at its nth point."""

    def __init__(self, number: int) -> None:
        self._left = number

    def reached(self, point: str) -> None:
        if self._left == 0:
            raise PowerFailure
        self._left -= 1


def test_what_was_saved_is_there_after_a_loss_of_power() -> None:
    files, path = ForgetfulFiles(), Path("/j/journal.json")
    for generation in (1, 2, 3):
        JournalFile(path, files).save(Journal(boot_id="b", generation=generation))
        files.lose_power()
        assert JournalFile(path, files).current == Journal(boot_id="b", generation=generation)


def test_an_unchanged_journal_is_not_written_again() -> None:
    files = ForgetfulFiles()
    journal = JournalFile(Path("/j/journal.json"), files)
    journal.save(Journal(boot_id="b", generation=1))
    syncs = files.syncs
    journal.save(Journal(boot_id="b", generation=1))
    assert files.syncs == syncs


@pytest.mark.parametrize("point", range(16))
def test_the_original_state_is_durable_before_the_first_write(point: int, tmp_path: Path) -> None:
    """Power is lost to the agent's disk at every point, while the card keeps what it has."""
    world, files = World(tmp_path), ForgetfulFiles()
    held = (world.device(IGB, 0), world.device(MLX, 3))
    world.control.want(a_server(1, a_nic(1, held[0]), a_nic(2, held[1], VnicType.MACVTAP)))
    try:
        world.settle(world.an_agent(PowerCut(point), files))
    except PowerFailure:
        pass
    else:
        assert point > 10
    files.lose_power()
    world.control.want(releases=held)
    world.settle(world.an_agent(files=files))
    check(world)


@pytest.mark.parametrize(
    "damage", ["truncated", "empty", "changed", "of another format", "no JSON"]
)
def test_a_damaged_journal_stops_the_agent_before_it_touches_anything(
    damage: str, tmp_path: Path
) -> None:
    world = World(tmp_path)
    world.control.want(a_server(1, a_nic(1, world.device(IGB, 0))))
    world.settle(world.an_agent())
    whole = world.journal_path.read_bytes()
    world.journal_path.write_bytes(
        {
            "truncated": whole[: len(whole) // 2],
            "empty": b"",
            "changed": whole.replace(b'"generation":1', b'"generation":2'),
            "of another format": whole.replace(b'"version":1', b'"version":9'),
            "no JSON": b"\x00" * len(whole),
        }[damage]
    )
    before = world.writes()
    agent = world.an_agent()
    world.run(agent, seconds=10)
    assert re.search(r"journal\.json can't be used: .* Nothing on this", agent.problem)
    assert world.control.reports[-1].problem == agent.problem
    assert not agent.is_settled
    assert world.writes() == before

    world.journal_path.write_bytes(whole)
    world.settle(agent)
    assert not agent.problem
    assert world.writes() == before


def test_a_journal_that_cannot_be_written_keeps_the_agent_from_acting(tmp_path: Path) -> None:
    class FullDisk(RealFiles):
        full = False

        def write(self, path: Path, content: bytes) -> None:
            if self.full:
                raise OSError(28, "No space left on device")
            super().write(path, content)

    world, files = World(tmp_path), FullDisk()
    agent = world.an_agent(files=files)
    world.control.want()
    world.settle(agent)
    files.full = True
    server = a_server(1, a_nic(1, world.device(IGB, 0)))
    world.control.want(server)
    world.run(agent, seconds=10)
    assert not world.writes()
    files.full = False
    world.settle(agent)
    check(world, server)


def test_after_a_reboot_the_journal_still_fences_and_no_longer_restores(tmp_path: Path) -> None:
    world = World(tmp_path)
    device = world.device(IGB, 0, epoch=3)
    world.control.want(a_server(1, a_nic(1, device)))
    world.settle(world.an_agent())
    before = JournalFile(world.journal_path).current
    assert set(before.originals) == {device.address}
    world.machine.kernel.reboot()
    agent = world.an_agent()
    world.control.lose_fetches = True
    world.run(agent, seconds=1)
    after = JournalFile(world.journal_path).current
    assert (after.generation, after.epochs) == (before.generation, {device.address: 3})
    assert not after.originals
    assert after.boot_id != before.boot_id


@pytest.mark.parametrize("steps_without_config", [0, 1, 3])
def test_after_a_lost_journal_what_is_released_is_restored_before_it_is_clean(
    steps_without_config: int, tmp_path: Path
) -> None:
    """A real transport has nothing yet at its first fetch: it only begins to ask then."""
    world = World(tmp_path)
    device = world.device(IGB, 0)
    world.control.want(a_server(1, a_nic(1, device, vlan_id=100)))
    world.settle(world.an_agent())
    world.journal_path.unlink()
    world.control.want(releases=(device,))
    arriving, world.control.config = world.control.config, None
    agent = world.an_agent()
    for _ in range(steps_without_config):
        world.now = agent.step(world.now)
    world.control.config = arriving
    world.settle(agent)
    assert world.control.condition(device) == (DeviceCondition.CLEAN, "")
    check(world)


def test_a_reboot_before_the_first_configuration_leaves_nothing_unknown(tmp_path: Path) -> None:
    world = World(tmp_path)
    device = world.device(IGB, 0)
    world.run(world.an_agent(), seconds=1)
    world.machine.kernel.reboot()
    world.control.want(releases=(device,))
    world.settle(world.an_agent())
    assert not JournalFile(world.journal_path).current.unknown
    assert not world.agent_writes()
