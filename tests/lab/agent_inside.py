"""What the tests of the agent do inside the lab host."""

from __future__ import annotations

import base64
import json
import pwd
import shutil
import subprocess
import time
from pathlib import Path

from lab.guest import cards, nested
from lab.guest.nested import URI
from tests.lab.as_user import AGENT, become
from tests.support.waiting import wait_until
from trunkline.host.doctor.services import ask_helper
from trunkline.host.privileged.client import DEFAULT_SOCKET

HOME = Path("/run/agent")
LOOK_SECONDS = 0.5
ON_DISK = (str(HOME).lstrip("/"), "etc/libvirt", "var/lib/libvirt")


def write_files(compute_toml: str, token: str) -> None:
    """Make the agent's user, and put configuration and enrolment token where it looks for them.

    As docs/install-host.md has it: the user has its own directories and libvirt's group, no more.
    """
    _ensure_user()
    HOME.mkdir(mode=0o755, exist_ok=True)
    (HOME / "compute.toml").write_text(compute_toml)
    (HOME / "token").touch(mode=0o640)
    (HOME / "token").write_text(token + "\n")
    shutil.chown(HOME / "token", group=AGENT)
    for name in ("state", "guests"):
        (HOME / name).mkdir(mode=0o755)
        shutil.chown(HOME / name, AGENT, AGENT)


def _ensure_user() -> None:
    if AGENT not in {each.pw_name for each in pwd.getpwall()}:
        cards.run("useradd", "--system", "--user-group", "--groups", "libvirt", AGENT)


def answer_of_the_helper(user: str) -> str:
    """Ask the helper as a user, whom its socket keeps out by no mode; return why it is silent."""
    DEFAULT_SOCKET.chmod(0o666)
    become(user)
    return ask_helper(DEFAULT_SOCKET).problem


def set_policy(drift: str) -> None:
    """Have the next agent repair drift, or report it."""
    config = HOME / "compute.toml"
    config.write_text(f'drift = "{drift}"\n{config.read_text()}')


def end_libvirtd() -> None:
    """End libvirtd as a crash would."""
    cards.run("pkill", "--signal", "KILL", "--exact", "libvirtd")


def macvtaps_of(pf: str, vf_index: int) -> int:
    """Count the macvtaps on a VF's netdev."""
    return len([*(cards.NETDEVS / cards.vf_netdev(pf, vf_index)).glob("upper_macvtap*")])


def read_disk() -> str:
    """Return what this host would have on a disk, of agent and libvirt, as base64 of an archive.

    Its file systems are in memory. Owners, and the attributes in which libvirt remembers those of
    guests' disks, are part of it.
    """
    done = subprocess.run(
        ["tar", "--create", "--gzip", "--sparse", "--xattrs", "--xattrs-include=*", *ON_DISK],
        cwd="/", stdout=subprocess.PIPE, check=True,
    )  # fmt: skip
    return base64.b64encode(done.stdout).decode()


def write_disk(archive: str) -> None:
    """Put there what `read_disk` returned; the agent's user is made anew."""
    _ensure_user()
    subprocess.run(
        ["tar", "--extract", "--gzip", "--xattrs", "--xattrs-include=*"],
        cwd="/", input=base64.b64decode(archive), check=True,
    )  # fmt: skip


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


def wait_until_it_runs(server_id: str, seconds_max: float) -> None:
    """Wait for a guest to run."""
    import libvirt  # See above.

    domain = libvirt.open(URI).lookupByUUIDString(server_id)
    wait_until(
        lambda: domain.state()[0] == libvirt.VIR_DOMAIN_RUNNING,
        f"{server_id} runs",
        seconds=seconds_max,
        look_seconds=LOOK_SECONDS,
    )


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


def paused() -> list[str]:
    """Return the names of the guests that are there and do not run."""
    return cards.run("virsh", "-c", URI, "list", "--state-paused", "--name").split()


def suspend(server_id: str) -> None:
    """Suspend a guest as somebody on the host would."""
    cards.run("virsh", "-c", URI, "suspend", server_id)


def addresses_of(netdev: str) -> list[str]:
    """Return the MACs in the table of a netdev that its own driver has."""
    shown = json.loads(cards.run("bridge", "-j", "fdb", "show", "dev", netdev))
    return [each["mac"] for each in shown if "self" in each["flags"]]
