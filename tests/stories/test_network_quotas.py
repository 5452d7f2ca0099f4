"""Quotas as Neutron knows them: shown, set, and held to on both databases."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.support.http_app import Reply, Site
from tests.support.network_api import NetworkApi, error_of

UNLIMITED: Final = dict.fromkeys(
    ("network", "subnet", "port", "security_group", "security_group_rule", "rbac_policy"), -1
)


@pytest.fixture
def admin(site: Site) -> NetworkApi:
    return NetworkApi(site, "admin")


@pytest.fixture
def demo(site: Site) -> NetworkApi:
    return NetworkApi(site, "demo")


@pytest.fixture
def own(site: Site) -> str:
    return f"quotas/{site.caller('demo').project_id}"


def put(api: NetworkApi, path: str, **quota: Any) -> Reply:
    return api.ask("PUT", path, {"quota": quota})


def test_networks_subnets_and_ports_are_held_to_their_quotas(
    admin: NetworkApi, demo: NetworkApi, own: str
) -> None:
    limits = {"network": 1, "subnet": 1, "port": 2}
    assert put(admin, own, **limits).json()["quota"] == UNLIMITED | limits
    blue = demo.create("network", name="blue")
    refused = demo.create("network", expect=409, name="red")
    assert refused["type"] == "OverQuota"
    assert "quota exceeded for networks: 1 asked for, 1 of 1 held" in refused["message"]
    demo.create("subnet", network_id=blue["id"], ip_version=4, cidr="10.0.0.0/24")
    demo.create("subnet", expect=409, network_id=blue["id"], ip_version=4, cidr="10.0.1.0/24")
    many = {"ports": [{"network_id": blue["id"]}] * 3}
    assert error_of(demo.ask("POST", "ports", many))["type"] == "OverQuota"
    assert demo.all("port") == []
    port = demo.create("port", network_id=blue["id"])
    demo.create("port", network_id=blue["id"])
    demo.create("port", expect=409, network_id=blue["id"])
    details = demo.ask("GET", f"{own}/details").json()["quota"]
    assert {name: details[name] for name in limits} == {
        "network": {"limit": 1, "used": 1, "reserved": 0},
        "subnet": {"limit": 1, "used": 1, "reserved": 0},
        "port": {"limit": 2, "used": 2, "reserved": 0},
    }
    demo.delete("port", port["id"])
    demo.create("port", network_id=blue["id"])


def test_a_projects_quotas_are_listed_until_they_are_taken_away(
    admin: NetworkApi, demo: NetworkApi, own: str
) -> None:
    assert demo.ask("GET", own).json()["quota"] == UNLIMITED
    assert admin.all("quota") == []
    put(admin, own, port=7)
    project_id = own.removeprefix("quotas/")
    ids = {"project_id": project_id, "tenant_id": project_id}
    assert admin.all("quota") == [UNLIMITED | {"port": 7} | ids]
    assert demo.ask("GET", f"{own}/default").json()["quota"] == UNLIMITED
    assert admin.ask("DELETE", own).status == 204
    assert admin.all("quota") == []
    assert error_of(admin.ask("DELETE", own))["type"] == "TenantQuotaNotFound"
    for path in ("quotas/tenant", "quotas/project"):
        assert demo.ask("GET", path).json()["tenant"] == {
            "tenant_id": project_id, "project_id": project_id,
        }  # fmt: skip


def test_a_limit_below_what_is_held_is_refused_where_that_is_asked_for(
    admin: NetworkApi, demo: NetworkApi, own: str
) -> None:
    demo.create("network", name="blue")
    assert put(admin, own, network=0, check_limit=True).status == 400
    assert put(admin, own, network=0).status == 400
    assert put(admin, own, network=0, force=True).status == 200
    demo.create("network", expect=409, name="red")


@pytest.mark.parametrize(
    ("quota", "field"),
    [({"port": -2}, "port"), ({"port": "x"}, "port"), ({"router": 1}, "router"),
     ({"tenant_id": "x"}, "tenant_id"), ({"port": 2**31}, "port")],
)  # fmt: skip
def test_a_quota_that_makes_no_sense_is_refused_by_its_name(
    admin: NetworkApi, own: str, quota: dict[str, Any], field: str
) -> None:
    refused = put(admin, own, **quota)
    assert (refused.status, field in error_of(refused)["message"]) == (400, True)


def test_only_admins_set_quotas_or_see_those_of_others(
    site: Site, admin: NetworkApi, demo: NetworkApi, own: str
) -> None:
    other = f"quotas/{site.caller('admin').project_id}"
    assert demo.ask("GET", other).status == 404
    assert demo.ask("GET", "quotas").status == 403
    assert put(demo, own, port=7).status == 403
    assert demo.ask("DELETE", own).status == 403
    assert admin.ask("GET", "quotas/nobody").status == 404
