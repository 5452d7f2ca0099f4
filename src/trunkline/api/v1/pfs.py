"""PFs of hosts, for operators."""

from __future__ import annotations

from trunkline.api.http import Request, Response
from trunkline.api.parsing import body_fields
from trunkline.control import pfs
from trunkline.control.services import Services
from trunkline.domain.device import VFS_MAX
from trunkline.domain.errors import Invalid
from trunkline.domain.pci import PciAddress
from trunkline.wire.v1 import VfCountBlocker, VfCountPlan


def rekey(svc: Services, request: Request) -> Response:
    """Say where a PF is now that is in doubt; done with the host's next report."""
    fields = body_fields(request)
    fields.require_only(("to",))
    pfs.rekey_pf(
        svc,
        request.caller,
        request.params["name"],
        _address("address", request.params["address"]),
        _address("to", fields.text("to")),
    )
    return Response(status=202)


def set_vfs(svc: Services, request: Request) -> Response:
    """Plan another count of VFs for a PF (by address or netdev); `apply` or `drain`: ask for it."""
    fields = body_fields(request)
    fields.require_only(("count", "apply", "drain"))
    host = request.params["name"]
    plan = pfs.set_vf_count(
        svc, request.caller, host, request.params["address"],
        fields.integer("count", low=0, high=VFS_MAX),
        apply="apply" in fields and fields.boolean("apply"),
        drain="drain" in fields and fields.boolean("drain"),
    )  # fmt: skip
    return Response(
        status=202 if plan.applied else 200,
        body=VfCountPlan(
            host=host,
            address=str(plan.address),
            ifname=plan.ifname,
            count=plan.count,
            count_max=plan.count_max,
            wanted=plan.wanted,
            in_the_way=tuple(
                VfCountBlocker(
                    address=str(each.address),
                    state=each.state,
                    server_id=each.server_id,
                    server=each.server_name,
                    used_by=each.used_by or None,
                )
                for each in plan.in_the_way
            ),
            cost=plan.cost,
            applied=plan.applied,
        ),
    )


def unset_vfs(svc: Services, request: Request) -> Response:
    """Leave the VF count of a PF (by address or netdev) to the host."""
    name, pf = request.params["name"], request.params["address"]
    pfs.unset_vf_count(svc, request.caller, name, pf)
    return Response(status=204)


def _address(name: str, text: str) -> PciAddress:
    try:
        return PciAddress.parse(text)
    except ValueError as problem:
        raise Invalid(name, str(problem)) from None
