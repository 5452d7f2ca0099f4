"""Use cases that write, and what they act on; to be run to their end, or not.

h1, h2, each with one PF on phy1 and NUMA node 0, and one on phy2 and node 1, 4 VFs each; `held` is
a server that runs, confined to node 0. On the other host are those of `nic_use_cases`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Final

from tests.control.nic_use_cases import NIC_USE_CASES, NicNames, prepare_nics
from tests.support.world import (
    ADMIN,
    DEMO,
    PHY1,
    PHY2,
    AgentByHand,
    a_card,
    a_flavor,
    a_network,
)
from trunkline.control.desired import desired_config
from trunkline.control.flavors import set_extra_specs
from trunkline.control.hosts import set_host_enabled
from trunkline.control.network_requests import NetworkCreate
from trunkline.control.networks import create_network
from trunkline.control.pci_flavors import PciFlavorCreate, create_pci_flavor
from trunkline.control.ports import create_port, update_port
from trunkline.control.reports import take_report
from trunkline.control.requests import NicRequest, PortCreate, PortUpdate, ServerCreate
from trunkline.control.servers import create_server, create_servers, delete_server
from trunkline.control.services import Services
from trunkline.domain.host import HostResources
from trunkline.domain.ids import FlavorId, HostName, NetworkId, PortId, ServerId
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.numa import NumaNode
from trunkline.domain.port import VnicType
from trunkline.reconcile.report import (
    DeviceCondition,
    DeviceFact,
    HostReport,
    ServerCondition,
    ServerFact,
)

RESOURCES: Final = HostResources(
    vcpus=64, memory_mib=262144, disk_gib=4096, bridges={PHY1: "br-phy1", PHY2: "br-phy2"},
    numa_nodes=(
        NumaNode(number=0, cpus="0-31", memory_mib=131072),
        NumaNode(number=1, cpus="32-63", memory_mib=131072),
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Names:
    """What the use cases act on; IDs, so that a new process finds the same."""

    blue: NetworkId
    red: NetworkId
    port: PortId
    held: ServerId
    held_port: PortId
    host: HostName
    gone: ServerId
    gone_host: HostName
    nics: NicNames


def nics(names: Names) -> tuple[NicRequest, ...]:
    return (
        NicRequest(port_id=names.port),
        NicRequest(network_id=names.red, vnic_type=VnicType.DIRECT),
        NicRequest(network_id=names.blue, vnic_type=VnicType.MACVTAP),
    )


def boot(svc: Services, *wanted: NicRequest) -> ServerId:
    request = ServerCreate(name="web", flavor_id=FlavorId("small"), image_id=None, nics=wanted)
    return create_server(svc, DEMO, request).id


def report(svc: Services, host: HostName, *facts: DeviceFact | ServerFact) -> None:
    take_report(
        svc,
        HostReport(
            host=host,
            run_id="run",
            number=1000,
            generation=0,
            devices=tuple(fact for fact in facts if isinstance(fact, DeviceFact)),
            servers=tuple(fact for fact in facts if isinstance(fact, ServerFact)),
        ),
    )


def ready(svc: Services, names: Names) -> None:
    [server] = desired_config(svc, names.host).servers
    devices = [
        DeviceFact(
            address=nic.device.address, epoch=nic.device.epoch, condition=DeviceCondition.READY
        )
        for nic in server.nics
        if nic.device
    ]
    running = ServerFact(
        id=server.id, boot_number=server.boot_number, condition=ServerCondition.RUNNING
    )
    report(svc, names.host, *devices, running)


def refused(svc: Services, names: Names) -> None:
    failed = ServerFact(id=names.held, boot_number=1, condition=ServerCondition.FAILED, reason="no")
    report(svc, names.host, failed)


def clean(svc: Services, names: Names) -> None:
    releases = desired_config(svc, names.gone_host).releases
    facts = [
        DeviceFact(address=held.address, epoch=held.epoch, condition=DeviceCondition.CLEAN)
        for held in releases
    ]
    report(svc, names.gone_host, *facts)


def inventory(svc: Services, names: Names) -> None:
    cards = tuple(a_card(0x82, "phy2", serial=1, vf_count=6))
    take_report(
        svc,
        HostReport(host=names.host, run_id="next", number=1, generation=0, inventory=cards),
    )


def claim(svc: Services, names: Names) -> None:
    create_port(
        svc,
        ADMIN,
        PortCreate(
            network_id=names.blue,
            vnic_type=VnicType.DIRECT,
            host=names.host,
            profile={"pci_slot": "0000:05:02.3"},
        ),
    )


def boot_accelerated(svc: Services, names: Names) -> None:
    """A server with two devices besides its NIC, confined to the NUMA node of that."""
    nic = NicRequest(
        network_id=names.red, vnic_type=VnicType.DIRECT, numa_policy=NumaPolicy.REQUIRED
    )
    request = ServerCreate(
        name="fast", flavor_id=FlavorId("accelerated"), image_id=None, nics=(nic,)
    )
    server = create_server(svc, DEMO, request)
    assert sum(wanted.count for wanted in server.pci_requests) == 2
    assert server.host_id is not None
    assert server.numa_node == 1


def boot_several(svc: Services, names: Names) -> None:
    nic = NicRequest(network_id=names.red, vnic_type=VnicType.DIRECT)
    request = ServerCreate(name="many", flavor_id=FlavorId("small"), image_id=None, nics=(nic,))
    assert len(create_servers(svc, DEMO, request, least=2, most=3)) == 3


def about_nics(use_case: Callable[[Services, NicNames], None], svc: Services, names: Names) -> None:
    use_case(svc, names.nics)


USE_CASES: Final[Mapping[str, Callable[[Services, Names], object]]] = MappingProxyType({
    "create a server": lambda svc, names: boot(svc, *nics(names)),
    "create a server with devices besides its NIC": boot_accelerated,
    "create several servers": boot_several,
    "delete a server": lambda svc, names: delete_server(svc, DEMO, names.held),
    "take in that a server runs": ready,
    "take in that a server was refused": refused,
    "take in that devices are clean": clean,
    "take in an inventory": inventory,
    "change a port of a server": lambda svc, names: update_port(
        svc,
        DEMO,
        names.held_port,
        PortUpdate(name="new", port_security_enabled=False, security_groups=()),
    ),
    "create a port": lambda svc, names: create_port(svc, DEMO, PortCreate(network_id=names.blue)),
    "claim a device": claim,
    "create a network": lambda svc, _: create_network(svc, DEMO, NetworkCreate(name="own")),
    **{name: partial(about_nics, use_case) for name, use_case in NIC_USE_CASES.items()},
})  # fmt: skip


def prepare(svc: Services) -> Names:
    a_flavor(svc)
    for n in (1, 2):
        cards = a_card(5, "phy1", serial=n, numa_node=0)
        agent = AgentByHand(svc, f"h{n}", cards + a_card(0x82, "phy2", serial=n, numa_node=1))
        agent.report(resources=RESOURCES)
    any_card = PciFlavorCreate(name="any", match=[{"vendor_id": "15b3"}])
    create_pci_flavor(svc, ADMIN, any_card)
    accelerated = a_flavor(svc, "accelerated")
    set_extra_specs(svc, ADMIN, accelerated.id, {"pci_passthrough:pci_flavor": "any:2"})
    blue, red = a_network(svc, "blue", (PHY1, 100)), a_network(svc, "red", (PHY2, 200))
    port = create_port(svc, DEMO, PortCreate(network_id=blue.id, vnic_type=VnicType.DIRECT)).port
    direct = NicRequest(network_id=blue.id, vnic_type=VnicType.DIRECT)
    near = replace(direct, numa_policy=NumaPolicy.REQUIRED)
    held, gone = boot(svc, near, near), boot(svc, direct)
    hosts = {host.id: host.name for host in svc.store.read(lambda tx: tx.hosts.all())}
    servers = svc.store.read(lambda tx: tx.servers.get_many([held, gone]))
    delete_server(svc, DEMO, gone)
    of = {server.id: hosts[server.host_id] for server in servers.values() if server.host_id}
    set_host_enabled(svc, ADMIN, of[held], enabled=False)
    up, off = boot(svc, direct), boot(svc, direct)
    set_host_enabled(svc, ADMIN, of[held], enabled=True)
    other = next(name for name in hosts.values() if name != of[held])
    return Names(
        nics=prepare_nics(svc, other, up, off, unbound=port.id, red=red.id),
        blue=blue.id, red=red.id, port=port.id, held=held, held_port=servers[held].port_ids[0],
        host=of[held], gone=gone, gone_host=of[gone],
    )  # fmt: skip
