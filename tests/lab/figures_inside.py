"""What is timed inside the lab host: programming VFs, also by `ip`, in turns; an agent at rest."""

from __future__ import annotations

import select
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab.guest.cards import read
from tests.lab.helper_inside import start_helper
from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress
from trunkline.domain.vf import VfChange
from trunkline.host.linux.kernel import LinuxKernel
from trunkline.host.privileged.direct import DirectWrites
from trunkline.host.privileged.interfaces import PrivilegedWrites

SOCKET = Path("/run/figures.sock")
Vfs = list[tuple[PciAddress, str, int]]  # PF, its netdev, VF.


def measure(pfs: list[str], vf_count: int, rounds: int) -> dict[str, Any]:
    """Set MAC, VLAN and spoof check of every VF, `rounds` times in each way; return milliseconds.

    The first round of each way is not counted.
    """
    kernel = LinuxKernel(DirectWrites())
    functions = kernel.functions()
    vfs = [
        (pf, str(functions[pf].ifname), vf_index)
        for vf_index in range(vf_count)
        for pf in map(PciAddress.parse, pfs)
    ]
    helper = start_helper(SOCKET)
    ways: dict[str, Callable[[int], list[float]]] = {
        "own, as root": lambda turn: _by(DirectWrites(), vfs, turn),
        "own, through the helper": lambda turn: _by(helper, vfs, turn),
        "ip link, one by one": lambda turn: _by_ip(vfs, turn),
        "ip -batch": lambda turn: _by_batch(vfs, turn),
    }
    taken: dict[str, Any] = {name: [] for name in ways}
    for turn in range(rounds + 1):
        for number, (name, way) in enumerate(ways.items()):
            times = way(turn * len(ways) + number)
            taken[name] += times if turn else []
    pf = vfs[0][0]
    taken[f"functions(), {len(functions)} of them"] = _timed(kernel.functions, rounds)
    taken[f"vf_settings(), {vf_count} VFs"] = _timed(lambda: kernel.vf_settings(pf), rounds)
    return taken


def _values(turn: int, number: int) -> tuple[str, int]:
    return f"02:00:00:00:{turn & 255:02x}:{number:02x}", 100 + (17 * turn + number) % 3000


def _by(writes: PrivilegedWrites, vfs: Vfs, turn: int) -> list[float]:
    taken = []
    for number, (pf, _, vf_index) in enumerate(vfs):
        mac, vlan_id = _values(turn, number)
        change = VfChange(mac=MacAddress.parse(mac), vlan_id=vlan_id, vlan_qos=0, spoof_check=True)
        start = time.perf_counter()
        writes.set_vf(pf, vf_index, change)
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def _words(vfs: Vfs, turn: int) -> list[list[str]]:
    return [
        f"link set {ifname} vf {vf_index} mac {mac} vlan {vlan_id} spoofchk on".split()
        for number, (_, ifname, vf_index) in enumerate(vfs)
        for mac, vlan_id in [_values(turn, number)]
    ]


def _by_ip(vfs: Vfs, turn: int) -> list[float]:
    taken = []
    for words in _words(vfs, turn):
        start = time.perf_counter()
        subprocess.run(["ip", *words], check=True)
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def _by_batch(vfs: Vfs, turn: int) -> list[float]:
    text = "".join(" ".join(words) + "\n" for words in _words(vfs, turn))
    start = time.perf_counter()
    subprocess.run(["ip", "-batch", "-"], input=text, text=True, check=True)
    return [1000 * (time.perf_counter() - start) / len(vfs)] * len(vfs)


def _timed(act: Callable[[], object], rounds: int) -> list[float]:
    taken = []
    for _ in range(rounds):
        start = time.perf_counter()
        act()
        taken.append(1000 * (time.perf_counter() - start))
    return taken


def agent_at_rest(seconds: float) -> dict[str, float]:
    """Return an agent's memory, and what it takes of a core while nothing happens."""
    [process] = [
        each.parent
        for each in Path("/proc").glob("[0-9]*/cmdline")
        if each.read_bytes().split(b"\0")[1:4] == [b"-m", b"trunkline", b"agent"]
    ]
    began, before = time.monotonic(), _cpu_seconds(process)
    select.select([], [], [], seconds)
    taken = (_cpu_seconds(process) - before) / (time.monotonic() - began)
    status = dict(line.split(":", 1) for line in read(process / "status").splitlines())
    return {"memory_mib": int(status["VmRSS"].split()[0]) / 1024, "share_of_core": taken}


def work_seconds() -> float:
    """Return how long this machine takes, of its processor's time, for some work in Python."""
    began = time.process_time()
    for number in range(200_000):
        str(number).encode()
    return time.process_time() - began


def _cpu_seconds(process: Path) -> float:
    tasks = (read(each) for each in process.glob("task/*/schedstat"))
    return sum(int(told.split()[0]) for told in tasks) / 1e9
