"""What a port asks of its device: tags, abilities of its driver, and conditions of its own.

The first two are said in ``binding:profile``, as for Nova and Neutron, and so by admins only. The
third is the attribute ``pci_match``: conditions as PCI flavors have them, over the attributes that
the operator lets be used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from trunkline.control.binding import bridge_of
from trunkline.control.services import Services
from trunkline.domain.attributes import ABILITIES
from trunkline.domain.binding import Binding
from trunkline.domain.device import DeviceKind, device_attributes
from trunkline.domain.errors import Invalid, StateConflict
from trunkline.domain.pci_flavor import Alternative, DeviceMatch
from trunkline.domain.pci_flavor_parsing import (
    InvalidMatch,
    parse_alternative_text,
    parse_match,
)
from trunkline.domain.port import Port, VnicType
from trunkline.store.transaction import Transaction

MATCH_FIELD: Final = "pci_match"
_CAPABILITIES: Final = "binding:profile.capabilities"
# Keys of binding:profile that are derived; any other is kept as it came.
_DERIVED_KEYS: Final = frozenset({"pci_slot", "pci_vendor_info", "physical_network"})
_LIVE_MIGRATABLE: Final = "live_migratable"  # In a profile, and a tag of devices.
_TRUE: Final = ("true", "1", "yes", "on")


def says_trusted(profile: Mapping[str, object]) -> bool:
    """Whether a profile asks for trust."""
    return _says(profile, "trusted")


def _says(profile: Mapping[str, object], key: str) -> bool:
    return str(profile.get(key, "false")).lower() in _TRUE


def with_trust(profile: Mapping[str, object], *, trusted: bool | None) -> dict[str, object]:
    """Return the profile with this trust; None leaves it as it is."""
    return dict(profile) if trusted is None else {**profile, "trusted": trusted}


def kept_profile(profile: Mapping[str, object]) -> dict[str, object]:
    """Return what of a profile is kept with the port; raise `Invalid` for what can't be had."""
    abilities_in(profile)
    return {key: value for key, value in profile.items() if key not in _DERIVED_KEYS}


def abilities_in(profile: Mapping[str, object]) -> tuple[str, ...]:
    """Return the attributes that a profile's `capabilities` demand: ``can.vlan_qos``.

    Raises:
        Invalid: It is no list of capabilities, or names one that there is not.
    """
    raw = profile.get("capabilities")
    if not raw:
        return ()
    names = raw.split(",") if isinstance(raw, str) else raw
    if not isinstance(names, Sequence) or not all(isinstance(name, str) for name in names):
        raise Invalid(_CAPABILITIES, "must be a list of names, or names apart by commas")
    found: list[str] = []
    for name in (name.strip() for name in names):
        attribute = "can." + name.replace("802.1ad", "vlan_8021ad")
        if name == "switchdev":
            problem = "switchdev is not served: VFs are handed over by their PF's legacy switch"
            raise Invalid(_CAPABILITIES, problem)
        if attribute not in ABILITIES:
            known = ", ".join(sorted(each.removeprefix("can.") for each in ABILITIES))
            raise Invalid(_CAPABILITIES, f"{name[:60]!r} is not known; there are {known}")
        found.append(attribute)
    return tuple(found)


def demanded_attributes(port: Port | None, kind: DeviceKind | None) -> dict[str, str]:
    """Return what a device must have for this port, besides what its network demands.

    Trust needs a device that the operator lets be trusted, and live migration one that the operator
    says can. Of VFs the PF's driver must be able to do what is asked, and to cut off a port that is
    administratively down; to a guest that has the whole PF, nobody sets anything.
    """
    if port is None or kind is None:
        return {}
    demanded = {"e.trusted": "true"} if port.trusted else {}
    if _says(port.profile, _LIVE_MIGRATABLE):
        demanded[f"e.{_LIVE_MIGRATABLE}"] = "true"
    if kind is DeviceKind.VF:
        abilities = list(abilities_in(port.profile))
        abilities += ["can.trust"] if port.trusted else []
        abilities += ["can.vlan_qos"] if port.vlan_qos else []
        abilities += [] if port.admin_state_up else ["can.link_state"]
        demanded |= dict.fromkeys(abilities, "true")
    return demanded


def check_can_be_down(vnic_type: VnicType, who: str, *, admin_state_up: bool) -> None:
    """Raise `Invalid` for a port that is to be down, and that nobody could cut off."""
    if vnic_type is VnicType.DIRECT_PHYSICAL and not admin_state_up:
        raise Invalid(
            "admin_state_up",
            f"port {who} is of type direct-physical and can't be down: whoever has the whole PF "
            "sets its link; stop or delete its server instead, or shut the switch's port",
        )


def check_bound_device(tx: Transaction, port: Port, updated: Port, binding: Binding | None) -> None:
    """Raise `StateConflict` if the device that a port has can't do what a change newly asks.

    Of a port without a device, if its bridge can't.
    """
    if binding is None:
        return
    if binding.device_id is None:
        if port.admin_state_up and not updated.admin_state_up:
            _check_bound_bridge(tx, port, binding)
        return
    device = tx.devices.get(binding.device_id).device
    kind, has = device.function.kind, device_attributes(device)
    asked = demanded_attributes(updated, kind).items() - demanded_attributes(port, kind).items()
    lacking = sorted(name for name, value in asked if has.get(name) != value)
    if lacking:
        problem = f"its device {device.function.address} lacks {', '.join(lacking)}"
        raise StateConflict("port", port.id, f"{problem}; make this change when it has none")


def _check_bound_bridge(tx: Transaction, port: Port, binding: Binding) -> None:
    host = tx.hosts.get(binding.host_id)
    segments = tx.networks.get(port.network_id).segments
    segment = next((each for each in segments if each.id == binding.segment_id), None)
    bridge = bridge_of(segment, host)
    if bridge in host.resources.unfiltered_bridges:
        raise StateConflict(
            "port",
            port.id,
            f"its bridge on {host.name} has no VLAN filtering, and can't cut it off; stop its "
            f"server, or have the operator set `ip link set {bridge} type bridge vlan_filtering 1`"
            " and restart the agent there",
        )


def parse_own_match(svc: Services, raw: object) -> Alternative:
    """Read ``pci_match``: an object of conditions, or text; empty: none.

    Raises:
        InvalidMatch: It is malformed, or uses an attribute that the operator does not let be used.
    """
    if not raw:
        return ()
    conditions = parse_alternative_text(raw, path=MATCH_FIELD) if isinstance(raw, str) else raw
    try:
        (alternative,) = parse_match([conditions], svc.pci.attributes, path=MATCH_FIELD)
    except InvalidMatch as invalid:
        first = f"{MATCH_FIELD}[0]"
        raise InvalidMatch(
            [fault.replace(first, MATCH_FIELD, 1) for fault in invalid.faults]
        ) from None
    return alternative


def joined_match(of_flavor: DeviceMatch, own: Alternative) -> DeviceMatch:
    """Return what holds where both do: an alternative of the flavor, and the port's conditions."""
    if not own:
        return of_flavor
    return tuple((*alternative, *own) for alternative in of_flavor) or (own,)
