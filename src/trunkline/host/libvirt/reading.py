"""What libvirt tells of a domain, as a `DomainState`.

Read are the facts that a plan compares. Unlike `host.libvirt_domain`, which says what a simulated
libvirt takes, it lets pass whatever else an operator may have added to a domain.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

from lxml import etree
from lxml.etree import _Element

from trunkline.domain.ids import ServerId
from trunkline.domain.network_pool import PoolMode, PoolNetwork
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.domain_xml import METADATA_NAMESPACE
from trunkline.reconcile.network_pools import NETWORK_TAG
from trunkline.reconcile.observed import DomainPower, DomainState, NetworkState, OtherDomain

_SERVER: Final = f"{{{METADATA_NAMESPACE}}}server"
_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class UnreadableDomain(ValueError):
    """A domain carries our metadata element, and does not say what one of ours says."""


def read_domain(
    xml: str, power: DomainPower, *, doing: str = "", paused_by: str = ""
) -> DomainState | None:
    """Read a domain's live XML; None: it is not ours. `doing`: what libvirt is doing about it.

    Raises:
        UnreadableDomain: It is ours, or may be, and can't be understood. To leave it out would be
            to say that nobody holds its devices.
    """
    root = _parse(xml)
    ours = root.find(f"metadata/{_SERVER}")
    if ours is None:
        return None
    may_have_guest = power.has_guest or bool(doing)
    return DomainState(
        server_id=ServerId((root.findtext("uuid") or "").strip()),
        name=root.findtext("name") or "",
        power=power,
        boot_number=_number("boot-number", ours.get("boot-number") or ""),
        disk_number=_number("disk-number", ours.get("disk-number") or "1"),
        xml_digest=ours.get("xml-digest") or "",
        devices=_host_devices(root) if may_have_guest else frozenset(),
        ifnames=_ifnames(root) | _taps(root) if may_have_guest else frozenset(),
        given=_given(root) if power.has_guest else {},
        networks=_networks(root),
        doing=doing,
        paused_by=paused_by,
    )


def _number(name: str, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise UnreadableDomain(f"{name} {text!r} in its <metadata> is no number")
    return int(text)


def read_other(xml: str, power: DomainPower) -> OtherDomain | None:
    """Read what a domain that is not ours has, or will have; None: it is ours, or has no device.

    What of it can't be understood is not a device that libvirt could give it.
    """
    try:
        root = _parse(xml)
    except UnreadableDomain:
        return None
    if root.find(f"metadata/{_SERVER}") is not None:
        return None
    devices = frozenset(_addresses_understood(root))
    ifnames = _ifnames(root)
    if not devices and not ifnames:
        return None
    return OtherDomain(
        name=root.findtext("name") or "",
        is_active=power.has_guest,
        devices=devices,
        ifnames=ifnames,
    )


def _addresses_understood(root: _Element) -> Iterator[PciAddress]:
    for each in _host_elements(root):
        with suppress(UnreadableDomain):
            yield _address(each.find("source/address"))


def read_network(live_xml: str, defined_xml: str | None, *, autostarts: bool) -> NetworkState:
    """Read a network: its XML, and what it is from its next start on if it is active.

    One that hands out no devices, though it is ours, is nothing that can be kept. What of another
    can't be understood is not a device that libvirt could give to a guest.
    """
    root = _parse(live_xml, "network")
    is_active = defined_xml is not None
    defined = root if defined_xml is None else _parse(defined_xml, "network")
    if root.find(f"metadata/{NETWORK_TAG}") is None:
        return NetworkState(
            is_ours=False,
            autostarts=autostarts,
            defined=_pool_of_others(defined),
            live=_pool_of_others(root) if is_active else None,
            is_active=is_active,
            pf_ifnames=_pf_ifnames(root) | _pf_ifnames(defined),
        )
    return NetworkState(
        is_ours=True,
        autostarts=autostarts,
        defined=_pool(defined),
        live=_pool(root) if is_active else None,
        is_active=is_active,
        in_use=root.get("connections", "0") != "0",
    )


def _pool(root: _Element) -> PoolNetwork | None:
    forward = root.find("forward")
    if forward is None or forward.get("mode") not in {mode.value for mode in PoolMode}:
        return None
    members = [str(_address(each)) for each in forward.findall("address[@type='pci']")]
    members += [dev for each in forward.findall("interface") if (dev := each.get("dev"))]
    return PoolNetwork(PoolMode(forward.get("mode")), tuple(members))


def _pool_of_others(root: _Element) -> PoolNetwork | None:
    with suppress(UnreadableDomain):
        return _pool(root)
    return None


def _pf_ifnames(root: _Element) -> frozenset[str]:
    """Return the PFs that a network names for all their VFs, which libvirt looks up later."""
    forward = root.find("forward")
    if forward is None or forward.get("mode") not in {mode.value for mode in PoolMode}:
        return frozenset()
    return frozenset(dev for each in forward.findall("pf") if (dev := each.get("dev")))


def _given(root: _Element) -> dict[PciAddress, PciAddress | str]:
    """Return what each NIC has of the host, by where the guest finds it."""
    given: dict[PciAddress, PciAddress | str] = {}
    for each in root.findall("devices/interface"):
        at = each.find("address[@type='pci']")
        source = each.find("source")
        if at is None or source is None:
            continue
        if each.get("type") == "hostdev":
            given[_address(at)] = _address(source.find("address"))
        elif each.get("type") == "direct" and (dev := source.get("dev")):
            given[_address(at)] = dev
    return given


def _networks(root: _Element) -> frozenset[str]:
    sources = root.findall("devices/interface[@type='network']/source")
    return frozenset(name for source in sources if (name := source.get("network")))


def _parse(xml: str, tag: str = "domain") -> _Element:
    """Parse without entities, document types, or the network."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(xml.encode(), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError) as fault:
        raise UnreadableDomain(f"not XML: {fault}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise UnreadableDomain("it has a document type, which XML of libvirt never has")
    if root.tag != tag:
        raise UnreadableDomain(f"its root element is <{root.tag}>, not <{tag}>")
    return root


def _host_devices(root: _Element) -> frozenset[PciAddress]:
    """Return every PCI function that the guest has: `<hostdev>` and `<interface type='hostdev'>`.

    An interface on a network pool is shown as type `hostdev` too, once it has got its device.
    """
    return frozenset(_address(each.find("source/address")) for each in _host_elements(root))


def _host_elements(root: _Element) -> list[_Element]:
    given = root.findall("devices/hostdev[@type='pci']")
    return given + root.findall("devices/interface[@type='hostdev']")


def _ifnames(root: _Element) -> frozenset[str]:
    sources = root.findall("devices/interface[@type='direct']/source")
    return frozenset(dev for source in sources if (dev := source.get("dev")))


def _taps(root: _Element) -> frozenset[str]:
    targets = root.findall("devices/interface[@type='bridge']/target")
    return frozenset(dev for target in targets if (dev := target.get("dev")))


def find_nic(xml: str, *, device: PciAddress | None, ifname: str) -> str | None:
    """Return the element of one NIC of a domain's XML; None: it has none such.

    Args:
        xml: The domain's, as it runs or as it is defined.
        device: What is handed to the guest for it, if there is no `ifname`.
        ifname: The netdev under its macvtap, or its tap.
    """
    root = _parse(xml)
    if not ifname:
        found = (each for each in _host_elements(root) if _source_address(each) == device)
    else:
        found = (
            each
            for kind, name in (("direct", "source"), ("bridge", "target"))
            for each in root.findall(f"devices/interface[@type='{kind}']")
            if (element := each.find(name)) is not None and element.get("dev") == ifname
        )
    element = next(found, None)
    return None if element is None else etree.tostring(element, encoding="unicode", with_tail=False)


def _source_address(element: _Element) -> PciAddress:
    return _address(element.find("source/address"))


def _address(element: _Element | None) -> PciAddress:
    if element is None:
        raise UnreadableDomain("a host device of it has no <address> in its <source>")
    try:
        numbers = [int(element.get(key) or "", 0) for key in ("domain", "bus", "slot", "function")]
        domain, bus, slot, function = numbers
        return PciAddress.parse(f"{domain:04x}:{bus:02x}:{slot:02x}.{function:x}")
    except ValueError:
        shown = etree.tostring(element, with_tail=False).decode()
        raise UnreadableDomain(f"{shown} is no PCI address") from None
