"""Scene 1: the hosts, their cards, the physical networks, and two networks on them."""

from __future__ import annotations

from trunkline.demo.stage import Stage

WORDS = (
    ("PF", "the physical function is a network card as its driver sees it, with its own netdev"),
    ("VF", "a virtual function is a slice of that card which can be given to a guest by itself"),
    ("physical network", "what a card's cable leads to; no software can change it"),
    (
        "VLAN on the card",
        "the card itself tags a VF's frames with a number, so a guest can't choose another",
    ),
)


def play(stage: Stage) -> None:
    """Play the scene."""
    story, cloud = stage.story, stage.cloud
    story.scene(1, "Two physical networks, six hosts, twelve cards")
    story.explain(WORDS)
    _show_cards(stage)
    _show_physical_networks(stage)
    story.say(
        "A provider network is a VLAN on one of them. The VLAN ranges are 100-199 on phy1 and "
        "200-299 on phy2; `red` is given the next free one. `pci_requirements` is what a network "
        "demands of a device, and it is what hosts are chosen by."
    )
    stage.networks["blue"] = cloud.create_network("blue", "phy1", 150)
    stage.networks["red"] = cloud.create_network("red", "phy2", None)
    cloud.create_subnet("blue-v4", stage.networks["blue"], "10.1.0.0/24")
    cloud.create_subnet("red-v4", stage.networks["red"], "10.2.0.0/24")
    shown = [cloud.show_network(name) for name in ("blue", "red")]
    story.table(
        ("NETWORK", "TYPE", "PHYSICAL NETWORK", "#VLAN", "PCI_REQUIREMENTS"),
        [
            (
                network["name"], network["provider:network_type"],
                network["provider:physical_network"], network["provider:segmentation_id"],
                ", ".join(f"{k}={v}" for k, v in network["pci_requirements"].items()),
            )
            for network in shown
        ],
    )  # fmt: skip
    stage.flavor_id = cloud.create_flavor("small")
    stage.image_id = cloud.create_image("demo")
    stage.check()


def _show_cards(stage: Stage) -> None:
    cards = list(stage.cloud.v1.devices({"kind": "pf"}))
    stage.story.say("The inventory, as the agents report it (`trunkline device list --kind pf`):")
    stage.story.table(
        ("HOST", "CARD", "ADDRESS", "DRIVER", "PHYSICAL NETWORK", "#VFS", "#NUMA NODE"),
        [
            (c.host, c.ifname, c.address, c.driver, c.physical_network, c.vf_count, c.numa_node)
            for c in cards
        ],
    )
    for card in cards:
        stage.claims.add(
            f"{card.host}: {card.ifname} has {card.vf_count} VFs, cabled to "
            f"{card.physical_network}",
            "cabled", host=card.host, pf=card.address,
            physical_network=card.physical_network, vf_count=card.vf_count,
        )  # fmt: skip


def _show_physical_networks(stage: Stage) -> None:
    stage.story.table(
        ("PHYSICAL NETWORK", "#HOSTS", "#VFS", "#FREE", "#WHOLE CARDS", "#FREE"),
        [
            (n.name, n.host_count, n.vfs.total, n.vfs.free, n.pfs.total, n.pfs.free)
            for n in stage.cloud.v1.physical_networks()
        ],
    )
