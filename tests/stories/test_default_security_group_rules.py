"""What new security groups begin with, as admins say and everybody sees."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.http_app import Site
from tests.support.network_api import NetworkApi, error_of
from trunkline.control.default_rules import RULES_MAX

NOBODY = "00000000-0000-4000-8000-000000000000"
WHAT = "default_security_group_rule"


class Rules(NetworkApi):
    """The network face, with paths that are not named as their bodies are."""

    def ask(self, method: str, path: str, *args: Any, **more: Any) -> Any:
        name, question, query = path.partition("?")
        return super().ask(method, name.replace("_", "-") + question + query, *args, **more)

    def rule(self, expect: int = 201, **fields: Any) -> Any:
        asked = {"direction": "ingress", **fields}
        reply = self.ask("POST", f"{WHAT}s", {WHAT: asked})
        assert reply.status == expect, reply
        return reply.json()[WHAT] if expect == 201 else error_of(reply)

    def group(self, **fields: Any) -> Any:
        return self.create("security_group", **fields)


@pytest.fixture
def admin(site: Site) -> Rules:
    return Rules(site, "admin")


@pytest.fixture
def demo(site: Site) -> Rules:
    return Rules(site, "demo")


def ssh(port: int = 22) -> dict[str, Any]:
    return {"protocol": "tcp", "port_range_min": port, "port_range_max": port}


def ports_of(group: Any) -> list[int]:
    rules = group["security_group_rules"]
    return sorted(r["port_range_min"] for r in rules if r["port_range_min"] is not None)


def test_there_are_neutrons_four_at_first(demo: Rules) -> None:
    found = demo.all(WHAT)
    said = {
        (r["direction"], r["ethertype"], r["remote_group_id"], r["used_in_non_default_sg"])
        for r in found
    }
    assert said == {
        (direction, version, about, about is None)
        for direction, about in (("egress", None), ("ingress", "PARENT"))
        for version in ("IPv4", "IPv6")
    }
    assert len(found) == 4
    assert all(r["used_in_default_sg"] for r in found)
    assert set(found[0]) == {
        "id", "description", "direction", "ethertype", "protocol", "port_range_min",
        "port_range_max", "remote_ip_prefix", "remote_group_id", "remote_address_group_id",
        "used_in_default_sg", "used_in_non_default_sg",
    }  # fmt: skip


def test_new_groups_begin_with_what_is_said_for_them_and_old_ones_stay(
    admin: Rules, demo: Rules
) -> None:
    before = demo.group(name="before")
    both = admin.rule(**ssh(), used_in_default_sg=True)
    assert (both["used_in_default_sg"], both["used_in_non_default_sg"]) == (True, True)
    admin.rule(**ssh(23), used_in_default_sg=True, used_in_non_default_sg=False)
    admin.rule(**ssh(24))
    about = admin.rule(**ssh(25), remote_group_id=before["id"])
    assert ports_of(demo.group(name="web")) == [22, 24, 25]
    (first_look,) = admin.all("security_group", "name=default&project_id=" + admin_project(admin))
    assert ports_of(first_look) == [22, 23]
    assert ports_of(demo.show("security_group", before["id"])) == []
    assert demo.show(WHAT, about["id"]) == about

    demo.delete("security_group", before["id"])
    admin.show(WHAT, about["id"], 404)
    admin.delete(WHAT, both["id"])
    assert ports_of(demo.group(name="later")) == [24]


def admin_project(admin: Rules) -> str:
    return str(admin.group(name="of admin")["project_id"])


def test_a_group_may_begin_with_nothing_at_all(admin: Rules, demo: Rules) -> None:
    for rule in admin.all(WHAT):
        admin.delete(WHAT, rule["id"])
    assert demo.group(name="shut")["security_group_rules"] == []


def test_no_two_mean_the_same_for_the_same_groups(admin: Rules) -> None:
    admin.rule(**ssh(), used_in_default_sg=True)
    for fields in ({"used_in_default_sg": True, "used_in_non_default_sg": False}, {}):
        assert "already" in admin.rule(**ssh(), expect=409, **fields)["message"]
    admin.rule(**ssh(23), used_in_default_sg=True, used_in_non_default_sg=False)
    admin.rule(**ssh(23))
    assert len(admin.all(WHAT, "port_range_min=23")) == 2
    (one,) = admin.all(WHAT, "port_range_min=23&used_in_default_sg=true")
    assert not one["used_in_non_default_sg"]
    assert len(admin.all(WHAT, "remote_group_id=PARENT")) == 2
    in_order = [r["id"] for r in admin.all(WHAT, "sort_key=remote_group_id&sort_dir=desc")]
    paged = admin.all(WHAT, f"sort_key=remote_group_id&sort_dir=desc&marker={in_order[0]}")
    assert [r["id"] for r in paged] == in_order[1:]


def test_of_two_that_mean_the_same_and_come_at_once_one_is_kept(admin: Rules) -> None:
    body = {WHAT: {"direction": "ingress", **ssh()}}
    with ThreadPoolExecutor(4) as pool:
        replies = list(pool.map(lambda _: admin.ask("POST", f"{WHAT}s", body), range(4)))
    assert sorted(reply.status for reply in replies) == [201, 409, 409, 409]


@pytest.mark.parametrize(
    ("fields", "status", "told"),
    [
        ({"direction": "up"}, 400, "direction"),
        ({"protocol": "tcp", "port_range_min": 5}, 400, "port_range_min"),
        ({"remote_ip_prefix": "fd00::/64"}, 400, "remote_ip_prefix"),
        ({"remote_ip_prefix": "10.0.0.0/8", "remote_group_id": "PARENT"}, 400, "remote_group_id"),
        ({"remote_group_id": NOBODY}, 404, NOBODY),
        ({"remote_address_group_id": NOBODY}, 400, "remote_address_group_id"),
        ({"used_in_default_sg": "perhaps"}, 400, "used_in_default_sg"),
        ({"security_group_id": NOBODY}, 400, "security_group_id"),
    ],
)
def test_what_can_be_no_rule_is_refused_by_name(
    admin: Rules, fields: dict[str, Any], status: int, told: str
) -> None:
    assert told in admin.rule(status, **fields)["message"]


def test_only_admins_change_them(admin: Rules, demo: Rules) -> None:
    made = admin.rule(**ssh())
    assert demo.rule(403, **ssh(23))
    demo.delete(WHAT, made["id"], 403)
    admin.delete(WHAT, made["id"])
    admin.delete(WHAT, made["id"], 404)


def test_there_are_no_more_than_each_group_can_be_made_with(admin: Rules) -> None:
    for port in range(1, RULES_MAX - 3):
        admin.rule(**ssh(port))
    assert admin.rule(409, **ssh(5000))
    assert len(admin.all(WHAT)) == RULES_MAX
