"""Use cases about NICs of servers that there are: attached, detached, and what hosts tell of that.

`up` runs and has three NICs: `first`; `coming`, just attached; `leaving`, just detached, whose port
was made with it. `off` is stopped and has one, `off_port`. Both are on `host`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tests.support.compute_site import as_desired
from tests.support.world import DEMO
from trunkline.control.desired import desired_config
from trunkline.control.interfaces import attach_interface, detach_interface
from trunkline.control.ports import create_port
from trunkline.control.reports import take_report
from trunkline.control.requests import NicRequest, PortCreate
from trunkline.control.servers import delete_server, stop_server
from trunkline.control.services import Services
from trunkline.domain.ids import HostName, NetworkId, PortId, ServerId
from trunkline.domain.port import VnicType
from trunkline.domain.server import ServerState
from trunkline.reconcile.desired import HostConfig
from trunkline.reconcile.report import DeviceCondition, DeviceFact, HostReport, NicFact


@dataclass(frozen=True, kw_only=True)
class NicNames:
    """What the use cases act on."""

    up: ServerId
    first: PortId
    coming: PortId
    leaving: PortId
    off: ServerId
    off_port: PortId
    host: HostName
    unbound: PortId
    red: NetworkId


def as_told(
    config: HostConfig, host: HostName, *, number: int, refused: PortId | None = None
) -> HostReport:
    """What an agent says that has made `config` true; but for one NIC, if it is refused."""
    held = [device for server in config.servers for device in server.held_devices]
    nics = [
        NicFact(
            server_id=server.id, boot_number=server.boot_number, port_id=refused, reason="no slot"
        )
        for server in config.servers
        if refused in {nic.port_id for nic in server.nics}
    ]
    refusing = {fact.server_id for fact in nics}
    return HostReport(
        host=host, run_id="run", number=number, generation=config.generation,
        devices=tuple([
            DeviceFact(address=each.address, epoch=each.epoch, condition=DeviceCondition.READY)
            for each in held
        ]),
        servers=tuple([as_desired(each) for each in config.servers if each.id not in refusing]),
        nics=tuple(nics),
    )  # fmt: skip


def settle(svc: Services, host: HostName, *, number: int, refused: PortId | None = None) -> None:
    """Let the agent of `host` make true what is desired, and say so."""
    take_report(svc, as_told(desired_config(svc, host), host, number=number, refused=refused))


def _attach_port(svc: Services, names: NicNames) -> None:
    attach_interface(svc, DEMO, names.up, NicRequest(port_id=names.unbound))


def _attach_network(svc: Services, names: NicNames) -> None:
    wanted = NicRequest(network_id=names.red, vnic_type=VnicType.DIRECT, tag="new")
    attach_interface(svc, DEMO, names.up, wanted)


def _take_in_nics(svc: Services, names: NicNames) -> None:
    settle(svc, names.host, number=1000)


def _take_in_refused_nic(svc: Services, names: NicNames) -> None:
    settle(svc, names.host, number=1000, refused=names.coming)


NIC_USE_CASES: Final[Mapping[str, Callable[[Services, NicNames], None]]] = MappingProxyType({
    "attach a port to a server": _attach_port,
    "attach a server to a network": _attach_network,
    "detach a NIC": lambda svc, names: detach_interface(svc, DEMO, names.up, names.first),
    "detach a NIC of a stopped server": lambda svc, names: detach_interface(
        svc, DEMO, names.off, names.off_port
    ),
    "take in that NICs have come and gone": _take_in_nics,
    "take in that a NIC was refused": _take_in_refused_nic,
    "delete a server whose NICs come and go": lambda svc, names: delete_server(
        svc, DEMO, names.up
    ),
})  # fmt: skip


def prepare_nics(
    svc: Services, host: HostName, up: ServerId, off: ServerId, *, unbound: PortId, red: NetworkId
) -> NicNames:
    """Make of two servers on `host`, just placed, the two that the use cases act on."""
    settle(svc, host, number=100)
    stop_server(svc, DEMO, off)
    settle(svc, host, number=101)
    wanted = PortCreate(network_id=red, vnic_type=VnicType.DIRECT)
    coming = create_port(svc, DEMO, wanted).port.id
    on_red = NicRequest(network_id=red, vnic_type=VnicType.DIRECT)
    _, leaving = attach_interface(svc, DEMO, up, on_red)
    settle(svc, host, number=102)
    attach_interface(svc, DEMO, up, NicRequest(port_id=coming))
    detach_interface(svc, DEMO, up, leaving.port.port.id)
    servers = svc.store.read(lambda tx: tx.servers.get_many([up, off]))
    assert (servers[up].state, servers[off].state) == (ServerState.ACTIVE, ServerState.SHUTOFF)
    return NicNames(
        up=up, first=servers[up].port_ids[0], coming=coming, leaving=leaving.port.port.id, off=off,
        off_port=servers[off].port_ids[0], host=host, unbound=unbound, red=red,
    )  # fmt: skip
