"""Every route of this face."""

from __future__ import annotations

from typing import Final

from trunkline.api.routing import Auth, Route, delete, get, patch, post, put
from trunkline.api.v1 import (
    agents,
    capacity,
    defrag,
    devices,
    enrolment,
    events,
    explain,
    hosts,
    network_pools,
    networks,
    pfs,
    quotas,
    servers,
    verify,
    what_if,
)
from trunkline.wire.v1 import PREFIX, REPORT_BYTES_MAX

ROUTES: Final[tuple[Route, ...]] = (
    get(f"{PREFIX}/hosts", hosts.list_, Auth.ADMIN),
    get(f"{PREFIX}/hosts/{{name}}", hosts.show, Auth.ADMIN),
    patch(f"{PREFIX}/hosts/{{name}}", hosts.change, Auth.ADMIN),
    post(f"{PREFIX}/hosts/{{name}}/pfs/{{address}}/rekey", pfs.rekey, Auth.ADMIN),
    post(f"{PREFIX}/hosts/{{name}}/pfs/{{address}}/vfs", pfs.set_vfs, Auth.ADMIN),
    delete(f"{PREFIX}/hosts/{{name}}/pfs/{{address}}/vfs", pfs.unset_vfs, Auth.ADMIN),
    get(f"{PREFIX}/enrolment-tokens", enrolment.list_, Auth.ADMIN),
    post(f"{PREFIX}/enrolment-tokens", enrolment.create, Auth.ADMIN),
    delete(f"{PREFIX}/enrolment-tokens/{{id}}", enrolment.revoke, Auth.ADMIN),
    get(f"{PREFIX}/devices", devices.list_, Auth.ADMIN),
    post(f"{PREFIX}/hosts/{{name}}/devices/{{address}}/free", devices.free, Auth.ADMIN),
    get(f"{PREFIX}/network-pools", network_pools.list_, Auth.ADMIN),
    get(f"{PREFIX}/networks", networks.list_),
    get(f"{PREFIX}/physical-networks", networks.list_physical, Auth.ADMIN),
    post(f"{PREFIX}/explain", explain.explain_request),
    post(f"{PREFIX}/capacity", capacity.count, Auth.ADMIN),
    post(f"{PREFIX}/capacity/mix", capacity.count_mix, Auth.ADMIN),
    post(f"{PREFIX}/what-if", what_if.ask, Auth.ADMIN),
    post(f"{PREFIX}/defrag", defrag.plan_moves, Auth.ADMIN),
    post(f"{PREFIX}/verify", verify.verify, Auth.ADMIN),
    get(f"{PREFIX}/quotas", quotas.list_),
    put(f"{PREFIX}/quotas/{{project}}/{{resource}}", quotas.set_, Auth.ADMIN),
    delete(f"{PREFIX}/quotas/{{project}}/{{resource}}", quotas.unset, Auth.ADMIN),
    put(f"{PREFIX}/default-quotas/{{resource}}", quotas.set_default, Auth.ADMIN),
    delete(f"{PREFIX}/default-quotas/{{resource}}", quotas.unset_default, Auth.ADMIN),
    get(f"{PREFIX}/servers/{{id}}/path", servers.path),
    get(f"{PREFIX}/events", events.list_),
    post(f"{PREFIX}/hosts/{{name}}/enrol", agents.enrol, Auth.PUBLIC),
    get(f"{PREFIX}/hosts/{{name}}/desired", agents.desired, Auth.AGENT),
    get(f"{PREFIX}/hosts/{{name}}/images/{{id}}", agents.image, Auth.AGENT),
    Route(
        method="POST",
        path=f"{PREFIX}/hosts/{{name}}/report",
        handler=agents.report,
        auth=Auth.AGENT,
        body_bytes_max=REPORT_BYTES_MAX,
    ),
)
