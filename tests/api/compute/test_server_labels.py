"""Metadata and tags of servers, as Nova's clients write and read them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import quote

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site
from trunkline.control.desired import desired_config


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path_factory.mktemp("site")) as scene:
        yield scene


@pytest.fixture(scope="module")
def foreign(scene: ComputeSite) -> str:
    """A server of the admin's project."""
    body = {"networks": "none", "metadata": {"k": "v"}, "tags": ["t"]}
    return str(scene.a_server("foreign", scene.a_port(scene.red), user="admin", **body)["id"])


@pytest.fixture
def path(scene: ComputeSite) -> str:
    server = scene.a_server("web", scene.a_port(scene.blue), networks="none", metadata={"a": "1"})
    return f"/servers/{server['id']}"


def metadata(scene: ComputeSite, path: str) -> dict[str, str]:
    found: dict[str, str] = scene.call("GET", f"{path}/metadata").json()["metadata"]
    return found


def tags(scene: ComputeSite, path: str) -> list[str]:
    found: list[str] = scene.call("GET", f"{path}/tags", version="2.26").json()["tags"]
    return found


def test_metadata_is_added_replaced_and_taken_off(scene: ComputeSite, path: str) -> None:
    def send(method: str, tail: str, body: object) -> tuple[int, object]:
        reply = scene.call(method, f"{path}/metadata{tail}", body=body)
        return reply.status, reply.json()

    added = {"metadata": {"b": "2"}}
    assert send("POST", "", added) == (200, {"metadata": {"a": "1", "b": "2"}})
    assert send("PUT", "/a", {"meta": {"a": "3"}}) == (200, {"meta": {"a": "3"}})
    assert metadata(scene, path) == {"a": "3", "b": "2"}
    assert scene.call("GET", f"{path}/metadata/a").json() == {"meta": {"a": "3"}}
    assert scene.call("DELETE", f"{path}/metadata/a").status == 204
    assert scene.call("DELETE", f"{path}/metadata/a").status == 404
    assert scene.call("GET", f"{path}/metadata/a").status == 404
    assert send("PUT", "", {"metadata": {"c": ""}}) == (200, {"metadata": {"c": ""}})
    assert send("PUT", "", {"metadata": {}}) == (200, {"metadata": {}})
    assert scene.call("GET", path).json()["server"]["metadata"] == {}


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("POST", "", {}),
        ("POST", "", {"meta": {"a": "1"}}),
        ("POST", "", {"metadata": None}),
        ("POST", "", {"metadata": {"": "1"}}),
        ("POST", "", {"metadata": {"k" * 256: "1"}}),
        ("POST", "", {"metadata": {"a/b": "1"}}),
        ("POST", "", {"metadata": {"a": "v" * 256}}),
        ("POST", "", {"metadata": {"a": None}}),
        ("POST", "", {"metadata": {"a": 1}}),
        ("PUT", "", {"metadata": ["a"]}),
        ("PUT", "/a", {"meta": {"b": "1"}}),
        ("PUT", "/a", {"meta": {"a": "1", "b": "2"}}),
        ("PUT", "/a", {"metadata": {"a": "1"}}),
    ],
)
def test_malformed_metadata_is_refused_and_changes_nothing(
    scene: ComputeSite, path: str, method: str, tail: str, body: object
) -> None:
    reply = scene.call(method, f"{path}/metadata{tail}", body=body)
    assert (reply.status, list(reply.json())) == (400, ["badRequest"])
    assert metadata(scene, path) == {"a": "1"}


def test_a_server_has_128_items_at_most_however_they_come(scene: ComputeSite, path: str) -> None:
    many = {str(number): "" for number in range(127)}
    assert scene.call("POST", f"{path}/metadata", body={"metadata": many}).status == 200
    for method, tail, body in (
        ("POST", "/metadata", {"metadata": {"more": ""}}),
        ("PUT", "/metadata/more", {"meta": {"more": ""}}),
        ("PUT", "/metadata", {"metadata": {str(number): "" for number in range(129)}}),
    ):
        reply = scene.call(method, path + tail, body=body)
        assert reply.status == 403
        assert "128" in reply.json()["forbidden"]["message"]
    assert len(metadata(scene, path)) == 128
    assert scene.call("PUT", f"{path}/metadata/0", body={"meta": {"0": "x"}}).status == 200


def test_items_that_are_written_at_once_are_all_kept(scene: ComputeSite, path: str) -> None:
    def write(number: int) -> int:
        body = {"meta": {f"k{number}": "v"}}
        return scene.call("PUT", f"{path}/metadata/k{number}", body=body).status

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(write, range(16))) == {200}
    assert len(metadata(scene, path)) == 17


