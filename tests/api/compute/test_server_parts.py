"""What Nova keeps under a server and beside servers, where there is little of it here, or none."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site
from tests.support.response_schemas import ResponseSchemas


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path_factory.mktemp("site")) as scene:
        yield scene


@pytest.fixture(scope="module")
def server(scene: ComputeSite) -> str:
    return f"/servers/{scene.a_server('web', scene.a_port(scene.blue))['id']}"


@pytest.fixture(scope="module")
def foreign(scene: ComputeSite) -> str:
    return f"/servers/{scene.a_server('foreign', '', user='admin', networks='none')['id']}"


NOTHING: dict[str, tuple[int, Any]] = {
    "migrations": (23, {"migrations": []}),
    "os-volume_attachments": (1, {"volumeAttachments": []}),
    "shares": (97, {"shares": []}),
    "os-server-password": (1, {"password": ""}),
    "topology": (78, {"nodes": [], "pagesize_kb": None}),
}


@pytest.mark.parametrize("part", NOTHING)
def test_what_there_is_none_of_is_said_from_its_version_on(
    scene: ComputeSite, server: str, foreign: str, part: str
) -> None:
    since, body = NOTHING[part]
    reply = scene.call("GET", f"{server}/{part}", version=f"2.{since}")
    assert (reply.status, reply.json()) == (200, body)
    if since > 1:
        assert scene.call("GET", f"{server}/{part}", version=f"2.{since - 1}").status == 404
    assert scene.call("GET", f"{foreign}/{part}", version=f"2.{since}").status == 404


REFUSED: Final[tuple[tuple[str, str, Any, int], ...]] = (
    ("POST", "os-volume_attachments", {"volumeAttachment": {"volumeId": "v"}}, 501),
    ("GET", "os-volume_attachments/v", None, 404), ("PUT", "os-volume_attachments/v", {}, 404),
    ("DELETE", "os-volume_attachments/v", None, 404),
    ("POST", "shares", {"share": {"share_id": "s"}}, 501), ("GET", "shares/s", None, 404),
    ("DELETE", "shares/s", None, 404), ("GET", "migrations/1", None, 404),
    ("DELETE", "migrations/1", None, 404), ("POST", "migrations/1/action", {}, 404),
    ("GET", "diagnostics", None, 501),
)  # fmt: skip


@pytest.mark.parametrize(("method", "tail", "body", "status"), REFUSED)
def test_what_is_not_served_is_refused(
    scene: ComputeSite, server: str, foreign: str, method: str, tail: str, body: Any, status: int
) -> None:
    reply = scene.call(method, f"{server}/{tail}", version="2.100", body=body)
    assert reply.status == status
    assert scene.call(method, f"{foreign}/{tail}", version="2.100", body=body).status == 404
    if method == "POST" and status == 501:
        readers = scene.call(method, f"{server}/{tail}", version="2.100", user="reader", body=body)
        assert readers.status == 403


@pytest.mark.parametrize(
    "version", ["2.1", "2.35", "2.36", "2.38", "2.39", "2.56", "2.57", "2.100"]
)
def test_limits_are_what_tempest_takes(
    scene: ComputeSite, response_schemas: ResponseSchemas, version: str
) -> None:
    reply = scene.call("GET", "/limits", version=version)
    response_schemas.check(
        "limits", "get_limit", microversion=version, status=reply.status, body=reply.json()
    )


def test_limits_tell_what_a_project_has(scene: ComputeSite, server: str) -> None:
    limits = scene.call("GET", "/limits", version="2.57").json()["limits"]["absolute"]
    assert limits["totalInstancesUsed"] >= 1
    assert limits["maxServerMeta"] == 128
    project = scene.caller().project_id
    path = f"/limits?tenant_id={project}"
    same = scene.call("GET", path, version="2.57", user="admin").json()["limits"]["absolute"]
    assert same == limits
    other = scene.caller("admin").project_id
    assert scene.call("GET", f"/limits?tenant_id={other}").status in (400, 403)
    assert scene.call("GET", "/limits?colour=red", version="2.57").status == 400


def test_extensions_are_what_tempest_takes(
    scene: ComputeSite, response_schemas: ResponseSchemas
) -> None:
    reply = scene.call("GET", "/extensions")
    response_schemas.check(
        "extensions", "list_extensions", microversion=None, status=200, body=reply.json()
    )
    alias = reply.json()["extensions"][0]["alias"]
    assert scene.call("GET", f"/extensions/{alias}").json()["extension"]["alias"] == alias
    assert scene.call("GET", "/extensions/os-nothing").status == 404


def test_statistics_sum_over_hosts_until_2_87(
    scene: ComputeSite, response_schemas: ResponseSchemas
) -> None:
    path = "/os-hypervisors/statistics"
    reply = scene.call("GET", path, user="admin")
    response_schemas.check(
        "hypervisor", "get_hypervisor_statistics", microversion=None, status=200,
        body=reply.json(),
    )  # fmt: skip
    found = scene.call("GET", "/os-hypervisors/detail", user="admin").json()["hypervisors"]
    statistics = reply.json()["hypervisor_statistics"]
    assert statistics["count"] == len(found) == 2
    assert statistics["vcpus"] == sum(each["vcpus"] for each in found)
    assert scene.call("GET", path).status == 403
    assert scene.call("GET", path, user="admin", version="2.88").status == 404
