"""What owners say of their servers, and which hosts they want them on or off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site, server_request
from trunkline.control.desired import desired_config
from trunkline.domain.ids import HostName, ServerId
from trunkline.reconcile.config_drive import config_drive
from trunkline.reconcile.report import ServerCondition, ServerFact
from trunkline.wire.json import decode


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path) as site:
        yield site


def shown(scene: ComputeSite, server_id: str, user: str = "demo") -> dict[str, Any]:
    body: dict[str, Any] = scene.call("GET", f"/servers/{server_id}", user=user).json()["server"]
    return body


def test_access_addresses_and_disk_config_are_kept_and_changed(scene: ComputeSite) -> None:
    said: dict[str, Any] = {
        "accessIPv4": "192.0.2.7", "accessIPv6": "fd00:0:0::7", "OS-DCF:diskConfig": "AUTO",
    }  # fmt: skip
    made = scene.a_server(**said)
    assert made["OS-DCF:diskConfig"] == "AUTO"
    now = shown(scene, made["id"])
    assert {name: now[name] for name in said} == said | {"accessIPv6": "fd00::7"}
    body = {"server": {"accessIPv4": "", "OS-DCF:diskConfig": "MANUAL"}}
    assert scene.call("PUT", f"/servers/{made['id']}", body=body).status == 200
    now = shown(scene, made["id"])
    assert {name: now[name] for name in said} == {
        "accessIPv4": "", "accessIPv6": "fd00::7", "OS-DCF:diskConfig": "MANUAL",
    }  # fmt: skip
    for query, found in (
        ("access_ip_v6=fd00::7", 1), ("access_ip_v6=fd00::8", 0), ("auto_disk_config=false", 1),
        ("auto_disk_config=true", 0),
    ):  # fmt: skip
        path = f"/servers?all_tenants=1&{query}"
        assert len(scene.call("GET", path, user="admin").json()["servers"]) == found, query


def test_a_password_that_was_asked_for_is_told_to_the_guest_alone(scene: ComputeSite) -> None:
    made = scene.a_server(adminPass="correct horse")
    assert made["adminPass"] == "correct horse"
    told: list[str | None] = []
    for name in ("h1", "h2"):
        for server in desired_config(scene.site.svc, HostName(name)).servers:
            files = config_drive(server) or {}
            told.append(decode(files["openstack/latest/meta_data.json"], dict).get("admin_pass"))
    assert told == ["correct horse"]
    for path in (f"/servers/{made['id']}", "/servers/detail"):
        for user in ("demo", "admin"):
            assert "correct horse" not in str(scene.call("GET", path, user=user).json())
    events = scene.site.http.request("GET", "/trunkline/v1/events", token=scene.token("admin"))
    assert "correct horse" not in str(events.json())


def placed(scene: ComputeSite, name: str, **hints: object) -> tuple[int, Any]:
    """Make a server with hints; return the status, and its host or what is wrong."""
    port = scene.a_port(scene.blue)
    body = {"server": server_request(scene.flavor, name, port), "os:scheduler_hints": hints}
    reply = scene.call("POST", "/servers", version="2.96", body=body)
    if reply.status != 202:
        return reply.status, str(reply.json())
    host = shown(scene, reply.json()["server"]["id"], "admin")["OS-EXT-SRV-ATTR:host"]
    return reply.status, host


def test_a_server_goes_beside_another_or_away_from_it(scene: ComputeSite) -> None:
    first = scene.a_server("first")["id"]
    its = shown(scene, first, "admin")["OS-EXT-SRV-ATTR:host"]
    other = {"h1": "h2", "h2": "h1"}[its]
    for number in range(2):
        assert placed(scene, f"beside{number}", same_host=first) == (202, its)
        assert placed(scene, f"away{number}", different_host=[first]) == (202, other)
    assert placed(scene, "both", same_host=first, different_host=first) == (202, None)  # ERROR


def test_servers_that_hints_name_must_be_there_and_on_one_host(scene: ComputeSite) -> None:
    first = scene.a_server("first")["id"]
    away = scene.call(
        "POST", "/servers", version="2.96",
        body={
            "server": server_request(scene.flavor, "away", scene.a_port(scene.blue)),
            "os:scheduler_hints": {"different_host": first},
        },
    ).json()["server"]["id"]  # fmt: skip
    nowhere = "6b3c0a0e-1a53-4d24-9d2a-000000000000"
    for hints in ({"same_host": nowhere}, {"different_host": [first, nowhere]}):
        status, said = placed(scene, "lost", **hints)
        assert (status, "could not be found" in said) == (400, True), hints
    status, said = placed(scene, "torn", same_host=[first, away])
    assert (status, "not on one host" in said) == (400, True)


def test_another_projects_server_cannot_be_named(scene: ComputeSite) -> None:
    port = scene.a_port(scene.a_network_of("admin"), user="admin")
    theirs = scene.a_server("theirs", port, user="admin")["id"]
    status, said = placed(scene, "near", same_host=theirs)
    assert (status, "could not be found" in said) == (400, True)


def test_an_access_address_has_no_zone(scene: ComputeSite) -> None:
    """It might be of any length."""
    server_id = scene.a_server()["id"]
    body = {"server": {"accessIPv6": "fe80::1%" + "a" * 60}}
    reply = scene.call("PUT", f"/servers/{server_id}", body=body)
    assert (reply.status, "accessIPv6" in str(reply.json())) == (400, True)


def kept_password(scene: ComputeSite, server_id: str) -> str | None:
    return scene.site.svc.store.read(lambda tx: tx.servers.get(ServerId(server_id))).admin_password


def test_a_password_is_forgotten_once_the_guest_has_run(scene: ComputeSite, tmp_path: Path) -> None:
    told, other = (scene.a_server(name, adminPass=f"horse {name}")["id"] for name in ("a", "b"))
    assert kept_password(scene, told) == "horse a"  # Its host may be yet to ask.
    assert scene.call("POST", f"/servers/{other}/action", user="admin",
                      body={"os-resetState": {"state": "error"}}).status == 202  # fmt: skip
    scene.settle()
    assert scene.status_of(told) == "ACTIVE"
    assert (kept_password(scene, told), kept_password(scene, other)) == (None, None)
    for name in ("h1", "h2"):
        for server in desired_config(scene.site.svc, HostName(name)).servers:
            assert b"horse" not in b"".join((config_drive(server) or {}).values())
    scene.site.svc.store.close()  # What SQLite keeps beside the database is put into it.
    assert told.encode() in (tmp_path / "trunkline.db").read_bytes()
    assert b"horse" not in (tmp_path / "trunkline.db").read_bytes()


def test_a_password_behind_much_user_data_is_gone_from_the_file_with_the_rest(
    scene: ComputeSite, tmp_path: Path
) -> None:
    """A long row ends in pages of its own. As it shrinks, the last one may become free.

    The lengths are spread over a page's, so that some rows have one page less.
    """
    password = "\N{HORSE}" * 255
    servers = [
        scene.a_server(networks="none", adminPass=password, user_data="A" * length)["id"]
        for length in range(8_000, 12_096, 512)
    ]
    assert {kept_password(scene, each) for each in servers} == {password}
    for each in servers:
        assert scene.call("DELETE", f"/servers/{each}").status == 204
    scene.site.svc.store.close()  # What SQLite keeps beside the database is put into it.
    kept = (tmp_path / "trunkline.db").read_bytes()
    assert b"A" * 1_000 in kept
    assert "\N{HORSE}".encode() not in kept


def test_a_password_is_kept_until_a_guest_has_run(scene: ComputeSite) -> None:
    server_id = ServerId(scene.a_server(adminPass="correct horse")["id"])

    def told(condition: ServerCondition, boot_number: int) -> str | None:
        fact = ServerFact(id=server_id, boot_number=boot_number, condition=condition)
        for agent in scene.agents:
            config = desired_config(scene.site.svc, agent.name)
            if config.servers:
                agent.report(generation=config.generation, servers=[fact])
        return kept_password(scene, server_id)

    assert told(ServerCondition.PENDING, 1) == "correct horse"
    assert told(ServerCondition.STOPPED, 0) == "correct horse"  # Of another boot.
    assert told(ServerCondition.STOPPED, 1) is None  # It was to run, so its guest has ended.


def test_a_password_is_not_kept_of_a_server_that_no_host_can_have(scene: ComputeSite) -> None:
    scene.call("POST", "/flavors", user="admin", body={
        "flavor": {"id": "vast", "name": "vast", "ram": 1 << 20, "vcpus": 999, "disk": 1}
    })  # fmt: skip
    server_id = scene.a_server(flavorRef="vast", adminPass="correct horse")["id"]
    assert scene.status_of(server_id) == "ERROR"
    assert kept_password(scene, server_id) is None


def test_the_password_of_a_deleted_server_is_not_kept(scene: ComputeSite) -> None:
    server_id = scene.a_server(adminPass="correct horse")["id"]
    store = scene.site.svc.store
    assert kept_password(scene, server_id) == "correct horse"
    assert scene.call("DELETE", f"/servers/{server_id}").status == 204
    deleted = store.read(lambda tx: tx.servers.find_deleted(server_id))
    assert deleted is not None
    assert deleted.admin_password is None
