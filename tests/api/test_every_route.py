"""What holds for every route of every face: who is let in, and that nothing sent breaks it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.http_app import Reply, Site, a_site
from trunkline.api.routes import ROUTES
from trunkline.api.routing import Auth, Route
from trunkline.domain.policy.rule import Rule

GUARDED = [route for route in ROUTES if route.auth is not Auth.PUBLIC]
TAKING = [route for route in ROUTES if route.method in ("POST", "PUT", "PATCH")]
READING = [route for route in ROUTES if route.method in ("GET", "DELETE") and "{" in route.path]
LISTING = [route for route in ROUTES if route.method == "GET"]


def name_of(route: Route) -> str:
    return f"{route.method} {route.path}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with a_site(tmp_path_factory.mktemp("routes")) as opened:
        yield opened


@pytest.fixture(scope="module")
def admin(site: Site) -> str:
    return site.token("admin")


def broken(reply: Reply) -> bool:
    """Say whether the service itself failed. 501 is an answer: Nova has what is not served here."""
    return reply.status >= 500 and reply.status != 501


def filled(path: str, text: str = "7ad6ad8b-5b5c-4d22-8d2c-9c8a6f3e1b11") -> str:
    """The path with something in each of its gaps."""
    return "/".join(text if part.startswith("{") else part for part in path.split("/"))


@pytest.mark.parametrize("route", GUARDED, ids=name_of)
def test_nobody_gets_in_without_a_credential(site: Site, route: Route) -> None:
    for headers in ({}, {"X-Auth-Token": "guess"}, {"Authorization": "Bearer guess"}):
        assert site.http.request(route.method, filled(route.path), headers=headers).status == 401


@pytest.mark.parametrize("route", [r for r in GUARDED if isinstance(r.auth, Rule)], ids=name_of)
def test_what_is_for_admins_is_closed_to_members(site: Site, route: Route) -> None:
    reply = site.http.request(route.method, filled(route.path), token=site.token("demo"))
    assert reply.status == 403


@pytest.mark.parametrize("route", [r for r in GUARDED if r.auth is Auth.AGENT], ids=name_of)
def test_what_is_for_agents_is_closed_to_admins(site: Site, admin: str, route: Route) -> None:
    assert site.http.request(route.method, filled(route.path), token=admin).status == 401


TEXTS = ("%20", "%F0%9F%98%80", "x" * 3000, "%27%22%3B--", "-1", "..", "%25")


@pytest.mark.parametrize("route", READING, ids=name_of)
def test_any_text_may_stand_where_an_id_does(site: Site, admin: str, route: Route) -> None:
    for text in TEXTS:
        reply = site.http.request(route.method, filled(route.path, text), token=admin)
        assert not broken(reply), (text, reply)


QUERIES = (
    "limit=-1", "limit=999999999999999999999", "limit=x", "marker=nothing", "marker=%20",
    "sort_key=nothing", "sort_key=id&sort_dir=sideways",
    "sort_key=" + "&sort_key=".join("abcdefghijk"), "fields=nothing", "name=%F0%9F%98%80",
    "id=%27%3B--", "name=" + "x" * 5000, "deleted=maybe", "all_tenants=maybe",
    "shared=maybe", "is_public=maybe", "host=%25", "changes-since=yesterday", "name=(((((",
    "name=(a%2B)%2B%24", "ip_version=six", "tags=a,b&not-tags-any=%00", "effective&include_names",
    "scope.system=all&scope.project.id=x", "role.id=x&user.id=y&effective", "name__contains=x",
    "tags=" + "x," * 100, "enabled=", "is_domain=true",
    "name=(a%2B)%2B%24", "ip_version=six", "admin_state_up=perhaps", "tags=", "state=none",
    "tags=a,,b&not-tags-any=%22", "tags=" + ",".join(map(str, range(999))), "changed_since=never",
    "changed_since=0001-01-01T00:00:00%2B23:59", "changed_since=2026-01-01T00:00:00Z",
)  # fmt: skip


@pytest.mark.parametrize("route", LISTING, ids=name_of)
def test_any_query_may_be_asked(site: Site, admin: str, route: Route) -> None:
    version = {"X-OpenStack-Nova-API-Version": "latest"}
    for query in QUERIES:
        target = f"{filled(route.path)}?{query}"
        reply = site.http.request("GET", target, token=admin, headers=version)
        assert not broken(reply), (target, reply)


NAMES = st.sampled_from([
    "auth", "identity", "methods", "password", "user", "scope", "project", "name", "id",
    "domain", "network", "networks", "subnet", "subnets", "port", "ports", "network_id", "cidr",
    "ip_version", "gateway_ip", "allocation_pools", "start", "end", "dns_nameservers",
    "host_routes", "provider:network_type", "provider:physical_network",
    "provider:segmentation_id", "segments", "mac_address", "fixed_ips", "ip_address",
    "subnet_id", "binding:profile", "binding:host_id", "binding:vnic_type", "device_id",
    "device_owner", "admin_state_up", "shared", "mtu", "tenant_id", "server", "flavorRef",
    "imageRef", "uuid", "fixed_ip", "min_count", "max_count", "metadata", "tags",
    "block_device_mapping_v2", "reboot", "type", "os-start", "os-stop", "flavor", "ram", "vcpus",
    "disk", "extra_specs", "host", "status", "disabled_reason", "nics", "visibility", "min_disk",
    "protected", "op", "path", "value", "generation", "run_id", "number", "inventory",
    "resources", "user_data", "match", "pci_flavor", "vendor_id", "e.model", "glob", "regex",
    "vnic_type", "public_key", "user_id", "allowed_address_pairs", "extra_dhcp_opts", "opt_name",
    "opt_value", "security_groups", "security_group_id", "direction", "ethertype", "protocol",
    "port_range_min", "port_range_max", "remote_ip_prefix", "remote_group_id", "stateful",
    "ipv6_ra_mode", "ipv6_address_mode",
    "vnic_type", "public_key", "user_id", "cores", "instances", "force", "check_limit", "limit",
    "physical_network", "enabled", "domain_id", "parent_id", "is_domain", "options", "email",
    "default_project_id", "original_password", "description", "secret", "roles", "unrestricted",
    "expires_at", "access_rules", "application_credential", "system", "all", "agent",
    "network_type", "segmentation_id",
])  # fmt: skip
UUID = "7ad6ad8b-5b5c-4d22-8d2c-9c8a6f3e1b11"
SCALARS = st.sampled_from([
    None, True, False, 0, 1, -1, 4095, 2**31, 2**53, 2**63, -(2**63) - 1, 10**30, 0.5, 1e308, "",
    " ", "x", "x" * 300, "\0", "a\0b", "\u202e", "😀", UUID, UUID.upper(), UUID.replace("-", ""),
    "10.0.0.0/8", "10.0.0.0/33", "::/0", "fe80::/64", "10.0.0.1", "02:00:00:00:00:01",
    "ff:ff:ff:ff:ff:ff", "vlan", "flat", "phy1", "direct", "normal", "default", "public",
    "replace", "/name", "none", "auto", "HARD", "100", "1e3",
    "ingress", "IPv6", "tcp", "icmp", 6, 58, 80, 255,
])  # fmt: skip
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(NAMES | SCALARS.map(str), inner, max_size=5)
    ),
    max_leaves=12,
)
WRAPPERS = {
    "networks": "network", "subnets": "subnet", "ports": "port", "servers": "server",
    "flavors": "flavor", "os-pci-flavors": "pci_flavor", "tokens": "auth", "segments": "segment",
    "os-keypairs": "keypair", "agents": "agent", "security-groups": "security_group",
    "security-group-rules": "security_group_rule", "os-quota-sets": "quota_set", "quotas": "quota",
    "os-quota-class-sets": "quota_class_set", "projects": "project", "users": "user",
    "password": "user", "roles": "role", "application_credentials": "application_credential",
}  # fmt: skip


def wrapped(route: Route, value: Any) -> Any:
    """The value where the route looks for it, so that it gets past the first check."""
    names = [part for part in route.path.split("/") if not part.startswith("{")]
    wrapper = WRAPPERS.get(names[-1])
    return value if wrapper is None else {wrapper: value}


@pytest.mark.parametrize("route", TAKING, ids=name_of)
@settings(
    max_examples=settings().max_examples // 4,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_no_body_breaks_it(site: Site, admin: str, route: Route, data: st.DataObject) -> None:
    value = data.draw(st.dictionaries(NAMES, VALUES, max_size=6) | VALUES)
    body = wrapped(route, value) if data.draw(st.booleans()) else value
    raw = json.dumps(body).encode()
    headers = {
        "Content-Type": "application/openstack-images-v2.1-json-patch",
        "X-OpenStack-Nova-API-Version": data.draw(st.sampled_from(["2.1", "2.37", "latest"])),
    }
    reply = site.http.request(
        route.method, filled(route.path), token=admin, raw=raw, headers=headers
    )
    assert not broken(reply), reply
