"""What simulated guests say on their serial consoles: the same for the same domain and events.

A file for each domain, beside the state file; the newest of it is kept, as virtlogd does.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from trunkline.domain.console import CONSOLE_BYTES_MAX
from trunkline.domain.ids import ServerId
from trunkline.host.fake_domains import DomainRecord
from trunkline.host.libvirt_domain import parse_libvirt_domain
from trunkline.reconcile.observed import DomainPower

_LAST_WORDS: Final = {
    DomainPower.POWERED_OFF: "reboot: Power down",
    DomainPower.CRASHED: "Kernel panic - not syncing: simulated",
}


class FakeConsoles:
    """The consoles of one simulated libvirt."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def read(self, server_id: ServerId) -> bytes:
        """See `Hypervisor.console`."""
        try:
            return self._path(server_id).read_bytes()[-CONSOLE_BYTES_MAX:]
        except FileNotFoundError:
            return b""

    def boots(self, record: DomainRecord) -> None:
        """The guest of a domain begins to run: it says what it finds, and asks for a login."""
        domain = parse_libvirt_domain(record.xml)
        lines = [f"Booting a simulated guest, boot {record.boot_number}"]
        nics = [each for each in domain.nics if each.mac is not None]
        lines += [f"eth{number}: {nic.mac} at {nic.at}" for number, nic in enumerate(nics)]
        lines += [f"{address}: given by the host" for address in domain.hostdevs]
        self._say(domain.server_id, *_timed(lines), "", f"{record.name} login: ")

    def ends(self, server_id: ServerId, power: DomainPower) -> None:
        """The guest of a domain ends; of itself, it says so."""
        if power in _LAST_WORDS:
            self._say(server_id, "", *_timed([_LAST_WORDS[power]]), "")

    def forget(self, server_id: ServerId) -> None:
        """Delete what was said."""
        self._path(server_id).unlink(missing_ok=True)

    def _say(self, server_id: ServerId, *lines: str) -> None:
        self._directory.mkdir(exist_ok=True)
        said = self.read(server_id) + "\n".join(lines).encode()
        self._path(server_id).write_bytes(said[-CONSOLE_BYTES_MAX:])

    def _path(self, server_id: ServerId) -> Path:
        return self._directory / f"{server_id}.log"


def _timed(lines: list[str]) -> list[str]:
    """Put the time that a kernel would tell before each line; here it is the same each time."""
    return [f"[{number / 10:12.6f}] {line}" for number, line in enumerate(lines)]
