"""What can be claimed. Each check raises `Untrue` if the claim does not hold."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Final

from .raw import Host, Raw, Untrue, Vf, World, card_name, devices_of, vlan_name

VF_WRITE: Final = re.compile(r"ip link set (\S+) vf (\d+) (.*)")


def cabled(world: World, *, host: str, pf: str, physical_network: str, vf_count: int) -> None:
    """A card is there, with so many VFs, on this physical network."""
    found = world.host(host)
    card = found.pfs.get(pf)
    if card is None:
        raise Untrue(f"host {host} has no card at {pf}")
    network = found.cabling.get(pf)
    if network != physical_network:
        raise Untrue(
            f"host {host}, {card_name(card)}: expected {physical_network}, found {network}"
        )
    if len(card.get("vfs", [])) != vf_count:
        count = len(card.get("vfs", []))
        raise Untrue(f"host {host}, {card_name(card)}: expected {vf_count} VFs, found {count}")


def runs(world: World, *, server: str, host: str, macs: list[str], power: str = "running") -> None:
    """The guest runs on this host and nowhere else, with exactly these MACs."""
    at = [name for name, each in world.hosts.items() if server in each.domains()]
    if at != [host]:
        raise Untrue(f"guest {server}: expected on {host} alone, found on {at or 'no host'}")
    found = world.host(host).domains()[server].get("power", "shut_off")
    if found != power:
        raise Untrue(f"guest {server} on {host}: expected {power}, found {found}")
    have = world.host(host).macs_of(server)
    if have != sorted(macs):
        raise Untrue(f"guest {server} on {host}: expected MACs {sorted(macs)}, found {have}")


def nic(
    world: World, *, server: str, host: str, kind: str, device: str, mac: str,
    physical_network: str, vlan: int,
) -> None:  # fmt: skip
    """A NIC is on this device, whose card is cabled right and has this MAC and VLAN for it."""
    there = world.host(host)
    given = devices_of(there.domains().get(server, {}))
    if kind == "direct-physical":
        if device not in there.pfs or device not in given:
            raise Untrue(f"host {host}: expected PF {device} in guest {server}, found {given}")
        _check_network(there, there.pfs[device], physical_network)
        return
    vf = there.find_vf(device)
    if vf is None:
        raise Untrue(f"host {host} has no VF at {device}")
    place = device if kind == "direct" else f"{vf.pf['address']} VF {vf.index}"
    if place not in given:
        raise Untrue(f"{vf.place}: expected in guest {server}, found there: {sorted(given)}")
    _check_network(there, vf.pf, physical_network)
    found_mac, found_vlan = vf.settings()["mac"], vf.settings()["vlan_id"]
    if (found_mac, found_vlan) != (mac, vlan):
        raise Untrue(
            f"{vf.place}: expected MAC {mac} and {vlan_name(vlan)}, found MAC {found_mac} and "
            f"{vlan_name(found_vlan)}{_who_has(there, mac)}"
        )


def _check_network(host: Host, pf: Raw, physical_network: str) -> None:
    found = host.cabling.get(pf["address"])
    if found != physical_network:
        raise Untrue(
            f"host {host.name}, {card_name(pf)}: expected a card cabled to {physical_network}, "
            f"found one cabled to {found}"
        )


def _who_has(host: Host, mac: str) -> str:
    for vf in host.vfs():
        if vf.record.get("mac") == mac:
            vlan = vlan_name(vf.settings()["vlan_id"])
            return f"; {card_name(vf.pf)} has that MAC on VF {vf.index} ({vf.address}), with {vlan}"
    return ""


def tagged_first(world: World, *, server: str, host: str, device: str, mac: str, vlan: int) -> None:
    """MAC and VLAN were written to the card before the guest could run for the first time."""
    there = world.host(host)
    vf = there.find_vf(device)
    if vf is None:
        raise Untrue(f"host {host} has no VF at {device}")
    name = there.domains().get(server, {}).get("name", server)
    resumes = [e for e in there.hypervisor_log if e["command"] == f"virsh resume {name}"]
    if not resumes:
        raise Untrue(f"guest {server} on {host} was never resumed")
    before = [e for e in there.kernel_log if e["number"] <= resumes[0].get("kernel_number", 0)]
    last = _last_writes(before).get((vf.pf["ifname"], vf.index), {})
    for setting, wanted in (("mac", mac), ("vlan", str(vlan))):
        if last.get(setting) != wanted:
            raise Untrue(
                f"{vf.place}: expected {setting} {wanted} written before the guest was resumed, "
                f"found {last.get(setting, 'none')}"
            )


def _last_writes(log: list[Raw]) -> dict[tuple[str, int], dict[str, str]]:
    """The last acknowledged MAC and VLAN of each VF, by its PF's netdev and its index."""
    last: dict[tuple[str, int], dict[str, str]] = {}
    for entry in log:
        if entry["result"] != "OK":
            continue
        write = VF_WRITE.fullmatch(entry["command"])
        if write is None:
            continue
        words = write[3].split()
        written = last.setdefault((write[1], int(write[2])), {})
        for key, value in itertools.pairwise(words):
            if key in ("mac", "vlan"):
                written[key] = value
    return last