def test_a_guest_is_told_the_metadata_that_there_is(scene: ComputeSite) -> None:
    server = scene.a_server("told", scene.a_port(scene.blue), metadata={"a": "1"})
    scene.call("POST", f"/servers/{server['id']}/metadata", body={"metadata": {"b": "2"}})
    configs = [desired_config(scene.site.svc, agent.name) for agent in scene.agents]
    guests = [s.guest for config in configs for s in config.servers if s.id == server["id"]]
    assert [guest.metadata for guest in guests if guest] == [{"a": "1", "b": "2"}]


def test_tags_are_added_replaced_and_taken_off(scene: ComputeSite, path: str) -> None:
    def send(method: str, tail: str, body: object = None) -> int:
        return scene.call(method, f"{path}/tags{tail}", version="2.26", body=body).status

    added = scene.call("PUT", f"{path}/tags/red", version="2.26")
    assert added.status == 201
    assert added.headers["location"].endswith(f"{path}/tags/red")
    assert send("PUT", "/red") == 204
    assert send("GET", "/red") == 204
    assert send("GET", "/blue") == 404
    assert send("PUT", "", {"tags": ["b", "a", "b"]}) == 200
    assert tags(scene, path) == ["a", "b"]
    assert scene.call("GET", path, version="2.26").json()["server"]["tags"] == ["a", "b"]
    assert send("DELETE", "/a") == 204
    assert send("DELETE", "/a") == 404
    assert tags(scene, path) == ["b"]
    assert send("DELETE", "") == 204
    assert tags(scene, path) == []
    odd = quote('a "b" \\ %', safe="")
    assert send("PUT", f"/{odd}") == 201
    assert tags(scene, path) == ['a "b" \\ %']


@pytest.mark.parametrize(
    ("method", "tail", "body"),
    [
        ("PUT", "", {}),
        ("PUT", "", {"tags": None}),
        ("PUT", "", {"tags": ["a,b"]}),
        ("PUT", "", {"tags": ["a/b"]}),
        ("PUT", "", {"tags": [""]}),
        ("PUT", "", {"tags": [1]}),
        ("PUT", "", {"tags": ["t" * 61]}),
        ("PUT", "", {"tags": [str(number) for number in range(51)]}),
        ("PUT", "/a%2Cb", None),
        ("PUT", "/" + "t" * 61, None),
    ],
)
def test_malformed_tags_are_refused(
    scene: ComputeSite, path: str, method: str, tail: str, body: object
) -> None:
    assert scene.call(method, f"{path}/tags{tail}", version="2.26", body=body).status == 400
    assert tags(scene, path) == []


def test_a_server_has_50_tags_at_most(scene: ComputeSite, path: str) -> None:
    body = {"tags": [str(number) for number in range(50)]}
    assert scene.call("PUT", f"{path}/tags", version="2.26", body=body).status == 200
    assert scene.call("PUT", f"{path}/tags/more", version="2.26").status == 400
    assert scene.call("PUT", f"{path}/tags/1", version="2.26").status == 204


def test_there_are_no_tags_before_2_26(scene: ComputeSite, path: str) -> None:
    for method, tail in (("GET", ""), ("PUT", "/a"), ("DELETE", ""), ("DELETE", "/a")):
        assert scene.call(method, f"{path}/tags{tail}", version="2.25").status == 404


ROUTES: Final[tuple[tuple[str, str, Any], ...]] = (
    ("GET", "/metadata", None), ("POST", "/metadata", {"metadata": {"a": "1"}}),
    ("PUT", "/metadata", {"metadata": {}}), ("GET", "/metadata/k", None),
    ("PUT", "/metadata/k", {"meta": {"k": "1"}}), ("DELETE", "/metadata/k", None),
    ("GET", "/tags", None), ("PUT", "/tags", {"tags": []}), ("DELETE", "/tags", None),
    ("GET", "/tags/t", None), ("PUT", "/tags/t", None), ("DELETE", "/tags/t", None),
)  # fmt: skip


@pytest.mark.parametrize(("method", "tail", "body"), ROUTES)
def test_other_projects_labels_do_not_exist_and_readers_only_look(
    scene: ComputeSite, foreign: str, path: str, method: str, tail: str, body: object
) -> None:
    def status(whose: str, user: str) -> int:
        return scene.call(method, whose + tail, version="2.26", user=user, body=body).status

    assert status(f"/servers/{foreign}", "demo") == 404
    if method != "GET":
        assert status(path, "reader") == 403
