"""Claims: an admin names the host and the very device of a port, as the network API allows."""

from __future__ import annotations

from collections.abc import Mapping

from trunkline.control.audit import Actor
from trunkline.control.binding import bind_port, release_binding
from trunkline.control.generations import decide_anew, touch_host
from trunkline.control.nics import DEVICE_KINDS
from trunkline.control.qos import check_able, check_supported, guarantee_of, policy_of
from trunkline.control.quotas import require_quota
from trunkline.control.requests import PortUpdate, Unset
from trunkline.control.services import Services
from trunkline.domain.allocation import AllocationState
from trunkline.domain.binding import Binding
from trunkline.domain.errors import DeviceTaken, Invalid, StateConflict
from trunkline.domain.ids import HostName
from trunkline.domain.network import Network
from trunkline.domain.pci import PciAddress
from trunkline.domain.port import Port
from trunkline.store.locks import Lock
from trunkline.store.transaction import Transaction


def claim(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    port: Port,
    network: Network,
    host_name: HostName,
    profile: Mapping[str, object],
) -> None:
    """Bind a port to a host, and to the device at `pci_slot`, because an admin says so.

    Raises:
        DeviceTaken: The device has an owner, is not on the network, or is not listed.
        Invalid: `pci_slot` is malformed or missing where a device is needed.
        QosNotSupported: The port's VNIC type, or the device, can't have the port's QoS policy.
        NotEnoughBandwidth: Its PF has not as much left as the policy guarantees.
    """
    host = tx.hosts.get_by_name(host_name, Lock.EXCLUSIVE)
    kind = DEVICE_KINDS[port.vnic_type]
    segment_id, chosen = network.segments[0].id, None
    if kind is not None:
        slot = profile.get("pci_slot")
        if not isinstance(slot, str):
            raise Invalid("binding:profile.pci_slot", "the PCI address of a device is needed")
        try:
            address = PciAddress.parse(slot)
        except ValueError as problem:
            raise Invalid("binding:profile.pci_slot", str(problem)) from problem
        record = tx.devices.find_at(host.id, str(address))
        if record is not None and record.device.function.used_by:
            used_by = record.device.function.used_by
            raise DeviceTaken(f"{address} on {host_name}", f"others have it: {used_by}")
        if record is not None and record.device.function.unfit and not record.offered:
            raise DeviceTaken(f"{address} on {host_name}", f"it {record.device.function.unfit}")
        if record is None or not record.offered:
            raise DeviceTaken(f"{address} on {host_name}", "no device spec of the host lists it")
        if record.kind is not kind:
            raise DeviceTaken(
                f"{address} on {host_name}",
                f"it is a {record.kind.value.upper()}, a port of type {port.vnic_type.value} "
                f"needs a {kind.value.upper()}",
            )
        if record.device.network_pool is not None:
            raise DeviceTaken(
                f"{address} on {host_name}",
                f"libvirt hands it out from network pool {record.device.network_pool.name}: none "
                "of them can be had by its address",
            )
        held = tx.allocations.of_devices([record.id]).get(record.id)
        if held is not None and held.state is AllocationState.RESERVED:
            free = f"trunkline device free {host_name} {address}"
            raise DeviceTaken(f"{address} on {host_name}", f"it was for one use; {free}")
        out = tx.devices.get(record.ref.kin_id).problem
        if out:
            raise DeviceTaken(f"{address} on {host_name}", f"its PF is out of service: {out}")
        segment = svc.networking.segment_for(network, record.device, network.segments)
        if isinstance(segment, str):
            raise DeviceTaken(f"{address} on {host_name}", segment)
        segment_id, chosen = segment.id, record
    policy = policy_of(tx, port, network)
    check_supported(policy, port.vnic_type, port.id)
    if chosen is not None:
        check_able(policy, port, chosen)
    bind_port(
        tx, svc, actor, port=port, network=network, host=host, segment_id=segment_id,
        record=chosen, server_id=None, guarantee=guarantee_of(policy),
    )  # fmt: skip
    if chosen is not None:
        svc.fleet.note_owed(tx, host.id, chosen.ref.kin_id, guarantee_of(policy))
        require_quota(tx, port.project_id, port_id=port.id)
        svc.fleet.note_taken(tx, host.id, chosen.ref)
    decide_anew(tx, svc, host.id)  # No server has the port: its agent has nothing to do for it.


def update_claim(
    tx: Transaction,
    svc: Services,
    actor: Actor,
    port: Port,
    network: Network,
    binding: Binding | None,
    changes: PortUpdate,
) -> None:
    """Make or withdraw a claim, if the update of a port says so."""
    if isinstance(changes.host, Unset):
        return
    if binding is not None and binding.server_id is not None:
        raise StateConflict("port", port.id, f"server {binding.server_id} has it")
    if binding is not None:
        release_binding(tx, svc, actor, binding, reason="claim withdrawn")
        touch_host(tx, svc, binding)
    if changes.host:
        profile = {} if isinstance(changes.profile, Unset) else changes.profile
        claim(tx, svc, actor, port, network, changes.host, profile)
