"""What a request to create a server asks for, and what of it is refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from trunkline.api.compute.server_create import BatchCreate, parse_server_create
from trunkline.api.parsing import Fields
from trunkline.api.versions import Microversion
from trunkline.control.requests import NicPolicy, NicRequest, ServerCreate
from trunkline.domain.errors import Invalid
from trunkline.domain.ids import NetworkId, PortId

IMAGE = "7d8c2a0e-6f5e-4a39-a9c4-0c2c8b4f0c11"
PORT = PortId("1f1a2b3c-0000-4000-8000-000000000001")
NETWORK = NetworkId("1f1a2b3c-0000-4000-8000-000000000002")
IMAGE_DISK = {
    "uuid": IMAGE,
    "boot_index": 0,
    "source_type": "image",
    "destination_type": "local",
    "delete_on_termination": True,
}
BLANK_DISK = {
    "source_type": "blank",
    "destination_type": "local",
    "boot_index": 0,
    "volume_size": "1",
}
FROM_IMAGE: dict[str, Any] = {
    "name": "web",
    "flavorRef": "small",
    "imageRef": IMAGE,
    "networks": [{"port": PORT}],
}


def parse(minor: int = 96, hints: object = None, **changes: Any) -> ServerCreate:
    return parse_batch(minor, hints, **changes).server


def parse_batch(minor: int = 96, hints: object = None, **changes: Any) -> BatchCreate:
    server = copy.deepcopy(FROM_IMAGE) | changes
    server = {name: value for name, value in server.items() if value is not ...}
    body: dict[str, object] = {"server": server}
    if hints is not None:
        body["os:scheduler_hints"] = hints
    return parse_server_create(Fields(body, ""), Microversion(2, minor))


def refusal(minor: int = 96, hints: object = None, **changes: Any) -> str:
    with pytest.raises(Invalid) as refused:
        parse(minor, hints, **changes)
    return refused.value.field


@pytest.mark.parametrize(
    ("counts", "least", "most"),
    [
        ({}, 1, 1),
        ({"min_count": 3}, 3, 3),
        ({"max_count": "3"}, 1, 3),
        ({"min_count": 2, "max_count": 5}, 2, 5),
    ],
)
def test_servers_are_asked_for_by_their_least_and_their_greatest_number(
    counts: dict[str, Any], least: int, most: int
) -> None:
    asked = parse_batch(**counts)
    assert (asked.least, asked.most, asked.by_reservation) == (least, most, False)


def test_an_answer_by_reservation_is_asked_for() -> None:
    assert parse_batch(return_reservation_id=True).by_reservation


def test_the_plainest_request() -> None:
    asked = parse()
    assert (asked.name, asked.flavor_id, asked.image_id) == ("web", "small", IMAGE)
    assert asked.nics == (NicRequest(port_id=PORT),)
    assert not asked.config_drive
    assert asked.host is None


def test_what_the_openstack_command_sends_for_an_image_is_taken() -> None:
    assert parse(block_device_mapping_v2=[IMAGE_DISK]).image_id == IMAGE


def test_a_blank_disk_needs_no_image() -> None:
    assert parse(imageRef="", block_device_mapping_v2=[BLANK_DISK]).image_id is None


def test_links_are_as_good_as_ids() -> None:
    asked = parse(
        flavorRef="http://host/compute/flavors/small", imageRef=f"http://host/image/{IMAGE}"
    )
    assert (asked.flavor_id, asked.image_id) == ("small", IMAGE)


def test_a_flavor_id_may_be_sent_as_a_number() -> None:
    assert parse(flavorRef=1).flavor_id == "1"


def test_a_uuid_in_another_form_names_the_same_thing() -> None:
    asked = parse(networks=[{"port": PORT.replace("-", "").upper()}])
    assert asked.nics == parse().nics


@pytest.mark.parametrize(
    ("networks", "nics"),
    [
        ([{"uuid": NETWORK}], (NicRequest(network_id=NETWORK),)),
        (
            [{"uuid": NETWORK, "fixed_ip": "10.0.0.9"}],
            (NicRequest(network_id=NETWORK, fixed_ip="10.0.0.9"),),
        ),
        ("auto", NicPolicy.AUTO),
        ("none", NicPolicy.NONE),
        ([], NicPolicy.AUTO),
    ],
)
def test_networks(networks: object, nics: object) -> None:
    assert parse(networks=networks).nics == nics


def test_without_networks_the_project_s_own_is_taken_until_2_36() -> None:
    assert parse(36, networks=...).nics is NicPolicy.AUTO
    assert refusal(37, networks=...) == "server.networks"


@pytest.mark.parametrize(
    ("fields", "host"),
    [
        ({"availability_zone": "east"}, None),
        ({"availability_zone": "east:h1"}, "h1"),
        ({"availability_zone": "east:h1:h1"}, "h1"),
        ({"availability_zone": "east::h1"}, "h1"),
        ({"host": "h1"}, "h1"),
        ({"hypervisor_hostname": "h1"}, "h1"),
        ({"host": "h1", "hypervisor_hostname": "h1", "availability_zone": "east"}, "h1"),
    ],
)
def test_a_host_is_named_in_three_ways(fields: dict[str, Any], host: str | None) -> None:
    asked = parse(**fields)
    assert (asked.host, asked.zone) == (host, "east" if "availability_zone" in fields else None)


@pytest.mark.parametrize(
    ("field", "first_minor", "value"),
    [
        ("description", 19, "text"),
        ("tags", 52, ["a"]),
        ("host", 74, "h1"),
        ("hypervisor_hostname", 74, "h1"),
        ("hostname", 90, "web-1"),
    ],
)
def test_a_field_is_unknown_before_the_version_that_brought_it(
    field: str, first_minor: int, value: object
) -> None:
    parse(first_minor, **{field: value})
    assert refusal(first_minor - 1, **{field: value}) == f"server.{field}"


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"name": ...}, "server.name"),
        ({"name": ""}, "server.name"),
        ({"name": " web"}, "server.name"),
        ({"name": "a\tb"}, "server.name"),
        ({"name": 5}, "server.name"),
        ({"name": "x" * 256}, "server.name"),
        ({"flavorRef": ...}, "server.flavorRef"),
        ({"flavorRef": True}, "server.flavorRef"),
        ({"flavorRef": "http://host/"}, "server.flavorRef"),
        ({"imageRef": "ubuntu"}, "server.imageRef"),
        ({"imageRef": 7}, "server.imageRef"),
        ({"imageRef": ""}, "server.imageRef"),
        ({"networks": "some"}, "server.networks"),
        ({"networks": {}}, "server.networks"),
        ({"networks": [PORT]}, "server.networks[0]"),
        ({"networks": [{}]}, "server.networks[0].uuid"),
        ({"networks": [{"port": "p1"}]}, "server.networks[0].port"),
        ({"networks": [{"uuid": 4}]}, "server.networks[0].uuid"),
        ({"networks": [{"port": PORT, "fixed_ip": "10.0.0.9"}]}, "server.networks[0].fixed_ip"),
        ({"networks": [{"uuid": NETWORK, "tag": "a/b"}]}, "server.networks[0].tag"),
        ({"networks": [{"uuid": NETWORK, "tag": "x" * 61}]}, "server.networks[0].tag"),
        ({"networks": [{"uuid": NETWORK}] * 65}, "server.networks"),
        ({"min_count": 0}, "server.min_count"),
        ({"max_count": "2 of them"}, "server.max_count"),
        ({"return_reservation_id": "perhaps"}, "server.return_reservation_id"),
        ({"min_count": 2, "max_count": 1}, "server.min_count"),
        ({"min_count": "many"}, "server.min_count"),
        ({"metadata": {"k": 1}}, "server.metadata.k"),
        ({"metadata": {"": "v"}}, "server.metadata"),
        ({"tags": ["a,b"]}, "server.tags[0]"),
        ({"tags": [str(n) for n in range(51)]}, "server.tags"),
        ({"user_data": "not base64!"}, "server.user_data"),
        ({"user_data": "QUJD" * 16_384}, "server.user_data"),
        ({"config_drive": "perhaps"}, "server.config_drive"),
        ({"key_name": ""}, "server.key_name"),
        ({"availability_zone": "nova:"}, "server.availability_zone"),
        ({"availability_zone": "nova:h1", "host": "h1"}, "server.availability_zone"),
        ({"host": "h1", "hypervisor_hostname": "h2"}, "server.hypervisor_hostname"),
        ({"hostname": "-web"}, "server.hostname"),
        ({"hostname": "a_b"}, "server.hostname"),
        ({"adminPass": ""}, "server.adminPass"),
        ({"accessIPv4": "fd00::1"}, "server.accessIPv4"),
        ({"accessIPv6": "10.0.0.1"}, "server.accessIPv6"),
        ({"OS-DCF:diskConfig": "auto"}, "server.OS-DCF:diskConfig"),
        ({"unheard_of": 1}, "server.unheard_of"),
    ],
)
def test_a_fault_is_told_with_its_field(fields: dict[str, Any], named: str) -> None:
    assert refusal(**fields) == named


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("block_device_mapping", [{"volume_id": PORT}]),
        ("trusted_image_certificates", ["c"]),
    ],
)
def test_what_would_have_no_effect_is_refused(field: str, value: object) -> None:
    change: dict[str, Any] = {field: value}
    assert refusal(**change) == f"server.{field}"


def test_files_for_the_guest_are_refused_while_they_are_known() -> None:
    assert refusal(56, personality=[{"path": "/etc/motd", "contents": "QQ=="}]).endswith("lity")
    assert refusal(57, personality=[]) == "server.personality"


def test_other_hints_than_those_served_are_refused_by_name() -> None:
    assert refusal(hints={"build_near_host_ip": "10.0.0.1"}).endswith("build_near_host_ip")
    assert refusal(hints={"same_host": "web"}) == "os:scheduler_hints.same_host"
    assert refusal(hints={"different_host": [PORT, 1]}).startswith("os:scheduler_hints.different")
    assert refusal(hints={"different_host": [PORT] * 65}) == "os:scheduler_hints.different_host"
    assert refusal(hints={"group": "web"}) == "os:scheduler_hints.group"
    parse(hints={})
    assert parse(hints={"group": PORT.upper()}).group_id == PORT


@pytest.mark.parametrize(
    ("disk", "field"),
    [
        (IMAGE_DISK | {"destination_type": "volume"}, "destination_type"),
        (IMAGE_DISK | {"source_type": "volume"}, "destination_type"),
        (IMAGE_DISK | {"source_type": "snapshot"}, "destination_type"),
        (IMAGE_DISK | {"source_type": "tape"}, "source_type"),
        (IMAGE_DISK | {"uuid": PORT}, "uuid"),
        (IMAGE_DISK | {"uuid": "ubuntu"}, "uuid"),
        (IMAGE_DISK | {"boot_index": 1}, "boot_index"),
        (IMAGE_DISK | {"delete_on_termination": False}, "delete_on_termination"),
        (IMAGE_DISK | {"guest_format": "swap"}, "guest_format"),
        (IMAGE_DISK | {"tag": "root"}, "tag"),
        (IMAGE_DISK | {"volume_type": "fast"}, "volume_type"),
        (IMAGE_DISK | {"volume_size": 0}, "volume_size"),
        (BLANK_DISK, "source_type"),
    ],
)
def test_only_a_local_root_disk_is_served(disk: dict[str, object], field: str) -> None:
    path = f"server.block_device_mapping_v2[0].{field}"
    assert refusal(block_device_mapping_v2=[disk]) == path


def test_a_second_disk_is_refused() -> None:
    disks = [IMAGE_DISK, BLANK_DISK | {"boot_index": -1}]
    assert refusal(block_device_mapping_v2=disks) == "server.block_device_mapping_v2"


@pytest.mark.parametrize(("minor", "served"), [(31, False), (32, True), (37, False), (42, True)])
def test_nics_have_tags_in_the_versions_in_which_they_have_them_in_nova(
    minor: int, served: bool
) -> None:
    networks = [{"uuid": NETWORK, "tag": "back"}]
    if served:
        nics = parse(minor, networks=networks).nics
        assert isinstance(nics, tuple)
        assert [nic.tag for nic in nics] == ["back"]
    else:
        assert refusal(minor, networks=networks) == "server.networks[0].tag"
