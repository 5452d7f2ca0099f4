"""A server that is not to be made, as bodies name it: its NICs, its size, perhaps a host."""

from __future__ import annotations

from typing import Final

from trunkline.api.hints import Hints, parse_hints
from trunkline.api.parsing import Fields
from trunkline.api.v1.references import find_port
from trunkline.control.flavors import get_flavor, list_flavors
from trunkline.control.lookup import find_by_id_or_name
from trunkline.control.networks import get_network, list_networks
from trunkline.control.requests import ExplainRequest, NicRequest
from trunkline.control.services import Services
from trunkline.domain.identity import Caller
from trunkline.domain.ids import FlavorId, HostName, ZoneName
from trunkline.domain.nic_rules import NumaPolicy
from trunkline.domain.port import parse_vnic_type

NICS_MAX: Final = 64  # More than any guest has PCI slots for; each costs placement time.
SHAPE_FIELDS: Final = ("nics", "flavor", "hints", "host", "availability_zone")
_OF_NEW_PORTS: Final = ("vnic_type", "fixed_ip", "numa_policy")


def shape_of(svc: Services, caller: Caller, fields: Fields) -> ExplainRequest:
    """Read what `SHAPE_FIELDS` say; names are looked up as the caller sees them."""
    nics = fields.objects("nics", [])
    if len(nics) > NICS_MAX:
        raise fields.invalid("nics", f"at most {NICS_MAX}, not {len(nics)}")
    flavor, host = fields.text("flavor", None), fields.text("host", None)
    given = fields.fields("hints", None)
    hints = Hints() if given is None else parse_hints(given)
    zone = fields.text("availability_zone", None)
    return ExplainRequest(
        flavor_id=None if flavor is None else _flavor_id(svc, caller, flavor),
        nics=tuple(_nic_request(svc, caller, nic) for nic in nics),
        rules=hints.rules,
        group_id=hints.group_id,
        host=None if host is None else HostName(host),
        zone=ZoneName(zone) if zone else None,
    )


def _flavor_id(svc: Services, caller: Caller, ref: str) -> FlavorId:
    found = find_by_id_or_name(
        svc, caller, "flavor", ref, get=get_flavor, list_=list_flavors,
        id_of=lambda flavor: flavor.id,
    )  # fmt: skip
    return found.id


def _nic_request(svc: Services, caller: Caller, fields: Fields) -> NicRequest:
    fields.require_only(("port", "network", *_OF_NEW_PORTS, "pci_flavor"))
    pci_flavor = fields.text("pci_flavor", None) or None
    port, network = fields.text("port", None), fields.text("network", None)
    if port is not None:
        for other in ("network", *_OF_NEW_PORTS):
            if fields.raw(other) is not None:
                raise fields.invalid(other, "a port says itself what it is; leave this out")
        return NicRequest(port_id=find_port(svc, caller, port).port.id, pci_flavor=pci_flavor)
    if network is None:
        raise fields.invalid("network", "name a network or a port")
    found = find_by_id_or_name(
        svc, caller, "network", network, get=get_network, list_=list_networks,
        id_of=lambda view: view.network.id,
    )  # fmt: skip
    return NicRequest(
        network_id=found.network.id,
        vnic_type=fields.parsed("vnic_type", parse_vnic_type, None),
        fixed_ip=fields.text("fixed_ip", None),
        pci_flavor=pci_flavor,
        numa_policy=fields.parsed("numa_policy", NumaPolicy, None),
    )
