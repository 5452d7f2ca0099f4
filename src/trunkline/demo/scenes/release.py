"""Scene 6: all servers are deleted, and every VF is as it was at the very start."""

from __future__ import annotations

from trunkline.demo.host_log import commands_since, mark
from trunkline.demo.stage import HOSTS, Stage
from trunkline.demo.system import wait_until

SECONDS_MAX = 60.0


def all_are_free(stage: Stage) -> bool:
    """Whether each VF of each physical network is free."""
    return all(each.vfs.free == each.vfs.total for each in stage.cloud.v1.physical_networks())


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
    # A PF that a guest had whole comes back down, and is in service once its link has held.
    wait_until(lambda: all_are_free(stage), "all VFs are free", seconds_max=SECONDS_MAX)
    story.table(
        ("PHYSICAL NETWORK", "#VFS", "#FREE", "#HELD", "#RELEASING", "#QUARANTINED"),
        [
            (n.name, n.vfs.total, n.vfs.free, n.vfs.held, n.vfs.releasing, n.vfs.quarantined)
            for n in stage.cloud.v1.physical_networks()
        ],
    )
    for host in HOSTS:
        stage.claims.add(
            f"{host}: no guest is left, and each VF has every setting that it had at the start",
            "as_at", host=host, since=stage.start_snapshot,
        )  # fmt: skip
    stage.check()
