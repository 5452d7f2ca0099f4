"""What the policy lets a caller do with a port."""

from __future__ import annotations

from trunkline.control.access import on_network, require, require_seen
from trunkline.control.requests import UNSET, PortCreate, PortUpdate, Unset
from trunkline.domain.identity import Caller
from trunkline.domain.network import NETWORK_DEVICES, Network
from trunkline.domain.policy import network_rules as rules
from trunkline.domain.policy.language import Target
from trunkline.domain.port import Port


def require_visible(caller: Caller, port: Port, network: Network) -> Target:
    """Return what rules may ask of the port; raise `NotFound` if the caller can't see it."""
    target = on_network(port.project_id, network)
    require_seen(caller, rules.GET_PORT, target, "port", port.id)
    return target


def require_create(caller: Caller, target: Target, request: PortCreate) -> None:
    """Raise `Forbidden` for a port, or a field of it, that the policy does not allow."""
    asked = {
        rules.CREATE_PORT: True,
        # Whoever names a PCI address gets any device of the host.
        rules.CREATE_PORT_PROFILE: bool(request.profile),
        rules.CREATE_PORT_TRUSTED: request.trusted is not None,
        rules.CREATE_PORT_HOST_ID: bool(request.host),
        rules.CREATE_PORT_DEVICE_OWNER: request.device_owner.startswith(NETWORK_DEVICES),
        rules.CREATE_PORT_MAC_ADDRESS: request.mac is not None,
        rules.CREATE_PORT_IP_ADDRESS: any(each.ip_address for each in request.fixed_ips or ()),
        rules.CREATE_PORT_ALLOWED_ADDRESS_PAIRS: bool(request.allowed_address_pairs),
        rules.CREATE_PORT_PORT_SECURITY_ENABLED: request.port_security_enabled is False,
    }
    for rule, is_asked in asked.items():
        if is_asked:
            require(caller, rule, target)


def require_update(caller: Caller, target: Target, port: Port, changes: PortUpdate) -> None:
    """Raise `Forbidden` for a change of the port that the policy does not allow."""
    held = {str(each.ip_address) for each in port.fixed_ips}
    wanted = () if isinstance(changes.fixed_ips, Unset) else changes.fixed_ips
    owner = port.device_owner if isinstance(changes.device_owner, Unset) else changes.device_owner
    asked = {
        rules.UPDATE_PORT_DEVICE_OWNER: owner != port.device_owner
        and owner.startswith(NETWORK_DEVICES),
        rules.UPDATE_PORT_PROFILE: changes.profile is not UNSET,
        rules.UPDATE_PORT_TRUSTED: changes.trusted is not UNSET,
        rules.UPDATE_PORT_HOST_ID: changes.host is not UNSET,
        rules.UPDATE_PORT_MAC_ADDRESS: changes.mac not in (UNSET, port.mac),
        rules.UPDATE_PORT_IP_ADDRESS: any(
            each.ip_address is not None and each.ip_address not in held for each in wanted
        ),
        rules.UPDATE_PORT_ALLOWED_ADDRESS_PAIRS: changes.allowed_address_pairs
        not in (UNSET, (), port.allowed_address_pairs),
        rules.UPDATE_PORT_PORT_SECURITY_ENABLED: changes.port_security_enabled is False,
    }
    for rule, is_asked in asked.items():
        if is_asked:
            require(caller, rule, target)
