"""What libvirt tells of a domain, as a `DomainState`.

Read are the facts that a plan compares. Unlike `host.libvirt_domain`, which says what a simulated
libvirt takes, it lets pass whatever else an operator may have added to a domain.
"""

from __future__ import annotations

import re
from typing import Final

from lxml import etree
from lxml.etree import _Element

from trunkline.domain.ids import ServerId
from trunkline.domain.pci import PciAddress
from trunkline.reconcile.domain_xml import METADATA_NAMESPACE
from trunkline.reconcile.observed import DomainPower, DomainState

_SERVER: Final = f"{{{METADATA_NAMESPACE}}}server"
_BOOT_NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class UnreadableDomain(ValueError):
    """A domain carries our metadata element, and does not say what one of ours says."""


def read_domain(xml: str, power: DomainPower, *, doing: str = "") -> DomainState | None:
    """Read a domain's live XML; None: it is not ours. `doing`: what libvirt is doing about it.

    Raises:
        UnreadableDomain: It is ours, or may be, and can't be understood. To leave it out would be
            to say that nobody holds its devices.
    """
    root = _parse(xml)
    ours = root.find(f"metadata/{_SERVER}")
    if ours is None:
        return None
    boot_number = ours.get("boot-number") or ""
    if not _BOOT_NUMBER.fullmatch(boot_number):
        raise UnreadableDomain(f"boot-number {boot_number!r} in its <metadata> is no number")
    may_have_guest = power.has_guest or bool(doing)
    return DomainState(
        server_id=ServerId((root.findtext("uuid") or "").strip()),
        name=root.findtext("name") or "",
        power=power,
        boot_number=int(boot_number),
        xml_digest=ours.get("xml-digest") or "",
        devices=_host_devices(root) if may_have_guest else frozenset(),
        ifnames=_ifnames(root) if may_have_guest else frozenset(),
        doing=doing,
    )


def _parse(xml: str) -> _Element:
    """Parse without entities, document types, or the network."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(xml.encode(), parser)
    except (etree.XMLSyntaxError, UnicodeEncodeError) as fault:
        raise UnreadableDomain(f"not XML: {fault}") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise UnreadableDomain("it has a document type, which domain XML never has")
    if root.tag != "domain":
        raise UnreadableDomain(f"its root element is <{root.tag}>, not <domain>")
    return root


def _host_devices(root: _Element) -> frozenset[PciAddress]:
    """Return every PCI function that the guest has: `<hostdev>` and `<interface type='hostdev'>`.

    An interface on a network pool is shown as type `hostdev` too, once it has got its device.
    """
    given = root.findall("devices/hostdev[@type='pci']")
    given += root.findall("devices/interface[@type='hostdev']")
    return frozenset(_address(each.find("source/address")) for each in given)


def _ifnames(root: _Element) -> frozenset[str]:
    sources = root.findall("devices/interface[@type='direct']/source")
    return frozenset(dev for source in sources if (dev := source.get("dev")))


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
