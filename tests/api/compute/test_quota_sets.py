"""Quotas as Nova knows them, through HTTP: shown, set, held to, and one answer for each version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site, server_request
from tests.support.http_app import Reply
from tests.support.response_schemas import ResponseSchemas

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
        ({"key_pairs": 1}, "key_pairs"),
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
