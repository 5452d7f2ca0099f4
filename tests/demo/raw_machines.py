"""Two simulated machines as raw files, made by hand: nothing of Trunkline writes them."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import trunkline.demo
from tests.support.patience import HANGS_SECONDS

CHECKER_PARENT = Path(trunkline.demo.__file__).parent
MAC, OTHER_MAC, TAP_MAC, PF_MAC = (f"fa:16:3e:00:00:0{n}" for n in range(1, 5))
FLEET = """
[[host]]
name = "a{1..2}"
[[host.card]]
driver = "mlx5_core"
address = "0000:05:00.0"
[[host.card]]
driver = "ixgbe"
address = "0000:82:00.0"
[[host.device_spec]]
address = "0000:05:*.*"
physical_network = "phy1"
[[host.device_spec]]
address = { bus = "82" }
physical_network = "phy2"
"""


def entry(by: str, command: str, result: str = "OK", **more: int) -> dict[str, Any]:
    return {"by": by, "command": command, "result": result, **more}


class Machines:
    """a1 runs guest `vm` with VF 0 of the card on phy1, and a macvtap on VF 0 of the one on phy2;
    a2 runs `big` with its whole card on phy2. `write` puts it all on disk."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.scratch = directory / "scratch"
        self.fleet = FLEET
        vm = _domain(
            f"<interface type='hostdev'><mac address='{MAC}'/></interface>"
            f"<interface type='direct'><mac address='{TAP_MAC}'/></interface>",
            own_drivers={"0000:05:00.2": "mlx5_core"},
            macvtaps=[{"name": "macvtap0", "vf": {"pf": "0000:82:00.0", "vf_index": 0}}],
        )
        big = _domain("<hostdev/>", own_drivers={"0000:82:00.0": "ixgbe"}, macvtaps=[])
        self.kernels = {name: _kernel() for name in ("a1", "a2")}
        self.domains: dict[str, dict[str, Any]] = {"a1": {"vm": vm}, "a2": {"big": big}}
        self.vf("a1", 0, 0).update(mac=MAC, vlan_id=150, in_guest=True)
        self.vf("a1", 1, 0).update(mac=TAP_MAC, vlan_id=200, ifname="tl0", macvtap="macvtap0")
        self.kernels["a2"]["pfs"][1].update(in_guest=True, vfs=[])
        self.kernel_logs = {
            "a1": [
                entry("agent", f"ip link set eth2 vf 0 mac {MAC} vlan 150 spoofchk on"),
                entry("agent", f"ip link set eth3 vf 0 mac {TAP_MAC} vlan 200"),
                entry("libvirt", f"ip link set eth2 vf 0 mac {MAC}"),
                entry("libvirt", "ip link set eth2 vf 0 vlan 150"),
            ],
            "a2": [
                entry("agent", f"ip link set eth3 vf 0 mac {OTHER_MAC} vlan 222"),
                entry("agent", "echo 0 > /sys/bus/pci/devices/0000:82:00.0/sriov_numvfs"),
            ],
        }
        self.hypervisor_logs = {
            "a1": [
                entry("agent", "virsh define vm", kernel_number=2),
                entry("agent", "virsh start --paused vm", kernel_number=4),
                entry("agent", "virsh resume vm", kernel_number=4),
            ],
            "a2": [entry("agent", "virsh resume big", kernel_number=2)],
        }

    def vf(self, host: str, card: int, index: int) -> dict[str, Any]:
        record: dict[str, Any] = self.kernels[host]["pfs"][card]["vfs"][index]
        return record

    def write(self) -> None:
        self.scratch.mkdir(exist_ok=True)
        (self.directory / "fleet.toml").write_text(self.fleet)
        for name, kernel in self.kernels.items():
            folder = self.directory / "hosts" / name
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "kernel.json").write_text(json.dumps(kernel))
            (folder / "hypervisor.json").write_text(json.dumps({"domains": self.domains[name]}))
            _write_log(folder / "kernel.log", self.kernel_logs[name])
            _write_log(folder / "hypervisor.log", self.hypervisor_logs[name])

    def snapshot(self) -> str:
        self.write()
        file = self.scratch / "snapshot.json"
        done = self._run("--snapshot", str(file))
        assert done.returncode == 0, done.stderr
        return str(file)

    def check(self, *claims: dict[str, Any]) -> subprocess.CompletedProcess[str]:
        self.write()
        file = self.scratch / "claims.json"
        file.write_text(json.dumps([{"says": "it is so", **claim} for claim in claims]))
        return self._run(str(file))

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "checker", str(self.directory), *arguments],
            cwd=CHECKER_PARENT,
            capture_output=True,
            text=True,
            timeout=HANGS_SECONDS,
        )


def _domain(
    devices: str, *, own_drivers: dict[str, str], macvtaps: list[dict[str, Any]]
) -> dict[str, Any]:
    handed_over = {"own_drivers": own_drivers, "interfaces": [], "macvtaps": macvtaps}
    return {
        "name": "vm" if macvtaps else "big",
        "xml": f"<domain><devices>{devices}</devices></domain>",
        "power": "running",
        "guest": {"handed_over": handed_over},
    }


def _kernel() -> dict[str, Any]:
    return {
        "pfs": [
            {
                "address": "0000:05:00.0", "ifname": "eth2", "driver": "mlx5_core",
                "mac": "02:00:00:00:00:05", "vf_offset": 2, "vf_stride": 1, "vfs": [{}, {}],
            },
            {
                "address": "0000:82:00.0", "ifname": "eth3", "driver": "ixgbe",
                "mac": PF_MAC, "vf_offset": 128, "vf_stride": 2, "vfs": [{}, {}],
            },
        ]
    }  # fmt: skip


def _write_log(path: Path, entries: list[dict[str, Any]]) -> None:
    lines = [json.dumps({"number": n, **each}) + "\n" for n, each in enumerate(entries, start=1)]
    path.write_text("".join(lines))
