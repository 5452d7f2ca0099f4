"""Key pairs through HTTP: each user's own, brought along, and given to servers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site, server_request
from tests.support.http_app import Reply
from tests.support.ssh_keys import an_ssh_key
from trunkline.control.desired import desired_config
from trunkline.domain.quota import OF_EACH, Resource


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path) as scene:
        yield scene


def call(
    scene: ComputeSite, method: str, path: str, *, user: str = "demo", body: object = None
) -> Reply:
    return scene.call(method, path, version="2.96", user=user, body=body)


def bring(scene: ComputeSite, name: str = "mine", *, user: str = "demo", **fields: Any) -> Reply:
    body = {"keypair": {"name": name, "public_key": an_ssh_key()} | fields}
    return call(scene, "POST", "/os-keypairs", user=user, body=body)


def names(scene: ComputeSite, query: str = "", *, user: str = "demo") -> list[str]:
    reply = call(scene, "GET", f"/os-keypairs{query}", user=user)
    assert reply.status == 200, reply
    return [each["keypair"]["name"] for each in reply.json()["keypairs"]]


def said(reply: Reply) -> tuple[int, str]:
    (told,) = reply.json().values()
    return reply.status, told["message"]


def test_a_key_is_shown_as_it_was_brought_and_gone_once_deleted(scene: ComputeSite) -> None:
    made = bring(scene)
    assert made.status == 201
    shown = call(scene, "GET", "/os-keypairs/mine").json()["keypair"]
    assert shown["public_key"] == an_ssh_key()
    assert {key: shown[key] for key in made.json()["keypair"]} == made.json()["keypair"]
    assert bring(scene).status == 409
    assert call(scene, "DELETE", "/os-keypairs/mine").status == 204
    assert call(scene, "GET", "/os-keypairs/mine").status == 404
    assert call(scene, "DELETE", "/os-keypairs/mine").status == 404


def test_each_user_has_their_own_and_admins_see_those_of_others(scene: ComputeSite) -> None:
    owner = bring(scene).json()["keypair"]["user_id"]
    assert names(scene, user="admin") == []
    assert call(scene, "GET", "/os-keypairs/mine", user="admin").status == 404
    assert bring(scene, user="admin").status == 201, "names are unique among a user's own"
    assert names(scene, f"?user_id={owner}", user="admin") == ["mine"]
    admin = bring(scene, "other", user="admin").json()["keypair"]["user_id"]
    for method, path in (
        ("GET", f"/os-keypairs?user_id={admin}"),
        ("GET", f"/os-keypairs/other?user_id={admin}"),
        ("DELETE", f"/os-keypairs/other?user_id={admin}"),
    ):
        assert call(scene, method, path).status == 403, (method, path)
    assert bring(scene, "third", user_id=admin).status == 403
    assert bring(scene, "for-demo", user="admin", user_id=owner).status == 201
    assert names(scene) == ["for-demo", "mine"]


def test_lists_come_in_pages_by_name(scene: ComputeSite) -> None:
    for name in ("c", "a", "b"):
        bring(scene, name)
    reply = call(scene, "GET", "/os-keypairs?limit=2").json()
    assert [each["keypair"]["name"] for each in reply["keypairs"]] == ["a", "b"]
    assert "marker=b" in reply["keypairs_links"][0]["href"]
    assert names(scene, "?marker=b") == ["c"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"public_key": None}, "ssh-keygen"),
        ({"public_key": "ssh-rsa AAAA"}, "keypair.public_key"),
        ({"type": "x509"}, "only ssh keys"),
        ({"name": "a/b"}, "keypair.name"),
        ({"name": ""}, "keypair.name"),
        ({"colour": "red"}, "keypair.colour"),
    ],
)
def test_what_can_not_be_kept_is_refused_with_the_reason(
    scene: ComputeSite, fields: dict[str, Any], words: str
) -> None:
    fields = {"name": "mine"} | fields
    reply = bring(scene, **fields)
    status, message = said(reply)
    assert status == 400
    assert words in message
    assert names(scene) == []


def test_a_user_has_only_so_many(scene: ComputeSite) -> None:
    most = OF_EACH[Resource.KEY_PAIRS].without_quota
    assert most is not None
    for number in range(most):
        bring(scene, f"k{number}")
    status, message = said(bring(scene, "one-more"))
    assert (status, f"{most} of {most} held" in message) == (403, True)
    assert bring(scene, user="admin").status == 201


def test_a_server_keeps_the_key_that_it_was_made_with(scene: ComputeSite) -> None:
    bring(scene)
    server = scene.a_server(key_name="mine")["id"]
    call(scene, "DELETE", "/os-keypairs/mine")
    bring(scene, public_key=an_ssh_key(2))
    assert call(scene, "GET", f"/servers/{server}").json()["server"]["key_name"] == "mine"
    configs = [desired_config(scene.site.svc, agent.name) for agent in scene.agents]
    (config,) = [each for config in configs for each in config.servers if each.id == server]
    assert config.guest is not None
    assert config.guest.public_keys == {"mine": an_ssh_key()}


def test_a_server_can_not_be_made_with_a_key_that_its_owner_does_not_have(
    scene: ComputeSite,
) -> None:
    bring(scene, "theirs", user="admin")
    asked = server_request(scene.flavor, "web", scene.a_port(scene.blue))
    body = {"server": asked | {"key_name": "theirs"}}
    status, message = said(call(scene, "POST", "/servers", body=body))
    assert status == 400
    assert "no key pair theirs" in message