def acknowledged_writes_hold(world: World) -> None:
    """On every card, each VF has the MAC and VLAN that were last acknowledged for it."""
    for host in world.hosts.values():
        for pf in host.kernel["pfs"]:
            last = _last_writes(_since_vfs_were_made(host, pf["address"]))
            for index in range(len(pf.get("vfs", []))):
                vf, written = Vf(host.name, pf, index), last.get((pf["ifname"], index), {})
                found = vf.settings()
                mac = str(written.get("mac", found["mac"]))
                vlan = int(written.get("vlan", "-1"))
                if vlan >= 0 and vlan != found["vlan_id"]:
                    raise Untrue(
                        f"{vf.place}: expected {vlan_name(vlan)}, which was written last and "
                        f"acknowledged, found {vlan_name(found['vlan_id'])}"
                    )
                if mac != found["mac"]:
                    raise Untrue(
                        f"{vf.place}: expected MAC {mac}, which was written last and acknowledged, "
                        f"found MAC {found['mac']}{_who_has(host, mac)}"
                    )


def _since_vfs_were_made(host: Host, pf: str) -> list[Raw]:
    """The log since the VFs of a PF were made anew: after it came back from a guest, say."""
    remade = (f"echo 0 > /sys/bus/pci/devices/{pf}/", f"driverctl --nosave set-override {pf} ")
    start = 0
    for at, entry in enumerate(host.kernel_log):
        if entry["result"] == "OK" and entry["command"].startswith((*remade, "reboot")):
            start = at + 1
    return host.kernel_log[start:]


def one_owner(world: World) -> None:
    """No VF and no PF is in two guests, nor a VF in one and its PF in another."""
    for host in world.hosts.values():
        owners = Counter(at for record in host.domains().values() for at in devices_of(record))
        for vf in host.vfs():
            macvtap, pf = f"{vf.pf['address']} VF {vf.index}", vf.pf["address"]
            count = owners[vf.address] + owners[macvtap]
            if count > 1 or (count and owners[pf]):
                raise Untrue(f"{vf.place}: expected one guest at most, found {count + owners[pf]}")
        for address, pf_record in host.pfs.items():
            if owners[address] > 1:
                raise Untrue(f"host {host.name}, {card_name(pf_record)}: in two guests")


def absent(world: World, *, server: str) -> None:
    """No host has this guest, and no libvirt ever heard of it but to end it."""
    at = [name for name, host in world.hosts.items() if server in host.domains()]
    if at:
        raise Untrue(f"guest {server}: expected on no host, found on {at}")


def nobody_fits(world: World, *, whole_cards: list[str], closed: list[str]) -> None:
    """No host that is open has a whole card free on each of these physical networks."""
    for host in world.hosts.values():
        free = Counter(
            host.cabling.get(address, "") for address in host.pfs if not _in_use(host, address)
        )
        if host.name not in closed and not Counter(whole_cards) - free:
            raise Untrue(f"host {host.name} has whole cards free on {whole_cards}")


def _in_use(host: Host, pf: str) -> bool:
    given = {at for record in host.domains().values() for at in devices_of(record)}
    of_pf = (vf for vf in host.vfs() if vf.pf["address"] == pf)
    return pf in given or any(vf.address in given or f"{pf} VF {vf.index}" in given for vf in of_pf)


