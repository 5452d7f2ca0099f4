"""Scene 2: a server of every kind."""

from __future__ import annotations

from trunkline.demo.stage import Stage

SERVERS = (
    ("web", (("blue", "direct"),), "One NIC on phy1: a VF, straight into the guest (`direct`)."),
    ("db", (("red", "direct"),), "One NIC on phy2."),
    (
        "both",
        (("blue", "direct"), ("red", "direct")),
        "One NIC on each: only a host with a card on phy1 and one on phy2 will do.",
    ),
    ("twice", (("blue", "direct"), ("blue", "direct")), "Two NICs on the same network: two VFs."),
    (
        "tap",
        (("blue", "macvtap"),),
        (
            "A VF that stays with the host, which puts a `macvtap` on it for the guest: the guest "
            "needs no driver of the card."
        ),
    ),
    (
        "router",
        (("red", "direct-physical"),),
        (
            "A whole card (`direct-physical`): the PF itself goes to the guest, its VFs go away, "
            "and the VLAN is the guest's own business."
        ),
    ),
)


def play(stage: Stage) -> None:
    """Play the scene."""
    stage.story.scene(2, "A server of every kind")
    stage.story.say(
        "A host is chosen for all NICs of a server together, with the very devices, before anything"
        " happens on it. Its agent then programs the card, reads back, starts the guest paused, "
        "reads back again (libvirt writes MAC and VLAN, too), and lets it run."
    )
    for name, nics, why in SERVERS:
        stage.story.say(f"{name}: {why}")
        stage.boot(name, nics)
    stage.check()
