"""Rebuilding servers: what becomes of them, what is answered, and when it is refused."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site
from tests.support.image_user import ImageUser
from tests.support.ssh_keys import an_ssh_key
from trunkline.control.desired import desired_config
from trunkline.domain.server import PowerState
from trunkline.reconcile.desired import ServerConfig
from trunkline.reconcile.report import (
    DeviceCondition,
    DeviceFact,
    ServerCondition,
    ServerFact,
)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path_factory.mktemp("site")) as scene:
        yield scene


def an_image(scene: ComputeSite, user: str = "demo", **fields: Any) -> str:
    owner = ImageUser(scene.site, user)
    image_id = owner.create(**fields)
    assert owner.upload(image_id, b"bytes").status == 204
    return image_id


@pytest.fixture(scope="module")
def image(scene: ComputeSite) -> str:
    return an_image(scene)


@dataclass
class Web:
    """A server with a VF."""

    scene: ComputeSite
    id: str

    def act(self, name: str, value: object = None, *, user: str = "demo") -> int:
        path = f"/servers/{self.id}/action"
        return self.scene.call("POST", path, user=user, body={name: value}).status

    def rebuild(self, image: str, *, version: str = "2.96", user: str = "demo", **more: Any) -> Any:
        path, body = f"/servers/{self.id}/action", {"rebuild": {"imageRef": image, **more}}
        return self.scene.call("POST", path, version=version, user=user, body=body)

    def shown(self, version: str = "2.96") -> dict[str, Any]:
        body: dict[str, Any] = self.scene.call(
            "GET", f"/servers/{self.id}", version=version, user="admin"
        ).json()["server"]
        return body

    def config(self) -> ServerConfig:
        for agent in self.scene.agents:
            for each in desired_config(self.scene.site.svc, agent.name).servers:
                if each.id == self.id:
                    return each
        raise AssertionError(f"no host has {self.id}")

    def password(self) -> str | None:
        """What its host is to put onto a drive that it makes."""
        guest = self.config().guest
        assert guest is not None
        return guest.admin_password

    def told(
        self,
        condition: ServerCondition,
        *,
        boot_number: int,
        disk_number: int | None = None,
        reason: str = "",
        devices: Sequence[DeviceFact] = (),
    ) -> None:
        """Have its host say this of it, and of `devices`; of the disk that it is to have."""
        fact = ServerFact(
            id=self.config().id,
            boot_number=boot_number,
            condition=condition,
            reason=reason,
            disk_number=self.config().disk_number if disk_number is None else disk_number,
        )
        for agent in self.scene.agents:
            config = desired_config(self.scene.site.svc, agent.name)
            if any(each.id == self.id for each in config.servers):
                agent.report(generation=config.generation, servers=[fact], devices=devices)


@pytest.fixture
def web(scene: ComputeSite) -> Iterator[Web]:
    made = Web(scene, str(scene.a_server()["id"]))
    scene.settle()
    assert made.shown()["status"] == "ACTIVE"
    yield made
    scene.call("DELETE", f"/servers/{made.id}", user="admin")
    scene.settle()


def test_a_server_gets_a_new_disk_and_keeps_all_else(web: Web, image: str) -> None:
    before, was = web.config(), web.shown()
    assert web.rebuild(image).status == 202
    after, shown = web.config(), web.shown()
    assert (shown["status"], shown["OS-EXT-STS:task_state"]) == ("REBUILD", "rebuilding")
    assert (after.disk_number, after.boot_number) == (2, before.boot_number + 1)
    assert after.image is not None
    assert after.image.id == image
    assert (after.nics, after.devices, after.power) == (before.nics, (), PowerState.RUNNING)
    web.scene.settle()
    shown = web.shown()
    assert (shown["status"], shown["image"]["id"]) == ("ACTIVE", image)
    for kept in ("OS-EXT-SRV-ATTR:host", "flavor", "addresses", "created", "hostId"):
        assert shown[kept] == was[kept], kept
    web.rebuild(image)
    assert web.config().disk_number == 3


def test_a_stopped_server_stays_stopped(web: Web, image: str) -> None:
    web.act("os-stop")
    web.scene.settle()
    assert web.rebuild(image).status == 202
    assert (web.config().disk_number, web.config().power) == (2, PowerState.STOPPED)
    assert web.shown()["status"] == "REBUILD"
    web.scene.settle()
    assert web.shown()["status"] == "SHUTOFF"
    assert web.act("os-start") == 202
    web.scene.settle()
    assert web.shown()["status"] == "ACTIVE"


def test_a_server_in_error_runs_again(web: Web, image: str) -> None:
    web.act("os-resetState", {"state": "error"}, user="admin")
    assert web.rebuild(image).status == 202
    web.scene.settle()
    assert web.shown()["status"] == "ACTIVE"
    assert web.config().disk_number == 2


def test_what_was_said_of_the_old_disk_says_nothing_of_the_new_one(web: Web, image: str) -> None:
    old = web.config().boot_number
    web.rebuild(image)
    web.told(ServerCondition.RUNNING, boot_number=old)
    assert web.shown()["status"] == "REBUILD"
    web.told(ServerCondition.STOPPED, boot_number=old)
    assert web.shown()["status"] == "REBUILD"
    web.scene.settle()
    assert web.shown()["status"] == "ACTIVE"


def test_an_agent_that_knows_of_no_rebuilds_does_not_rebuild(web: Web, image: str) -> None:
    web.rebuild(image)
    web.told(ServerCondition.RUNNING, boot_number=web.config().boot_number, disk_number=1)
    assert web.shown()["status"] == "REBUILD", "its guest was started on the disk of before"
    web.scene.settle()
    assert web.shown()["status"] == "ACTIVE"


def test_what_was_refused_for_the_disk_of_before_says_nothing_of_the_next_one(
    web: Web, image: str
) -> None:
    device = web.config().nics[0].device
    assert device is not None
    refused = DeviceFact(
        address=device.address, epoch=device.epoch, condition=DeviceCondition.REFUSED, reason="no"
    )
    web.rebuild(image)
    boot_number = web.config().boot_number

    def told(reason: str) -> None:
        web.told(
            ServerCondition.FAILED,
            boot_number=boot_number,
            disk_number=2,
            reason=reason,
            devices=[refused],
        )

    told("no")
    assert web.shown()["status"] == "ERROR"
    web.rebuild(image)
    told("no, once more")
    assert web.shown()["status"] == "REBUILD"
    web.scene.settle()
    assert web.shown()["status"] == "ACTIVE"


def test_a_password_that_no_guest_has_read_is_on_a_drive_that_is_made_again(
    web: Web, image: str
) -> None:
    web.act("os-stop")
    web.scene.settle()
    web.rebuild(image, adminPass="horse of another colour")
    web.scene.settle()
    assert web.shown()["status"] == "SHUTOFF"
    path = f"/servers/{web.id}"
    assert web.scene.call("PUT", path, body={"server": {"name": "renamed"}}).status == 200
    assert web.password() == "horse of another colour"
    web.act("os-start")
    web.scene.settle()
    assert web.password() is None


def test_a_reboot_is_a_way_out_of_a_rebuild_that_its_host_can_not_do(web: Web, image: str) -> None:
    web.act("os-stop")
    web.scene.settle()
    web.rebuild(image)
    web.told(ServerCondition.PENDING, boot_number=web.config().boot_number, reason="no room")
    assert web.act("reboot", {"type": "SOFT"}) == 409
    assert web.act("reboot", {"type": "HARD"}) == 202
    assert web.config().power is PowerState.RUNNING
    web.scene.settle()
    assert web.shown()["status"] == "ACTIVE"
    assert web.config().disk_number == 2


@pytest.mark.parametrize("was_stopped", [False, True])
def test_a_host_that_can_not_make_the_disk_says_so_and_another_image_helps(
    web: Web, image: str, was_stopped: bool
) -> None:
    if was_stopped:
        web.act("os-stop")
        web.scene.settle()
    web.rebuild(image)
    number = web.config().boot_number
    web.told(ServerCondition.FAILED, boot_number=number, reason="fetch image: it is gone")
    shown = web.shown()
    assert (shown["status"], shown["fault"]["message"]) == ("ERROR", "fetch image: it is gone")
    assert shown["OS-EXT-SRV-ATTR:host"] is not None
    assert web.config().power is PowerState.STOPPED
    assert web.rebuild(an_image(web.scene)).status == 202
    web.scene.settle()
    assert web.shown()["status"] == "ACTIVE"
    assert web.config().disk_number == 3


def test_what_is_given_by_the_way_is_changed_and_the_rest_is_kept(web: Web, image: str) -> None:
    key = {"keypair": {"name": f"k-{web.id}", "public_key": an_ssh_key()}}
    assert web.scene.call("POST", "/os-keypairs", version="2.92", body=key).status == 201
    user_data = base64.b64encode(b"#cloud-config").decode()
    reply = web.rebuild(
        image, name="renamed", description="d", metadata={"a": "1"}, key_name=f"k-{web.id}",
        user_data=user_data, hostname="h.example", adminPass="secret", accessIPv4="192.0.2.1",
        **{"OS-DCF:diskConfig": "AUTO"},
    )  # fmt: skip
    assert reply.status == 202
    assert reply.headers["location"].endswith(f"/servers/{web.id}")
    server = reply.json()["server"]
    told = {
        "name": "renamed", "description": "d", "metadata": {"a": "1"}, "adminPass": "secret",
        "key_name": f"k-{web.id}", "user_data": user_data, "accessIPv4": "192.0.2.1",
        "OS-DCF:diskConfig": "AUTO", "status": "REBUILD",
    }  # fmt: skip
    assert {name: server[name] for name in told} == told
    guest = web.config().guest
    assert guest is not None
    assert (guest.hostname, guest.metadata, guest.user_data) == ("h.example", {"a": "1"}, user_data)
    assert (guest.admin_password, list(guest.public_keys)) == ("secret", [f"k-{web.id}"])
    web.scene.settle()
    after = web.config().guest
    assert after is not None
    assert after.admin_password is None

    assert web.rebuild(image).status == 202
    kept = web.config().guest
    assert kept == after
    web.scene.settle()
    assert web.rebuild(image, key_name=None, user_data=None, description=None).status == 202
    shown = web.shown()
    assert (shown["key_name"], shown["description"]) == (None, None)
    assert shown["OS-EXT-SRV-ATTR:user_data"] is None


BAD: tuple[tuple[dict[str, Any], str, str], ...] = (
    ({"imageRef": ""}, "2.96", "imageRef"),
    ({"imageRef": None}, "2.96", "imageRef"),
    ({"imageRef": "ubuntu"}, "2.96", "imageRef"),
    ({"imageRef": "5e000000-0000-4000-8000-00000000dead"}, "2.96", "imageRef"),
    ({"name": ""}, "2.96", "name"),
    ({"name": None}, "2.96", "name"),
    ({"metadata": {"a": 1}}, "2.96", "metadata"),
    ({"metadata": {f"k{n}": "v" for n in range(200)}}, "2.96", "metadata"),
    ({"key_name": "nobody's"}, "2.96", "key"),
    ({"key_name": ""}, "2.96", "key_name"),
    ({"key_name": "k"}, "2.53", "key_name"),
    ({"user_data": "no base64!"}, "2.96", "user_data"),
    ({"user_data": "eA=="}, "2.56", "user_data"),
    ({"hostname": "-"}, "2.96", "hostname"),
    ({"hostname": "h"}, "2.89", "hostname"),
    ({"description": "d"}, "2.18", "description"),
    ({"personality": [{"path": "/x", "contents": "eA=="}]}, "2.56", "personality"),
    ({"personality": []}, "2.57", "personality"),
    ({"trusted_image_certificates": ["c"]}, "2.96", "trusted_image_certificates"),
    ({"trusted_image_certificates": None}, "2.62", "trusted_image_certificates"),
    ({"preserve_ephemeral": True}, "2.96", "preserve_ephemeral"),
    ({"adminPass": ""}, "2.96", "adminPass"),
    ({"accessIPv4": "fe80::1"}, "2.96", "accessIPv4"),
    ({"OS-DCF:diskConfig": "auto"}, "2.96", "diskConfig"),
    ({"flavorRef": "small"}, "2.96", "flavorRef"),
)


@pytest.mark.parametrize(("change", "version", "named"), BAD, ids=lambda it: str(it)[:40])
def test_what_is_malformed_or_not_served_is_refused_by_name_and_changes_nothing(
    web: Web, image: str, change: dict[str, Any], version: str, named: str
) -> None:
    before = web.config()
    path, body = f"/servers/{web.id}/action", {"rebuild": {"imageRef": image, **change}}
    reply = web.scene.call("POST", path, version=version, body=body)
    assert reply.status in (400, 403), reply
    assert named.lower() in str(reply.json()).lower()
    assert web.config() == before


@pytest.mark.parametrize("value", [None, "x", [], 1])
def test_a_rebuild_that_is_no_object_is_refused(web: Web, value: object) -> None:
    assert web.act("rebuild", value) == 400


def test_images_are_held_to_what_they_are_at_a_creation(web: Web, image: str) -> None:
    scene = web.scene
    queued = ImageUser(scene.site, "demo").create()
    private = an_image(scene, "admin", visibility="private")
    big = an_image(scene, min_disk=10_000)
    hungry = an_image(scene, min_ram=1_000_000)
    confined = an_image(scene, hw_pci_numa_affinity_policy="required")
    off = an_image(scene)
    path = f"/image/v2/images/{off}/actions/deactivate"
    scene.site.http.request("POST", path, token=scene.token("admin"))
    for refused in (queued, private, big, hungry, off, confined):
        assert web.rebuild(refused).status == 400, refused
    assert web.config().disk_number == 1


def test_an_image_that_a_server_was_rebuilt_from_is_not_deleted(web: Web) -> None:
    image = an_image(web.scene)
    web.rebuild(image)
    owner = ImageUser(web.scene.site, "demo")
    assert owner.delete(image) == 409
    web.scene.settle()
    web.rebuild(an_image(web.scene))
    assert owner.delete(image) == 204


def test_in_other_states_it_is_refused(web: Web, image: str) -> None:
    building = Web(web.scene, str(web.scene.a_server("building")["id"]))
    assert building.rebuild(image).status == 409
    web.scene.settle()
    web.scene.call("DELETE", f"/servers/{building.id}")
    web.act("pause")
    assert web.rebuild(image).status == 409
    web.scene.settle()
    assert web.rebuild(image).status == 409
    web.act("unpause")
    web.scene.settle()
    web.rebuild(image)
    assert web.rebuild(image).status == 409
    assert [web.act(name) for name in ("os-stop", "os-start", "pause")] == [409, 409, 409]


def test_a_server_that_fits_nowhere_is_not_rebuilt(scene: ComputeSite, image: str) -> None:
    whole = [{"uuid": scene.blue.id, "vnic_type": "direct-physical"} for _ in range(9)]
    lost = Web(scene, str(scene.a_server("lost", networks=whole)["id"]))
    assert lost.shown()["status"] == "ERROR"
    assert lost.rebuild(image).status == 409
    scene.call("DELETE", f"/servers/{lost.id}")


def test_who_may_rebuild(web: Web, image: str) -> None:
    assert web.rebuild(image, user="reader").status == 403
    web.act("lock")
    assert web.rebuild(image).status == 409
    assert web.rebuild(image, user="admin").status == 202
    foreign = web.scene.a_server("foreign", web.scene.a_port(web.scene.red), user="admin")
    assert Web(web.scene, foreign["id"]).rebuild(image).status == 404
    web.scene.call("DELETE", f"/servers/{foreign['id']}", user="admin")


def test_an_admin_gives_a_key_of_the_servers_user(web: Web, image: str) -> None:
    for user in ("demo", "admin"):
        key = {"keypair": {"name": f"{user}-{web.id}", "public_key": an_ssh_key()}}
        path = "/os-keypairs"
        assert web.scene.call("POST", path, version="2.92", user=user, body=key).status == 201
    assert web.rebuild(image, user="admin", key_name=f"admin-{web.id}").status == 400
    assert web.rebuild(image, user="admin", key_name=f"demo-{web.id}").status == 202


def test_a_deleted_server_leaves_nothing_behind_in_the_middle_of_it(web: Web, image: str) -> None:
    web.rebuild(image)
    assert web.scene.call("DELETE", f"/servers/{web.id}").status == 204
    web.scene.settle()
    for agent in web.scene.agents:
        config = desired_config(web.scene.site.svc, agent.name)
        assert (config.servers, config.releases) == ((), ())


def test_it_is_told_as_an_action(web: Web, image: str) -> None:
    web.rebuild(image)
    web.scene.settle()
    found = web.scene.call("GET", f"/servers/{web.id}/os-instance-actions").json()
    assert [action["action"] for action in found["instanceActions"]] == ["rebuild", "create"]