def partly_done(world: World, *, server: str, host: str, nics: list[Raw]) -> None:
    """The guest does not run; some of its VFs have their VLAN already, and some have not."""
    there = world.host(host)
    power = there.domains().get(server, {}).get("power", "shut_off")
    if power == "running":
        raise Untrue(f"guest {server} on {host}: expected not to run yet, found running")
    tagged = [n for n in nics if (vf := there.find_vf(n["device"])) and
              vf.settings()["vlan_id"] == n["vlan"]]  # fmt: skip
    if not 0 < len(tagged) < len(nics):
        raise Untrue(f"host {host}: expected a part of {len(nics)} VFs tagged, found {len(tagged)}")


def nothing_twice(world: World, *, host: str, since: str) -> None:
    """The agent did no step twice."""
    there, then = world.host(host), _snapshot(since)[host]
    new = there.kernel_log[then["kernel_lines"] :], there.hypervisor_log[then["hypervisor_lines"] :]
    done = Counter(e["command"] for log in new for e in log if e["by"] == "agent")
    again = {command: count for command, count in done.items() if count > 1}
    if again or not done:
        raise Untrue(f"host {host}: expected each step of the agent once, found {again or 'none'}")


def quiet(world: World, *, since: str) -> None:
    """Nobody has so much as tried to write to any kernel or libvirt."""
    for name, then in _snapshot(since).items():
        host = world.host(name)
        new = [
            *host.kernel_log[then["kernel_lines"] :],
            *host.hypervisor_log[then["hypervisor_lines"] :],
        ]
        if new:
            words = f"{new[0]['by']}: {new[0]['command']}"
            raise Untrue(f"host {name}: expected no write, found {len(new)}, the first {words}")


def untouched(world: World, *, since: str) -> None:
    """Guests that ran then run now, with the same devices, and nobody wrote to those VFs."""
    for name, then in _snapshot(since).items():
        host = world.host(name)
        written = set(_last_writes(host.kernel_log[then["kernel_lines"] :]))
        commands = [e["command"] for e in host.hypervisor_log[then["hypervisor_lines"] :]]
        for server, devices in then["running"].items():
            record = host.domains().get(server, {})
            if record.get("power") != "running" or sorted(devices_of(record)) != devices:
                found = f"{record.get('power', 'gone')} with {sorted(devices_of(record))}"
                raise Untrue(f"guest {server} on {name}: expected {devices}, found {found}")
            if again := [command for command in commands if server in command]:
                raise Untrue(f"guest {server} on {name}: expected left alone, found {again}")
            for vf in host.vfs():
                mine = {vf.address, f"{vf.pf['address']} VF {vf.index}"} & set(devices)
                if mine and (vf.pf["ifname"], vf.index) in written:
                    raise Untrue(f"{vf.place}: expected no write to it, found one")


def as_at(world: World, *, host: str, since: str) -> None:
    """Every VF of a host is again as it was, and no guest is left."""
    there, then = world.host(host), _snapshot(since)[host]["vfs"]
    if there.domains():
        raise Untrue(f"host {host}: expected no guest, found {sorted(there.domains())}")
    now = {vf.address: vf for vf in there.vfs()}
    if now.keys() != then.keys():
        raise Untrue(f"host {host}: expected VFs {sorted(then)}, found {sorted(now)}")
    for address, vf in now.items():
        for key, value in then[address].items():
            if (found := vf.settings()[key]) != value:
                raise Untrue(f"{vf.place}: expected {key} {value}, as at the start, found {found}")


CHECKS: Final[dict[str, Callable[..., None]]] = {
    check.__name__: check
    for check in (
        cabled, runs, nic, tagged_first, acknowledged_writes_hold, one_owner, absent, nobody_fits,
        partly_done, nothing_twice, quiet, untouched, as_at,
    )
}  # fmt: skip


def take_snapshot(world: World) -> Raw:
    """What the checks with `since` compare with."""
    return {
        host.name: {
            "kernel_lines": len(host.kernel_log),
            "hypervisor_lines": len(host.hypervisor_log),
            "vfs": {vf.address: vf.settings() for vf in host.vfs()},
            "running": {
                server: sorted(devices_of(record))
                for server, record in host.domains().items()
                if record.get("power") == "running"
            },
        }
        for host in world.hosts.values()
    }


def _snapshot(file: str) -> Raw:
    found: Raw = json.loads(Path(file).read_text())
    return found
