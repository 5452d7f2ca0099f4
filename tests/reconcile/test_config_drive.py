"""What a guest is told: where its NICs are, what they are called, how to reach others."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from tests.reconcile.scenes import IGB, MLX, VIF_TYPES, a_nic, a_server, vf, whole
from tests.support.libvirt_schemas import LibvirtSchema
from trunkline.domain.ids import NetworkId, ProjectId
from trunkline.domain.network import HostRoute
from trunkline.domain.port import VnicType
from trunkline.reconcile.config_drive import config_drive, file_name
from trunkline.reconcile.desired import GuestAddress, GuestData, ServerConfig
from trunkline.reconcile.domain_xml import DomainOptions, define
from trunkline.reconcile.steps import WriteConfigDrive

NET = NetworkId("net-1")
V4 = GuestAddress(
    ip_address="10.0.0.5", prefix_length=24, network_id=NET, gateway="10.0.0.1", dns=("9.9.9.9",),
    routes=(HostRoute(destination="192.0.2.0/25", nexthop="10.0.0.2"),),
)  # fmt: skip
V6 = GuestAddress(ip_address="fd00::5", prefix_length=64, network_id=NET, gateway="fd00::1")
GUEST = GuestData(
    hostname="web", project_id=ProjectId("p"), availability_zone="nova",
    metadata={"b": "2", "a": "1"}, user_data=base64.b64encode(b"#!/bin/sh\n\xff").decode(),
)  # fmt: skip
NICS = (
    replace(a_nic(1, vf(IGB, 0)), addresses=(V4, V6), tag="front"),
    replace(a_nic(2, whole(MLX), VnicType.DIRECT_PHYSICAL, vlan_id=200), mtu=9000, addresses=(V4,)),
    a_nic(3, None, VnicType.NORMAL, vlan_id=300),
)
SERVER = replace(a_server(1, *NICS), guest=GUEST)
OPTIONS = DomainOptions(has_config_drives=True)


def read(server: ServerConfig, name: str) -> dict[str, Any]:
    files = config_drive(server)
    assert files is not None
    told: dict[str, Any] = json.loads(files[f"openstack/latest/{name}.json"])
    return told


def test_a_guest_is_told_who_it_is() -> None:
    told = read(SERVER, "meta_data")
    assert {name: told[name] for name in told if name != "devices"} == {
        "uuid": SERVER.id, "name": SERVER.name, "hostname": "web", "launch_index": 0,
        "availability_zone": "nova", "project_id": "p", "meta": {"a": "1", "b": "2"},
    }  # fmt: skip
    files = config_drive(SERVER)
    assert files is not None
    assert files["openstack/latest/user_data"] == b"#!/bin/sh\n\xff"


def test_a_guest_finds_each_nic_by_address_mac_and_tag_and_tags_only_what_the_card_does_not() -> (
    None
):
    front, whole_pf, tap = read(SERVER, "meta_data")["devices"]
    assert front == {
        "type": "nic", "bus": "pci", "address": "0000:01:00.0", "mac": str(NICS[0].mac),
        "tags": ["front"], "vf_trusted": False,
    }  # fmt: skip
    assert (whole_pf["address"], whole_pf["vlan"], whole_pf["tags"]) == ("0000:02:00.0", 200, [])
    assert "vlan" not in tap


def test_nics_are_in_the_domain_where_the_guest_is_told_they_are() -> None:
    root = etree.fromstring(define(SERVER, VIF_TYPES, OPTIONS).xml)
    elements = [*root.findall("devices/interface"), *root.findall("devices/hostdev")]
    found = {each.find("address").get("bus") for each in elements}  # type: ignore[union-attr]  # None fails it
    told = [each["address"] for each in read(SERVER, "meta_data")["devices"]]
    assert found == {f"0x{address[5:7]}" for address in told}


def test_links_and_networks_are_told_as_cloud_init_reads_them() -> None:
    told = read(SERVER, "network_data")
    first, below, tagged, _ = told["links"]
    assert first == {
        "id": NICS[0].logical_name, "vif_id": NICS[0].port_id, "type": "phy", "mtu": 1500,
        "ethernet_mac_address": str(NICS[0].mac),
    }  # fmt: skip
    assert (tagged["type"], tagged["vlan_id"], tagged["vlan_link"]) == ("vlan", 200, below["id"])
    assert tagged["mtu"] == 9000
    v4, v6, on_tagged = told["networks"]
    assert v4 == {
        "id": "network0", "type": "ipv4", "link": first["id"], "ip_address": "10.0.0.5",
        "netmask": "255.255.255.0", "network_id": NET,
        "routes": [
            {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.0.0.1"},
            {"network": "192.0.2.0", "netmask": "255.255.255.128", "gateway": "10.0.0.2"},
        ],
        "services": [{"type": "dns", "address": "9.9.9.9"}],
    }  # fmt: skip
    assert (v6["type"], v6["netmask"]) == ("ipv6", "ffff:ffff:ffff:ffff::")
    assert on_tagged["link"] == tagged["id"], "an address behind a tag is on the tagged link"
    assert told["services"] == [{"type": "dns", "address": "9.9.9.9"}]


def test_a_server_that_is_to_be_told_nothing_has_no_drive() -> None:
    silent = replace(SERVER, guest=None)
    assert config_drive(silent) is None
    assert file_name(silent) is None
    assert "cdrom" not in define(silent, VIF_TYPES, OPTIONS).xml
    assert "cdrom" not in define(SERVER, VIF_TYPES, DomainOptions()).xml


@pytest.mark.parametrize(
    "other",
    [
        replace(SERVER, name="other"),
        replace(SERVER, guest=replace(GUEST, metadata={"a": "2"})),
        replace(SERVER, guest=replace(GUEST, user_data=None)),
        replace(SERVER, nics=NICS[1:]),
    ],
)
def test_another_content_is_another_file_and_so_another_definition(other: ServerConfig) -> None:
    assert file_name(other) != file_name(SERVER)
    made, changed = (define(each, VIF_TYPES, OPTIONS) for each in (SERVER, other))
    assert made.digest != changed.digest


def test_a_password_is_on_the_drive_and_its_file_is_the_same_without() -> None:
    # So a drive that has one stays when the service has forgotten it.
    with_one = replace(SERVER, guest=replace(GUEST, admin_password="correct horse"))
    files, without = config_drive(with_one), config_drive(SERVER)
    assert files is not None
    assert without is not None
    metadata = json.loads(files["openstack/latest/meta_data.json"])
    assert metadata.pop("admin_pass") == "correct horse"
    assert metadata == json.loads(without["openstack/latest/meta_data.json"])
    assert file_name(with_one) == file_name(SERVER)
    one, other = (define(each, VIF_TYPES, OPTIONS) for each in (with_one, SERVER))
    assert one.digest == other.digest
    step = WriteConfigDrive(server_id=SERVER.id, name="x", files=files)
    assert "correct horse" not in f"{step} {step!r} {with_one!r}"


@given(
    name=st.text(max_size=20),
    metadata=st.dictionaries(st.text(max_size=10), st.text(max_size=10), max_size=4),
    user_data=st.none() | st.binary(max_size=100),
)
def test_any_words_of_the_owner_are_told_as_they_are(
    libvirt_domain_schema: LibvirtSchema,
    name: str,
    metadata: dict[str, str],
    user_data: bytes | None,
) -> None:
    encoded = None if user_data is None else base64.b64encode(user_data).decode()
    guest = replace(GUEST, metadata=metadata, user_data=encoded)
    server = replace(SERVER, name=name, guest=guest)
    told = read(server, "meta_data")
    assert (told["name"], told["meta"]) == (name, metadata)
    files = config_drive(server)
    assert files is not None
    assert files.get("openstack/latest/user_data") == user_data
    assert config_drive(server) == files
    libvirt_domain_schema.check(define(server, VIF_TYPES, OPTIONS).xml)


def test_a_guest_is_told_its_owners_ssh_key_and_without_one_nothing_of_keys() -> None:
    guest = replace(GUEST, public_keys={"mine": "ssh-ed25519 AAAA me@desk"})
    files = config_drive(replace(SERVER, guest=guest))
    assert files is not None
    told = json.loads(files["openstack/latest/meta_data.json"])
    assert told["public_keys"] == {"mine": "ssh-ed25519 AAAA me@desk"}
    assert told["keys"] == [{"name": "mine", "type": "ssh", "data": "ssh-ed25519 AAAA me@desk"}]
    silent = config_drive(replace(SERVER, guest=GUEST))
    assert silent is not None
    assert (
        not {"public_keys", "keys"} & json.loads(silent["openstack/latest/meta_data.json"]).keys()
    )
