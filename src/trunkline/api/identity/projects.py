"""Projects, and their tags."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from trunkline.api.http import Request, Response
from trunkline.api.identity import lists, render
from trunkline.api.listing import Filter
from trunkline.api.parsing import Fields, body_fields
from trunkline.control import projects
from trunkline.control.projects import ProjectUpdate
from trunkline.control.requests import UNSET
from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.identity import DEFAULT_DOMAIN, Project
from trunkline.domain.ids import DomainId, ProjectId
from trunkline.domain.listing import ListQuery

NAME_CHARS_MAX: Final = 64  # As Keystone's.
TAGS_MAX: Final = 80
TAG_CHARS_MAX: Final = 255

_KNOWN: Final = (
    "name", "description", "enabled", "domain_id", "parent_id", "is_domain", "tags", "options",
)  # fmt: skip


_FILTERS: Final = {
    "name": Filter("name"), "enabled": Filter("enabled", lists.flag),
    "domain_id": Filter("domain_id"), "parent_id": Filter("parent_id"),
}  # fmt: skip
_BY_TAGS: Final = {
    "tags": "tags", "tags-any": "tags_any", "not-tags": "not_tags", "not-tags-any": "not_tags_any",
}  # fmt: skip


def list_(svc: Services, request: Request) -> Response:
    """Answer a page of projects, to admins; others ask for those in which they have a role."""

    def find(query: ListQuery) -> list[Project]:
        tags = {
            field: tuple(tag for value in request.query.all(name) for tag in value.split(","))
            for name, field in _BY_TAGS.items()
            if name in request.query
        }
        if any(len(given) > TAGS_MAX for given in tags.values()):
            raise Invalid("tags", f"at most {TAGS_MAX} of them")
        query = replace(query, equals={**query.equals, **tags})
        return projects.list_projects(svc, request.caller, query)

    if lists.flag(request.query.find("is_domain") or "false"):
        return Response(body=lists.collection(request, "projects", []))  # The domain is none.
    return lists.page(
        request,
        "projects",
        filters=_FILTERS,
        find=find,
        render=render.project,
    )


def list_own(svc: Services, request: Request) -> Response:
    """Answer the projects in which the caller has a role."""
    return _whole(request, projects.list_own_projects(svc, request.caller))


def list_of_user(svc: Services, request: Request) -> Response:
    """Answer the projects in which a user has a role."""
    found = projects.list_projects_of(svc, request.caller, request.params["user_id"])
    return _whole(request, found)


def create(svc: Services, request: Request) -> Response:
    """Make a project."""
    fields = body_fields(request, "project")
    if lists.read_name(fields, None, length_max=NAME_CHARS_MAX) is None:
        raise fields.invalid("name", "is required")
    asked = _update(fields)
    domain_id, parent_id = lists.read_domain(fields), fields.text("parent_id", None, length_max=64)
    if parent_id in (None, domain_id, DEFAULT_DOMAIN):  # Right below its domain.
        domain_id = domain_id or (None if parent_id is None else DomainId(parent_id))
        parent = None
    else:
        parent = ProjectId(parent_id)
    asked = replace(asked, domain_id=domain_id, parent_id=parent)
    made = projects.create_project(svc, request.caller, asked)
    return Response(status=201, body={"project": render.project(request, made)})


def show(svc: Services, request: Request) -> Response:
    """Answer one project."""
    found = projects.get_project(svc, request.caller, request.params["id"])
    return Response(body={"project": render.project(request, found)})


def update(svc: Services, request: Request) -> Response:
    """Change a project; one that is disabled lets nobody in."""
    fields = lists.without_own_id(request, body_fields(request, "project"))
    known = projects.get_project(svc, request.caller, request.params["id"])
    lists.require_same_domain(fields, known.domain_id)
    if fields.text("parent_id", None) not in (None, known.parent_id or known.domain_id):
        raise fields.invalid("parent_id", "cannot change")
    change = _update(fields)
    changed = projects.update_project(svc, request.caller, request.params["id"], change)
    return Response(body={"project": render.project(request, changed)})


def delete(svc: Services, request: Request) -> Response:
    """Delete a project that owns nothing any more."""
    projects.delete_project(svc, request.caller, request.params["id"])
    return Response(status=204)


def list_tags(svc: Services, request: Request) -> Response:
    """Answer the tags of a project."""
    return _tags_of(request, projects.get_project(svc, request.caller, request.params["id"]))


def put_tags(svc: Services, request: Request) -> Response:
    """Give a project these tags in place of those that it has."""
    change = ProjectUpdate(tags=_read_tags(body_fields(request)))
    changed = projects.update_project(svc, request.caller, request.params["id"], change)
    return _tags_of(request, changed)


def delete_tags(svc: Services, request: Request) -> Response:
    """Take all tags from a project."""
    projects.update_project(svc, request.caller, request.params["id"], ProjectUpdate(tags=()))
    return Response(status=204)


def show_tag(svc: Services, request: Request) -> Response:
    """Answer 204 if a project has a tag."""
    found = projects.get_project(svc, request.caller, request.params["id"])
    if request.params["tag"] not in found.tags:
        raise NotFound("project tag", request.params["tag"])
    return Response(status=204)


def add_tag(svc: Services, request: Request) -> Response:
    """Give a project one more tag."""
    tag = request.params["tag"]
    if (problem := _tag_problem(tag)) is not None:
        raise Invalid("tag", problem)
    projects.tag_project(svc, request.caller, request.params["id"], tag, tags_max=TAGS_MAX)
    return Response(status=201)


def delete_tag(svc: Services, request: Request) -> Response:
    """Take a tag from a project."""
    projects.untag_project(svc, request.caller, request.params["id"], request.params["tag"])
    return Response(status=204)


def _update(fields: Fields) -> ProjectUpdate:
    lists.refuse_options(fields)
    if fields.boolean("is_domain", None):
        raise fields.invalid("is_domain", "not served: domains are made as such")
    return ProjectUpdate(
        name=lists.read_name(fields, UNSET, length_max=NAME_CHARS_MAX),
        description=lists.read_description(fields),
        enabled=fields.boolean("enabled", UNSET),
        tags=_read_tags(fields) if "tags" in fields else UNSET,
        extra=lists.read_extra(fields, _KNOWN),
    )


def _read_tags(fields: Fields) -> tuple[str, ...]:
    tags = tuple(dict.fromkeys(fields.texts("tags")))
    if len(tags) > TAGS_MAX:
        raise fields.invalid("tags", f"at most {TAGS_MAX} of them")
    for at, tag in enumerate(tags):
        if (problem := _tag_problem(tag)) is not None:
            raise fields.invalid(f"tags[{at}]", problem)
    return tags


def _tag_problem(tag: str) -> str | None:
    if not 1 <= len(tag) <= TAG_CHARS_MAX:
        return f"must have 1 to {TAG_CHARS_MAX} characters"
    if "/" in tag or "," in tag:
        return "must have neither slash nor comma"
    return None


def _tags_of(request: Request, found: Project) -> Response:
    links = {"self": request.base_url + request.path, "previous": None, "next": None}
    return Response(body={"tags": list(found.tags), "links": links})


def _whole(request: Request, found: list[Project]) -> Response:
    """Answer a list that is short: those in which one user has a role."""
    shown = [
        render.project(request, project)
        for project in found
        if request.query.find("enabled") is None
        or project.enabled == lists.flag(request.query.find("enabled") or "")
    ]
    return lists.whole(request, "projects", shown, "name", "domain_id", "parent_id")
