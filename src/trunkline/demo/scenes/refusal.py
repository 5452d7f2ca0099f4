"""Scene 3: a request that nobody can meet, why, and the smallest change that makes it fit."""

from __future__ import annotations

import re
from itertools import groupby

from trunkline.demo.stage import Stage, WentWrong
from trunkline.demo.system import wait_until
from trunkline.wire.v1 import ExplainBody, ExplainNic, HostMisfit

CLOSED = ("h2", "h3", "h4")
NICS = (("blue", "direct-physical"), ("red", "direct-physical"))


def play(stage: Stage) -> None:
    """Play the scene."""
    story, cloud = stage.story, stage.cloud
    story.scene(3, "A request that nobody can meet")
    story.say(
        "Three hosts are closed for maintenance. Then somebody asks for a whole card on phy1 and a "
        "whole card on phy2, in one server."
    )
    for host in CLOSED:
        cloud.set_host_enabled(host, enabled=False)
    refused = stage.request("bridge", NICS)
    with story.waiting("waiting for the refusal"):
        wait_until(lambda: cloud.server(refused)["status"] != "BUILD", "an answer", seconds_max=20)
    server = cloud.server(refused)
    if server["status"] != "ERROR":
        raise WentWrong(f"server bridge is {server['status']}, and should have been refused")
    story.say(f"It is {server['status']}, and holds nothing. Its fault says: "
              f"{server['fault']['message']}")  # fmt: skip
    stage.claims.add("no open host has a whole card free on phy1 and on phy2",
                     "nobody_fits", whole_cards=["phy1", "phy2"], closed=list(CLOSED))  # fmt: skip
    stage.claims.add("the refused server has no guest on any host", "absent", server=refused)
    change = _explain(stage)
    stage.check()
    _make_it_fit(stage, refused, change)


def _explain(stage: Stage) -> str:
    story = stage.story
    story.say("Why, for each host and each NIC (an admin sees hosts; a tenant sees counts only):")
    story.command(
        "trunkline explain --flavor small "
        + " ".join(f"--nic network={network},vnic-type={vnic}" for network, vnic in NICS)
    )
    answer = stage.cloud.v1.explain(
        ExplainBody(flavor="small", nics=tuple(ExplainNic(network=n, vnic_type=v) for n, v in NICS))
    )
    if answer.fits:
        raise WentWrong(f"`explain` says that the refused request fits on {answer.host}")
    story.table(
        ("HOST", "NIC", "WHY NOT", "IN DETAIL"),
        [row for misfit in answer.hosts for row in _rows(misfit)],
    )
    story.say(f"The smallest change that would make it fit: {answer.smallest_change}.")
    return answer.smallest_change


def _rows(misfit: HostMisfit) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = [
        (misfit.host, "all", reason.replace("_", " "), misfit.detail or None)
        for reason in misfit.reasons
    ]
    for (reason, detail), nics in groupby(misfit.nics, key=lambda nic: (nic.reason, nic.detail)):
        names = ", ".join(nic.nic.removeprefix("nic ") for nic in nics)
        rows.append((misfit.host, names, reason.replace("_", " "), detail))
    return rows


def _make_it_fit(stage: Stage, refused: str, change: str) -> None:
    story = stage.story
    advised = re.fullmatch(r"enable (h\d)", change)
    if advised is None:
        raise WentWrong(f"expected to be told to enable a host, and was told: {change}")
    story.say("That change is made, and nothing else; then the same is asked again.")
    stage.delete(("bridge", refused))
    stage.cloud.set_host_enabled(advised[1], enabled=True)
    server = stage.boot("bridge2", NICS)
    if server.host != advised[1]:
        raise WentWrong(f"server bridge2 is on {server.host}, not on {advised[1]} as was told")
    stage.check()
    story.say("The maintenance is over, and that server goes again.")
    stage.delete((server.name, server.id))
    for host in CLOSED:
        if host != advised[1]:
            stage.cloud.set_host_enabled(host, enabled=True)
