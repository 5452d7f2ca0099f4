"""What libvirt says of domains: read, or refused with words; never misread, never a crash."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.contract.domains import VF0, VF1, domain_xml, hostdev, hostdev_nic, macvtap_nic
from tests.reconcile.scenes import IGB, MLX, VIF_TYPES, a_nic, a_server, vf, whole
from trunkline.domain.network_pool import PoolMode, PoolNetwork
from trunkline.domain.port import VnicType
from trunkline.host.libvirt.reading import UnreadableDomain, read_domain, read_network
from trunkline.host.libvirt.refusals import LibvirtFault, refusal
from trunkline.reconcile.config_drive import guest_address
from trunkline.reconcile.domain_xml import DomainOptions, attachment, define
from trunkline.reconcile.network_pools import network_xml
from trunkline.reconcile.observed import DomainPower, DomainState, NetworkState

RUNNING = DomainPower.RUNNING


def test_a_running_guest_has_its_devices_and_one_that_is_off_has_none() -> None:
    xml = domain_xml(hostdev_nic(VF0), hostdev(VF1), macvtap_nic("tl0"))
    read = read_domain(xml, RUNNING)
    assert read is not None
    assert read.devices == {VF0, VF1}
    assert read.ifnames == {"tl0"}
    off = read_domain(xml, DomainPower.SHUT_OFF)
    assert off is not None
    assert not off.devices
    assert not off.ifnames


def test_what_we_define_is_read_as_a_plan_compares_it() -> None:
    nics = (
        a_nic(1, vf(IGB, 0)),
        a_nic(2, vf(MLX, 1), VnicType.MACVTAP),
        a_nic(3, whole(MLX), VnicType.DIRECT_PHYSICAL),
        a_nic(4, None, VnicType.NORMAL),
    )
    server = a_server(1, *nics)
    made = define(server, VIF_TYPES, DomainOptions())
    read = read_domain(made.xml, RUNNING)
    wanted = attachment(server, VIF_TYPES)
    assert read == DomainState(
        server_id=server.id, name=server.id, power=RUNNING, boot_number=server.boot_number,
        xml_digest=made.digest, devices=wanted.devices, ifnames=wanted.ifnames,
        given={guest_address(0): VF0, guest_address(1): nics[1].logical_name},
    )  # fmt: skip


# As libvirt 9.0 shows them, of a guest and of a network that it is on.
ON_A_NETWORK = """<interface type='direct'><mac address='02:00:00:00:00:01'/>
<source network='trunkline-phy1' portid='40c25c0a-213d-496d-8871-5d2870d79429' dev='d0'
 mode='passthrough'/><target dev='macvtap0'/><model type='virtio'/><alias name='net0'/>
