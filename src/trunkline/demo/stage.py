"""What all scenes work with: the system, a client, the story, the claims; and booting a server."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from trunkline.demo.claims import ClaimFalse, Claims
from trunkline.demo.cloud import Cloud
from trunkline.demo.host_log import Mark, commands_since, mark
from trunkline.demo.story import Story
from trunkline.demo.system import Stuck, System, wait_until
from trunkline.wire.v1 import NicPath

BOOT_SECONDS_MAX: Final = 40.0
SUSPICIOUS_SECONDS: Final = 3.0  # A boot takes a tenth of a second here.
HOSTS: Final = ("h1", "h2", "h3", "h4", "h5", "h6")


class WentWrong(Exception):
    """Something is not as it should be, in words for people."""


@dataclass(frozen=True)
class Server:
    """A server that runs, and where its NICs are."""

    id: str
    name: str
    host: str
    nics: tuple[NicPath, ...]


@dataclass
class Stage:
    """Everything that a scene needs."""

    story: Story
    system: System
    claims: Claims
    cloud: Cloud
    networks: dict[str, Any] = field(default_factory=dict)
    flavor_id: str = ""
    image_id: str = ""
    servers: dict[str, Server] = field(default_factory=dict)  # Those that run, by name.
    asked: dict[str, list[tuple[str, str]]] = field(default_factory=dict)  # NICs, by server ID.
    port_ids: dict[str, list[str]] = field(default_factory=dict)  # By server ID.
    start_snapshot: str = ""

    @property
    def hosts(self) -> Path:
        """The folder of the simulated hosts."""
        return self.system.data / "hosts"

    def marks(self) -> dict[str, Mark]:
        """Where the logs of all hosts end now."""
        return {host: mark(self.hosts, host) for host in HOSTS}

    def running_guests(self) -> set[str]:
        """The IDs of servers whose guests run now, by the raw files."""
        domains = [
            json.loads((self.hosts / host / "hypervisor.json").read_text()).get("domains", {})
            for host in HOSTS
        ]
        return {id_ for each in domains for id_, d in each.items() if d.get("power") == "running"}

    def reconnect(self) -> None:
        """Log in again, after the server was started again."""
        self.cloud = Cloud(self.system.data / "clouds.yaml", self.story)

    # Booting

    def request(
        self, name: str, nics: Sequence[tuple[str, str]], *, host: str | None = None,
        shown: bool = True,
    ) -> str:  # fmt: skip
        """Ask for a server with one port a NIC, each (network, VNIC type); return its ID."""
        ports = [f"{name}-{position}" for position in range(len(nics))]
        port_ids = [
            self.cloud.create_port(port, self.networks[network], vnic_type, shown=shown)
            for port, (network, vnic_type) in zip(ports, nics, strict=True)
        ]
        if shown:
            named = " ".join(f"--port {port}" for port in ports)
            version = "" if host is None else "--os-compute-api-version 2.74 "
            there = "" if host is None else f"--host {host} "
            self.story.command(
                f"openstack {version}server create {name} --flavor small --image demo {named} "
                f"{there}--wait"
            )
        server_id = self.cloud.create_server(name, self.flavor_id, self.image_id, port_ids, host)
        self.port_ids[server_id] = port_ids
        self.asked[server_id] = list(nics)
        return server_id

    def boot(
        self, name: str, nics: Sequence[tuple[str, str]], *, host: str | None = None
    ) -> Server:
        """Make a server, wait until it runs, show all about it, and claim it."""
        before = self.marks()
        server = self.wait_active(self.request(name, nics, host=host))
        self.show(server, commands_since(self.hosts, server.host, before[server.host]))
        self.claim(server)
        return server

    def wait_active(self, server_id: str) -> Server:
        """Wait until a server runs, on the host that was chosen for it.

        Raises:
            WentWrong: It came to run elsewhere, or nowhere.
        """
        first = self.cloud.server(server_id)
        name, chosen = first["name"], first["OS-EXT-SRV-ATTR:host"]
        suspicion: ClaimFalse | None = None
        with self.story.waiting(f"waiting for server {name}"):
            if not self._is_built(server_id, SUSPICIOUS_SECONDS):
                suspicion = self._look_at_the_cards(chosen)
                if not self._is_built(server_id, BOOT_SECONDS_MAX):
                    raise WentWrong(
                        f"server {name} is still being built on {chosen}"
                    ) from suspicion
            now = self.cloud.server(server_id)
        if now["status"] != "ACTIVE":
            raise WentWrong(f"server {name} is {now['status']}: {now.get('fault')}") from suspicion
        found = now["OS-EXT-SRV-ATTR:host"]
        if found != chosen or suspicion is not None:
            raise WentWrong(self._moved(now, chosen, found)) from suspicion
        return self.find_server(server_id)

    def _is_built(self, server_id: str, seconds_max: float) -> bool:
        """Wait until a server is not being built any more, or the time is over."""
        try:
            wait_until(
                lambda: self.cloud.server(server_id)["status"] != "BUILD",
                "the server is built",
                seconds_max=seconds_max,
            )
        except Stuck:
            return False
        return True

    def find_server(self, server_id: str) -> Server:
        """Look up where a server is now."""
        path = self.cloud.v1.server_path(server_id)
        assert path.host is not None
        server = self.servers[path.name] = Server(path.id, path.name, path.host, path.nics)
        return server

    def _look_at_the_cards(self, host: str) -> ClaimFalse | None:
        self.story.say(f"This takes suspiciously long: the checker looks at the cards of {host}.")
        self.claims.add(*CARDS_OBEY)
        try:
            self.claims.check_all()
        except ClaimFalse as false:
            return false
        return None

    def _moved(self, server: Any, chosen: str, found: str) -> str:
        held = self.cloud.v1.devices({"host": chosen, "state": "quarantined"})
        reasons = sorted({d.owner.failure for d in held if d.owner and d.owner.failure})
        events = self.cloud.v1.events({"server_id": server["id"]}, limit=50)
        told = [str(e.details.get("reason") or e.details.get("failure") or "") for e in events]
        why = "; ".join(filter(None, [*reasons, *dict.fromkeys(told)]))
        return (
            f"{chosen} was chosen for server {server['name']}, and its agent refused to let the "
            f"guest run there: {why or 'no reason given'}. The server runs on {found} instead."
        )

    # Showing

    def show(self, server: Server, commands: Sequence[tuple[str, str]]) -> None:
        """Show where a server is, what was done for it, and what libvirt was told."""
        self.story.say(f"{server.name} runs on {server.host}:")
        self.story.table(
            ("NIC", "CARD", "VF", "ADDRESS", "NETWORK", "CABLED TO", "#VLAN", "MAC"),
            [
                (
                    n.vnic_type, card_of(n), *index_and_address(n), n.network_name,
                    n.physical_network, n.segmentation_id, n.mac,
                )
                for n in server.nics
            ],
        )  # fmt: skip
        self.show_commands(server.host, commands)
        self.story.lines("libvirt's XML of its NICs:", self._xml_of_nics(server))

    def show_commands(self, host: str, commands: Sequence[tuple[str, str]]) -> None:
        """Show what a host's log says was written."""
        self.story.lines(
            f"what was written on {host}, in this order, by whom:",
            [f"{by:<8} {command}" for by, command in commands],
        )

    def _xml_of_nics(self, server: Server) -> list[str]:
        # The raw file: what libvirt has, not what somebody says that it has.
        text = (self.hosts / server.host / "hypervisor.json").read_text()
        domain = ET.fromstring(json.loads(text)["domains"][server.id]["xml"])  # noqa: S314 - our own
        lines: list[str] = []
        for element in domain.findall("./devices/*"):
            if element.tag in ("interface", "hostdev"):
                element.tail = None
                ET.indent(element)
                lines += ET.tostring(element, encoding="unicode").splitlines()
        return lines

    # Claiming

    def claim(self, server: Server) -> None:
        """Claim that a server is exactly as it was asked for, on the devices that are shown."""
        found = [(n.network_name, n.vnic_type) for n in server.nics]
        self.expect(
            sorted(found) == sorted(self.asked[server.id]),
            f"{server.name} was asked for with {self.asked[server.id]}, and has {found}",
        )
        who = f"{server.name} on {server.host}"
        macs = [n.mac for n in server.nics]
        exactly = "exactly its MAC" if len(macs) == 1 else f"exactly its {len(macs)} MACs"
        self.claims.add(
            f"{who}: the guest runs there and nowhere else, with {exactly}",
            "runs", server=server.id, host=server.host, macs=macs,
        )  # fmt: skip
        for n in server.nics:
            assert n.device is not None
            # What the network was made with, not what is said of this NIC.
            network = self.networks[n.network_name]
            physical_network = network["provider:physical_network"]
            vlan = network["provider:segmentation_id"]
            tags = "" if n.pf is None else f", which tags VLAN {vlan}"
            self.claims.add(
                f"{who}: {device_of(n)} is in it, of a card on {physical_network}{tags}",
                "nic", server=server.id, host=server.host, kind=n.vnic_type,
                device=n.device.address, mac=n.mac, physical_network=physical_network, vlan=vlan,
            )  # fmt: skip
            if n.pf is not None:
                self.claims.add(
                    f"{who}: {device_of(n)} had MAC and VLAN before the guest could send",
                    "tagged_first", server=server.id, host=server.host,
                    device=n.device.address, mac=n.mac, vlan=vlan,
                )  # fmt: skip

    def expect(self, holds: bool, otherwise: str) -> None:  # noqa: FBT001 - reads as `assert` does
        """Raise `WentWrong` with the words `otherwise` unless `holds`."""
        if not holds:
            raise WentWrong(otherwise)

    def check(self) -> None:
        """Have all claims of a scene checked, and what must always hold."""
        self.claims.add("all hosts: no VF and no PF has two owners", "one_owner")
        self.claims.add(*CARDS_OBEY)
        self.story.say("The checker, which shares no code with Trunkline, has read the raw files:")
        self.claims.check_all()

    # Ending

    def delete(self, *servers: tuple[str, str]) -> None:
        """Delete servers, each (name, ID), with their ports; wait until all devices are clean."""
        for name, server_id in servers:
            self.cloud.delete_server(name, server_id)
            self.servers.pop(name, None)
        ids = [server_id for _, server_id in servers]
        with self.story.waiting("waiting until their devices are clean"):
            wait_until(
                lambda: all(self.cloud.is_gone(each) for each in ids) and not self._held_by(ids),
                "the devices of deleted servers are free",
                seconds_max=BOOT_SECONDS_MAX,
            )
        for server_id in ids:
            for port_id in self.port_ids.pop(server_id, ()):
                self.cloud.delete_port(port_id)

    def _held_by(self, server_ids: Sequence[str]) -> list[str]:
        devices = self.cloud.v1.devices({})
        return [d.address for d in devices if d.owner and d.owner.server_id in server_ids]


CARDS_OBEY: Final = (
    "all hosts: every VF has the MAC and VLAN that its card acknowledged last",
    "acknowledged_writes_hold",
)


def card_of(nic: NicPath) -> str:
    """Name the card of a VF: its PF's netdev and driver. A PF in a guest has no netdev."""
    return "whole card" if nic.pf is None else f"{nic.pf.ifname} {nic.pf.driver}"


def index_and_address(nic: NicPath) -> tuple[int | None, str]:
    """Return a device's VF index, if it is one, and its PCI address."""
    assert nic.device is not None
    return nic.device.vf_index, nic.device.address


def device_of(nic: NicPath) -> str:
    """Name the device of a NIC."""
    assert nic.device is not None
    if nic.device.vf_index is None:
        return f"PF {nic.device.address}"
    return f"VF {nic.device.vf_index} {nic.device.address}"
