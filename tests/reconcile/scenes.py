"""One host to plan for, and the servers that tests put on it.

0000:05:00.0  eth2  (igb)   VFs 0000:05:10.0 .. 10.3
0000:82:00.0  eth3  (mlx5)  VFs 0000:82:00.2 .. 00.5
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from trunkline.domain.bridge import Bridge
from trunkline.domain.device import DeviceKind, PciFunction
from trunkline.domain.ether import MacAddress
from trunkline.domain.ids import HostName, PortId, ServerId
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import VnicType, logical_device_name
from trunkline.domain.server import PowerState
from trunkline.domain.vf import VfSettings
from trunkline.reconcile.desired import HeldDevice, HostConfig, NicConfig, ServerConfig
from trunkline.reconcile.domain_xml import DomainOptions, attachment, define
from trunkline.reconcile.observed import DomainPower, DomainState, GuestFiles, HostState, Journal
from trunkline.vif.registry import DEFAULT_VIF_TYPES, load_vif_types

VIF_TYPES = load_vif_types()
HOST = HostName("h1")
IGB = PciAddress.parse("0000:05:00.0")
MLX = PciAddress.parse("0000:82:00.0")
IGB_VF = VfSettings(link_state=None, min_tx_rate_mbps=None)
MLX_VF = VfSettings(spoof_check=False)


def server_id(number: int) -> ServerId:
    return ServerId(f"5e000000-0000-4000-8000-{number:012x}")


def port_id(number: int) -> PortId:
    return PortId(f"{number:08x}-0000-4000-8000-000000000000")


def mac(number: int) -> MacAddress:
    return MacAddress(f"fa:16:3e:00:00:{number:02x}")


def vf_address(pf: PciAddress, index: int) -> PciAddress:
    routing_id = pf.routing_id + (128 if pf == IGB else 2) + index
    return PciAddress.at(pf.domain, routing_id)


def vf(pf: PciAddress, index: int, *, epoch: int = 1) -> HeldDevice:
    return HeldDevice(
        address=vf_address(pf, index),
        kind=DeviceKind.VF,
        epoch=epoch,
        pf_address=pf,
        vf_index=index,
    )


def whole(pf: PciAddress, *, epoch: int = 1) -> HeldDevice:
    return HeldDevice(address=pf, kind=DeviceKind.PF, epoch=epoch, pf_address=None, vf_index=None)


def a_nic(
    number: int,
    device: HeldDevice | None,
    vnic_type: VnicType = VnicType.DIRECT,
    *,
    vlan_id: int = 100,
    vif_type: str | None = None,
) -> NicConfig:
    return NicConfig(
        port_id=port_id(number),
        device=device,
        vif_type=vif_type or DEFAULT_VIF_TYPES[vnic_type],
        vnic_type=vnic_type,
        mac=mac(number),
        logical_name=logical_device_name(port_id(number)),
        vlan_id=vlan_id,
        bridge="br-phy1" if device is None else None,
    )


def a_server(
    number: int,
    *nics: NicConfig,
    power: PowerState = PowerState.RUNNING,
    boot_number: int = 1,
) -> ServerConfig:
    return ServerConfig(
        id=server_id(number),
        name=f"web-{number}",
        vcpus=2,
        memory_mib=2048,
        disk_gib=10,
        image=None,
        power=power,
        boot_number=boot_number,
        nics=nics,
    )


def a_config(
    *servers: ServerConfig, releases: tuple[HeldDevice, ...] = (), generation: int = 1
) -> HostConfig:
    return HostConfig(host=HOST, generation=generation, servers=servers, releases=releases)


def functions(vf_count: int = 4) -> dict[PciAddress, PciFunction]:
    found: dict[PciAddress, PciFunction] = {}
    for pf, ifname, driver, vendor in (
        (IGB, "eth2", "igb", "8086"),
        (MLX, "eth3", "mlx5_core", "15b3"),
    ):
        found[pf] = PciFunction(
            address=pf,
            kind=DeviceKind.PF,
            vendor_id=vendor,
            product_id="10c9" if pf == IGB else "1017",
            driver=driver,
            pf_driver=driver,
            ifname=ifname,
            vf_count=vf_count,
            vf_count_max=7,
        )
        for index in range(vf_count):
            address = vf_address(pf, index)
            found[address] = PciFunction(
                address=address,
                kind=DeviceKind.VF,
                vendor_id=vendor,
                product_id="10ca" if pf == IGB else "1018",
                driver="igbvf" if pf == IGB else driver,
                pf_driver=driver,
                ifname=f"{ifname}v{index}",
                pf_address=pf,
                vf_index=index,
            )
    return found


def a_host(
    *,
    journal: Journal | None = None,
    domains: Mapping[ServerId, DomainState] | None = None,
    changed: Mapping[PciAddress, VfSettings] | None = None,
    names: Mapping[PciAddress, str | None] | None = None,
    vf_count: int = 4,
    files: Mapping[ServerId, GuestFiles] | None = None,
    bridge: Bridge | None = None,
) -> HostState:
    found = functions(vf_count)
    for address, ifname in (names or {}).items():
        found[address] = replace(found[address], ifname=ifname)
    settings: dict[PciAddress, Mapping[int, VfSettings]] = {
        pf: {
            index: (changed or {}).get(vf_address(pf, index), default) for index in range(vf_count)
        }
        for pf, default in ((IGB, IGB_VF), (MLX, MLX_VF))
    }
    return HostState(
        boot_id="boot-1",
        functions=found,
        vf_settings=settings,
        unreadable_pfs={},
        domains=domains or {},
        journal=journal or Journal(boot_id="boot-1", generation=1),
        files=files,
        bridges={} if bridge is None else {bridge.name: bridge},
        pf_addresses={IGB: frozenset()},
    )


def a_domain(server: ServerConfig, power: DomainPower = DomainPower.RUNNING) -> DomainState:
    """The domain of `server` as our own XML defines it."""
    held = attachment(server, VIF_TYPES)
    active = power in (DomainPower.RUNNING, DomainPower.PAUSED)
    return DomainState(
        server_id=server.id,
        name=server.id,
        power=power,
        boot_number=server.boot_number,
        xml_digest=define(server, VIF_TYPES, DomainOptions()).digest,
        devices=held.devices if active else frozenset(),
        ifnames=held.ifnames if active else frozenset(),
    )
