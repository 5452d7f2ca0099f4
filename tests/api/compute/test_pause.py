"""Pausing and unpausing servers: what is shown meanwhile, and when it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site
from trunkline.control.desired import desired_config
from trunkline.control.events import list_events
from trunkline.domain.listing import ListQuery
from trunkline.domain.server import PowerState


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path_factory.mktemp("site")) as scene:
        yield scene


@dataclass
class Web:
    """A server with a VF."""

    scene: ComputeSite
    id: str

    def act(self, name: str, value: object = None, *, user: str = "demo") -> int:
        path = f"/servers/{self.id}/action"
        return self.scene.call("POST", path, user=user, body={name: value}).status

    def states(self) -> tuple[str, str, str | None, int]:
        body: dict[str, Any] = self.scene.call("GET", f"/servers/{self.id}").json()["server"]
        return (
            body["status"],
            body["OS-EXT-STS:vm_state"],
            body["OS-EXT-STS:task_state"],
            body["OS-EXT-STS:power_state"],
        )

    def pause(self) -> None:
        assert self.act("pause") == 202
        self.scene.settle()
        assert self.states()[0] == "PAUSED"

    def config(self) -> Any:
        for agent in self.scene.agents:
            for each in desired_config(self.scene.site.svc, agent.name).servers:
                if each.id == self.id:
                    return each
        raise AssertionError(f"no host has {self.id}")


@pytest.fixture
def web(scene: ComputeSite) -> Iterator[Web]:
    made = Web(scene, str(scene.a_server()["id"]))
    scene.settle()
    assert made.states()[0] == "ACTIVE"
    yield made
    scene.call("DELETE", f"/servers/{made.id}", user="admin")
    scene.settle()


def test_a_server_is_paused_once_its_host_has_seen_so_and_goes_on_likewise(web: Web) -> None:
    boot_number = web.config().boot_number
    assert web.act("pause") == 202
    assert web.states() == ("ACTIVE", "active", "pausing", 1)
    # Agents of before can't read that a server is to be paused: to them it is to run.
    assert (web.config().power, web.config().paused) == (PowerState.RUNNING, True)
    web.scene.settle()
    assert web.states() == ("PAUSED", "paused", None, 3)
    assert web.act("unpause") == 202
    assert web.states() == ("PAUSED", "paused", "unpausing", 3)
    assert (web.config().power, web.config().boot_number) == (PowerState.RUNNING, boot_number)
    web.scene.settle()
    assert web.states() == ("ACTIVE", "active", None, 1)


REFUSED = (
    ("pause", None), ("os-stop", None), ("os-start", None), ("reboot", {"type": "SOFT"}),
    ("suspend", None), ("resume", None),
)  # fmt: skip


def test_what_does_not_befit_a_paused_server_is_refused(web: Web) -> None:
    web.pause()
    for name, value in REFUSED:
        assert web.act(name, value) == (501 if name == "suspend" else 409), name
    assert web.states()[0] == "PAUSED"


def test_only_a_server_that_runs_is_paused_and_only_a_paused_one_unpaused(web: Web) -> None:
    assert web.act("unpause") == 409
    web.act("os-stop")
    assert (web.act("pause"), web.act("unpause")) == (409, 409)
    web.scene.settle()
    assert (web.act("pause"), web.act("unpause")) == (409, 409)


def test_a_hard_reboot_starts_a_paused_server_afresh(web: Web) -> None:
    web.pause()
    boot_number = web.config().boot_number
    assert web.act("reboot", {"type": "HARD"}) == 202
    assert (web.config().power, web.config().boot_number) == (PowerState.RUNNING, boot_number + 1)
    web.scene.settle()
    assert web.states()[0] == "ACTIVE"


def test_a_paused_server_is_deleted_and_its_device_comes_back(web: Web) -> None:
    web.pause()
    assert web.scene.call("DELETE", f"/servers/{web.id}").status == 204
    assert web.scene.call("GET", f"/servers/{web.id}").status == 404
    web.scene.settle()
    configs = [desired_config(web.scene.site.svc, agent.name) for agent in web.scene.agents]
    assert not any(config.releases or config.servers for config in configs)


def test_a_locked_server_is_not_paused_and_a_reader_pauses_nothing(web: Web) -> None:
    assert web.act("pause", user="reader") == 403
    web.act("lock")
    assert web.act("pause") == 409
    assert web.act("pause", user="admin") == 202
    web.scene.settle()
    assert web.act("unpause") == 409
    web.act("unlock")
    assert web.act("unpause") == 202


def test_a_paused_server_is_given_no_nics_and_none_is_taken(web: Web) -> None:
    path = f"/servers/{web.id}/os-interface"
    asked = {"interfaceAttachment": {"port_id": web.scene.a_port(web.scene.blue)}}
    web.pause()
    assert web.scene.call("POST", path, body=asked).status == 409
    (nic,) = web.scene.call("GET", path).json()["interfaceAttachments"]
    assert web.scene.call("DELETE", f"{path}/{nic['port_id']}").status == 409


def test_a_server_is_not_paused_in_the_middle_of_a_change_of_its_nics(web: Web) -> None:
    path = f"/servers/{web.id}/os-interface"
    port = web.scene.a_port(web.scene.blue)
    asked = {"interfaceAttachment": {"port_id": port}}
    assert web.scene.call("POST", path, body=asked).status == 200
    assert web.act("pause") == 409
    web.scene.settle()
    assert web.scene.call("DELETE", f"{path}/{port}").status == 202
    assert web.act("pause") == 409
    web.scene.settle()
    web.pause()


def test_paused_servers_are_found_by_what_they_show(web: Web) -> None:
    web.pause()
    for query in ("status=PAUSED", "vm_state=paused", "power_state=3"):
        found = web.scene.call("GET", f"/servers?all_tenants=1&{query}", user="admin").json()
        assert [each["id"] for each in found["servers"]] == [web.id], query


def test_an_admins_mark_on_a_paused_server_is_lifted_by_a_reboot(web: Web) -> None:
    web.pause()
    assert web.act("os-resetState", {"state": "error"}, user="admin") == 202
    assert web.act("os-resetState", {"state": "active"}, user="admin") == 409
    assert web.act("reboot", {"type": "HARD"}) == 202
    web.scene.settle()
    assert web.states()[0] == "ACTIVE"


def test_who_paused_it_is_told_as_an_action_and_in_the_audit_trail(web: Web) -> None:
    web.pause()
    web.act("unpause")
    web.scene.settle()
    found = web.scene.call("GET", f"/servers/{web.id}/os-instance-actions").json()
    names = [action["action"] for action in found["instanceActions"]]
    assert names[:2] == ["unpause", "pause"]
    caller = web.scene.caller("demo")
    trail = list_events(web.scene.site.svc, caller, ListQuery(equals={"server_id": (web.id,)}))
    told = [event.action for event in trail if event.action.startswith("server.")]
    assert told[:4] == ["server.active", "server.unpause", "server.paused", "server.pause"]
