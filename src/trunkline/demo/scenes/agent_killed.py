"""Scene 4: an agent is killed between two steps, twice, and started again."""

from __future__ import annotations

from typing import Any

from trunkline.demo.host_log import commands_since, mark
from trunkline.demo.stage import Server, Stage

NICS = (("blue", "direct"), ("red", "direct"), ("blue", "direct"))
KILL_SECONDS_MAX = 20.0


def play(stage: Stage) -> None:
    """Play the scene."""
    story, system, host = stage.story, stage.system, stage.system.external_host
    story.scene(4, "An agent is killed between two steps")
    story.say(
        f"The agent of {host} has been a process of its own all along, as on a real host: it "
        "reaches the server over HTTP, and this is its whole configuration:"
    )
    story.lines("compute.toml:", system.compute_file.read_text().splitlines())
    story.say(
        "It is started anew, told to end itself with SIGKILL right after its second write to a "
        "card. Then it gets a server with three NICs."
    )
    since, before = stage.claims.snapshot("before-agent-kill"), mark(stage.hosts, host)
    system.agent.stop()
    server_id = stage.request("phoenix", NICS, host=host)
    server = stage.find_server(server_id)

    _run_until_killed(stage, "after ip link set:2")
    story.say("Killed. The server is still BUILD, and half of the work is done:")
    stage.show_commands(host, commands_since(stage.hosts, host, before))
    _expect_build(stage, server_id)
    stage.claims.add(
        "phoenix: killed half way, with some of its VFs tagged and the guest not running",
        "partly_done", server=server_id, host=host, nics=_tagged(server),
    )  # fmt: skip
    stage.check()

    story.say("Started again, and killed again: with the guest started, but still paused.")
    _run_until_killed(stage, "after virsh start")
    _expect_build(stage, server_id)
    stage.claims.add(
        "phoenix: killed again, with the guest still paused, so that it can't send",
        "runs", server=server_id, host=host, macs=[n.mac for n in server.nics], power="paused",
    )  # fmt: skip
    stage.check()

    story.say("Started once more, and left alone: it looks at what is there, and finishes.")
    with story.waiting("starting the agent"):
        system.start_agent()
    server = stage.wait_active(server_id)
    stage.show(server, commands_since(stage.hosts, host, before))
    stage.claim(server)
    stage.claims.add("phoenix: over all three lives of the agent, no step was done twice",
                     "nothing_twice", host=host, since=since)  # fmt: skip
    stage.check()


def _run_until_killed(stage: Stage, point: str) -> None:
    with stage.story.waiting("running the agent until it is killed"):
        stage.system.start_agent(kill_at=point)
        stage.system.agent.wait_killed(seconds_max=KILL_SECONDS_MAX)


def _expect_build(stage: Stage, server_id: str) -> None:
    status = stage.cloud.server(server_id)["status"]
    stage.expect(status == "BUILD", f"server phoenix is {status}, though its agent is dead")


def _tagged(server: Server) -> list[dict[str, Any]]:
    return [
        {"device": nic.device.address, "vlan": nic.segmentation_id}
        for nic in server.nics
        if nic.device is not None
    ]
