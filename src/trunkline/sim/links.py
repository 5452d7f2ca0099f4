"""PFs out of service: what hosts have told of them, and what must follow from it.

For the auditor. Imports nothing of Trunkline.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from trunkline.sim.model import IN_SERVICE, RESTORES, SEEN_AT_ONCE, TOLD, Violation
from trunkline.sim.raw_hosts import RawHost

Message = Mapping[str, Any]
Shown = Mapping[str, Mapping[str, Any]]  # Devices by address, as a list shows them.

_VFIO: Final = "vfio-pci"  # Whose functions' links nobody on the host can judge.
_HELD: Final = frozenset({"claimed", "active"})


class Links:
    """Which PFs the control plane was told are out of service, and who has something of them."""

    def __init__(self) -> None:
        self._now = 0  # Counts what was heard.
        self._run: dict[str, str] = {}  # By host: the newest run of its agent that was heard of.
        self._numbers: dict[tuple[str, str], int] = {}  # The newest report of each host's run.
        self._told: dict[tuple[str, str], int] = {}  # When a host's PF was told to be out.
        self._listed: dict[str, int] = {}  # When a host's devices were listed last.
        self._holders: dict[str, set[tuple[str, str]]] = {}  # By host: PF and port, by that list.

    def hear_report(self, message: Message) -> None:
        """Note what a report says of PFs.

        One says that they are well from when it may have been taken in, answered or not; that they
        are out of service, once it was answered, unless it was a late one.
        """
        said, self._now = message["request"], self._now + 1
        host, run = said["host"], said["run"]
        if (host, run) not in self._numbers:
            self._run[host] = run
        is_news = run == self._run[host] and said["number"] > self._numbers.get((host, run), 0)
        if message["answer"] is not None and is_news:
            self._numbers[host, run] = said["number"]
        if said["pfs"] is None:
            return
        out = {address for address, pf in said["pfs"].items() if _is_out(pf)}
        for key in [key for key in self._told if key[0] == host and key[1] not in out]:
            del self._told[key]
        if message["answer"] is not None and is_news:
            for address in out:
                self._told.setdefault((host, address), self._now)

    def hear_devices(self, host: RawHost, shown: Shown) -> None:
        """Raise `Violation` if somebody got something of a PF that was told to be out by then."""
        self._now += 1
        before, known = self._listed.get(host.name, 0), self._holders.get(host.name, set())
        pfs = _pfs_of(host)
        held = {
            (pfs.get(address, address), str(device["port_id"]))
            for address, device in shown.items()
            if device["state"] in _HELD and device["port_id"] is not None
        }
        for pf, port_id in sorted(held - known):
            if self._told.get((host.name, pf), self._now) <= before:
                raise Violation(
                    IN_SERVICE, f"port {port_id} got {host.name} {pf}, which is out of service"
                )
        self._listed[host.name], self._holders[host.name] = self._now, held

    def ports_on(self, host: str, pf: str) -> frozenset[str]:
        """Return the ports that have something of a PF."""
        return frozenset(port for at, port in self._holders.get(host, ()) if at == pf)


def check_told(events: Sequence[Message], action: str, ports: frozenset[str]) -> None:
    """Raise `Violation` unless each of these ports, and no other, was told of once."""
    told = sorted(event["port_id"] for event in events if event["action"] == action)
    if told != sorted(ports):
        raise Violation(TOLD, f"{action} was told of ports {told}, it is so for {sorted(ports)}")


def check_seen(host: RawHost, shown: Shown) -> None:
    """Raise `Violation` if a host's PFs are shown otherwise than they are."""
    pfs = _pfs_of(host)
    for address, device in shown.items():
        # Of what somebody has, or has still to clean, that is shown instead.
        if device["state"] not in ("free", "out_of_service"):
            continue
        pf = pfs.get(address, "")
        if pf and (device["state"] == "out_of_service") != host.is_out_of_service(pf):
            raise Violation(
                SEEN_AT_ONCE,
                f"{host.name} {pf} {'has no link' if host.is_out_of_service(pf) else 'is well'}, "
                f"and {address} is {device['state']}",
            )


def not_back(host: RawHost, shown: Shown) -> Iterator[tuple[str, str]]:
    """Yield what is shown as out of service still although its PF is well."""
    pfs = _pfs_of(host)
    for address, device in shown.items():
        pf = pfs.get(address, "")
        if pf and device["state"] == "out_of_service" and not host.is_out_of_service(pf):
            yield RESTORES, f"{host.name} {address} is out of service, {pf} is not"


def _is_out(pf: Mapping[str, Any]) -> bool:
    return pf["driver"] != _VFIO and bool(pf["fault"] or pf["driver"] is None or not pf["link_up"])


def _pfs_of(host: RawHost) -> dict[str, str]:
    """Return the PF of each function that is one, or a VF of one."""
    return {pf: pf for pf in host.pfs} | {vf.address: vf.pf for vf in host.vfs.values()}
