"""What the use cases of one race act on, made fresh, and the use cases.

The hosts of a round, with 8 VFs on phy1 each (hNc: 2); those of earlier rounds are disabled:

    hNa: server (1 VF, building), claimed (1 VF, an admin's)      network blue: vlan 100 on phy1
    hNb: gone   (1 VF, to be cleaned)                             network empty: vlan 100 + N
    hNc: nothing
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from tests.support.world import ADMIN, DEMO, PHY1, AgentByHand, a_card, a_network
from trunkline.control.desired import desired_config
from trunkline.control.hosts import set_host_enabled
from trunkline.control.ports import create_port
from trunkline.control.reports import take_report
from trunkline.control.requests import NicRequest, PortCreate, ServerCreate
from trunkline.control.servers import create_server, delete_server
from trunkline.control.services import Services
from trunkline.domain.host import HostResources
from trunkline.domain.ids import FlavorId, HostName, ImageId, NetworkId, PortId, ServerId
from trunkline.domain.image import Image, ImageState
from trunkline.domain.pci import PciAddress, vf_address
from trunkline.domain.port import VnicType
from trunkline.reconcile.report import (
    DeviceCondition,
    DeviceFact,
    HostReport,
    ServerCondition,
    ServerFact,
)

VFS = 8
# As an agent counts its reports: those of the race come after the one with its inventory.
NEXT_REPORT = 10


@dataclass(frozen=True, kw_only=True)
class Round:
    number: int
    blue: NetworkId
    empty: NetworkId  # A network without ports.
    port: PortId  # Unbound.
    claimed: PortId  # An admin has claimed the last VF of hNa for it.
    server: ServerId
    host: HostName  # Of the server.
    other_host: HostName
    free_host: HostName
    running: HostReport  # What the agent of `host` says once the server runs.
    clean: HostReport  # What the agent of `other_host` says once its device is clean.
    image: ImageId

    @property
    def hosts(self) -> tuple[HostName, ...]:
        return self.host, self.other_host, self.free_host


def boot(svc: Services, *nics: NicRequest, image: ImageId | None = None) -> ServerId:
    request = ServerCreate(name="web", flavor_id=FlavorId("small"), image_id=image, nics=nics)
    return create_server(svc, DEMO, request).id


def direct(network: NetworkId) -> NicRequest:
    return NicRequest(network_id=network, vnic_type=VnicType.DIRECT)


def vf(index: int) -> PciAddress:
    return vf_address(PciAddress(0, 5, 0, 0), vf_index=index, vf_offset=16, vf_stride=1)


def runs(svc: Services, its: Round) -> None:
    take_report(svc, its.running)


def cleaned(svc: Services, its: Round) -> None:
    take_report(svc, its.clean)


def refused(svc: Services, its: Round) -> None:
    fact = ServerFact(id=its.server, boot_number=1, condition=ServerCondition.FAILED, reason="no")
    take_report(svc, replace(_said(its.host), number=NEXT_REPORT + 1, servers=(fact,)))


def grown(svc: Services, its: Round) -> None:
    resources = HostResources(vcpus=1000, memory_mib=10**6, disk_gib=10**6)
    take_report(svc, replace(_said(its.host), resources=resources))


def unlisted(svc: Services, its: Round) -> None:
    """Every host takes every VF that nobody has off its list."""
    for host in its.hosts:
        [pf, *_] = a_card(5, "phy1", vf_count=VFS)
        take_report(svc, replace(_said(host), inventory=(pf,)))


def claim(svc: Services, network: NetworkId, host: HostName, index: int) -> PortId:
    """Let an admin name the very VF for a port of the tenant."""
    request = PortCreate(
        network_id=network, vnic_type=VnicType.DIRECT, host=host,
        profile={"pci_slot": str(vf(index))}, project_id=DEMO.project_id,
    )  # fmt: skip
    return create_port(svc, ADMIN, request).port.id


class Rounds:
    """Makes one round after the other in the same database."""

    def __init__(self, svc: Services) -> None:
        self._svc = svc
        self._blue = a_network(svc, "blue", (PHY1, 100)).id
        self._number = 0
        self._hosts: tuple[HostName, ...] = ()

    def next(self) -> Round:
        svc = self._svc
        self._number += 1
        for host in self._hosts:
            set_host_enabled(svc, ADMIN, host, enabled=False)
        # The second host comes once the first has its server, so it is known which is where.
        first = self._add_host("a", VFS)
        server = boot(svc, direct(self._blue))
        set_host_enabled(svc, ADMIN, first, enabled=False)
        second = self._add_host("b", VFS)
        delete_server(svc, DEMO, boot(svc, direct(self._blue)))
        set_host_enabled(svc, ADMIN, first, enabled=True)
        third = self._add_host("c", 2)
        self._hosts = (first, second, third)
        claimed = claim(svc, self._blue, first, VFS - 1)
        wanted = PortCreate(network_id=self._blue, vnic_type=VnicType.DIRECT)
        return Round(
            number=self._number,
            blue=self._blue,
            empty=a_network(svc, "empty", (PHY1, 100 + self._number)).id,
            port=create_port(svc, DEMO, wanted).port.id,
            claimed=claimed,
            server=server,
            host=first,
            other_host=second,
            free_host=third,
            running=_all_is_well(svc, first),
            clean=_all_is_clean(svc, second),
            image=self._add_image(),
        )

    def _add_host(self, letter: str, vfs: int) -> HostName:
        card = a_card(5, "phy1", vf_count=vfs, serial=self._number)
        return AgentByHand(self._svc, f"h{self._number}{letter}", card).name

    def _add_image(self) -> ImageId:
        svc, now = self._svc, self._svc.clock.now()
        image = Image(
            id=ImageId(svc.ids.new_id()), project_id=ADMIN.own_project, name="tiny",
            state=ImageState.ACTIVE, created_at=now, updated_at=now, visibility="public",
        )  # fmt: skip
        svc.store.write(lambda tx: tx.images.insert(image))
        return image.id


def _said(host: HostName) -> HostReport:
    return HostReport(host=host, run_id="run", number=NEXT_REPORT, generation=0)


def _all_is_well(svc: Services, host: HostName) -> HostReport:
    """Every device and server of `host` is as desired."""
    servers = desired_config(svc, host).servers
    devices = [
        DeviceFact(
            address=nic.device.address, epoch=nic.device.epoch, condition=DeviceCondition.READY
        )
        for server in servers
        for nic in server.nics
        if nic.device
    ]
    facts = [
        ServerFact(id=server.id, boot_number=server.boot_number, condition=ServerCondition.RUNNING)
        for server in servers
    ]
    return replace(_said(host), devices=tuple(devices), servers=tuple(facts))


def _all_is_clean(svc: Services, host: HostName) -> HostReport:
    facts = [
        DeviceFact(address=held.address, epoch=held.epoch, condition=DeviceCondition.CLEAN)
        for held in desired_config(svc, host).releases
    ]
    assert facts, "the round begins with a device that is to be cleaned"
    return replace(_said(host), devices=tuple(facts))
