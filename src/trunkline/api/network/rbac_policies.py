"""``/network/v2.0/rbac-policies``: with whom networks, QoS policies and groups are shared."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.listing import Filter
from trunkline.api.network.common import (
    Collection,
    Item,
    answer_created,
    answer_item,
    answer_list,
    update_fields,
)
from trunkline.api.parsing import Fields
from trunkline.control.services import Services
from trunkline.control.sharing import (
    ShareCreate,
    create_share,
    delete_share,
    get_share,
    list_shares,
    update_share,
)
from trunkline.domain.errors import Invalid
from trunkline.domain.sharing import Share, SharedKind

_ACTION: Final = "access_as_shared"  # The only one: there are no external networks here.
_TARGETS: Final = ("target_project", "target_tenant")  # The new name, and the one clients use.

RBAC_POLICIES: Final = Collection(
    name="rbac_policies",
    member="rbac_policy",
    filters={
        "id": Filter("id"),
        "project_id": Filter("project_id"),
        "tenant_id": Filter("project_id"),
        "object_type": Filter("kind"),
        "object_id": Filter("object_id"),
        **{name: Filter("target") for name in _TARGETS},
    },
    sort_keys={"id": "id", "object_id": "object_id", "project_id": "project_id"},
    constants={"action": _ACTION},
)


def index(svc: Services, request: Request) -> Response:
    """Answer a page of the shares of what is the caller's project's."""
    return answer_list(
        request, RBAC_POLICIES, lambda query: list_shares(svc, request.caller, query), _render
    )


def create(svc: Services, request: Request) -> Response:
    """Share a network, QoS policy or security group; admins also with everybody."""

    def made(wanted: object) -> list[Item]:
        assert isinstance(wanted, list)
        if len(wanted) != 1:
            raise Invalid("rbac_policies", "one a request")
        return [_render(create_share(svc, request.caller, wanted[0]))]

    return answer_created(request, RBAC_POLICIES, _parse, made)


def show(svc: Services, request: Request) -> Response:
    """Answer one share."""
    share = get_share(svc, request.caller, request.params["id"])
    return answer_item(request, RBAC_POLICIES, _render(share))


def update(svc: Services, request: Request) -> Response:
    """Share with another project instead, unless the one that it is shared with uses it."""
    fields = update_fields(request, RBAC_POLICIES)
    fields.require_only(_TARGETS)
    share = update_share(svc, request.caller, request.params["id"], _target(fields))
    return answer_item(request, RBAC_POLICIES, _render(share))


def remove(svc: Services, request: Request) -> Response:
    """Share no more, unless a project that it was shared with uses it."""
    delete_share(svc, request.caller, request.params["id"])
    return Response(status=204)


def _parse(fields: Fields) -> ShareCreate:
    fields.require_only(
        ("object_type", "object_id", "action", "project_id", "tenant_id", *_TARGETS)
    )
    if fields.text("action") != _ACTION:
        raise fields.invalid("action", f"must be {_ACTION}")
    return ShareCreate(
        kind=fields.parsed("object_type", SharedKind),
        object_id=fields.text("object_id", length_max=36),
        target=_target(fields),
    )


def _target(fields: Fields) -> str:
    name = _TARGETS[0] if _TARGETS[0] in fields else _TARGETS[1]
    return fields.text(name, length_min=1, length_max=36)


def _render(share: Share) -> Item:
    return {
        "id": share.id,
        "project_id": share.project_id,
        "tenant_id": share.project_id,
        "object_type": share.kind.value,
        "object_id": share.object_id,
        "action": _ACTION,
        "target_tenant": share.target,
    }
