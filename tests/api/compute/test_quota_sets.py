"""Quotas as Nova knows them, through HTTP: shown, set, held to, and one answer for each version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site, server_request
from tests.support.http_app import Reply
from tests.support.response_schemas import ResponseSchemas
from tests.support.ssh_keys import an_ssh_key

VERSIONS = ("2.1", "2.35", "2.36", "2.49", "2.50", "2.56", "2.57", "2.96")


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path) as scene:
        yield scene


def ask(
    scene: ComputeSite,
    path: str,
    method: str = "GET",
    *,
    user: str = "admin",
    **body: Any,
) -> Reply:
    return scene.call(method, path, version="2.96", user=user, body=body or None)


def own(scene: ComputeSite) -> str:
    return f"/os-quota-sets/{scene.caller().project_id}"


def message(reply: Reply) -> str:
    (told,) = reply.json().values()
    return str(told["message"])


def test_without_quotas_nothing_is_limited(scene: ComputeSite) -> None:
    shown = ask(scene, own(scene), user="demo").json()["quota_set"]
    assert shown["id"] == scene.caller().project_id
    assert (shown["instances"], shown["cores"], shown["ram"]) == (-1, -1, -1)


def test_a_server_beyond_the_cores_of_its_project_is_refused_holding_nothing(
    scene: ComputeSite,
) -> None:
    limit = scene.flavor.vcpus
    assert ask(scene, own(scene), "PUT", quota_set={"cores": limit}).status == 200
    scene.a_server("first")
    port = scene.a_port(scene.blue)
    second = server_request(scene.flavor, "second", port)
    refused = ask(scene, "/servers", "POST", user="demo", server=second)
    assert refused.status == 403
    assert f"quota exceeded for cores: {limit} asked for, {limit} of {limit} held" in message(
        refused
    )
    assert [each["name"] for each in ask(scene, "/servers", user="demo").json()["servers"]] == [
        "first"
    ]
    detail = ask(scene, own(scene) + "/detail", user="demo").json()["quota_set"]
    assert detail["cores"] == {"limit": limit, "in_use": limit, "reserved": 0}
    assert detail["instances"] == {"limit": -1, "in_use": 1, "reserved": 0}
    assert detail["ram"]["in_use"] == scene.flavor.memory_mib


def test_a_limit_below_what_is_held_needs_force(scene: ComputeSite) -> None:
    scene.a_server()
    refused = ask(scene, own(scene), "PUT", quota_set={"instances": 0})
    assert (refused.status, "less than the 1 held" in message(refused)) == (400, True)
    forced = ask(scene, own(scene), "PUT", quota_set={"instances": 0, "force": True})
    assert forced.json()["quota_set"]["instances"] == 0


def test_what_all_projects_have_holds_until_one_has_its_own(scene: ComputeSite) -> None:
    default = "/os-quota-class-sets/default"
    assert ask(scene, default, "PUT", quota_class_set={"instances": 3}).status == 200
    assert ask(scene, own(scene)).json()["quota_set"]["instances"] == 3
    ask(scene, own(scene), "PUT", quota_set={"instances": -1})
    assert ask(scene, own(scene)).json()["quota_set"]["instances"] == -1
    assert ask(scene, own(scene) + "/defaults").json()["quota_set"]["instances"] == 3
    assert ask(scene, own(scene), "DELETE").status == 202
    assert ask(scene, own(scene)).json()["quota_set"]["instances"] == 3


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"cores": -2}, "cores"),
        ({"cores": 2**31}, "cores"),
        ({"cores": "many"}, "cores"),
        ({"cores": 1, "gigabytes": 1}, "gigabytes"),
        ({"key_pairs": -1}, "key_pairs"),
        ({"key_pairs": 1001}, "key_pairs"),
        ({"cores": 1, "metadata_items": 257}, "metadata_items"),
        ({"server_groups": -2}, "server_groups"),
        ({"floating_ips": 7}, "floating_ips"),
        ({"cores": 1, "tenant_id": "other"}, "tenant_id"),
        ({"cores": 1, "force": "perhaps"}, "force"),
        ([], "quota_set"),
    ],
)
def test_a_quota_that_makes_no_sense_is_refused_by_its_name(
    scene: ComputeSite, body: object, field: str
) -> None:
    refused = ask(scene, own(scene), "PUT", quota_set=body)
    assert (refused.status, field in message(refused)) == (400, True)
    assert ask(scene, own(scene)).json()["quota_set"]["cores"] == -1


def test_only_admins_set_quotas_or_see_those_of_others(scene: ComputeSite) -> None:
    other = f"/os-quota-sets/{scene.caller('admin').project_id}"
    assert ask(scene, other, user="demo").status == 403
    assert ask(scene, own(scene), "PUT", user="demo", quota_set={"cores": 1}).status == 403
    assert ask(scene, own(scene), "DELETE", user="demo").status == 403
    assert ask(scene, "/os-quota-class-sets/default", user="demo").status == 403
    assert ask(scene, "/os-quota-sets/nobody").status == 400
    assert ask(scene, "/os-quota-class-sets/gold").status == 404
    assert ask(scene, own(scene) + "?user_id=u", "PUT", quota_set={"cores": 1}).status == 400


def test_what_each_group_user_and_server_may_have_is_set_and_held_to(scene: ComputeSite) -> None:
    limits = {"server_groups": 1, "server_group_members": 1, "key_pairs": 1, "metadata_items": 2}
    assert ask(scene, own(scene), "PUT", quota_set=limits).status == 200
    assert limits.items() <= ask(scene, own(scene), user="demo").json()["quota_set"].items()
    absolute = ask(scene, "/limits", user="demo").json()["limits"]["absolute"]
    assert (absolute["maxServerGroups"], absolute["maxServerGroupMembers"]) == (1, 1)
    assert (absolute["maxTotalKeypairs"], absolute["maxServerMeta"]) == (1, 2)

    def refused(path: str, **body: Any) -> str:
        reply = ask(scene, path, "POST", user="demo", **body)
        assert reply.status == 403, reply
        return message(reply)

    group = {"name": "g", "policy": "affinity"}
    made = ask(scene, "/os-server-groups", "POST", user="demo", server_group=group)
    assert "server groups: 1 asked for, 1 of 1 held" in refused(
        "/os-server-groups", server_group=group
    )
    used = ask(scene, "/limits", user="demo").json()["limits"]["absolute"]["totalServerGroupsUsed"]
    assert used == 1
    key = {"name": "k", "public_key": an_ssh_key(), "type": "ssh"}
    assert ask(scene, "/os-keypairs", "POST", user="demo", keypair=key).status == 201
    assert "key pairs of a user: 1 asked for, 1 of 1 held" in refused(
        "/os-keypairs", keypair=key | {"name": "l"}
    )
    hints = {"os:scheduler_hints": {"group": made.json()["server_group"]["id"]}}
    first = server_request(scene.flavor, "a", scene.a_port(scene.blue))
    created = ask(scene, "/servers", "POST", user="demo", server=first, **hints)
    assert created.status == 202
    second = server_request(scene.flavor, "b", scene.a_port(scene.blue))
    assert "members of a server group: 1 asked for, 1 of 1 held" in refused(
        "/servers", server=second, **hints
    )
    items = {"a": "1", "b": "2", "c": "3"}
    assert "metadata items of a server: 3 asked for, 0 of 2 held" in refused(
        "/servers", server=second | {"metadata": items}
    )
    path = f"/servers/{created.json()['server']['id']}/metadata"
    assert "3 asked for, 0 of 2 held" in refused(path, metadata=items)
    assert [each["name"] for each in ask(scene, "/servers", user="demo").json()["servers"]] == ["a"]


def test_what_is_there_beyond_a_lowered_limit_stays_and_can_be_changed(scene: ComputeSite) -> None:
    server_id = scene.a_server(metadata={"a": "1", "b": "2"})["id"]
    assert ask(scene, own(scene), "PUT", quota_set={"metadata_items": 1}).status == 200
    path = f"/servers/{server_id}/metadata"
    assert ask(scene, path, "POST", user="demo", metadata={"a": "3"}).status == 200
    assert ask(scene, path, "POST", user="demo", metadata={"c": "4"}).status == 403
    assert ask(scene, path, "PUT", user="demo", metadata={"c": "4", "d": "5"}).status == 200


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_has_its_fields(
    scene: ComputeSite, response_schemas: ResponseSchemas, version: str
) -> None:
    limits = {"quota_set": {"cores": 5, "force": True}}
    for method, path, client, schema, body in (
        ("GET", own(scene), "quotas", "get_quota_set", None),
        ("GET", own(scene) + "/defaults", "quotas", "get_quota_set", None),
        ("GET", own(scene) + "/detail", "quotas", "get_quota_set_details", None),
        ("PUT", own(scene), "quotas", "update_quota_set", limits),
        ("DELETE", own(scene), "quotas", "delete_quota", None),
        ("GET", "/os-quota-class-sets/default", "quota_classes", "get_quota_class_set", None),
        ("PUT", "/os-quota-class-sets/default", "quota_classes", "update_quota_class_set",
         {"quota_class_set": {"cores": 5}}),
    ):  # fmt: skip
        reply = scene.call(method, path, version=version, user="admin", body=body)
        answer = reply.json() if reply.body else None
        response_schemas.check(
            client, schema, microversion=version, status=reply.status, body=answer
        )
