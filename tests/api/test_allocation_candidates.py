"""Allocation candidates and usages of projects through HTTP, by version.

Of `two_networks`: h1 has cards of 2 VFs on phy1 and 2 on phy2, h2 one on phy1.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.http_app import Reply
from tests.support.two_networks import TwoNetworks
from trunkline.domain.port import VnicType


def ask(world: TwoNetworks, query: str, *, version: str = "1.39", path: str = "") -> Reply:
    return world.site.http.request(
        "GET",
        f"/placement/{path or 'allocation_candidates'}?{query}",
        token=world.admin_token,
        headers={"OpenStack-API-Version": f"placement {version}"},
    )


def names(world: TwoNetworks) -> dict[str, str]:
    """Of every provider, by its ID."""
    reply = ask(world, "", path="resource_providers")
    return {each["uuid"]: each["name"] for each in reply.json()["resource_providers"]}


def found(world: TwoNetworks, query: str, **how: str) -> list[dict[str, dict[str, int]]]:
    """What is taken of which provider, by name, each way."""
    reply = ask(world, query, **how)
    assert reply.status == 200, reply
    known = names(world)
    return [
        {known[one]: amounts["resources"] for one, amounts in each["allocations"].items()}
        for each in reply.json()["allocation_requests"]
    ]


def test_two_nics_and_cores_are_served_by_cards_of_one_host(world: TwoNetworks) -> None:
    query = (
        "resources=VCPU:2&resources_A=SRIOV_NET_VF:1&required_A=CUSTOM_PHYSNET_PHY1"
        "&resources_B=SRIOV_NET_VF:1&required_B=CUSTOM_PHYSNET_PHY2&group_policy=none"
    )
    assert found(world, query) == [
        {
            "h1": {"VCPU": 2},
            "h1_0000:05:00.0": {"SRIOV_NET_VF": 1},
            "h1_0000:06:00.0": {"SRIOV_NET_VF": 1},
        }
    ]
    told = ask(world, query).json()
    (mappings,) = [each["mappings"] for each in told["allocation_requests"]]
    known = names(world)
    assert {suffix: [known[one] for one in ids] for suffix, ids in mappings.items()} == {
        "": ["h1"], "_A": ["h1_0000:05:00.0"], "_B": ["h1_0000:06:00.0"],
    }  # fmt: skip
    summaries = {known[one]: each for one, each in told["provider_summaries"].items()}
    assert set(summaries) == {"h1", "h1_0000:05:00.0", "h1_0000:06:00.0"}
    card = summaries["h1_0000:05:00.0"]
    assert card["resources"]["SRIOV_NET_VF"] == {"capacity": 2, "used": 0}
    assert "CUSTOM_PHYSNET_PHY1" in card["traits"]
    assert known[card["parent_provider_uuid"]] == known[card["root_provider_uuid"]] == "h1"


def test_what_servers_hold_is_not_to_be_had(world: TwoNetworks) -> None:
    query = "resources1=SRIOV_NET_VF:2&required1=CUSTOM_PHYSNET_PHY2"
    assert found(world, query) == [{"h1_0000:06:00.0": {"SRIOV_NET_VF": 2}}]
    world.server("web", world.port(world.red, "p", VnicType.DIRECT))
    assert found(world, query) == []
    assert ask(world, query).json() == {"allocation_requests": [], "provider_summaries": {}}


def test_the_same_question_is_answered_anew_for_the_hosts_that_have_changed(
    world: TwoNetworks,
) -> None:
    query = "resources=VCPU:2&resources1=SRIOV_NET_VF:1"
    first = ask(world, query).json()
    assert ask(world, query).json() == first
    cut = ask(world, f"{query}&limit=1").json()
    assert cut["allocation_requests"] == first["allocation_requests"][:1]
    assert (
        ask(world, f"{query}&limit=2").json()["allocation_requests"]
        == (first["allocation_requests"][:2])
    )
    assert (
        ask(world, f"{query}&limit=2").json()["allocation_requests"]
        == (first["allocation_requests"][:2])
    )
    world.server("web", world.port(world.red, "p", VnicType.DIRECT))
    then = ask(world, query).json()
    used = [
        (name, each["used"])
        for one, summary in then["provider_summaries"].items()
        for name, each in summary["resources"].items()
        if summary != first["provider_summaries"].get(one) and each["used"]
    ]
    assert ("SRIOV_NET_VF", 1) in used, then
    # Another version is another form, though all else is the same.
    assert "mappings" not in ask(world, query, version="1.33").json()["allocation_requests"][0]


def test_parts_of_an_answer_that_are_kept_count_too(
    world: TwoNetworks, monkeypatch: pytest.MonkeyPatch
) -> None:
    query = "resources=VCPU:1"
    assert len(found(world, query)) == 2
    monkeypatch.setattr("trunkline.domain.candidates.CANDIDATES_MAX", 1)
    assert ask(world, query).status == 400


def test_a_limit_a_tree_and_traits_of_the_root_narrow_it_down(world: TwoNetworks) -> None:
    known = {name: one for one, name in names(world).items()}
    assert len(found(world, "resources=VCPU:1&limit=1")) == 1
    card = known["h2_0000:05:00.0"]
    assert found(world, f"resources=VCPU:1&in_tree={card}") == [{"h2": {"VCPU": 1}}]
    assert found(world, "resources=VCPU:1&root_required=HW_NIC_SRIOV") == []
    assert len(found(world, "resources=VCPU:1&root_required=!HW_NIC_SRIOV")) == 2


def test_each_version_has_its_own_form(world: TwoNetworks) -> None:
    def body(version: str, query: str = "resources=SRIOV_NET_VF:1") -> Any:
        reply = ask(world, query, version=version)
        assert reply.status == 200, reply
        return reply.json()

    first = body("1.10")
    (allocation,) = first["allocation_requests"][0]["allocations"]
    assert set(allocation) == {"resource_provider", "resources"}
    summary = next(iter(first["provider_summaries"].values()))
    assert summary == {"resources": {"SRIOV_NET_VF": {"capacity": 2, "used": 0}}}
    assert "traits" in next(iter(body("1.17")["provider_summaries"].values()))
    # Before trees were told of, what takes parts of several providers of one is left out.
    both = "resources=SRIOV_NET_VF:1,VCPU:1"
    assert body("1.28", both)["allocation_requests"] == []
    assert body("1.29", both)["allocation_requests"] != []
    assert len(body("1.29")["provider_summaries"]) > len(body("1.28")["provider_summaries"])
    assert "mappings" not in body("1.33")["allocation_requests"][0]
    assert "mappings" in body("1.34")["allocation_requests"][0]
    assert ask(world, "resources=VCPU:1", version="1.9").status == 404


@pytest.mark.parametrize(
    ("query", "said", "version"),
    [
        ("", "resources", "1.39"),
        ("required=HW_NIC_SRIOV", "resources", "1.39"),
        ("resources=VCPU", "not CLASS:AMOUNT", "1.39"),
        ("resources=VCPU:1&colour=red", "colour", "1.39"),
        ("resources=VCPU:1&limit=0", "limit", "1.39"),
        ("resources=VCPU:1&limit=many", "limit", "1.39"),
        ("resources=VCPU:1&limit=1", "1.16", "1.15"),
        ("resources=VCPU:1&required=A", "1.17", "1.16"),
        ("resources=VCPU:1&required=!A", "1.22", "1.21"),
        ("resources=VCPU:1&required=in:A,B", "1.39", "1.38"),
        ("resources1=VCPU:1", "1.25", "1.24"),
        ("resources_A=VCPU:1", "resources_A", "1.32"),
        ("resources1=VCPU:1&resources2=VCPU:1", "group_policy", "1.39"),
        ("resources1=VCPU:1&group_policy=both", "group_policy", "1.39"),
        ("resources_A=VCPU:1&required_B=X", "resources_B", "1.39"),
        ("resources_A=VCPU:1&same_subtree=_A,_C", "same_subtree", "1.39"),
        ("resources=VCPU:1&member_of=x", "member_of", "1.39"),
        ("&".join(f"resources{n}=VCPU:1" for n in range(1, 66)), "64 groups", "1.39"),
    ],
)
def test_a_query_that_means_nothing_is_refused_by_its_name(
    world: TwoNetworks, query: str, said: str, version: str
) -> None:
    reply = ask(world, query, version=version)
    (error,) = reply.json()["errors"]
    assert (reply.status, said in error["detail"]) == (400, True), reply


def test_candidates_and_usages_are_for_admins(world: TwoNetworks) -> None:
    for path in ("allocation_candidates?resources=VCPU:1", "usages?project_id=x"):
        reply = world.site.http.request("GET", f"/placement/{path}", token=world.demo_token)
        assert reply.status in (403, 404)
        reply = world.site.http.request(
            "GET", f"/placement/{path}", token=world.demo_token,
            headers={"OpenStack-API-Version": "placement 1.39"},
        )  # fmt: skip
        assert reply.status == 403


def test_what_a_project_holds_is_summed_over_all_providers(world: TwoNetworks) -> None:
    server = world.server("web", world.port(world.red, "p", VnicType.DIRECT)).server
    project, small = server.project_id, world.small
    held = {
        "VCPU": small.vcpus, "MEMORY_MB": small.memory_mib, "DISK_GB": small.disk_gib,
        "SRIOV_NET_VF": 1,
    }  # fmt: skip

    def usages(query: str, version: str = "1.37") -> Any:
        return ask(world, query, path="usages", version=version).json()["usages"]

    assert usages(f"project_id={project}") == held
    assert usages(f"project_id={project}&user_id={server.user_id}") == held
    assert usages(f"project_id={project}&user_id=nobody") == {}
    assert usages("project_id=nobody") == {}
    one = {"consumer_count": 1, **held}
    assert usages(f"project_id={project}", "1.39") == {"INSTANCE": one}
    assert usages(f"project_id={project}&consumer_type=INSTANCE", "1.39") == {"INSTANCE": one}
    assert usages(f"project_id={project}&consumer_type=MIGRATION", "1.39") == {}
    assert ask(world, "user_id=x", path="usages").status == 400
    assert ask(world, "project_id=x", path="usages", version="1.8").status == 404
