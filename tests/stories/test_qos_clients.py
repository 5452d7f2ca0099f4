"""Bandwidth in the hands of users: the unmodified `openstack` command and openstacksdk.

h1, h2: as `compute_site` has them; the PF on phy1 guarantees 1000 Mbps out of and into the host.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.stories.desk import BLANK, Desk, Desks
from tests.support.compute_site import ComputeSite
from tests.support.world import a_card
from trunkline.control.ports import create_port
from trunkline.control.requests import PortCreate
from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.port import VnicType

ADMIN = "trunkline"
HAS = Bandwidth(egress_mbps=1000, ingress_mbps=1000)


def furnish(scene: ComputeSite) -> None:
    for agent in scene.agents:
        pf, *vfs = a_card(0x05, "phy1")
        agent.report(inventory=(replace(pf, bandwidth=HAS), *vfs, *a_card(0x82, "phy2")))


@pytest.fixture(scope="module")
def desk(desks: Desks) -> Iterator[Desk]:
    with desks.set_up(furnish) as opened:
        yield opened


def policy(desk: Desk, name: str, *options: str) -> Any:
    return desk.show("network", "qos", "policy", "create", *options, name, cloud=ADMIN)


def rule(desk: Desk, name: str, type_: str, *options: str) -> Any:
    return desk.show(
        "network", "qos", "rule", "create", "--type", type_, *options, name, cloud=ADMIN
    )


def guaranteed(desk: Desk, server: str) -> tuple[int, int]:
    """What the devices of a server have, as operators see it."""
    found = desk.scene.site.http.request(
        "GET", f"/trunkline/v1/devices?server={server}", token=desk.scene.token("admin")
    )
    owners = [each["owner"] for each in found.json()["devices"]]
    return (
        sum(owner["egress_mbps"] for owner in owners),
        sum(owner["ingress_mbps"] for owner in owners),
    )


def test_a_policy_and_its_rules_from_create_to_delete(desk: Desk) -> None:
    made = policy(desk, "silver", "--description", "plain", "--share")
    assert (made["shared"], made["is_default"], made["rules"]) == (True, False, [])
    limit = rule(desk, "silver", "bandwidth-limit", "--max-kbps", "300000",
                 "--max-burst-kbits", "1000", "--egress")  # fmt: skip
    assert (limit["max_kbps"], limit["max_burst_kbps"], limit["direction"]) == (
        300000, 1000, "egress",
    )  # fmt: skip
    least = rule(desk, "silver", "minimum-bandwidth", "--min-kbps", "100000", "--ingress")
    assert (least["min_kbps"], least["direction"]) == (100000, "ingress")
    said = desk.fail("network", "qos", "rule", "create", "--type", "minimum-bandwidth",
                     "--min-kbps", "1", "--ingress", "silver", cloud=ADMIN)  # fmt: skip
    assert "already exists" in said
    desk.run("network", "qos", "rule", "set", "--max-kbps", "400000", "silver", limit["id"],
             cloud=ADMIN)  # fmt: skip
    shown = desk.show("network", "qos", "rule", "show", "silver", limit["id"])
    assert shown["max_kbps"] == 400000
    listed = desk.show("network", "qos", "rule", "list", "silver")
    assert [(each["Type"], each["Max Kbps"], each["Min Kbps"]) for each in listed] == [
        ("bandwidth_limit", 400000, ""), ("minimum_bandwidth", "", 100000),
    ]  # fmt: skip
    desk.run("network", "qos", "rule", "delete", "silver", least["id"], cloud=ADMIN)
    desk.run("network", "qos", "policy", "set", "--no-share", "--name", "bronze", "silver",
             cloud=ADMIN)  # fmt: skip
    assert "bronze" not in {each["Name"] for each in desk.show("network", "qos", "policy", "list")}
    desk.run("network", "qos", "policy", "delete", "bronze", cloud=ADMIN)
    assert "No QoSPolicy found" in desk.fail("network", "qos", "policy", "show", "bronze")


def test_tenants_use_policies_and_write_none(desk: Desk) -> None:
    policy(desk, "theirs", "--share")
    policy(desk, "hidden")
    for command in (
        ("policy", "create", "mine"),
        ("policy", "set", "--name", "x", "theirs"),
        ("policy", "delete", "theirs"),
        ("rule", "create", "--type", "bandwidth-limit", "--max-kbps", "1", "theirs"),
    ):
        assert "by the policy's rule" in desk.fail("network", "qos", *command), command
    names = {each["Name"] for each in desk.show("network", "qos", "policy", "list")}
    assert "theirs" in names
    assert "hidden" not in names
    assert "hidden" in desk.fail("port", "create", "--network", "blue", "--qos-policy", "hidden",
                                 "p-hidden")  # fmt: skip


def test_types_of_rules_are_listed_and_shown(desk: Desk) -> None:
    for options in ((), ("--all-supported",), ("--all-rules",)):
        listed = desk.show("network", "qos", "rule", "type", "list", *options)
        assert {each["Type"] for each in listed} == {"bandwidth_limit", "minimum_bandwidth"}
    shown = desk.show("network", "qos", "rule", "type", "show", "bandwidth_limit", cloud=ADMIN)
    (driver,) = shown["drivers"]
    assert "get_rule_type" in desk.fail("network", "qos", "rule", "type", "show", "bandwidth_limit")
    directions = [
        each["parameter_values"] for each in driver["supported_parameters"]
        if each["parameter_name"] == "direction"
    ]  # fmt: skip
    assert directions == [["egress"]]


@pytest.mark.parametrize(
    ("type_", "options", "instead"),
    [
        ("minimum-packet-rate", ("--min-kpps", "100", "--egress"), "by a minimum_bandwidth rule"),
        ("minimum-packet-rate", ("--min-kpps", "100", "--any"), "VNIC type direct-physical"),
        ("dscp-marking", ("--dscp-mark", "8"), "mark it in the guest, or at the switch"),
    ],
)
def test_a_rule_that_no_card_keeps_is_refused_with_what_to_do_instead(
    desk: Desk, type_: str, options: tuple[str, ...], instead: str
) -> None:
    name = f"of-{type_}-{options[-1]}"
    policy(desk, name)
    said = desk.fail("network", "qos", "rule", "create", "--type", type_, *options, name,
                     cloud=ADMIN)  # fmt: skip
    assert f"{type_.replace('-', '_')}_rules: no card" in said
    assert instead in said
    assert "bandwidth_limit and minimum_bandwidth are served" in said
    shown = desk.show("network", "qos", "policy", "show", name, cloud=ADMIN)
    assert shown["rules"] == []


def test_a_port_has_its_own_policy_or_its_networks(desk: Desk) -> None:
    of_net, own = policy(desk, "of-net", "--share"), policy(desk, "own", "--share")
    net = desk.show("network", "create", "green", "--qos-policy", "of-net")
    assert net["qos_policy_id"] == of_net["id"]
    made = desk.show("port", "create", "--network", "green", "--vnic-type", "direct", "p-green")
    assert (made["qos_policy_id"], made["qos_network_policy_id"]) == (None, of_net["id"])
    desk.run("port", "set", "--qos-policy", "own", "p-green")
    shown = desk.show("port", "show", "p-green")
    assert (shown["qos_policy_id"], shown["qos_network_policy_id"]) == (own["id"], of_net["id"])
    for name in ("own", "of-net"):
        assert "is in use" in desk.fail("network", "qos", "policy", "delete", name, cloud=ADMIN)
    desk.run("port", "unset", "--qos-policy", "p-green")
    desk.run("network", "set", "--no-qos-policy", "green")
    assert desk.show("network", "show", "green")["qos_policy_id"] is None
    for name in ("own", "of-net"):
        desk.run("network", "qos", "policy", "delete", name, cloud=ADMIN)


def test_a_guarantee_is_kept_by_placement_and_follows_its_rule(desk: Desk) -> None:
    gold = policy(desk, "gold", "--share")
    least = rule(desk, "gold", "minimum-bandwidth", "--min-kbps", "600000", "--egress")
    made = desk.show("port", "create", "--network", "blue", "--vnic-type", "direct",
                     "--qos-policy", "gold", "g0")  # fmt: skip
    demo = desk.scene.caller()
    ports = [made["id"]]
    for _ in range(2):
        asked = PortCreate(
            network_id=desk.scene.blue.id, vnic_type=VnicType.DIRECT, qos_policy_id=gold["id"]
        )
        ports.append(create_port(desk.scene.site.svc, demo, asked).port.id)
    first, second, third = (
        desk.scene.a_server(f"s{n}", port)["id"] for n, port in enumerate(ports)
    )
    assert guaranteed(desk, first) == guaranteed(desk, second) == (600, 0)  # One on each host.
    assert desk.scene.status_of(third) == "ERROR"
    said = desk.fail("network", "qos", "rule", "set", "--min-kbps", "1001000", "gold", least["id"],
                     cloud=ADMIN)  # fmt: skip
    assert "not enough bandwidth is left" in said
    assert guaranteed(desk, first) == (600, 0)
    desk.run("network", "qos", "rule", "set", "--min-kbps", "900000", "gold", least["id"],
             cloud=ADMIN)  # fmt: skip
    assert guaranteed(desk, first) == (900, 0)
    desk.run("port", "unset", "--qos-policy", "g0")
    assert guaranteed(desk, first) == (0, 0)


def test_what_no_card_can_do_is_said_with_the_remedy_when_a_server_is_to_have_it(
    desk: Desk,
) -> None:
    policy(desk, "inward", "--share")
    rule(desk, "inward", "bandwidth-limit", "--max-kbps", "1000", "--ingress")
    for vnic_type, remedy in (
        ("direct", "limit the egress of those who send"),
        ("normal", "make it a port of type direct or macvtap"),
    ):
        desk.run("port", "create", "--network", "blue", "--vnic-type", vnic_type,
                 "--qos-policy", "inward", f"p-{vnic_type}")  # fmt: skip
        said = desk.fail("server", "create", "--flavor", "small", *BLANK,
                         "--port", f"p-{vnic_type}", "never")  # fmt: skip
        assert remedy in said


def test_admins_see_what_a_port_asks_of_placement(desk: Desk) -> None:
    policy(desk, "asking", "--share")
    rule(desk, "asking", "minimum-bandwidth", "--min-kbps", "200000", "--egress")
    rule(desk, "asking", "minimum-bandwidth", "--min-kbps", "1500", "--ingress")
    made = desk.show("port", "create", "--network", "blue", "--vnic-type", "direct",
                     "--qos-policy", "asking", "p-asking")  # fmt: skip
    assert made["resource_request"] is None  # Its owner sees none of the hardware.
    shown = desk.show("port", "show", "p-asking", cloud=ADMIN)["resource_request"]
    (group,) = shown["request_groups"]
    assert shown["same_subtree"] == [group["id"]]
    assert group["resources"] == {
        "NET_BW_EGR_KILOBIT_PER_SEC": 200000,
        "NET_BW_IGR_KILOBIT_PER_SEC": 2000,  # As it is accounted: rounded to Mbit/s.
    }
    asked = ["--resource", "NET_BW_EGR_KILOBIT_PER_SEC=200000"]
    for trait in group["required"]:
        asked += ["--required", trait]
    found = desk.show("allocation", "candidate", "list", *asked, cloud=ADMIN)
    assert found, "no provider has what the port asks for"
    again = desk.show("port", "show", "p-asking", cloud=ADMIN)["resource_request"]
    assert again == shown
    desk.run("port", "unset", "--qos-policy", "p-asking")
    assert desk.show("port", "show", "p-asking", cloud=ADMIN)["resource_request"] is None


WITH_THE_SDK = """
import openstack

