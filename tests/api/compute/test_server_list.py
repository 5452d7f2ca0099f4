"""Lists of servers: each filter and each sort key of Nova's, for whom and since when it counts.

web      ACTIVE   tags a, b   on blue (10.0.0.2)   locked   key: none
db       BUILD    tags b      on red               property role=db
cache    SHUTOFF  tags a,'"'  no NIC
gone     deleted              no NIC
foreign  BUILD    of the admin's project
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path_factory.mktemp("site")) as scene:
        none: dict[str, Any] = {"networks": "none"}
        web = scene.a_server("web", scene.a_port(scene.blue), tags=["a", "b"])["id"]
        cache = scene.a_server("cache", "", tags=["a", '"'], hostname="cachehost", **none)["id"]
        scene.settle()
        scene.call("POST", f"/servers/{cache}/action", body={"os-stop": None})
        scene.settle()
        scene.call("POST", f"/servers/{web}/action", body={"lock": None})
        gone = scene.a_server("gone", "", **none)["id"]
        scene.call("DELETE", f"/servers/{gone}")
        scene.a_server("db", scene.a_port(scene.red), tags=["b"], description="rows")
        scene.a_server("foreign", "", user="admin", **none)
        yield scene


def listed(
    scene: ComputeSite, query: str, *, user: str = "demo", version: str = "2.100"
) -> tuple[int, list[str]]:
    reply = scene.call("GET", f"/servers?{query}", user=user, version=version)
    body: dict[str, Any] = reply.json()
    return reply.status, sorted(server["name"] for server in body.get("servers", ()))


ALL = ["cache", "db", "web"]

FOR_ALL: dict[str, list[str]] = {
    "tags=a": ["cache", "web"],
    "tags=a,b": ["web"],
    "tags-any=a,b": ALL,
    "not-tags=a,b": ["cache", "db"],
    "not-tags-any=a": ["db"],
    "not-tags-any=a,b": [],
    "tags=A": [],
    f"tags={quote(chr(34))}": ["cache"],
    "tags=a&not-tags=b": ["cache"],
    "ip=10.0.0": ["web"],
    "ip=^10.0.0.": ["web"],
    "ip=^0": [],
    "ip6=fd00": ["web"],
    "ip=fd00": [],
    "locked=True": ["web"],
    "locked=false": ["cache", "db"],
    "vm_state=stopped": ["cache"],
    "vm_state=active": ["web"],
    "status=ACTIVE&status=SHUTOFF": ["cache", "web"],
    "status=ACTIVE&vm_state=stopped": [],
    "status=SHELVED": [],
    "task_state=spawning": ["db"],
    "power_state=4": ["cache"],
    "power_state=1": ["web"],
    "progress=100": ["cache", "web"],
    "config_drive=True": [],
    "config_drive=False": ALL,
    "hostname=cachehost": ["cache"],
    "hostname=^cache": ["cache"],
    "description=row": ["db"],
    "key_name=nothing": [],
    "reservation_id=r-": ALL,
    "user_id=nobody": [],
    "availability_zone=nova": ALL,
    "availability_zone=moon": [],
    "created_at=2001-01-01T00:00:00Z": [],
    "terminated_at=2001-01-01": [],
    "changes-before=2001-01-01T00:00:00Z": [],
    "limit=0": [],
    "image=none": [],
}


@pytest.mark.parametrize("query", FOR_ALL)
def test_what_a_filter_finds(scene: ComputeSite, query: str) -> None:
    assert listed(scene, query) == (200, FOR_ALL[query])


FOR_ADMINS: dict[str, list[str]] = {
    "": ["foreign"],
    "project_id=elsewhere": ["foreign"],  # Without all_tenants it does nothing.
    "all_tenants=1": ["cache", "db", "foreign", "web"],
    "all_tenants=1&project_id=elsewhere": [],
    "all_tenants=1&tenant_id=elsewhere": [],
    "all_tenants=1&deleted=True": ["gone"],
    "all_tenants=1&deleted=what": ["cache", "db", "foreign", "web"],
    "all_tenants=1&status=DELETED": ["gone"],
    "all_tenants=1&changes-since=2001-01-01": ["cache", "db", "foreign", "gone", "web"],
    "all_tenants=1&locked_by=owner": ["web"],
    "all_tenants=1&locked_by=admin": [],
    "all_tenants=1&launch_index=0": ["cache", "db", "foreign", "web"],
    "all_tenants=1&launch_index=x": [],
    "all_tenants=1&root_device_name=vda": ["cache", "db", "foreign", "web"],
    "all_tenants=1&kernel_id=x": [],
    "all_tenants=1&access_ip_v4=1": [],
    "all_tenants=1&soft_deleted=True": [],
    "all_tenants=1&node=h9": [],
    "all_tenants=1&display_name=we": ["web"],
}


@pytest.mark.parametrize("query", FOR_ADMINS)
def test_what_a_filter_finds_for_admins(scene: ComputeSite, query: str) -> None:
    assert listed(scene, query, user="admin") == (200, FOR_ADMINS[query])


@pytest.mark.parametrize(
    "query",
    ["launch_index=9", "locked_by=admin", "host=h9", "node=h9", "kernel_id=x", "deleted=True",
     "project_id=elsewhere", "display_name=nothing", "access_ip_v4=1"],
)  # fmt: skip
def test_filters_for_admins_do_nothing_for_others(scene: ComputeSite, query: str) -> None:
    assert listed(scene, query) == (200, ALL)


@pytest.mark.parametrize(
    ("query", "since", "found"),
    [
        ("ip6=fd00", 5, ["web"]), ("tags=b", 26, ["db", "web"]), ("locked=True", 73, ["web"]),
        ("changes-before=2001-01-01", 66, []), ("vm_state=stopped", 83, ["cache"]),
        ("hostname=cachehost", 90, ["cache"]),
    ],
)  # fmt: skip
def test_a_filter_does_nothing_before_the_version_that_brought_it(
    scene: ComputeSite, query: str, since: int, found: list[str]
) -> None:
    assert listed(scene, query, version=f"2.{since}") == (200, found)
    assert listed(scene, query, version=f"2.{since - 1}") == (200, ALL)


def test_a_status_that_is_none_is_told_since_2_38(scene: ComputeSite) -> None:
    assert listed(scene, "status=colourful", version="2.37") == (200, [])
    assert listed(scene, "status=colourful", version="2.38")[0] == 400


ORDERS: dict[str, list[str]] = {
    "display_name": ["cache", "db", "web"],
    "hostname": ["cache", "db", "web"],
    "display_description": ["cache", "web", "db"],
    "locked": ["cache", "db", "web"],
}


def in_order(scene: ComputeSite, query: str, **kwargs: Any) -> list[str]:
    """Follow the pages of one server each to their end."""
    names: list[str] = []
    path = f"/servers?limit=1&{query}"
    while True:
        body = scene.call("GET", path, **{"version": "2.100", **kwargs}).json()
        names += [server["name"] for server in body["servers"]]
        if "servers_links" not in body:
            return names
        path = body["servers_links"][0]["href"].partition("/compute/v2.1")[2]


@pytest.mark.parametrize("key", ORDERS)
def test_lists_are_sorted_and_their_pages_are_whole(scene: ComputeSite, key: str) -> None:
    names = in_order(scene, f"sort_key={key}&sort_dir=asc&sort_key=display_name&sort_dir=asc")
    if key == "display_description":
        assert set(names[:2]) == {"cache", "web"}
        assert names[2] == "db"
    else:
        assert names == ORDERS[key]


@pytest.mark.parametrize(
    "key",
    ["availability_zone", "config_drive", "created_at", "image_ref", "instance_type_id",
     "key_name", "launch_index", "launched_at", "locked_by", "power_state", "progress",
     "project_id", "task_state", "terminated_at", "updated_at", "user_id", "uuid", "vm_state"],
)  # fmt: skip
@pytest.mark.parametrize("direction", ["asc", "desc"])
def test_every_sort_key_gives_each_server_once(
    scene: ComputeSite, key: str, direction: str
) -> None:
    assert sorted(in_order(scene, f"sort_key={key}&sort_dir={direction}")) == ALL


def test_admins_sort_by_host(scene: ComputeSite) -> None:
    query = "all_tenants=1&sort_key=host&sort_dir=asc"
    assert len(in_order(scene, query, user="admin")) == 4
    assert scene.call("GET", "/servers?sort_key=host").status == 403


def test_sort_keys_that_did_nothing_are_refused_since_2_75(scene: ComputeSite) -> None:
    assert listed(scene, "sort_key=vcpus", version="2.74") == (200, ALL)
    assert listed(scene, "sort_key=vcpus", version="2.75")[0] == 400
    assert listed(scene, "sort_key=colour", version="2.1")[0] == 400
