"""The parts of the lab that need no lab host."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from lab import cpio, recipe
from lab.build import BuildFailed, Root, load_order, uncompressed_kernel
from lab.machine import Card, qemu_command
from lab.monitor import Monitor, MonitorRefused
from lab.processes import ending_with_us
from tests.support.patience import HANGS_SECONDS

MODULES_DEP = """\
kernel/fs/erofs/erofs.ko: kernel/lib/libcrc32c.ko
kernel/lib/libcrc32c.ko:
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/ring.ko
kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/ring.ko
kernel/drivers/virtio/ring.ko:
"""


def test_modules_come_after_what_they_need_and_once() -> None:
    names = [path.name for path in load_order(MODULES_DEP, ["virtio-pci", "erofs", "virtio"])]
    assert names == ["ring.ko", "virtio.ko", "virtio_pci.ko", "libcrc32c.ko", "erofs.ko"]


def test_a_module_that_is_built_in_is_left_out() -> None:
    assert list(load_order(MODULES_DEP, ["ext4"])) == []


def test_an_image_without_a_kernel_in_it_is_told() -> None:
    with pytest.raises(BuildFailed, match="no ELF file"):
        uncompressed_kernel(b"MZ" + b"\xfd7zXZ\0" + bytes(100))


def test_an_archive_is_what_cpio_and_the_kernel_read() -> None:
    made = cpio.archive(["bin"], {"bin/sh": b"12345", "etc": b""})
    entries = {}
    at = 0
    while at < len(made):
        fields = [int(made[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        mode, size, name_size = fields[1], fields[6], fields[11]
        name = made[at + 110 : at + 110 + name_size - 1].decode()
        at += -(-(110 + name_size) // 4) * 4
        entries[name] = (oct(mode), made[at : at + size])
        at += -(-size // 4) * 4
    assert entries == {
        "bin": ("0o40755", b""),
        "bin/sh": ("0o100755", b"12345"),
        "etc": ("0o100644", b""),
        "TRAILER!!!": ("0o0", b""),
    }


def test_cards_of_one_physical_network_share_a_hub_and_a_capture() -> None:
    directory = Path("/captures")
    command = qemu_command(
        Root(Path("/image")), Path("/initramfs"), [], [Card("phy1"), Card("phy1"), Card("phy2")],
        directory, monitor_fd=3, tcp_port=4,
    )  # fmt: skip
    cables = [word for word in command if word.startswith("hubport,id=cable")]
    assert [cable.rpartition("=")[2] for cable in cables] == ["1", "1", "2"]
    assert sum(word.startswith("igb,") for word in command) == 3
    dumps = [word for word in command if word.startswith("filter-dump")]
    assert [dump.split("file=")[1].split(",")[0] for dump in dumps] == [
        "/captures/phy1.pcap",
        "/captures/phy2.pcap",
    ]


def test_the_monitor_tells_why_qemu_refused_and_keeps_events() -> None:
    ours, qemus = socket.socketpair()
    with qemus:
        monitor = Monitor(ours)
        qemus.sendall(
            b'{"event": "DEVICE_DELETED", "data": {}}\n{"error": {"desc": "no such device"}}\n'
        )
        with pytest.raises(MonitorRefused, match=r"device_del.*no such device"):
            monitor.execute("device_del", id="card9")
        assert monitor.wait_for_event("DEVICE_DELETED")["data"] == {}
        monitor.close()


def test_what_the_lab_starts_ends_with_whoever_started_it() -> None:
    """As QEMU is started; the starter is killed, and so cleans nothing up."""
    command = ending_with_us(["sh", "-c", "echo; exec sleep 60"])
    script = (
        f"import subprocess; p = subprocess.Popen({command}, stdout=subprocess.PIPE,"
        " start_new_session=True); p.stdout.read(1); print(p.pid, flush=True); p.wait()"
    )
    starter = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert starter.stdout is not None
    with starter.stdout as said:
        pidfd = os.pidfd_open(int(said.readline()))
    starter.send_signal(signal.SIGKILL)
    starter.wait(10)
    try:
        assert select.select([pidfd], [], [], 10)[0], "it goes on"
    finally:
        os.close(pidfd)


HAVING_THE_LAB = """
import subprocess, sys
from lab.locks import lab_of_this_machine
with lab_of_this_machine():
    print(sys.argv[1], flush=True)
    for worker in sys.argv[2:]:
        subprocess.run([sys.executable, __file__, worker], check=True)
    sys.stdin.read()
"""


def a_run(tmp_path: Path, *names: str) -> subprocess.Popen[str]:
    """A process that has the lab until its input ends, and starts others that have it too."""
    script = tmp_path / "having_the_lab.py"
    script.write_text(HAVING_THE_LAB)
    return subprocess.Popen(
        ending_with_us([sys.executable, str(script), *names]),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(recipe.REPOSITORY)},
    )  # fmt: skip


def test_the_workers_of_one_run_have_the_lab_together_and_another_run_waits(tmp_path: Path) -> None:
    first = a_run(tmp_path, "first")
    assert first.stdout is not None
    assert first.stdout.readline() == "first\n"
    second = a_run(tmp_path, "second", "its worker")
    assert second.stdout is not None
    assert select.select([second.stdout], [], [], 0.5)[0] == []
    first.communicate(timeout=HANGS_SECONDS)
    said, _ = second.communicate(timeout=HANGS_SECONDS)
    assert said.splitlines() == ["second", "its worker"]