admin = openstack.connect(cloud="trunkline").network
demo = openstack.connect(cloud="trunkline-demo").network
policy = admin.create_qos_policy(name="by-sdk", shared=True, is_default=True)
rule = admin.create_qos_bandwidth_limit_rule(policy, max_kbps=5000)
assert (rule.direction, rule.max_burst_kbps) == ("egress", 0), rule
(found,) = admin.qos_bandwidth_limit_rules(policy)
assert found.max_kbps == 5000
least = admin.create_qos_minimum_bandwidth_rule(policy, min_kbps=1, direction="ingress")
admin.update_qos_minimum_bandwidth_rule(least, policy, min_kbps=2)
assert admin.get_qos_minimum_bandwidth_rule(least.id, policy).min_kbps == 2
admin.delete_qos_minimum_bandwidth_rule(least, policy)
assert list(admin.qos_minimum_bandwidth_rules(policy)) == []
try:
    admin.create_qos_policy(name="second", is_default=True)
except openstack.exceptions.ConflictException:
    pass
else:
    raise AssertionError("a project has two defaults")
network = admin.create_network(name="by-default")
assert network.qos_policy_id == policy.id, network
assert [each.name for each in demo.qos_policies(name="by-sdk")] == ["by-sdk"]
admin.delete_network(network)
admin.delete_qos_policy(policy)
"""


def test_the_sdk_does_the_same(desk: Desk) -> None:
    done = desk.run_with_sdk(desk.directory, WITH_THE_SDK)
    assert done.returncode == 0, done.stderr
