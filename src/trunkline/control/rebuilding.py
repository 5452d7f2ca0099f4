"""Rebuilding a server: it keeps its host, NICs and devices, and starts from a new disk.

What is wanted is said by a number (`Server.disk_number`), which a rebuild raises: the host makes
the disk of that number if it has not got it, and deletes those before it. So to be told twice, or
to be interrupted at any point, makes no second disk.
"""

from __future__ import annotations

from dataclasses import replace

from trunkline.control import audit
from trunkline.control.asking import numa_policy_of
from trunkline.control.audit import actor_of
from trunkline.control.generations import raise_generation
from trunkline.control.key_pairs import public_key_of
from trunkline.control.own_servers import unlocked_server
from trunkline.control.quotas import require_of_each
from trunkline.control.requests import ServerRebuild, given_fields
from trunkline.control.servers import server_views, usable_image
from trunkline.control.services import Services
from trunkline.control.views import ServerView
from trunkline.domain.errors import Invalid, StateConflict
from trunkline.domain.identity import Caller
from trunkline.domain.image import known_to_nova
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.quota import Resource
from trunkline.domain.server import SERVER, PowerState, Server, ServerEvent, ServerState
from trunkline.store.transaction import Transaction

_AS_GIVEN = (
    "name", "description", "metadata", "user_data", "hostname", "access_ipv4", "access_ipv6",
    "disk_config",
)  # fmt: skip


def rebuild_server(
    svc: Services, caller: Caller, server_id: str, asked: ServerRebuild
) -> ServerView:
    """Ask for a server to have its disk made anew, and to be told anew what it is told.

    One that is stopped stays so, any other is to run: also the way out of ERROR on its host.

    Raises:
        StateConflict: It is on no host, or neither runs, nor is stopped or in ERROR.
        Invalid: The image or the key pair is not there, or does not befit the server.
        QuotaExceeded: Of items of metadata.
    """

    def rebuild(tx: Transaction) -> ServerView:
        before = unlocked_server(tx, caller, server_id, rules.REBUILD_SERVER)
        if not SERVER.allows(before.state, ServerEvent.REBUILD) or before.host_id is None:
            raise StateConflict(
                "server", server_id,
                f"Cannot 'rebuild' while it is in vm_state {before.state.value.lower()}"
                + (" and on no host" if before.host_id is None else ""),
            )  # fmt: skip
        after = _rebuilt(tx, svc, caller, before, asked)
        tx.servers.update(after)
        count = len(after.metadata)
        require_of_each(
            tx, after.project_id, Resource.METADATA_ITEMS,
            now=count, added=count - len(before.metadata),
        )  # fmt: skip
        raise_generation(tx, svc, tx.hosts.get(before.host_id))
        audit.record(
            tx, actor_of(caller), after.updated_at, "server.rebuild", f"server {after.id}",
            project_id=after.project_id, server_id=after.id,
            details={"image": after.image_id, "disk": after.disk_number},
        )  # fmt: skip
        return server_views(tx, svc, [after])[0]

    return svc.store.write(rebuild)


def _rebuilt(
    tx: Transaction, svc: Services, caller: Caller, before: Server, asked: ServerRebuild
) -> Server:
    image = usable_image(tx, caller, asked.image_id, before.flavor)
    if numa_policy_of(before.flavor.extra_specs, image) != before.numa_policy:
        raise Invalid("imageRef", "the image has another NUMA policy than the server's host and "
                      "devices were chosen by: create a server from it")  # fmt: skip
    after = replace(before, **given_fields(asked, *_AS_GIVEN))
    if isinstance(asked.key_name, str) or asked.key_name is None:
        public_key = public_key_of(tx, before.user_id, asked.key_name)
        after = replace(after, key_name=asked.key_name, public_key=public_key)
    stays_off = before.state is ServerState.SHUTOFF
    return replace(
        after,
        state=SERVER.advance(before.state, ServerEvent.REBUILD),
        power=PowerState.STOPPED if stays_off else PowerState.RUNNING,
        # Of whatever is on its way to us, nothing is about the new disk.
        boot_number=before.boot_number + 1,
        disk_number=before.disk_number + 1,
        image_id=asked.image_id,
        image_properties={} if image is None else known_to_nova(image.properties),
        admin_password=asked.admin_password,
        fault=None,
        updated_at=svc.clock.now(),
    )
