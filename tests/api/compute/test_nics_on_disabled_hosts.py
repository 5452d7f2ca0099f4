"""To disable a host keeps new servers from it; those that are there are given NICs as before."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.compute_site import ComputeSite, a_compute_site
from tests.support.http_app import Reply
from tests.support.world import AgentByHand
from trunkline.control.desired import desired_config
from trunkline.control.hosts import set_host_enabled


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[ComputeSite]:
    with a_compute_site(tmp_path) as scene:
        yield scene


def a_server_on_a_disabled_host(scene: ComputeSite) -> tuple[str, AgentByHand]:
    server_id: str = scene.a_server()["id"]
    scene.settle()
    (agent,) = [a for a in scene.agents if desired_config(scene.site.svc, a.name).servers]
    set_host_enabled(scene.site.svc, scene.caller("admin"), agent.name, enabled=False)
    return server_id, agent


def attach(scene: ComputeSite, server_id: str, **asked: str) -> Reply:
    return scene.call(
        "POST", f"/servers/{server_id}/os-interface", version="2.96",
        body={"interfaceAttachment": asked},
    )  # fmt: skip


def test_a_server_is_given_nics_by_a_host_that_takes_no_new_servers(scene: ComputeSite) -> None:
    server_id, agent = a_server_on_a_disabled_host(scene)
    for asked in ({"port_id": scene.a_port(scene.red)}, {"net_id": scene.blue.id}):
        reply = attach(scene, server_id, **asked)
        assert reply.status == 200, reply
    scene.settle()
    shown = scene.call("GET", f"/servers/{server_id}/os-interface").json()["interfaceAttachments"]
    assert [each["port_state"] for each in shown] == ["ACTIVE"] * 3
    (config,) = desired_config(scene.site.svc, agent.name).servers
    assert len(config.held_devices) == 2, "two NICs of three are VFs"


def test_a_host_that_is_stuck_gives_no_nic_and_it_is_told_why(scene: ComputeSite) -> None:
    server_id, agent = a_server_on_a_disabled_host(scene)
    agent.report(problem="no IOMMU")
    reply = attach(scene, server_id, port_id=scene.a_port(scene.red))
    told = reply.json()["badRequest"]["message"]
    assert (reply.status, told.endswith(": stuck")) == (400, True), reply
