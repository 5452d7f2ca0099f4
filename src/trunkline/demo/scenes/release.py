"""Scene 6: all servers are deleted, and every VF is as it was at the very start."""

from __future__ import annotations

from trunkline.demo.host_log import commands_since, mark
from trunkline.demo.stage import HOSTS, Stage


def play(stage: Stage) -> None:
    """Play the scene."""
    story = stage.story
    story.scene(6, "All is deleted, and given back clean")
    story.say(
        "A VF goes back to the pool only after its original settings were restored and read back. "
        "First one server, with what is written for it:"
    )
    both = stage.servers["both"]
    before = mark(stage.hosts, both.host)
    stage.delete((both.name, both.id))
    stage.show_commands(both.host, commands_since(stage.hosts, both.host, before))
    rest = [(server["name"], server["id"]) for server in stage.cloud.servers()]
    story.say(f"Then the other {len(rest)}.")
    stage.delete(*rest)
    story.table(
        ("PHYSICAL NETWORK", "#VFS", "#FREE", "#HELD", "#RELEASING", "#QUARANTINED"),
        [
            (n.name, n.vfs.total, n.vfs.free, n.vfs.held, n.vfs.releasing, n.vfs.quarantined)
            for n in stage.cloud.v1.physical_networks()
        ],
    )
    for network in stage.cloud.v1.physical_networks():
        stage.expect(
            network.vfs.free == network.vfs.total, f"not all VFs on {network.name} are free"
        )
    for host in HOSTS:
        stage.claims.add(
            f"{host}: no guest is left, and each VF has every setting that it had at the start",
            "as_at", host=host, since=stage.start_snapshot,
        )  # fmt: skip
    stage.check()
