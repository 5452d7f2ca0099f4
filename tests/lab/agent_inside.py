"""What the tests of the agent do inside the lab host."""

from __future__ import annotations

import time
from pathlib import Path

from lab.guest import cards, nested
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


def hold_vf(network: str, address: str) -> None:
    """Have libvirt count a VF of a network as used, though no guest has it.

    RECLAIM: it is told which one, rather than choosing.
    """
    domain, bus, rest = address.split(":")
    slot, function = rest.split(".")
    xml = f"""<networkport>
      <uuid>40c25c0a-213d-496d-8871-5d2870d79429</uuid>
      <owner><name>held</name><uuid>40c25c0a-213d-496d-8871-5d2870d79420</uuid></owner>
      <mac address='52:54:00:00:00:01'/>
      <plug type='hostdev-pci' managed='yes'>
        <driver name='vfio'/>
        <address domain='0x{domain}' bus='0x{bus}' slot='0x{slot}' function='0x{function}'/>
      </plug>
    </networkport>"""
    nested.find_network(network).portCreateXML(xml, 1)  # VIR_NETWORK_PORT_CREATE_RECLAIM


def let_go(network: str) -> None:
    """End what `hold_vf` began."""
    for port in nested.find_network(network).listAllPorts(0):
        port.delete(0)


def stop_network(network: str) -> None:
    """Stop a network of libvirt's."""
    nested.find_network(network).destroy()


def is_active(network: str) -> bool:
    """Whether libvirt hands out devices of a network."""
    return bool(nested.find_network(network).isActive())


def libvirt_ids() -> str:
    """Return what runs, by the number that libvirt gives each start."""
    return cards.run("virsh", "-c", URI, "list", "--uuid", "--id")
