"""Two hosts and two networks, with agents that are played by hand."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from tests.support.world import (
    ADMIN,
    DEMO,
    AgentByHand,
)
from trunkline.control.desired import desired_config
from trunkline.control.devices import list_devices
from trunkline.control.requests import NicRequest, ServerCreate
from trunkline.control.servers import (
    create_server,
    delete_server,
    get_server,
)
from trunkline.control.services import Services
from trunkline.control.views import ServerView
from trunkline.domain.host import Host
from trunkline.domain.ids import FlavorId, HostName, ServerId
from trunkline.domain.listing import ListQuery
from trunkline.domain.network import Network
from trunkline.domain.port import VnicType
from trunkline.placement.hosts.views import HostView
from trunkline.reconcile.report import (
    DeviceCondition,
    DeviceFact,
    ServerCondition,
    ServerFact,
)
from trunkline.store.transaction import Transaction


@dataclass
class Scene:
    svc: Services
    blue: Network
    red: Network
    agents: dict[str, AgentByHand]

    def boot(self, *nics: NicRequest, name: str = "web") -> ServerView:
        request = ServerCreate(name=name, flavor_id=FlavorId("small"), image_id=None, nics=nics)
        return get_server(self.svc, DEMO, create_server(self.svc, DEMO, request).id)

    def delete(self, server_id: ServerId) -> None:
        delete_server(self.svc, DEMO, server_id)

    def devices(self, *states: str) -> list[str]:
        query = ListQuery(equals={"state": states}) if states else ListQuery()
        return [
            f"{view.host_name} {view.device.function.address} {view.state}"
            for view in list_devices(self.svc, ADMIN, query)
        ]

    def settle(
        self, server_id: ServerId, condition: ServerCondition = ServerCondition.RUNNING
    ) -> None:
        """Let the server's agent find its devices as desired, and its guest in `condition`."""
        view = get_server(self.svc, DEMO, server_id)
        assert view.host is not None
        config = desired_config(self.svc, view.host.name)
        server = next(server for server in config.servers if server.id == server_id)
        self.agents[view.host.name].report(
            devices=[
                DeviceFact(
                    address=nic.device.address,
                    epoch=nic.device.epoch,
                    condition=DeviceCondition.READY,
                )
                for nic in server.nics
                if nic.device
            ],
            servers=[
                ServerFact(
                    id=server_id,
                    boot_number=server.boot_number,
                    condition=condition,
                )
            ],
        )

    def clean(self, host: str) -> None:
        """Let a host's agent find every device that it is to take back clean."""
        config = desired_config(self.svc, HostName(host))
        self.agents[host].report(
            devices=[
                DeviceFact(address=held.address, epoch=held.epoch, condition=DeviceCondition.CLEAN)
                for held in config.releases
            ]
        )

    def index_agrees(self) -> None:
        """Hold the fleet index against the store."""
        self.svc.store.write(self.svc.fleet.refresh)
        for name in self.agents:
            host, stored = self.svc.store.read(partial(self._stored, name=name))
            assert self.svc.fleet.view(host.id) == stored

    def _stored(self, tx: Transaction, *, name: str) -> tuple[Host, HostView]:
        host = tx.hosts.get_by_name(name)
        return host, self.svc.fleet.stored_view(tx, host)


def on(network: Network, vnic_type: VnicType = VnicType.DIRECT) -> NicRequest:
    return NicRequest(network_id=network.id, vnic_type=vnic_type)
