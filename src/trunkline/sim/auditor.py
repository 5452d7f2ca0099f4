"""The auditor: says what must not be, from what was asked and answered and from the raw hosts.

Imports nothing of Trunkline. It hears every raw request and answer as plain dicts, keeps a model of
its own from them, and reads the simulated machines' files. It never asks the system what is right:
what the API shows is one more claim to be held against the machines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from trunkline.sim.free_devices import FREE, check_free, held_for_nothing
from trunkline.sim.groupings import Groupings
from trunkline.sim.links import Links, check_seen, check_told, not_back
from trunkline.sim.model import (
    ALL_NICS,
    GIVES_BACK,
    GUARANTEED,
    NOTHING_LOST,
    ONE_GUEST,
    ONE_OWNER,
    QUIET,
    REBUILT,
    RESTORES,
    SEEN_AT_ONCE,
    SETTLES,
    STAYS_GONE,
    TAGGED_FIRST,
    Flavor,
    Network,
    Nic,
    Server,
    Violation,
)
from trunkline.sim.nic_book import (
    hear_attach,
    hear_detach,
    nics_due,
    note_nics,
    unsettled_nics,
)
from trunkline.sim.nodes import check_node, check_room
from trunkline.sim.powers import check_powers, is_as_shown, is_rebuilt
from trunkline.sim.raw_hosts import RawGuest, RawHost, RawVf, read_fleet

Message = Mapping[str, Any]

_NUMA_KEY = "hw:pci_numa_affinity_policy"


class Auditor:
    """Holds one world to the promises."""

    def __init__(self, fleet_file: Path, hosts_directory: Path) -> None:
        self.hosts: dict[str, RawHost] = read_fleet(fleet_file, hosts_directory)
        self.flavors: dict[str, Flavor] = {}
        self.networks: dict[str, Network] = {}
        self.ports: dict[str, Nic] = {}
        self.servers: dict[str, Server] = {}
        self.devices: dict[str, dict[str, Mapping[str, Any]]] = {}  # By host and address, as shown.
        self._claims: set[str] = set()  # Ports whose device an admin has chosen.
        self._killed: set[str] = set()  # Servers whose guest a planted fault ended.
        self._drifted: dict[tuple[str, str, int], str] = {}  # VFs that an operator has changed.
        self._refusing: set[str] = set()  # Hosts on which refusals were planted.
        self._links = Links()
        self._groupings = Groupings()
        self._news: set[str] = set()  # Hosts of servers that were heard of since they were read.
        self._domains: dict[str, set[str]] = {name: set() for name in self.hosts}
        self._hears: dict[str, Callable[[Message], None]] = {
            "flavor.create": self._hear_flavor,
            "network.create": self._hear_network,
            "port.create": self._hear_port,
            "port.list": self._hear_ports,
            "port.delete": self._hear_port_deleted,
            "server.create": self._hear_server,
            "server.stop": self._hear_power,
            "server.start": self._hear_power,
            "server.reboot": self._hear_power,
            "server.pause": self._hear_power,
            "server.unpause": self._hear_power,
            "server.rebuild": self._hear_power,
            "server.delete": self._hear_delete,
            "server.attach": self._hear_attach,
            "server.detach": lambda message: hear_detach(self.servers, message),
            "server.list": self._hear_servers,
            "device.list": self._hear_devices,
            "report": self._links.hear_report,
            "group.create": self._groupings.hear_group,
            "zone.move": self._groupings.hear_zone,
            "fault": self._hear_fault,
        }

    # Hearing

    def hear(self, message: Message) -> None:
        """Take in a request with its answer (None: lost), or a fault that was planted."""
        hear = self._hears.get(message["op"])
        if hear is not None and message.get("refused") is None:
            hear(message)

    def _hear_flavor(self, message: Message) -> None:
        said = message["answer"]
        if said is not None:
            self.flavors[said["name"]] = Flavor(
                said["vcpus"], said["memory_mib"], said["extra_specs"].get(_NUMA_KEY)
            )

    def _hear_network(self, message: Message) -> None:
        answer = message["answer"]
        if answer is not None:
            self.networks[answer["id"]] = Network(
                {each["physical_network"]: each["vlan"] or 0 for each in answer["segments"]},
                "802.1ad" if message["request"]["qinq"] else "802.1Q",
            )

    def _hear_port(self, message: Message) -> None:
        answer, asked = message["answer"], message["request"]
        if answer is not None:
            if answer["numa"] != asked["numa"]:
                raise Violation(NOTHING_LOST, f"port {answer['id']}: {asked} became {answer}")
            if asked["profile"]:
                self._claims.add(answer["id"])
            self.ports[answer["id"]] = self._nic(answer)

    def _nic(self, port: Message) -> Nic:
        return Nic.of(port, is_claim=port["id"] in self._claims)

    def _hear_ports(self, message: Message) -> None:
        if message["answer"] is not None:
            self.ports = {each["id"]: self._nic(each) for each in message["answer"]}

    def _hear_port_deleted(self, message: Message) -> None:
        self.ports.pop(message["request"]["id"], None)

    def _hear_server(self, message: Message) -> None:
        answer = message["answer"]
        if answer is None:
            return
        if answer["ports"] is None:
            raise Violation(NOTHING_LOST, f"server {answer['id']} was made, and is not there")
        self._groupings.hear_server(message)
        self._note_server(answer)
        asked = message["request"]["nics"]
        nics = self.servers[answer["id"]].nics
        if answer["status"] != "ERROR" and len(nics) != len(asked):
            raise Violation(ALL_NICS, f"server {answer['id']}: {len(asked)} asked, {len(nics)} got")
        for nic, want in zip(nics, asked, strict=False):
            port = self.ports.get(want.get("port_id", ""))
            if port is not None and port.vnic_type != "direct-physical" and port != nic:
                raise Violation(NOTHING_LOST, f"server {answer['id']}: {port} has become {nic}")
            if nic.numa != want.get("numa", nic.numa):
                raise Violation(NOTHING_LOST, f"server {answer['id']}: {want} has become {nic}")

    def _hear_attach(self, message: Message) -> None:
        hear_attach(self.servers, message)
        if message["answer"] is not None:
            self._note_server(message["answer"])

    def _hear_power(self, message: Message) -> None:
        server = self.servers.get(message["request"]["id"])
        if server is not None:
            server.status = "unknown"  # On its way; the next list tells.
            server.rebuilds += message["op"] == "server.rebuild" and message["answer"] is not None

    def _hear_delete(self, message: Message) -> None:
        server = self.servers.get(message["request"]["id"])
        if server is not None:
            server.delete_asked = True
            server.status = "unknown"
            server.deleted |= message["answer"] is not None

    def _hear_servers(self, message: Message) -> None:
        answer = message["answer"]
        if answer is None:
            return
        shown = {each["id"]: each for each in answer}
        for server_id, server in self.servers.items():
            if server_id not in shown:
                if not server.delete_asked:
                    raise Violation(NOTHING_LOST, f"server {server_id} is not listed any more")
                server.deleted = True  # The answer to its deletion was lost: this is one.
            elif server.deleted:
                raise Violation(STAYS_GONE, f"server {server_id} was deleted and is listed")
        for each in answer:
            self._note_server(each)
        self._groupings.check_shown(self.servers)

    def _note_server(self, shown: Message) -> None:
        known = self.servers.setdefault(
            shown["id"], Server([], self.flavors[shown["flavor"]], shown["status"], None)
        )
        nics = [(self._nic(port), port["status"]) for port in shown["ports"]]
        changed = (known.host, known.status) != (shown["host"], shown["status"])
        if not known.nics or changed or known.gaining:
            self._news.add(shown["host"] or "")
        if nics or shown["status"] != "ERROR":
            note_nics(shown["id"], known, nics)
        known.status, known.host = shown["status"], shown["host"]
        known.has_fault = shown["fault"] is not None

    def _hear_devices(self, message: Message) -> None:
        if message["answer"] is not None:
            host = self.hosts[message["request"]["host"]]
            self.devices[host.name] = {each["address"]: each for each in message["answer"]}
            self._links.hear_devices(host, self.devices[host.name])
            check_free(host, self.devices[host.name])  # By the next event it may be held again.

    def _hear_fault(self, message: Message) -> None:
        match message["kind"]:
            case "reboot":
                host = self.hosts[message["host"]]
                self._killed |= set(host.guests)
                for key in [key for key in self._drifted if key[0] == host.name]:
                    del self._drifted[key]
            case "guest ends":
                self._killed.add(message["server"])
            case "refusal":
                self._refusing.add(message["host"])
            case "drift":
                key = message["host"], message["pf"], message["vf_index"]
                self._drifted[key] = message["change"]

    # Safety

    def check(self, only: str | None = None) -> None:
        """Read the hosts, or only one; raise `Violation` if anything is as it must never be."""
        hosts = self.hosts.values() if only is None else [self.hosts[only]]
        changed = [host for host in hosts if host.read() or host.name in self._news]
        self._news -= {host.name for host in changed}
        for host in changed:
            self._note_returned(host)
            self._note_gone(host)
            self._check_owners(host)
            for overdrawn in host.over_guaranteed():
                raise Violation(GUARANTEED, overdrawn)
            for guest in host.guests.values():
                self._check_guest(host, guest)
            check_room(host, self.servers)
        if changed:
            self._check_one_guest()
            self._groupings.check_guests(self.hosts.values(), self.servers)
        check_powers(self.servers, self.hosts, self._killed, self._is_given_up)

    def _note_returned(self, host: RawHost) -> None:
        self._killed -= {guest.server_id for guest in host.guests.values() if guest.runs}

    def _note_gone(self, host: RawHost) -> None:
        for server_id in self._domains[host.name] - host.domains:
            server = self.servers.get(server_id)
            if server is not None and server.deleted:
                server.gone_from.add(host.name)
        self._domains[host.name] = set(host.domains)
        for server_id in host.domains:
            server = self.servers.get(server_id)
            if server is not None and host.name in server.gone_from:
                raise Violation(STAYS_GONE, f"deleted server {server_id} is back on {host.name}")

    def _check_owners(self, host: RawHost) -> None:
        taken: dict[tuple[str, int | None], str] = {}
        for guest in host.guests.values():
            for key in [*guest.vfs, *((pf, None) for pf in guest.pfs)]:
                if key in taken:
                    raise Violation(
                        ONE_OWNER,
                        f"{host.name} {key}: guests {taken[key]} and {guest.server_id}",
                    )
                taken[key] = guest.server_id
        for pf, index in taken:
            if index is not None and (pf, None) in taken:
                raise Violation(ONE_OWNER, f"{host.name} {pf} is in a guest, and VF {index} too")

    def _check_one_guest(self) -> None:
        where: dict[str, str] = {}
        for host in self.hosts.values():
            for guest in host.guests.values():
                if guest.runs and guest.server_id in where:
                    raise Violation(
                        ONE_GUEST,
                        f"server {guest.server_id} runs on {where[guest.server_id]}"
                        f" and on {host.name}",
                    )
                if guest.runs:
                    where[guest.server_id] = host.name

    def _check_guest(self, host: RawHost, guest: RawGuest) -> None:
        server = self.servers.get(guest.server_id)
        if server is None or not server.nics or not (guest.runs or server.status == "PAUSED"):
            return
        if guest.nic_count < (due := nics_due(server)):
            problem = f"server {guest.server_id} runs with {guest.nic_count} of {due} NICs"
            raise Violation(ALL_NICS, problem)
        by_mac = {nic.mac: nic for nic in server.nics}
        for key in guest.vfs:
            vf = host.vfs.get(key)
            if vf is None:
                raise Violation(TAGGED_FIRST, f"{host.name}: VF {key} of a running guest is gone")
            if not (server.gaining and vf.mac not in by_mac):  # Else it is yet to be seen.
                self._check_vf(vf, by_mac, guest)
        check_node(host, guest, server)
        for pf in guest.pfs:
            self._check_cabling(host, pf, server, guest)
        for tap in guest.taps:
            if server.gaining and tap.mac not in by_mac:
                continue
            vlans = self._vlans(by_mac.get(tap.mac))
            wanted = {vlan for name, vlan in vlans.items() if host.bridges.get(name) == tap.bridge}
            wrong = f"is on {tap.bridge}" if len(wanted) != 1 else tap.wrong_for(wanted.pop())
            if wrong:
                raise Violation(
                    TAGGED_FIRST, f"server {guest.server_id}: the tap of {tap.mac} {wrong}"
                )

    def _check_vf(self, vf: RawVf, by_mac: Mapping[str, Nic], guest: RawGuest) -> None:
        key = vf.host, vf.pf, vf.index
        nic = by_mac.get(vf.mac)
        vlans = self._vlans(nic)
        if nic is None:
            wrong = f"carries MAC {vf.mac}, which no NIC of it has"
        elif vf.physical_network not in vlans:
            wrong = f"is cabled to {vf.physical_network}, its network is on {sorted(vlans)}"
        elif vf.vlan_id != vlans[vf.physical_network]:
            wrong = f"carries VLAN {vf.vlan_id}, not {vlans[vf.physical_network]}"
        elif nic and vf.vlan_protocol != self.networks[nic.network_id].vlan_protocol:
            wrong = f"is tagged by {vf.vlan_protocol}"
        elif vf.record.get("vlan_qos", 0) or vf.record.get("trust", False):
            wrong = "has a priority or trust that nobody asked for"
        elif not vf.spoof_check:
            wrong = "has its spoof check off"
        else:
            self._drifted.pop(key, None)
            return
        if key not in self._drifted:
            raise Violation(TAGGED_FIRST, f"server {guest.server_id} runs, and {vf.place} {wrong}")

    def _check_cabling(self, host: RawHost, pf: str, server: Server, guest: RawGuest) -> None:
        wanted = {
            name
            for nic in server.nics
            if nic.vnic_type == "direct-physical"
            for name in self._vlans(nic)
        }
        if host.cabling.get(pf) not in wanted:
            raise Violation(
                TAGGED_FIRST,
                f"server {guest.server_id} has {pf} of {host.name}, cabled to"
                f" {host.cabling.get(pf)}, its networks are on {sorted(wanted)}",
            )

    def _vlans(self, nic: Nic | None) -> Mapping[str, int]:
        network = None if nic is None else self.networks.get(nic.network_id)
        return {} if network is None else network.vlans

    def _is_given_up(self, host: str | None) -> bool:
        """Whether a guest there may have been ended since what an operator did can't be undone."""
        return host in self._refusing and any(name == host for name, _, _ in self._drifted)

    # Liveness

    def unsettled(self) -> list[tuple[str, str]]:
        """Say what is still not as it must be some time after the last fault: rule and detail."""
        return [
            *self._unsettled_servers(),
            *held_for_nothing(self.devices, self.servers, self.ports),
            *self._unrestored(),
        ]

    def _unsettled_servers(self) -> Iterator[tuple[str, str]]:
        for server_id, server in self.servers.items():
            if server.deleted:
                continue
            host = self.hosts.get(server.host or "")
            guest = None if host is None else host.guests.get(server_id)
            final = server.status in ("ACTIVE", "SHUTOFF", "PAUSED") or (
                server.status == "ERROR" and server.has_fault
            )
            if not final:
                yield SETTLES, f"server {server_id} on {server.host} is {server.status}"
            elif not is_rebuilt(server, guest):
                yield REBUILT, f"server {server_id} has disk {guest and guest.disk_number}"
            elif not is_as_shown(server.status, guest):
                yield SETTLES, f"server {server_id} is {server.status}, its guest is not so"
            yield from unsettled_nics(server_id, server)
        for host in self.hosts.values():
            for server_id in sorted(host.domains):
                owner = self.servers.get(server_id)
                if owner is None or owner.deleted or owner.host != host.name:
                    yield GIVES_BACK, f"{host.name} still has a guest of {server_id}"

    def _unrestored(self) -> Iterator[tuple[str, str]]:
        for host in self.hosts.values():
            shown = self.devices.get(host.name, {})
            for vf in host.vfs.values():
                wrong = vf.not_original()
                if wrong and shown.get(vf.address, {}).get("state", "free") in FREE:
                    yield RESTORES, f"{vf.place}: {', '.join(wrong)}"
            for address, pf in host.pfs.items():
                held = shown.get(address, {}).get("state") not in FREE
                if not held and len(pf.get("vfs", [])) != pf["vf_count_at_boot"]:
                    yield RESTORES, f"{host.name} {address} has {len(pf.get('vfs', []))} VFs"
            yield from not_back(host, shown)
            for ifname, vlans in host.vlans_for_nobody():
                yield RESTORES, f"{host.name} {ifname} carries VLANs {vlans} for nobody"
        for where, change in self._drifted_in_guests():
            yield RESTORES, f"{where} was changed: {change}"

    # Promptness

    def ports_on(self, host: str, pf: str) -> frozenset[str]:
        """Return the ports that have something of a PF, by the last list of its host's devices."""
        return self._links.ports_on(host, pf)

    def check_link(
        self, host: str, events: Sequence[Message], action: str, ports: frozenset[str]
    ) -> None:
        """Raise `Violation` unless a host's links are shown as they are, and these ports told."""
        check_seen(self.hosts[host], self.devices[host])
        check_told(events, action, ports)

    def check_no_drift(self) -> None:
        """Raise `Violation` if a guest has a VF that an operator has changed."""
        for where, change in self._drifted_in_guests():
            raise Violation(SEEN_AT_ONCE, f"{where} was changed, and is so still: {change}")

    def _drifted_in_guests(self) -> Iterator[tuple[str, str]]:
        for (name, pf, index), change in self._drifted.items():
            if any((pf, index) in guest.vfs for guest in self.hosts[name].guests.values()):
                yield f"{name} VF {index} of {pf}", change

    # Quiet

    def writes(self) -> dict[tuple[str, str], list[str]]:
        """List the writes attempted so far on each host, to its kernel and to its hypervisor."""
        return {
            (name, log): host.writes(log)
            for name, host in self.hosts.items()
            for log in ("kernel.log", "hypervisor.log")
        }

    def check_quiet(self, before: Mapping[tuple[str, str], list[str]]) -> None:
        """Raise `Violation` if anything was written since."""
        for key, lines in self.writes().items():
            new = lines[len(before[key]) :]
            if new:
                raise Violation(QUIET, f"{key[0]}: {'; '.join(new[:3])}")
