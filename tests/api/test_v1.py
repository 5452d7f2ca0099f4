"""trunkline/v1 over HTTP: what operators and tenants are shown, and what they are refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.clock import ManualClock
from tests.support.http_app import Reply
from tests.support.two_networks import TwoNetworks, two_networks
from trunkline.control.requests import ServerCreate
from trunkline.control.servers import create_server
from trunkline.domain.port import VnicType


def items(reply: Reply, name: str) -> list[Any]:
    assert reply.status == 200, reply
    found: list[Any] = reply.json()[name]
    return found


def explain(world: TwoNetworks, *nics: dict[str, str], tenant: bool = False, **more: str) -> Any:
    reply = world.ask("/explain", method="POST", body={"nics": list(nics), **more}, tenant=tenant)
    assert reply.status == 200, reply
    return reply.json()


def direct(network: str) -> dict[str, str]:
    return {"network": network, "vnic_type": "direct"}


def test_hosts_are_listed_by_name_with_their_use(world: TwoNetworks) -> None:
    world.server("web", world.port(world.red, "p", VnicType.DIRECT))
    h1, h2 = items(world.ask("/hosts"), "hosts")
    assert (h1["name"], h1["server_count"], h1["vcpus_used"]) == ("h1", 1, 1)
    assert (h2["name"], h2["server_count"], h2["up"], h2["vcpus"]) == ("h2", 0, True, 64)


def test_a_silent_host_is_down(world: TwoNetworks) -> None:
    clock = world.site.svc.clock
    assert isinstance(clock, ManualClock)
    clock.advance(3600)
    assert [host["up"] for host in items(world.ask("/hosts"), "hosts")] == [False, False]


def test_a_disabled_host_takes_no_servers_and_keeps_the_reason(world: TwoNetworks) -> None:
    changed = world.ask("/hosts/h1", method="PATCH", body={"enabled": False, "reason": "dust"})
    assert (changed.json()["enabled"], changed.json()["disabled_reason"]) == (False, "dust")
    assert explain(world, direct("red"))["counts"] == {"disabled": 1, "not_cabled": 1}
    changed = world.ask("/hosts/h1", method="PATCH", body={"enabled": True})
    assert changed.json()["disabled_reason"] is None
    assert explain(world, direct("red"))["fits"]


@pytest.mark.parametrize(
    ("body", "fault"),
    [({}, "enabled"), ({"enabled": "maybe"}, "enabled"), ({"enabled": True, "x": 1}, "x"),
     ([], "body"), ({"enabled": False, "reason": "r" * 1001}, "reason")],
)  # fmt: skip
def test_a_malformed_change_of_a_host_names_the_field(
    world: TwoNetworks, body: object, fault: str
) -> None:
    reply = world.ask("/hosts/h1", method="PATCH", body=body)
    assert reply.status == 400
    assert reply.json()["error"]["field"] == fault


def test_an_unknown_host_is_not_found(world: TwoNetworks) -> None:
    assert world.ask("/hosts/h9").status == 404
    assert world.ask("/hosts/h9", method="PATCH", body={"enabled": True}).status == 404


def test_devices_are_listed_by_filter(world: TwoNetworks) -> None:
    server = world.server("web", world.port(world.red, "p", VnicType.DIRECT))
    every = items(world.ask("/devices"), "devices")
    assert len(every) == 9
    assert len(items(world.ask("/devices?host=h1&kind=vf"), "devices")) == 4
    on_phy2 = items(world.ask("/devices?physical_network=phy2"), "devices")
    assert {device["pf_address"] or device["address"] for device in on_phy2} == {"0000:06:00.0"}
    [held] = items(world.ask(f"/devices?server_id={server.server.id}"), "devices")
    assert (held["state"], held["owner"]["server_id"]) == ("claimed", server.server.id)
    port_id = held["owner"]["port_id"]
    assert items(world.ask(f"/devices?port_id={port_id}"), "devices") == [held]


@pytest.mark.parametrize(
    "state",
    ["free", "claimed", "active", "releasing", "quarantined", "reserved", "blocked",
     "out_of_service", "withdrawn"],
)  # fmt: skip
def test_the_state_filter_agrees_with_the_state_that_is_shown(
    world: TwoNetworks, state: str
) -> None:
    world.server("web", world.port(world.red, "p", VnicType.DIRECT))  # Blocks its PF.
    world.server("whole", world.port(world.blue, "q", VnicType.DIRECT_PHYSICAL))  # Blocks 2 VFs.
    every = items(world.ask("/devices"), "devices")
    expected = [device for device in every if device["state"] == state]
    assert items(world.ask(f"/devices?state={state}"), "devices") == expected
    if state in ("free", "claimed", "blocked"):
        assert expected, "the world should show this state"


def test_pages_of_devices_never_overlap(world: TwoNetworks) -> None:
    seen: list[str] = []
    marker = ""
    while page := items(world.ask(f"/devices?limit=4{marker}"), "devices"):
        assert len(page) <= 4
        seen += [device["id"] for device in page]
        marker = f"&marker={seen[-1]}"
    assert sorted(seen) == sorted({d["id"] for d in items(world.ask("/devices"), "devices")})
    assert len(seen) == 9


@pytest.mark.parametrize(
    "query",
    ["colour=red", "state=lost", "kind=card", "limit=-1", "limit=x", "marker=nothing"],
)
def test_a_query_that_means_nothing_is_refused(world: TwoNetworks, query: str) -> None:
    assert world.ask(f"/devices?{query}").status in (400, 404)


def test_networks_show_what_is_free_on_their_physical_networks(world: TwoNetworks) -> None:
    world.server("web", world.port(world.blue, "p", VnicType.DIRECT))
    found = {item["name"]: item for item in items(world.ask("/networks"), "networks")}
    [segment] = found["blue"]["segments"]
    assert (segment["physical_network"], segment["segmentation_id"]) == ("phy1", 120)
    assert segment["requirements"] == {"e.physical_network": "phy1"}
    assert segment["vfs"] == {
        "total": 4, "free": 3, "held": 1, "releasing": 0, "quarantined": 0, "reserved": 0,
        "blocked": 0, "out_of_service": 0,
    }  # fmt: skip
    assert (segment["pfs"]["total"], segment["pfs"]["free"], segment["pfs"]["blocked"]) == (2, 1, 1)
    assert found["secret"]["segments"][0]["vfs"] == segment["vfs"]
    assert len(items(world.ask("/networks?name=red"), "networks")) == 1


def test_a_pf_that_is_given_away_blocks_its_vfs(world: TwoNetworks) -> None:
    world.server("whole", world.port(world.red, "p", VnicType.DIRECT_PHYSICAL))
    [segment] = items(world.ask("/networks?name=red"), "networks")[0]["segments"]
    assert (segment["vfs"]["free"], segment["vfs"]["blocked"]) == (0, 2)
    assert (segment["pfs"]["free"], segment["pfs"]["held"]) == (0, 1)


def test_physical_networks_count_hosts_and_devices(world: TwoNetworks) -> None:
    phy1, phy2 = items(world.ask("/physical-networks"), "physical_networks")
    assert (phy1["name"], phy1["host_count"], phy1["vfs"]["total"]) == ("phy1", 2, 4)
    assert (phy2["name"], phy2["host_count"], phy2["pfs"]["free"]) == ("phy2", 1, 1)


def require_counts_to_agree(world: TwoNetworks) -> None:
    """What SQL counts is what the listed devices show."""
    world.server("web", world.port(world.blue, "p", VnicType.DIRECT))
    world.server("whole", world.port(world.red, "q", VnicType.DIRECT_PHYSICAL))
    devices = items(world.ask("/devices"), "devices")
    for physical in items(world.ask("/physical-networks"), "physical_networks"):
        for kind in ("vf", "pf"):
            states = [
                device["state"]
                for device in devices
                if device["physical_network"] == physical["name"] and device["kind"] == kind
            ]
            counts = physical[f"{kind}s"]
            assert counts["free"] == states.count("free")
            assert counts["blocked"] == states.count("blocked")
            assert counts["out_of_service"] == states.count("out_of_service")
            assert counts["held"] == states.count("claimed") + states.count("active")
            assert counts["total"] == len(states)
    for state in ("free", "claimed", "blocked"):
        expected = [device for device in devices if device["state"] == state]
        assert items(world.ask(f"/devices?state={state}"), "devices") == expected != []


def test_counts_agree_with_the_devices_that_are_listed(world: TwoNetworks) -> None:
    require_counts_to_agree(world)


def test_counts_agree_on_postgresql_too(
    tmp_path: Path, new_postgres_database: Callable[[], str]
) -> None:
    with two_networks(tmp_path, url=new_postgres_database()) as world:
        require_counts_to_agree(world)


def test_explain_names_host_and_device_of_each_nic(world: TwoNetworks) -> None:
    answer = explain(world, direct("blue"), direct("red"), flavor="small")
    assert (answer["fits"], answer["host"]) == (True, "h1")
    blue, red = answer["nics"]
    assert (blue["physical_network"], blue["segmentation_id"], blue["kind"]) == ("phy1", 120, "vf")
    assert red["device"].startswith("0000:06:0")
    assert all(d["owner"] is None for d in items(world.ask("/devices"), "devices"))


def test_explain_takes_a_port_by_name(world: TwoNetworks) -> None:
    world.port(world.red, "p1", VnicType.DIRECT_PHYSICAL)
    answer = explain(world, {"port": "p1"})
    assert (answer["host"], answer["nics"][0]["device"]) == ("h1", "0000:06:00.0")


def test_explain_says_why_not_for_each_host_and_nic(world: TwoNetworks) -> None:
    answer = explain(world, direct("red"), direct("red"), direct("red"))
    assert not answer["fits"]
    assert [host["host"] for host in answer["hosts"]] == ["h1", "h2"]
    assert answer["hosts"][1]["nics"][0]["reason"] == "not_cabled"
    assert (answer["nearest"], answer["host_count"]) == ("h1", 2)
    assert answer["smallest_change"] == answer["hosts"][0]["change"] != ""


def test_explain_tells_about_as_many_hosts_as_asked_and_about_all_in_pages(
    world: TwoNetworks,
) -> None:
    body = {"nics": [direct("red")] * 3}

    def told(query: str) -> Any:
        reply = world.ask(f"/explain?{query}", method="POST", body=body)
        assert reply.status == 200, reply
        return reply.json()

    one = told("nearest=1")
    assert [host["host"] for host in one["hosts"]] == ["h1"]
    assert (one["host_count"], one["page"], one["next_marker"]) == (2, None, None)
    first = told("limit=1")
    assert ([host["host"] for host in first["page"]], first["next_marker"]) == (["h1"], "h1")
    rest = told("limit=5&marker=h1")
    assert ([host["host"] for host in rest["page"]], rest["next_marker"]) == (["h2"], None)
    assert told("marker=h2")["page"] == []


@pytest.mark.parametrize(
    "query", ["nearest=0", "nearest=201", "limit=x", "limit=-1", "limit=1000", "host=h1"]
)
def test_explain_refuses_a_query_that_it_does_not_understand(
    world: TwoNetworks, query: str
) -> None:
    reply = world.ask(f"/explain?{query}", method="POST", body={"nics": [direct("red")]})
    assert reply.status == 400
    assert query.partition("=")[0] in reply.json()["error"]["message"]


def test_explain_lists_no_hosts_for_a_tenant(world: TwoNetworks) -> None:
    body = {"nics": [direct("red")] * 3}
    for query, status in (("limit=1", 403), ("marker=h1", 403), ("nearest=2", 200)):
        reply = world.ask(f"/explain?{query}", method="POST", body=body, tenant=True)
        assert reply.status == status


def test_explain_tells_a_tenant_counts_only(world: TwoNetworks) -> None:
    fits = explain(world, direct("red"), tenant=True)
    assert (fits["fits"], fits["host"], fits["nics"]) == (True, None, [])
    refused = explain(world, direct("red"), direct("red"), direct("red"), tenant=True)
    assert (refused["hosts"], refused["nearest"], refused["host_count"]) == ([], None, None)
    assert sum(refused["counts"].values()) == 2


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"nics": [{"network": "nowhere"}]}, 404, "network nowhere"),
        ({"nics": [{"port": "nowhere"}]}, 404, "port nowhere"),
        ({"nics": [], "flavor": "huge"}, 404, "flavor huge"),
        ({"nics": [], "host": "h9"}, 404, "host h9"),
        ({"nics": [{}]}, 400, "nics[0].network"),
        ({"nics": [{"port": "a", "vnic_type": "direct"}]}, 400, "nics[0].vnic_type"),
        ({"nics": [{"network": "blue", "vnic_type": "vdpa"}]}, 400, "vDPA"),
        ({"nics": [{"network": "blue", "vnic_type": "magic"}]}, 400, "macvtap"),
        ({"nics": [{"network": "blue", "fixed_ip": "10.0.0.256"}]}, 400, "not an IP address"),
        ({"nics": [{"network": "blue", "fixed_ip": "10.9.0.1"}]}, 400, "in none of the subnets"),
        ({"nics": [{"network": "blue", "color": 1}]}, 400, "nics[0].color"),
        ({"nics": [{"network": "blue"}] * 65}, 400, "at most 64"),
        ({"nics": "blue"}, 400, "nics"),
    ],
)
def test_explain_refuses_what_it_does_not_understand(
    world: TwoNetworks, body: object, status: int, said: str
) -> None:
    reply = world.ask("/explain", method="POST", body=body)
    assert reply.status == status
    assert said in reply.json()["error"]["message"]


def test_a_name_that_several_have_is_refused(world: TwoNetworks) -> None:
    for _ in range(2):
        world.port(world.blue, "twin", VnicType.DIRECT)
    reply = world.ask("/explain", method="POST", body={"nics": [{"port": "twin"}]})
    assert reply.status == 400
    assert "give the ID" in reply.json()["error"]["message"]


def test_the_path_of_a_server_leads_from_nic_to_vlan(world: TwoNetworks) -> None:
    server = world.server("web", world.port(world.red, "p", VnicType.DIRECT))
    for ref in ("web", server.server.id):
        found = world.ask(f"/servers/{ref}/path").json()
        assert (found["name"], found["host"], found["status"]) == ("web", "h1", "BUILD")
        [nic] = found["nics"]
        assert (nic["device"]["kind"], nic["device"]["address"]) == ("vf", "0000:06:02.0")
        assert (nic["pf"]["address"], nic["pf"]["ifname"]) == ("0000:06:00.0", "eth6")
        assert (nic["physical_network"], nic["network_type"]) == ("phy2", "vlan")
        assert nic["segmentation_id"] == 220


def test_a_tenant_sees_its_server_without_host_and_device(world: TwoNetworks) -> None:
    world.server("web", world.port(world.red, "p", VnicType.DIRECT))
    reply = world.ask("/servers/web/path", tenant=True)
    found = reply.json()
    assert (found["name"], found["host"], found["nics"][0]["device"]) == ("web", None, None)
    for secret in (b"h1", b"0000:06", b"phy2", b"220"):
        assert secret not in reply.body


def test_what_belongs_to_another_project_is_not_found(world: TwoNetworks) -> None:
    asked = ServerCreate(name="theirs", flavor_id=world.small.id, image_id=None, nics=())
    theirs = create_server(world.site.svc, world.admin, asked)
    for ref in ("theirs", theirs.id):
        assert world.ask(f"/servers/{ref}/path").status == 200
        assert world.ask(f"/servers/{ref}/path", tenant=True).status == 404
    for ref in ("secret", world.secret.id):
        body = {"nics": [{"network": ref}]}
        assert world.ask("/explain", method="POST", body=body, tenant=True).status == 404


def test_events_say_who_did_what_newest_first(world: TwoNetworks) -> None:
    server = world.server("web", world.port(world.red, "p", VnicType.DIRECT))
    found = items(world.ask(f"/events?server_id={server.server.id}"), "events")
    assert found
    assert [event["number"] for event in found] == sorted(
        (event["number"] for event in found), reverse=True
    )
    assert {event["actor"] for event in found} == {"user demo"}
    assert {"server.create", "device.claim"} <= {event["action"] for event in found}
    [claim] = [event for event in found if event["action"] == "device.claim"]
    assert items(world.ask(f"/events?device_id={claim['device_id']}"), "events") == [claim]
    assert claim in items(world.ask("/events?host=h1"), "events")
    first, second = (items(world.ask(f"/events?limit=1{more}"), "events")
                     for more in ("", f"&marker={found[0]['number']}"))  # fmt: skip
    assert second[0]["number"] < first[0]["number"]


def test_events_tell_a_tenant_no_host_and_no_address(world: TwoNetworks) -> None:
    world.server("web", world.port(world.red, "p", VnicType.DIRECT))
    reply = world.ask("/events", tenant=True)
    assert {event["action"] for event in items(reply, "events")} >= {"device.claim"}
    for secret in (b"h1", b"0000:06"):
        assert secret not in reply.body
    for query in ("host=h1", "device_id=x"):
        assert world.ask(f"/events?{query}", tenant=True).status == 403


@pytest.mark.parametrize(
    ("method", "target"),
    [("GET", "/hosts"), ("GET", "/hosts/h1"), ("PATCH", "/hosts/h1"), ("GET", "/devices"),
     ("GET", "/physical-networks")],
)  # fmt: skip
def test_what_is_for_admins_is_refused_to_tenants(
    world: TwoNetworks, method: str, target: str
) -> None:
    assert world.ask(target, method=method, body={"enabled": False}, tenant=True).status == 403


def test_a_tenant_sees_its_networks_without_segments(world: TwoNetworks) -> None:
    found = items(world.ask("/networks", tenant=True), "networks")
    assert {item["name"]: item["segments"] for item in found} == {"blue": None, "red": None}


def test_nobody_is_shown_anything_without_a_token(world: TwoNetworks) -> None:
    for target in ("/hosts", "/networks", "/events", "/hosts/h1/desired"):
        assert world.site.http.request("GET", f"/trunkline/v1{target}").status == 401


@pytest.mark.parametrize("list_", ["devices", "events"])
def test_a_host_that_is_not_there_is_told_and_not_answered_with_nothing(
    world: TwoNetworks, list_: str
) -> None:
    reply = world.ask(f"/{list_}?host=nosuch")
    assert reply.status == 404
    assert "nosuch" in reply.json()["error"]["message"]
    by_name = items(world.ask(f"/{list_}?host=h1"), list_)
    host_id = world.ask("/hosts/h1").json()["id"]
    assert items(world.ask(f"/{list_}?host={host_id}"), list_) == by_name


def test_verifying_goes_page_by_page_and_finds_nothing_wrong(world: TwoNetworks) -> None:
    first = world.ask("/verify", method="POST", body={"limit": 1}).json()
    assert (first["host_count"], first["findings"]) == (1, [])
    body = {"limit": 1, "marker": first["marker"], "mend": True}
    second = world.ask("/verify", method="POST", body=body).json()
    assert second["host_count"] == 1
    last = world.ask("/verify", method="POST", body={"marker": second["marker"]}).json()
    assert last == {"host_count": 0, "marker": None, "findings": []}


@pytest.mark.parametrize("body", [{"limit": 0}, {"limit": 101}, {"repair": True}, {"mend": "x"}])
def test_verifying_refuses_what_it_does_not_know(world: TwoNetworks, body: object) -> None:
    assert world.ask("/verify", method="POST", body=body).status == 400


def test_tenants_verify_nothing(world: TwoNetworks) -> None:
    assert world.ask("/verify", method="POST", body={}, tenant=True).status == 403


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/quotas/demo/nic", {"limit": 1}),
        ("/quotas/demo/vf", {}),
        ("/quotas/demo/vf", {"limit": -1}),
        ("/quotas/demo/vf", {"limit": 2**31}),
        ("/quotas/demo/vf", {"limit": 1, "physical_network": ""}),
        ("/quotas/demo/vf", {"limit": 1, "kind": "vf"}),
    ],
)
def test_a_quota_that_makes_no_sense_is_refused(
    world: TwoNetworks, path: str, body: object
) -> None:
    assert world.ask(path, method="PUT", body=body).status == 400


def test_a_quota_on_a_physical_network_that_is_not_there_is_not_found(world: TwoNetworks) -> None:
    body = {"limit": 1, "physical_network": "phy7"}
    refused = world.ask("/quotas/demo/vf", method="PUT", body=body)
    assert (refused.status, refused.json()["error"]["message"]) == (
        404,
        "physical network phy7 could not be found",
    )
    body["physical_network"] = "phy2"
    assert world.ask("/quotas/demo/vf", method="PUT", body=body).status == 200


def test_a_server_beyond_its_projects_quota_is_refused_with_403(world: TwoNetworks) -> None:
    assert world.ask("/quotas/demo/vf", method="PUT", body={"limit": 0}).status == 200
    port = world.port(world.red, "p", VnicType.DIRECT).port
    disk = {"boot_index": 0, "source_type": "blank", "destination_type": "local"}
    server = {
        "name": "web", "flavorRef": world.small.id, "networks": [{"port": port.id}],
        "block_device_mapping_v2": [disk],
    }  # fmt: skip
    reply = world.site.http.request(
        "POST", "/compute/v2.1/servers", token=world.demo_token, body={"server": server}
    )
    assert reply.status == 403, reply
    assert "quota exceeded for VFs: 1 asked for, 0 of 0 held" in str(reply.json())


def test_devices_on_a_physical_network_that_is_not_there_are_an_error(world: TwoNetworks) -> None:
    assert world.ask("/devices?physical_network=phy9").status == 404
