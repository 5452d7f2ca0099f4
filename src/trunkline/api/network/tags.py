"""``/network/v2.0/KIND/ID/tags``: the tags of one thing."""

from __future__ import annotations

from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.parsing import body_fields
from trunkline.control.services import Services
from trunkline.control.tags import Kind, get_tags, set_tags, without
from trunkline.domain.errors import NotFound
from trunkline.domain.tags import TAGS_MAX

# Neutron has QoS policies here without the `qos` of their own path; openstacksdk sends it.
_KINDS: Final = {
    "networks": Kind.NETWORK,
    "subnets": Kind.SUBNET,
    "ports": Kind.PORT,
    "policies": Kind.QOS_POLICY,
    "security-groups": Kind.SECURITY_GROUP,
}


def index(svc: Services, request: Request) -> Response:
    """Answer all tags."""
    tags = get_tags(svc, request.caller, _kind(request), request.params["id"])
    return Response(body={"tags": list(tags)})


def replace(svc: Services, request: Request) -> Response:
    """Put these tags in the place of all there are."""
    wanted = _body(request)
    tags = set_tags(svc, request.caller, _kind(request), request.params["id"], lambda _: wanted)
    return Response(body={"tags": list(tags)})


def extend(svc: Services, request: Request) -> Response:
    """Add tags to those there are."""
    more = _body(request)
    tags = set_tags(
        svc, request.caller, _kind(request), request.params["id"], lambda tags: (*tags, *more)
    )
    return Response(status=201, body={"tags": list(tags)})


def clear(svc: Services, request: Request) -> Response:
    """Take all tags away."""
    set_tags(svc, request.caller, _kind(request), request.params["id"], lambda _: ())
    return Response(status=204)


def show(svc: Services, request: Request) -> Response:
    """204 if it has the tag, 404 if it has not."""
    tag = request.params["tag"]
    if tag not in get_tags(svc, request.caller, _kind(request), request.params["id"]):
        raise NotFound("tag", tag)
    return Response(status=204)


def add(svc: Services, request: Request) -> Response:
    """Add one tag; it may be there already."""
    tag = request.params["tag"]
    set_tags(svc, request.caller, _kind(request), request.params["id"], lambda tags: (*tags, tag))
    return Response(status=201)


def remove(svc: Services, request: Request) -> Response:
    """Take one tag away."""
    tag = request.params["tag"]
    set_tags(svc, request.caller, _kind(request), request.params["id"], without(tag))
    return Response(status=204)


def _kind(request: Request) -> Kind:
    collection = request.params.get("collection", "policies")
    try:
        return _KINDS[collection]
    except KeyError:
        raise NotFound("resource", collection) from None


def _body(request: Request) -> tuple[str, ...]:
    fields = body_fields(request)
    fields.require_only(("tags",))
    tags = fields.texts("tags")
    if len(tags) > TAGS_MAX:
        raise fields.invalid("tags", f"at most {TAGS_MAX}")
    if len(set(tags)) != len(tags):
        raise fields.invalid("tags", "the same one twice")
    return tuple(tags)
