"""What should be true on one host: made from the rows of that host alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from trunkline.control.binding import bridge_of, vlan_id_of
from trunkline.control.qos import policies_of
from trunkline.control.services import Services
from trunkline.domain.allocation import Allocation, AllocationState
from trunkline.domain.binding import Binding, BindingState
from trunkline.domain.device import DeviceKind
from trunkline.domain.host import Host
from trunkline.domain.ids import (
    DeviceId,
    HostName,
    ImageId,
    NetworkId,
    PortId,
    SegmentId,
    ServerId,
    SubnetId,
    ZoneName,
)
from trunkline.domain.network import Network, Segment, Subnet
from trunkline.domain.pf_identity import PfIdentity
from trunkline.domain.port import FixedIp, Port, logical_device_name
from trunkline.domain.qos import QosPolicy
from trunkline.domain.server import PowerState, Server
from trunkline.domain.vf import LinkState, VlanProtocol
from trunkline.reconcile.desired import (
    GuestAddress,
    GuestData,
    GuestNode,
    HeldDevice,
    HostConfig,
    ImageSource,
    NicConfig,
    ServerConfig,
    VfCount,
)
from trunkline.store.devices import DeviceRecord
from trunkline.store.transaction import Transaction

_ON_THEIR_WAY_BACK: Final = frozenset({AllocationState.RELEASING, AllocationState.QUARANTINED})


def desired_config(svc: Services, host_name: HostName) -> HostConfig:
    """Return what should be true on a host now; raise `NotFound` if it was never enrolled."""
    return svc.store.read(lambda tx: _config(tx, svc, tx.hosts.get_by_name(host_name)))


def desired_if_newer(
    svc: Services, host_name: HostName, *, generation: int, consoles_asked: int | None
) -> HostConfig | None:
    """Return what should be true on a host if there is news beyond what is known; else None.

    To say that there is none is cheap. `consoles_asked` None: that is not asked for.
    """

    def find(tx: Transaction) -> HostConfig | None:
        host = tx.hosts.get_by_name(host_name)
        asked = consoles_asked is not None and host.consoles_asked != consoles_asked
        return _config(tx, svc, host) if asked or host.generation > generation else None

    return svc.store.read(find)


def _config(tx: Transaction, svc: Services, host: Host) -> HostConfig:
    servers = tx.servers.of_hosts([host.id])
    # A port that is bound to a device and that no server has is nothing to the host.
    bindings = {
        binding.port_id: binding
        for binding in tx.bindings.of_host(host.id)
        if binding.server_id is not None
    }
    ports = {port.id: port for port in tx.ports.get_many(bindings)}
    networks = tx.networks.get_many({port.network_id for port in ports.values()}) if ports else []
    allocations = {
        allocation.device_id: allocation
        for allocation in tx.allocations.of_host(host.id)
        if allocation.server_id is not None or allocation.state in _ON_THEIR_WAY_BACK
    }
    devices = tx.devices.get_many(allocations)
    pfs = devices | tx.devices.get_many({each.pf_id for each in devices.values() if each.pf_id})
    policies = policies_of(tx, ports.values(), {network.id: network for network in networks})
    images = _images(tx, servers)
    subnet_ids = {fixed.subnet_id for port in ports.values() for fixed in port.fixed_ips}
    subnets = tx.subnets.get_many(subnet_ids)
    rows = _Rows(
        host, bindings, ports, networks, allocations, devices, pfs, policies, images, subnets
    )
    return HostConfig(
        host=host.name,
        generation=host.generation,
        servers=tuple(_server_config(server, rows, svc.default_zone) for server in servers),
        releases=tuple(
            _held(devices[device_id], allocation, rows)
            for device_id, allocation in sorted(allocations.items())
            if allocation.state in _ON_THEIR_WAY_BACK
        ),
        vf_counts=tuple(
            VfCount(
                pf=pf.device.function.address,
                count=pf.vf_count_wanted,
                identity=PfIdentity.of(pf.device.function),
            )
            for pf in tx.devices.with_vfs_wanted(host.id)
            if pf.vf_count_wanted is not None and not pf.fence
        ),
        consoles=tx.consoles.open_of_host(host.id) if host.consoles_asked else (),
        consoles_asked=host.consoles_asked,
    )


class _Rows:
    """The rows of one host, by ID."""

    def __init__(
        self,
        host: Host,
        bindings: Mapping[PortId, Binding],
        ports: Mapping[PortId, Port],
        networks: list[Network],
        allocations: Mapping[DeviceId, Allocation],
        devices: Mapping[DeviceId, DeviceRecord],
        pfs: Mapping[DeviceId, DeviceRecord],
        policies: Mapping[PortId, QosPolicy],
        images: Mapping[ImageId, ImageSource],
        subnets: Mapping[SubnetId, Subnet],
    ) -> None:
        self.host = host
        self.bindings = bindings
        self.ports = ports
        self.allocations = allocations
        self.devices = devices
        self.pfs = pfs
        self.policies = policies
        self.images = images
        self.subnets = subnets
        # What servers have besides NICs. By address, so that a guest finds them in their places.
        self.given: dict[ServerId, list[Allocation]] = defaultdict(list)
        for device_id in sorted(devices, key=lambda each: devices[each].device.function.address):
            allocation = allocations[device_id]
            held = allocation.state in (AllocationState.CLAIMED, AllocationState.ACTIVE)
            if held and allocation.port_id is None and allocation.server_id is not None:
                self.given[allocation.server_id].append(allocation)
        self.networks: dict[NetworkId, Network] = {network.id: network for network in networks}
        self.segments: dict[SegmentId, Segment] = {
            segment.id: segment for network in networks for segment in network.segments
        }


def _server_config(server: Server, rows: _Rows, default_zone: ZoneName) -> ServerConfig:
    bound = [port_id for port_id in server.port_ids if port_id in rows.bindings]
    leaving = [
        port_id for port_id in bound if rows.bindings[port_id].state is BindingState.DETACHING
    ]
    kept = [port_id for port_id in bound if port_id not in leaving]
    devices = rows.given.get(server.id, ())
    is_paused = server.power is PowerState.PAUSED
    return ServerConfig(
        id=server.id,
        name=server.name,
        vcpus=server.flavor.vcpus,
        memory_mib=server.flavor.memory_mib,
        disk_gib=server.flavor.disk_gib,
        image=rows.images[server.image_id] if server.image_id else None,
        power=PowerState.RUNNING if is_paused else server.power,
        paused=is_paused,
        boot_number=server.boot_number,
        disk_number=server.disk_number,
        nics=tuple(_nic_of_server(server, port_id, rows) for port_id in kept),
        leaving=tuple(_nic_of_server(server, port_id, rows) for port_id in leaving),
        places=_places(server, kept, len(devices)),
        devices=tuple(
            _held(rows.devices[allocation.device_id], allocation, rows) for allocation in devices
        ),
        numa_node=_guest_node(server, rows.host),
        guest=GuestData(
            hostname=server.hostname,
            project_id=server.project_id,
            # As it was asked for, for good: a drive is not made anew since a host changes zones.
            availability_zone=server.zone or default_zone,
            launch_index=server.launch_index,
            metadata=server.metadata,
            user_data=server.user_data,
            public_keys=_public_keys(server),
            admin_password=server.admin_password,
        ),
    )


def _nic_of_server(server: Server, port_id: PortId, rows: _Rows) -> NicConfig:
    nic = _nic_config(rows.ports[port_id], rows.bindings[port_id], rows)
    return replace(nic, tag=server.nic_tags.get(port_id))


def _places(server: Server, kept: Sequence[PortId], devices: int) -> tuple[int, ...]:
    """Return where the guest finds what it has, if that is not simply in order."""
    if server.places is None:
        return ()
    first = server.places.first_device
    return (*(server.places.nics[port_id] for port_id in kept), *range(first, first + devices))


def _public_keys(server: Server) -> dict[str, str]:
    if server.key_name is None or server.public_key is None:
        return {}
    return {server.key_name: server.public_key}


def _images(tx: Transaction, servers: Iterable[Server]) -> dict[ImageId, ImageSource]:
    """Return what the servers' disks start from. An image with a server can't be deleted."""
    found = {}
    for image_id in {server.image_id for server in servers if server.image_id is not None}:
        image = tx.images.get(image_id)
        found[image_id] = ImageSource(
            id=image_id,
            sha512=image.sha512 or "",
            size_bytes=image.size_bytes or 0,
            disk_format=image.disk_format or "",
        )
    return found


def _guest_node(server: Server, host: Host) -> GuestNode | None:
    if server.numa_node is None:
        return None
    node = host.resources.find_node(server.numa_node)
    return GuestNode(number=server.numa_node, cpus="" if node is None else node.cpus)


def _nic_config(port: Port, binding: Binding, rows: _Rows) -> NicConfig:
    network = rows.networks[port.network_id]
    segment = rows.segments.get(binding.segment_id) if binding.segment_id else None
    device, least, most = None, None, None
    if binding.device_id is not None:
        allocation = rows.allocations[binding.device_id]
        device = _held(rows.devices[binding.device_id], allocation, rows)
        if device.kind is DeviceKind.VF:
            # Said of every VF, none being 0: else a limit would outlive its rule.
            least = allocation.guarantee.egress_mbps
            policy = rows.policies.get(port.id)
            most = 0 if policy is None else policy.egress_limit_mbps
    return NicConfig(
        port_id=port.id,
        device=device,
        vif_type=binding.vif_type,
        vnic_type=port.vnic_type,
        mac=port.mac,
        logical_name=logical_device_name(port.id),
        vlan_id=vlan_id_of(segment),
        vlan_qos=port.vlan_qos,
        vlan_protocol=VlanProtocol.DOT1AD if network.qinq else VlanProtocol.DOT1Q,
        spoof_check=port.port_security_enabled,
        trust=port.trusted,
        link_state=LinkState.AUTO if port.admin_state_up else LinkState.DISABLE,
        min_tx_rate_mbps=least,
        max_tx_rate_mbps=most,
        bridge=bridge_of(segment, rows.host) if device is None else None,
        mtu=network.mtu,
        addresses=tuple(_address(fixed, rows.subnets[fixed.subnet_id]) for fixed in port.fixed_ips),
    )


def _address(fixed: FixedIp, subnet: Subnet) -> GuestAddress:
    return GuestAddress(
        ip_address=fixed.ip_address,
        prefix_length=subnet.cidr.prefixlen,
        network_id=subnet.network_id,
        gateway=None if subnet.gateway_ip is None else str(subnet.gateway_ip),
        dns=subnet.dns_nameservers,
        routes=subnet.host_routes,
    )


def _held(record: DeviceRecord, allocation: Allocation, rows: _Rows) -> HeldDevice:
    function = record.device.function
    pf = rows.pfs.get(record.ref.kin_id)
    return HeldDevice(
        address=function.address,
        kind=function.kind,
        epoch=allocation.epoch,
        pf_address=function.pf_address,
        vf_index=function.vf_index,
        pf=None
        if pf is None or pf.kind is not DeviceKind.PF
        else PfIdentity.of(pf.device.function),
        managed=record.device.managed,
    )
