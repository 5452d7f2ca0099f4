"""What the API calls free, held against the machines.

For the auditor. Imports nothing of Trunkline.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from trunkline.sim.model import FREE_IS_CLEAN, GIVES_BACK, Nic, Server, Violation
from trunkline.sim.raw_hosts import RawHost, RawVf

Shown = Mapping[str, Mapping[str, Any]]  # Devices by address, as a list shows them.

FREE: Final = frozenset({"free", "blocked", "in_use", "withdrawn", "out_of_service"})


def check_free(host: RawHost, shown: Shown) -> None:
    """Raise `Violation` if a device that nobody holds is in a guest, or is not as it was."""
    for vf in host.vfs.values():
        if shown.get(vf.address, {}).get("state") not in FREE:
            continue
        guest = _user(host, vf)
        if vf.pf in host.pooled and (guest is None or not host.guests[guest].runs):
            continue  # Which ones of a pool are free matters once a guest runs.
        if guest is not None:
            raise Violation(FREE_IS_CLEAN, f"{vf.place} is free, guest {guest} has it")
        wrong = vf.not_original()
        if wrong and vf.record.get("in_guest") is not True and not _pf_held(shown, vf.pf):
            raise Violation(FREE_IS_CLEAN, f"{vf.place} is free, and {', '.join(wrong)}")
    _check_pools(host, shown)
    for address, pf in host.pfs.items():
        if shown.get(address, {}).get("state") in ("free", "out_of_service") and pf.get(
            "in_guest", False
        ):
            raise Violation(FREE_IS_CLEAN, f"{host.name} {address} is free, a guest has it")


def _check_pools(host: RawHost, shown: Shown) -> None:
    """No more VFs of a pool may be free than are clean, and in no guest, not even a paused one."""
    for pf in sorted(host.pooled):
        vfs = [vf for vf in host.vfs.values() if vf.pf == pf]
        free = [vf for vf in vfs if shown.get(vf.address, {}).get("state") in FREE]
        clean = [vf for vf in vfs if _user(host, vf) is None and not vf.not_original()]
        if len(free) > len(clean):
            raise Violation(
                FREE_IS_CLEAN,
                f"{host.name} {pf}: {len(free)} of its pool are free, {len(clean)} are clean",
            )


def _user(host: RawHost, vf: RawVf) -> str | None:
    for guest in host.guests.values():
        if (vf.pf, vf.index) in guest.vfs:
            return guest.server_id
    return None


def _pf_held(shown: Shown, pf: str) -> bool:
    return shown.get(pf, {}).get("state", "free") not in FREE


def held_for_nothing(
    devices: Mapping[str, Mapping[str, Mapping[str, Any]]],
    servers: Mapping[str, Server],
    ports: Mapping[str, Nic],
) -> Iterator[tuple[str, str]]:
    """Yield each device that is held, and nobody has any more: rule and detail."""
    for host, by_address in devices.items():
        for address, device in by_address.items():
            if device["state"] in FREE:
                continue
            server = servers.get(device["server_id"] or "")
            claimed = device["server_id"] is None and device["port_id"] in ports
            if device["state"] in ("releasing", "quarantined") or not (
                claimed or (server is not None and not server.deleted)
            ):
                holder = device["server_id"] or device["port_id"]
                yield GIVES_BACK, f"{host} {address} is {device['state']} for {holder}"
