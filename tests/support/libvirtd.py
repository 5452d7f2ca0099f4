"""A libvirtd of the tests' own, with namespaces of its own: nothing of the machine's is touched.

It has its own mounts (state, configuration and log directories of libvirt are empty and in memory),
its own network and its own process IDs. Whatever it starts ends with it, also when the tests are
killed. Needs root.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.patience import HANGS_SECONDS
from tests.support.waiting import wait_until

_PROGRAMS = (
    "libvirtd",
    "virtlogd",
    "qemu-system-x86_64",
    "qemu-img",
    "unshare",
    "nsenter",
    "setpriv",
    "ip",
)

# libvirt refuses to start without the user that its package makes; the file is for it alone.
_HOLDER = """
set -eu
mount --make-rprivate /
for each in run/libvirt var/lib/libvirt var/log/libvirt var/cache/libvirt etc/libvirt; do
    mkdir -p /$each
    mount -t tmpfs none /$each
done
for each in passwd group; do
    cp /etc/$each "$1/$each"
    echo libvirt-qemu:x:64055:64055::/:/usr/sbin/nologin >> "$1/$each"
    mount --bind "$1/$each" /etc/$each
done
cp "$1/qemu.conf" /etc/libvirt/qemu.conf
mount -t sysfs sysfs /sys
ip link set lo up
virtlogd -f "$1/virtlogd.conf" -p "$1/virtlogd.pid" &
until [ -S /run/libvirt/virtlogd-sock ]; do kill -0 $!; sleep 0.1; done
echo ready
exec >/dev/null  # As the first process of its namespace it buries what others leave: bash does.
while :; do sleep 3600 & wait; done
"""

_QEMU_CONF = """
user = "root"
group = "root"
security_driver = "none"
cgroup_controllers = []
namespaces = []
remember_owner = 0
stdio_handler = "logd"
"""

# Of what a guest says, so much is kept, in so many files besides the one being written.
CONSOLE_FILE_BYTES = 64 * 1024
CONSOLE_FILES_MORE = 3
_VIRTLOGD_CONF = f"max_size = {CONSOLE_FILE_BYTES}\nmax_backups = {CONSOLE_FILES_MORE}\n"


@dataclass
class PrivateLibvirt:
    """A libvirtd that can be stopped, killed and started again under its running guests."""

    directory: Path
    holder: int  # The process whose namespaces it has.
    daemon: subprocess.Popen[bytes] | None = None

    @property
    def uri(self) -> str:
        """Where to connect to."""
        return f"qemu:///system?socket={self.directory}/libvirt-sock"

    def start(self) -> None:
        """Start the daemon, and wait until it answers."""
        conf = self.directory / "libvirtd.conf"
        with (self.directory / "out").open("ab") as out:
            self.daemon = subprocess.Popen(
                self._inside("libvirtd", "-f", str(conf), "-p", str(self.directory / "pid")),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        wait_until(
            lambda: self.virsh("version", check=False).returncode == 0,
            "libvirtd answers",
            seconds=HANGS_SECONDS,
        )

    def kill(self) -> None:
        """End the daemon by SIGKILL; its guests run on."""
        assert self.daemon is not None
        self.run("sh", "-c", f"kill -KILL $(cat {self.directory}/pid)")
        self.daemon.wait(HANGS_SECONDS)

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a command in the namespaces."""
        return subprocess.run(
            self._inside(*command),
            check=check,
            capture_output=True,
            text=True,
            timeout=HANGS_SECONDS,
        )

    def virsh(self, *words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run virsh on it."""
        return self.run("virsh", "--quiet", "-c", self.uri, *words, check=check)

    def freeze(self) -> None:
        """Stop the daemon from answering, without ending it."""
        self.run("sh", "-c", f"kill -STOP $(cat {self.directory}/pid)")

    def thaw(self) -> None:
        """Let it go on."""
        assert self.daemon is not None
        self.daemon.send_signal(signal.SIGCONT)  # nsenter stops with what it runs.
        self.run("sh", "-c", f"kill -CONT $(cat {self.directory}/pid)")

    def kill_guest(self, name: str, signal_name: str = "KILL") -> None:
        """End a guest's QEMU by a signal."""
        self.run("sh", "-c", f"kill -{signal_name} $(cat /run/libvirt/qemu/{name}.pid)")

    def _inside(self, *command: str) -> Sequence[str]:
        return ["nsenter", f"--target={self.holder}", "--mount", "--net", "--pid", "--", *command]


@contextmanager
def private_libvirt() -> Iterator[PrivateLibvirt]:
    """Have a libvirtd, and end it with all that it started."""
    missing = [name for name in _PROGRAMS if shutil.which(name) is None]
    assert not missing, f"{', '.join(missing)} missing: run `make system` as root"
    directory = Path(tempfile.mkdtemp(prefix="tl-lv-", dir="/tmp"))  # Sockets need short paths.
    (directory / "qemu.conf").write_text(_QEMU_CONF)
    (directory / "virtlogd.conf").write_text(_VIRTLOGD_CONF)
    (directory / "libvirtd.conf").write_text(
        f'unix_sock_dir = "{directory}"\nunix_sock_rw_perms = "0700"\nauth_unix_rw = "none"\n'
        f'auth_unix_ro = "none"\nlog_outputs = "3:file:{directory}/log"\n'
        "keepalive_interval = -1\n"
    )
    holder = subprocess.Popen(
        ["setpriv", "--pdeathsig=KILL", "unshare", "--mount", "--net", "--pid", "--fork",
         "--kill-child=KILL", "--mount-proc", "bash", "-c", _HOLDER, "holder", str(directory)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    site = None
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "ready\n", "the namespaces could not be made"
        children = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().split()
        site = PrivateLibvirt(directory=directory, holder=int(children[0]))
        site.start()
        yield site
    finally:
        holder.kill()
        holder.wait(HANGS_SECONDS)
        assert holder.stdout is not None
        holder.stdout.close()
        if site is not None and site.daemon is not None:
            site.daemon.kill()
            site.daemon.wait(HANGS_SECONDS)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def private_libvirtd() -> Iterator[PrivateLibvirt]:
    """A libvirtd for the whole run of tests; each leaves it without domains."""
    if os.geteuid() != 0:
        pytest.skip("a libvirtd of the tests' own needs root, for its namespaces")
    with private_libvirt() as site:
        yield site
