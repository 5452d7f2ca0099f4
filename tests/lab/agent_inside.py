"""What the tests of the agent do inside the lab host."""

from __future__ import annotations

import time
from pathlib import Path

from lab.guest import cards
from lab.guest.nested import URI

HOME = Path("/run/agent")


def write_files(compute_toml: str, token: str) -> None:
    """Put the agent's configuration and its enrolment token where it looks for them."""
    HOME.mkdir(mode=0o755, exist_ok=True)
    (HOME / "compute.toml").write_text(compute_toml)
    (HOME / "token").touch(mode=0o600)
    (HOME / "token").write_text(token + "\n")


def seconds_until_repaired(pf: str, vf_index: int, *, wrong: int, right: int) -> float:
    """Set a VF's VLAN by hand, and return how long the agent took to set it right."""
    cards.set_vf(pf, vf_index, vlan=wrong)
    began = time.monotonic()
    cards.wait_for_links(
        lambda: cards.vf_settings(pf)[vf_index]["vlan"] == right, f"VLAN {right} on {pf}"
    )
    return time.monotonic() - began


def seconds_to_start(server_id: str) -> float:
    """End a guest; return how long libvirt and QEMU take to start it paused and resume it."""
    import libvirt  # It is in the lab host only, and tests outside name what is here.

    domain = libvirt.open(URI).lookupByUUIDString(server_id)
    domain.destroy()
    began = time.monotonic()
    domain.createWithFlags(libvirt.VIR_DOMAIN_START_PAUSED)
    domain.resume()
    return time.monotonic() - began


def libvirt_ids() -> str:
    """Return what runs, by the number that libvirt gives each start."""
    return cards.run("virsh", "-c", URI, "list", "--uuid", "--id")
