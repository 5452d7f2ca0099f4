"""A host helper inside the lab host, with all of its Intel cards on offer to root."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from trunkline.domain.device_spec_parsing import parse_device_specs
from trunkline.host.linux.kernel import LinuxKernel
from trunkline.host.privileged.additions import Additions
from trunkline.host.privileged.client import HelperClient
from trunkline.host.privileged.direct import DirectWrites
from trunkline.host.privileged.listed import Listed
from trunkline.host.privileged.permissions import Permissions
from trunkline.host.privileged.server import BACKLOG, Callers, Helper
from trunkline.host.privileged.set_vfs import SetVfs


def start_helper(path: Path) -> HelperClient:
    """Start it in a process of its own, which the next reset of the lab host ends."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path.unlink(missing_ok=True)
    listener.bind(str(path))
    listener.listen(BACKLOG)
    if os.fork() == 0:
        writes = DirectWrites()
        specs = parse_device_specs(
            [{"vendor_id": "8086", "physical_network": "any"}], path="device_spec"
        )
        permissions = Permissions(
            listed=Listed(specs, {}),
            kernel=LinuxKernel(writes),
            additions=Additions(path.with_suffix(".json")),
            set_vfs=SetVfs(path.with_suffix(".vfs.json")),
            sysfs_root=Path("/sys"),
        )
        never, _ = os.pipe()
        Helper(writes, permissions, Callers(users={0})).serve(listener, stop=never)
    listener.close()
    return HelperClient(path)
