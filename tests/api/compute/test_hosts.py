"""Hosts through HTTP, as hypervisors and as compute services."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.clock import ManualClock
from tests.support.compute_site import ComputeSite, a_compute_site


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path) as scene:
        yield scene


@pytest.mark.parametrize(
    "path",
    [
        "/os-hypervisors",
        "/os-hypervisors/detail",
        "/os-hypervisors/h1",
        "/os-services",
        "/os-aggregates",
        "/os-migrations",
    ],
)
def test_tenants_see_no_hosts(scene: ComputeSite, path: str) -> None:
    reply = scene.call("GET", path, version="2.96")
    assert (reply.status, list(reply.json())) == (403, ["forbidden"])


def test_a_hypervisor_shows_what_its_servers_use(scene: ComputeSite) -> None:
    server_id = scene.a_server()["id"]
    shown = scene.call("GET", f"/servers/{server_id}", user="admin").json()["server"]
    name = shown["OS-EXT-SRV-ATTR:host"]
    host = scene.call("GET", f"/os-hypervisors/{name}", version="2.87", user="admin").json()
    assert (host["hypervisor"]["vcpus_used"], host["hypervisor"]["memory_mb_used"]) == (1, 512)
    assert host["hypervisor"]["running_vms"] == 1
    by_id = scene.call(
        "GET", f"/os-hypervisors/{host['hypervisor']['id']}", version="2.87", user="admin"
    )
    assert by_id.json() == host


def test_hypervisors_are_paged_and_matched(scene: ComputeSite) -> None:
    first = scene.call("GET", "/os-hypervisors?limit=1", version="2.53", user="admin").json()
    assert [h["hypervisor_hostname"] for h in first["hypervisors"]] == ["h1"]
    tail = first["hypervisors_links"][0]["href"].partition("/compute/v2.1")[2]
    second = scene.call("GET", tail, version="2.53", user="admin").json()
    assert [h["hypervisor_hostname"] for h in second["hypervisors"]] == ["h2"]
    for pattern, status in (("2", 200), ("h9", 404), ("%25", 404), ("", 400)):
        path = f"/os-hypervisors?hypervisor_hostname_pattern={pattern}"
        assert scene.call("GET", path, version="2.53", user="admin").status == status, pattern
    assert scene.call("GET", "/os-hypervisors/h/search", version="2.53", user="admin").status == 404
    assert scene.call("GET", "/os-hypervisors/h9", version="2.96", user="admin").status == 404


def test_a_silent_host_is_down(scene: ComputeSite) -> None:
    clock = scene.site.svc.clock
    assert isinstance(clock, ManualClock)
    server_id = scene.a_server()["id"]
    clock.advance(3600)
    services = scene.call("GET", "/os-services?host=h1", user="admin").json()["services"]
    assert [(s["host"], s["state"], s["status"]) for s in services] == [("h1", "down", "enabled")]
    shown = scene.call("GET", f"/servers/{server_id}", version="2.96", user="admin").json()
    assert shown["server"]["host_status"] == "DOWN"


def test_a_disabled_host_takes_no_new_servers(scene: ComputeSite) -> None:
    services = scene.call("GET", "/os-services", version="2.96", user="admin").json()["services"]
    for service in services:
        reply = scene.call(
            "PUT", f"/os-services/{service['id']}", version="2.96", user="admin",
            body={"status": "disabled", "disabled_reason": "dust"},
        )  # fmt: skip
        assert reply.json()["service"]["disabled_reason"] == "dust"
    assert scene.status_of(scene.a_server("refused")["id"]) == "ERROR"
    host = scene.call("GET", "/os-hypervisors/h1", version="2.96", user="admin").json()
    assert host["hypervisor"]["status"] == "disabled"
    assert host["hypervisor"]["service"]["disabled_reason"] == "dust"
    for service in services:
        scene.call(
            "PUT", f"/os-services/{service['id']}", version="2.96", user="admin",
            body={"status": "enabled"},
        )  # fmt: skip
    assert scene.status_of(scene.a_server("taken")["id"]) == "BUILD"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"status": "paused"}, 400),
        ({"disabled_reason": "dust"}, 400),
        ({"status": "enabled", "disabled_reason": "dust"}, 400),
        ({"status": "disabled", "disabled_reason": "x" * 256}, 400),
        ({"forced_down": True}, 501),
        ({"forced_down": False}, 200),
        ({"forced_down": "perhaps"}, 400),
        ({"weight": 1}, 400),
    ],
)
def test_a_service_is_changed_in_known_ways_only(
    scene: ComputeSite, body: dict[str, object], status: int
) -> None:
    (service,) = scene.call("GET", "/os-services?host=h1", version="2.96", user="admin").json()[
        "services"
    ]
    path = f"/os-services/{service['id']}"
    assert scene.call("PUT", path, version="2.96", user="admin", body=body).status == status
    assert scene.call("PUT", path, version="2.96", body=body).status in (400, 403)


def test_tenants_change_no_services(scene: ComputeSite) -> None:
    named = {"host": "h1", "binary": "nova-compute"}
    for path, version, body in (
        ("/os-services/h1", "2.96", {"status": "disabled"}),
        ("/os-services/disable", "2.1", named),
        ("/os-services/enable", "2.1", named),
        ("/os-services/disable-log-reason", "2.1", named | {"disabled_reason": "x"}),
        ("/os-services/force-down", "2.11", named | {"forced_down": True}),
    ):
        assert scene.call("PUT", path, version=version, body=body).status == 403, path


def test_a_service_of_another_kind_is_not_found(scene: ComputeSite) -> None:
    body = {"host": "h1", "binary": "nova-scheduler"}
    reply = scene.call("PUT", "/os-services/disable", version="2.1", user="admin", body=body)
    assert reply.status == 404
    assert scene.call("GET", "/os-services?binary=nova-scheduler", user="admin").json() == {
        "services": []
    }
