"""Handlers of ``/servers/{id}/tags``, which 2.26 brought."""

from __future__ import annotations

from trunkline.api.compute.links import self_links
from trunkline.api.http import Request, Response
from trunkline.api.parsing import Fields, body_fields
from trunkline.api.problems import HttpProblem
from trunkline.control import server_labels, servers
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.policy import compute_rules as rules
from trunkline.domain.server_labels import TAGS_MAX, tag_problem

SINCE = 26


def parse_tags(asked: Fields) -> tuple[str, ...]:
    """Read `tags`; none if there is no such field."""
    tags = asked.texts("tags", [])
    if len(tags) > TAGS_MAX:
        raise asked.invalid("tags", f"a server has {TAGS_MAX} at most")
    for at, tag in enumerate(tags):
        if (problem := tag_problem(tag)) is not None:
            raise asked.invalid(f"tags[{at}]", problem)
    return tuple(sorted(set(tags)))


def list_(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/tags``."""
    return Response(body={"tags": list(_tags(svc, request))})


def replace(svc: Services, request: Request) -> Response:
    """Answer ``PUT /servers/{id}/tags``."""
    server_id = _server_id(request)
    body = body_fields(request)
    body.require_only(("tags",))
    body.texts("tags")
    tags = server_labels.set_tags(
        svc, request.caller, server_id, parse_tags(body), by=rules.REPLACE_TAGS
    )
    return Response(body={"tags": list(tags)})


def clear(svc: Services, request: Request) -> Response:
    """Answer ``DELETE /servers/{id}/tags``."""
    server_labels.set_tags(svc, request.caller, _server_id(request), (), by=rules.REMOVE_TAGS)
    return Response(status=204)


def check(svc: Services, request: Request) -> Response:
    """Answer ``GET /servers/{id}/tags/{tag}``: 204 if the server has it."""
    tag = request.params["tag"]
    if tag not in _tags(svc, request):
        raise NotFound(f"tag of server {request.params['id']}", tag)
    return Response(status=204)


def add(svc: Services, request: Request) -> Response:
    """Answer ``PUT /servers/{id}/tags/{tag}``: 201 if the server had it not before."""
    server_id, tag = _server_id(request), request.params["tag"]
    if (problem := tag_problem(tag)) is not None:
        raise Invalid("tag", problem)
    if not server_labels.add_tag(svc, request.caller, server_id, tag):
        return Response(status=204)
    where = self_links(request.base_url, "servers", server_id, "tags", tag)[0]["href"]
    return Response(status=201, headers={"Location": where})


def remove(svc: Services, request: Request) -> Response:
    """Answer ``DELETE /servers/{id}/tags/{tag}``."""
    server_labels.remove_tag(svc, request.caller, _server_id(request), request.params["tag"])
    return Response(status=204)


def _server_id(request: Request) -> str:
    if request.version.minor < SINCE:
        raise HttpProblem(404, f"servers have tags from 2.{SINCE} on")
    return request.params["id"]


def _tags(svc: Services, request: Request) -> tuple[str, ...]:
    return servers.get_server(svc, request.caller, _server_id(request)).server.tags
