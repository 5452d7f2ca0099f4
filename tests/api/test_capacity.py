"""How many more servers of a shape fit, over HTTP.

h1 has 2 VFs on phy1 (blue) and 2 on phy2 (red), h2 has 2 on phy1.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http_app import Reply
from tests.support.two_networks import TwoNetworks
from trunkline.domain.port import VnicType

RED = {"network": "red", "vnic_type": "direct"}
BLUE = {"network": "blue", "vnic_type": "direct"}


def ask(world: TwoNetworks, body: object, *, tenant: bool = False) -> Reply:
    return world.ask("/capacity", method="POST", body=body, tenant=tenant)


def count(world: TwoNetworks, *nics: dict[str, str], **more: object) -> Any:
    reply = ask(world, {"nics": list(nics), **more})
    assert reply.status == 200, reply
    return reply.json()


def test_a_server_with_both_nics_fits_only_where_both_networks_are(world: TwoNetworks) -> None:
    answer = count(world, RED, BLUE)
    assert [(host["host"], host["least"]) for host in answer["hosts"]] == [("h1", 2), ("h2", 0)]
    assert count(world, BLUE)["least"] == 4
    assert count(world, BLUE, BLUE)["least"] == 2


def test_each_host_has_its_number_and_what_limits_it(world: TwoNetworks) -> None:
    answer = count(world, RED)
    assert answer["least"] == answer["most"] == sum(host["most"] for host in answer["hosts"])
    assert [host["host"] for host in answer["hosts"]] == ["h1", "h2"]
    assert answer["hosts"][1] == {
        "host": "h2", "least": 0, "most": 0, "limit": "not_cabled",
    }  # fmt: skip


def test_so_many_servers_are_then_placed_and_no_more(world: TwoNetworks) -> None:
    fit = count(world, RED, flavor="small")["least"]
    assert fit > 0
    for number in range(fit):
        world.server(f"s{number}", world.port(world.red, f"p{number}", VnicType.DIRECT))
    assert count(world, RED, flavor="small")["most"] == 0


def test_a_host_out_of_service_counts_nothing_and_says_so(world: TwoNetworks) -> None:
    world.site.http.request(
        "PATCH", "/trunkline/v1/hosts/h1", token=world.admin_token, body={"enabled": False}
    )
    answer = count(world, BLUE)
    assert answer["least"] == 2
    assert answer["limits"] == {"disabled": 1, "no_free_device": 1}
    assert answer["hosts"][0]["limit"] == "disabled"


def test_size_limits_servers_without_devices(world: TwoNetworks) -> None:
    answer = count(world, flavor="small")
    assert answer["least"] == answer["most"] > 0
    assert answer["limits"].keys() <= {"no_vcpus", "no_memory", "no_disk"}


def test_one_host_can_be_asked_about(world: TwoNetworks) -> None:
    answer = count(world, BLUE, host="h2")
    assert (answer["least"], answer["limits"]) == (2, {"no_free_device": 1})
    assert [host["host"] for host in answer["hosts"]] == ["h2"]


def test_pages_of_hosts_come_one_after_the_other_and_the_sum_stays(world: TwoNetworks) -> None:
    first = count(world, BLUE, limit=1)
    assert ([host["host"] for host in first["hosts"]], first["next_marker"]) == (["h1"], "h1")
    second = count(world, BLUE, limit=1, marker="h1")
    assert ([host["host"] for host in second["hosts"]], second["next_marker"]) == (["h2"], None)
    assert first["least"] == second["least"] == 4
    assert first["host_count"] == 2


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"nics": []}, 400, "nothing limits how many"),
        ({"nics": [{"network": "blue"}]}, 400, "nothing limits how many"),
        ({"nics": [BLUE], "limit": 0}, 400, "limit: must be between 1 and 1000"),
        ({"nics": [BLUE], "limit": "all"}, 400, "limit: must be a whole number"),
        ({"nics": [BLUE], "colour": 1}, 400, "colour: not known here"),
        ({"nics": [{"network": "grey"}]}, 404, "network grey could not be found"),
        ({"nics": [BLUE], "flavor": "huge"}, 404, "flavor huge could not be found"),
        ({"nics": [BLUE], "host": "h9"}, 404, "host h9 could not be found"),
        ([], 400, "body: must be an object"),
    ],
)
def test_what_is_not_understood_is_named(
    world: TwoNetworks, body: object, status: int, said: str
) -> None:
    reply = ask(world, body)
    assert reply.status == status
    assert said in reply.json()["error"]["message"]


def test_tenants_are_refused(world: TwoNetworks) -> None:
    assert ask(world, {"nics": [BLUE]}, tenant=True).status == 403


def mix(world: TwoNetworks, body: object, *, tenant: bool = False) -> Reply:
    token = world.demo_token if tenant else world.admin_token
    return world.site.http.request("POST", "/trunkline/v1/capacity/mix", token=token, body=body)


def test_mixes_are_counted_within_bounds(world: TwoNetworks) -> None:
    """Two blue servers a mix: h1 and h2 have two VFs each. One with red besides: only h1."""
    body = {"mix": [{"share": 2, "nics": [BLUE], "flavor": "small"}]}
    assert mix(world, body).json() == {"least": 2, "most": 2}
    body["mix"].append({"nics": [RED], "flavor": "small"})
    assert mix(world, body).json() == {"least": 1, "most": 2}


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 400, "mix: is required"),
        ({"mix": []}, 400, "mix: must have 1 to 64"),
        ({"mix": [{"share": 64, "nics": [BLUE]}]}, 400, "mix: must have 1 to 64"),
        ({"mix": [{"share": 0, "nics": [BLUE]}]}, 400, "mix[0].share: must be between 1 and 64"),
        ({"mix": [{"nics": [{"network": "blue"}]}]}, 400, "nothing limits one of its shapes"),
        ({"mix": [{"nics": [BLUE], "host": "h1"}]}, 400, "leave out host"),
        ({"mix": [{"nics": [{"network": "grey"}]}]}, 404, "network grey could not be found"),
    ],
)
def test_a_mix_that_is_not_understood_is_named(
    world: TwoNetworks, body: object, status: int, said: str
) -> None:
    reply = mix(world, body)
    assert reply.status == status
    assert said in reply.json()["error"]["message"]


def test_tenants_are_refused_mixes(world: TwoNetworks) -> None:
    assert mix(world, {"mix": [{"nics": [BLUE]}]}, tenant=True).status == 403
