"""A site with hosts, networks and a flavor, spoken to as Nova's clients do.

h1, h2                            blue (demo's): vlan 100 on phy1, 10.0.0.0/24 and fd00:1::/64
├─ 0000:05:00.0  phy1, 4 VFs      red  (demo's): vlan 200 on phy2
└─ 0000:82:00.0  phy2, 4 VFs
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from tests.support.http_app import Reply, Site, a_site
from tests.support.world import PHY1, PHY2, AgentByHand, a_card, a_flavor, a_network
from trunkline.control.desired import desired_config
from trunkline.control.identity import caller_from_token
from trunkline.control.network_requests import SubnetCreate
from trunkline.control.ports import create_port
from trunkline.control.requests import PortCreate
from trunkline.control.subnets import create_subnet
from trunkline.domain.clock import Clock
from trunkline.domain.console import ConsoleFact
from trunkline.domain.identity import Caller
from trunkline.domain.network import Network
from trunkline.domain.port import VnicType
from trunkline.domain.server import Flavor
from trunkline.reconcile.desired import ServerConfig
from trunkline.reconcile.report import (
    DeviceCondition,
    DeviceFact,
    ServerCondition,
    ServerFact,
)

SAID = "Booting\nweb login: "  # What every guest has said on its console.

BLANK_DISK = {
    "source_type": "blank",
    "destination_type": "local",
    "boot_index": 0,
    "volume_size": "1",
}


def as_desired(server: ServerConfig) -> ServerFact:
    """That a server is as it should be."""
    return ServerFact(
        id=server.id,
        boot_number=server.boot_number,
        condition=ServerCondition(server.wanted_power.value),
        disk_number=server.disk_number,
    )


@dataclass
class ComputeSite:
    """The site, its agents, and who is asking."""

    site: Site
    agents: list[AgentByHand]
    blue: Network
    red: Network
    flavor: Flavor
    tokens: dict[str, str] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)

    def call(
        self,
        method: str,
        path: str,
        *,
        version: str | None = None,
        user: str = "demo",
        body: object = None,
        raw: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Send one request below /compute/v2.1, as tempest does: with Nova's own header."""
        sent = dict(headers or {})
        if version is not None:
            sent["X-OpenStack-Nova-API-Version"] = version
        return self.site.http.request(
            method,
            f"/compute/v2.1{path}",
            token=self.token(user),
            body=body,
            raw=raw,
            headers=sent,
        )

    def token(self, user: str) -> str:
        if user not in self.tokens:
            self.tokens[user] = self.site.token(user)
        return self.tokens[user]

    def caller(self, user: str = "demo") -> Caller:
        return caller_from_token(self.site.svc, self.token(user), request_id="req-test")

    def a_port(
        self, network: Network, *, user: str = "demo", vnic_type: VnicType = VnicType.DIRECT
    ) -> str:
        asked = PortCreate(network_id=network.id, vnic_type=vnic_type)
        return create_port(self.site.svc, self.caller(user), asked).port.id

    def a_network_of(self, user: str) -> Network:
        """A network on phy1 that others than `user` and admins can't see."""
        if user not in self.networks:
            project = self.caller(user)
            vlan_id = 150 + len(self.networks)
            self.networks[user] = a_network(
                self.site.svc, f"{user}'s", (PHY1, vlan_id), project=project
            )
        return self.networks[user]

    def a_server(
        self, name: str = "web", *ports: str, user: str = "demo", **fields: object
    ) -> dict[str, Any]:
        """Create a server, by default with one VF on blue; return the answer's `server`."""
        ports = ports or (self.a_port(self.blue, user=user),)
        body = server_request(self.flavor, name, *ports) | fields
        reply = self.call("POST", "/servers", version="2.96", user=user, body={"server": body})
        assert reply.status == 202, reply
        created: dict[str, Any] = reply.json()["server"]
        return created

    def settle(self) -> None:
        """Let every agent make true, and report, all that is desired of its host."""
        for agent in self.agents:
            config = desired_config(self.site.svc, agent.name)
            held = [device for server in config.servers for device in server.held_devices]
            facts = [
                DeviceFact(address=d.address, epoch=d.epoch, condition=DeviceCondition.READY)
                for d in held
            ]
            facts += [
                DeviceFact(address=d.address, epoch=d.epoch, condition=DeviceCondition.CLEAN)
                for d in config.releases
            ]
            agent.report(
                generation=config.generation,
                devices=facts,
                servers=[as_desired(server) for server in config.servers],
                consoles=[
                    ConsoleFact(server_id=ask.server_id, number=ask.number, said=SAID.encode())
                    for ask in config.consoles
                ],
            )

    def status_of(self, server_id: str) -> str:
        status: str = self.call("GET", f"/servers/{server_id}").json()["server"]["status"]
        return status


def server_request(flavor: Flavor, name: str, *ports: str) -> dict[str, Any]:
    """The `server` of a request to create one, as the openstack command sends it."""
    return {
        "name": name,
        "flavorRef": flavor.id,
        "imageRef": "",
        "min_count": 1,
        "max_count": 1,
        "networks": [{"port": port} for port in ports],
        "block_device_mapping_v2": [BLANK_DISK],
    }


@contextmanager
def a_compute_site(tmp_path: Path, *, clock: Clock | None = None) -> Iterator[ComputeSite]:
    with a_site(tmp_path, clock=clock) as site:
        agents = [
            AgentByHand(site.svc, name, [*a_card(0x05, "phy1"), *a_card(0x82, "phy2")])
            for name in ("h1", "h2")
        ]
        demo = caller_from_token(site.svc, site.token("demo"), request_id="req-test")
        scene = ComputeSite(
            site=site,
            agents=agents,
            blue=a_network(site.svc, "blue", (PHY1, 100), project=demo),
            red=a_network(site.svc, "red", (PHY2, 200), project=demo),
            flavor=a_flavor(site.svc),
        )
        for cidr in ("10.0.0.0/24", "fd00:1::/64"):
            asked = SubnetCreate(network_id=scene.blue.id, cidr=ip_network(cidr))
            create_subnet(site.svc, demo, asked)
        yield scene