<address type='pci' domain='0x0000' bus='0x01' slot='0x00' function='0x0'/></interface>"""
NETWORK = """<network connections='1'><name>trunkline-phy1</name>
<uuid>2cb08f16-3b08-4baf-a327-68b236a3d29e</uuid>
<metadata><trunkline:network xmlns:trunkline="urn:trunkline:1"/></metadata>
<forward dev='d0' mode='passthrough'><interface dev='d0' connections='1'/><interface dev='d1'/>
</forward></network>"""


def test_what_a_guest_took_of_a_network_is_seen() -> None:
    read = read_domain(domain_xml(ON_A_NETWORK), RUNNING)
    assert read is not None
    assert read.given == {guest_address(0): "d0"}
    state = read_network(NETWORK, NETWORK.replace("<interface dev='d1'/>", ""), autostarts=True)
    assert state == NetworkState(
        is_ours=True, autostarts=True, is_active=True, in_use=True,
        live=PoolNetwork(PoolMode.PASSTHROUGH, ("d0", "d1")),
        defined=PoolNetwork(PoolMode.PASSTHROUGH, ("d0",)),
    )  # fmt: skip


@pytest.mark.parametrize(
    "network",
    [
        PoolNetwork(PoolMode.HOSTDEV, (str(VF0), str(VF1))),
        PoolNetwork(PoolMode.PASSTHROUGH, ("eth2v0", "eth2v1")),
    ],
)
def test_a_network_that_we_define_is_read_as_it_is_meant(network: PoolNetwork) -> None:
    read = read_network(network_xml("trunkline-phy1", network), None, autostarts=False)
    assert read == NetworkState(is_ours=True, defined=network)


THEIR_NETWORK = """<network><name>old</name><forward mode='hostdev' managed='yes'>{}</forward>
</network>"""
LISTED = "<address type='pci' domain='0x0000' bus='0x05' slot='0x10' function='0x2'/>"


def test_of_other_networks_is_told_what_they_hand_out() -> None:
    pool = PoolNetwork(PoolMode.HOSTDEV, ("0000:05:10.2",))
    assert read_network(THEIR_NETWORK.format(LISTED), None, autostarts=True) == NetworkState(
        is_ours=False, autostarts=True, defined=pool
    )
    whole = THEIR_NETWORK.format("<pf dev='eth2'/>")
    active = THEIR_NETWORK.format(f"<pf dev='eth2'/>{LISTED}")
    assert read_network(active, whole, autostarts=False) == NetworkState(
        is_ours=False, is_active=True, live=pool, defined=PoolNetwork(PoolMode.HOSTDEV, ()),
        pf_ifnames=frozenset({"eth2"}),
    )  # fmt: skip


@pytest.mark.parametrize(
    "xml",
    [
        "<network><name>default</name><forward mode='nat'/><bridge name='virbr0'/></network>",
        (
            "<network><name>lan</name><forward mode='bridge'><interface dev='eth2'/></forward>"
            "</network>"
        ),
        THEIR_NETWORK.format("<address type='pci' domain='0x0000' bus='0x05'/>"),
        "<network><name>inside</name></network>",
    ],
)
def test_other_networks_that_hand_out_no_devices_keep_none(xml: str) -> None:
    assert read_network(xml, None, autostarts=True) == NetworkState(is_ours=False, autostarts=True)


def test_a_domain_of_somebody_else_is_left_out_whatever_it_has() -> None:
    assert read_domain(domain_xml("<interface type='hostdev'/>", ours=False), RUNNING) is None


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        ("", "not XML"),
        ("<domain", "not XML"),
        ("<network/>", "<network>"),
        ("<!DOCTYPE d [<!ENTITY e SYSTEM 'file:///etc/passwd'>]>" + domain_xml(), "document type"),
        (domain_xml().replace("boot-number='1'", "boot-number='-1'"), "boot-number '-1'"),
        (domain_xml().replace("boot-number='1'", "boot-number='٣'"), "boot-number"),
        (domain_xml().replace("boot-number='1'", ""), "boot-number ''"),
        (domain_xml("<interface type='hostdev'/>"), "no <address>"),
        (domain_xml(hostdev(VF0).replace("bus='0x05'", "bus='0x555'")), "no PCI address"),
        ("\ud800", "not XML"),
    ],
)
def test_what_can_not_be_understood_is_named(xml: str, said: str) -> None:
    with pytest.raises(UnreadableDomain, match=said):
        read_domain(xml, RUNNING)


TAGS = st.sampled_from(
    ["domain", "metadata", "devices", "interface", "hostdev", "source", "forward", "address", "x"]
)
TEXTS = st.text(max_size=20) | st.sampled_from(["hostdev", "pci", "direct", "0x5", "0x1f"])


@st.composite
def trees(draw: st.DrawFn, depth: int = 4) -> etree._Element:
    element = etree.Element(draw(TAGS))
    names = ["type", "dev", "mode", "bus", "slot", "domain", "function", "boot-number"]
    for name, value in draw(st.dictionaries(st.sampled_from(names), TEXTS, max_size=4)).items():
        try:
            element.set(name, value)
        except ValueError:
            element.set(name, "")  # What XML can't hold.
    if depth:
        for child in draw(st.lists(trees(depth=depth - 1), max_size=3)):
            element.append(child)
    return element


@given(tree=trees(), power=st.sampled_from(DomainPower), ours=st.booleans())
def test_any_tree_is_read_or_refused(tree: etree._Element, power: DomainPower, ours: bool) -> None:
    tree.tag = "domain"
    if ours:
        metadata = etree.SubElement(tree, "metadata")
        element = etree.SubElement(metadata, "{urn:trunkline:1}server")
        element.set("boot-number", "1")
    with suppress(UnreadableDomain):
        read_domain(etree.tostring(tree, encoding="unicode"), power)


@given(data=st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_is_read_or_refused(data: str) -> None:
    with pytest.raises(UnreadableDomain):
        read_domain(data, RUNNING)


@given(cut=st.integers(0, 2000), put=st.text(max_size=5))
def test_a_damaged_domain_is_read_or_refused(cut: int, put: str) -> None:
    xml = domain_xml(hostdev_nic(VF0), hostdev(VF1), macvtap_nic("tl0"))
    damaged = xml[: cut % len(xml)] + put + xml[cut % len(xml) + len(put) :]
    try:
        read = read_domain(damaged, RUNNING)
    except UnreadableDomain:
        return
    assert read is None or isinstance(read, DomainState)


@given(
    code=st.integers(-(2**31), 2**31 - 1),
    message=st.text(max_size=100),
    errno=st.integers(-(2**31), 2**31 - 1),
    lost=st.booleans(),
)
def test_any_fault_of_libvirts_becomes_a_refusal_that_says_something(
    code: int, message: str, errno: int, lost: bool
) -> None:
    fault = LibvirtFault(code=code, message=message, errno=errno)
    refused = refusal("virsh start x", fault, uri="qemu:///system", lost=lost)
    assert str(refused).startswith("virsh start x: ")
    assert refused.transient or not lost


@pytest.mark.parametrize(
    ("code", "message", "number", "errno_name", "transient"),
    [
        (38, "Cannot open /dev/tap3", 16, "EBUSY", True),
        (38, "Cannot get interface MAC on 'e': No such device", 0, "ENODEV", False),
        (68, "cannot acquire state change lock", 0, "", True),
        (55, "domain is already running", 0, "", False),
        (42, "Domain not found: no domain with matching uuid", 0, "", False),
    ],
)
def test_what_passes_by_itself_is_told_from_what_does_not(
    code: int, message: str, number: int, errno_name: str, transient: bool
) -> None:
    fault = LibvirtFault(code=code, message=message, errno=number)
    refused = refusal("virsh start x", fault, uri="qemu:///system")
    assert (refused.errno_name, refused.transient) == (errno_name, transient)


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        (LibvirtFault(code=38, message="Failed to connect socket", errno=2), "systemctl start"),
        (LibvirtFault(code=38, message="Failed to connect socket", errno=111), "systemctl start"),
        (LibvirtFault(code=45, message="authentication failed"), "usermod"),
        (LibvirtFault(code=8, message="could not get preferred machine, type=kvm"), "kvm_intel"),
    ],
)
def test_the_usual_ones_come_with_their_remedy(fault: LibvirtFault, remedy: str) -> None:
    assert remedy in str(refusal("virsh list", fault, uri="qemu:///system"))


@given(tree=trees(), later=trees())
def test_any_tree_of_a_network_is_read_or_refused(
    tree: etree._Element, later: etree._Element
) -> None:
    for root in (tree, later):
        root.tag = "network"
    metadata = etree.SubElement(tree, "metadata")
    etree.SubElement(metadata, "{urn:trunkline:1}network")
    texts = [etree.tostring(root, encoding="unicode") for root in (tree, later)]
    with suppress(UnreadableDomain):
        read_network(*texts, autostarts=True)
