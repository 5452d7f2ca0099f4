"""By what lists of servers are sorted: Nova's sort keys, and those that it ignores."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from trunkline.api.http import Request
from trunkline.control.access import require
from trunkline.domain.policy import compute_rules as rules

# The field of each key; None: every server has the same, so the order is that of the next key.
_FIELDS: Final[Mapping[str, str | None]] = MappingProxyType({
    "access_ip_v4": "access_ipv4", "access_ip_v6": "access_ipv6",
    "auto_disk_config": "disk_config",
    "availability_zone": None, "config_drive": "config_drive", "created_at": "created_at",
    "display_description": "description", "display_name": "name", "host": "host", "node": "host",
    "hostname": "hostname", "image_ref": "image_id", "instance_type_id": "flavor_id",
    "kernel_id": None, "key_name": "key_name", "launch_index": "launch_index",
    "launched_at": "launched_at", "locked_by": "locked_by", "power_state": "state",
    "progress": None, "project_id": "project_id", "ramdisk_id": None, "root_device_name": None,
    "task_state": "state", "terminated_at": "terminated_at", "updated_at": "updated_at",
    "user_id": "user_id", "uuid": "id", "vm_state": "state",
})  # fmt: skip
_FOR_ADMINS: Final = frozenset({"host", "node"})

# Keys that did nothing before 2.75, and are refused since.
_IGNORED: Final = frozenset({
    "architecture", "cell_name", "cleaned", "default_ephemeral_device", "default_swap_device",
    "deleted", "deleted_at", "disable_terminate", "ephemeral_gb", "ephemeral_key_uuid", "id",
    "key_data", "launched_on", "memory_mb", "os_type", "reservation_id", "root_gb",
    "shutdown_terminate", "user_data", "vcpus", "vm_mode",
})  # fmt: skip


def sorting(request: Request) -> Mapping[str, str | None]:
    """Return what may be sorted by in the request's version, and the field of each key.

    Raises:
        Forbidden: Hosts are sorted by, and the caller is no admin.
    """
    keys = request.query.all("sort_key")
    if _FOR_ADMINS.intersection(keys):
        require(request.caller, rules.LIST_DELETED_SERVERS)
    minor = request.version.minor
    return {
        **_FIELDS,
        **(dict.fromkeys(_IGNORED) if minor < 75 else {}),
        "locked": "locked_by" if minor >= 73 else None,
    }
