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
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.wire.v1 import PREFIX, REPORT_BYTES_MAX

ROUTES: Final[tuple[Route, ...]] = (
    get(f"{PREFIX}/hosts", hosts.list_, rules.LIST_HOSTS),
    get(f"{PREFIX}/hosts/{{name}}", hosts.show, rules.SHOW_HOST),
    patch(f"{PREFIX}/hosts/{{name}}", hosts.change, rules.CHANGE_HOST),
    post(f"{PREFIX}/hosts/{{name}}/pfs/{{address}}/rekey", pfs.rekey, rules.REKEY_PF),
    post(f"{PREFIX}/hosts/{{name}}/pfs/{{address}}/vfs", pfs.set_vfs, rules.SET_VF_COUNT),
    delete(f"{PREFIX}/hosts/{{name}}/pfs/{{address}}/vfs", pfs.unset_vfs, rules.SET_VF_COUNT),
    get(f"{PREFIX}/enrolment-tokens", enrolment.list_, rules.LIST_ENROLMENT_TOKENS),
    post(f"{PREFIX}/enrolment-tokens", enrolment.create, rules.CREATE_ENROLMENT_TOKEN),
    delete(f"{PREFIX}/enrolment-tokens/{{id}}", enrolment.revoke, rules.REVOKE_ENROLMENT_TOKEN),
    get(f"{PREFIX}/devices", devices.list_, rules.LIST_DEVICES),
    post(f"{PREFIX}/hosts/{{name}}/devices/{{address}}/free", devices.free, rules.FREE_DEVICE),
    get(f"{PREFIX}/network-pools", network_pools.list_, rules.LIST_NETWORK_POOLS),
    get(f"{PREFIX}/networks", networks.list_),
    get(f"{PREFIX}/physical-networks", networks.list_physical, rules.LIST_PHYSICAL_NETWORKS),
    post(f"{PREFIX}/explain", explain.explain_request),
    post(f"{PREFIX}/capacity", capacity.count, rules.COUNT_CAPACITY),
    post(f"{PREFIX}/capacity/mix", capacity.count_mix, rules.COUNT_CAPACITY),
    post(f"{PREFIX}/what-if", what_if.ask, rules.ASK_WHAT_IF),
    post(f"{PREFIX}/defrag", defrag.plan_moves, rules.PLAN_MOVES),
    post(f"{PREFIX}/verify", verify.verify, rules.VERIFY),
    get(f"{PREFIX}/quotas", quotas.list_),
    put(f"{PREFIX}/quotas/{{project}}/{{resource}}", quotas.set_, rules.SET_QUOTA),
    delete(f"{PREFIX}/quotas/{{project}}/{{resource}}", quotas.unset, rules.UNSET_QUOTA),
    put(f"{PREFIX}/default-quotas/{{resource}}", quotas.set_default, rules.SET_DEFAULT_QUOTA),
    delete(f"{PREFIX}/default-quotas/{{resource}}", quotas.unset_default, rules.SET_DEFAULT_QUOTA),
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
