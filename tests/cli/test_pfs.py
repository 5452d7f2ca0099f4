"""`trunkline pf`: what is shown of a PF."""

from __future__ import annotations

import re
from dataclasses import replace

from tests.cli.terminal import Terminal
from tests.support.two_networks import TwoNetworks
from tests.support.world import AgentByHand, a_card
from trunkline.cli.exit_codes import ExitCode


def test_a_pf_is_shown_with_its_names_and_errors(world: TwoNetworks, terminal: Terminal) -> None:
    first, *others = a_card(5, "phy1", serial=9)
    function = replace(
        first.function, vendor_name="Intel Corporation", product_name="82576",
        uncorrectable_errors=3, fault="it met an error",
    )  # fmt: skip
    AgentByHand(world.site.svc, "h3", (replace(first, function=function), *others))
    shown = terminal.run(f"pf show h3 {function.ifname}").stdout
    assert "Intel Corporation 82576" in shown
    assert re.search(r"uncorrectable errors +3\n", shown)
    assert "it met an error" in shown
    assert terminal.json(f"pf show h3 {function.address}")["uncorrectable_errors"] == 3
    missing = terminal.run("pf show h3 eth9")
    assert missing.exit_code == ExitCode.USAGE
    assert "h3 tells of no PF eth9" in missing.output
