"""What Keystone has and is not served here: refused by name."""

from __future__ import annotations

from trunkline.api.http import Request, Response
from trunkline.api.problems import HttpProblem
from trunkline.control.services import Services


def domains(_svc: Services, _request: Request) -> Response:
    """Answer 501: there is one domain, default."""
    raise HttpProblem(501, "domains are not made, changed or deleted: there is one, default")


def groups(_svc: Services, _request: Request) -> Response:
    """Answer 501: roles are given to users."""
    raise HttpProblem(501, "groups are not served: give roles to users")


def catalog(_svc: Services, _request: Request) -> Response:
    """Answer 501: the catalog is what is served."""
    raise HttpProblem(501, "the catalog can't be changed: it names what is served here")


def implied_roles(_svc: Services, _request: Request) -> Response:
    """Answer 501: which roles imply others can't be changed."""
    raise HttpProblem(501, "which roles imply others can't be changed")


def trusts(_svc: Services, _request: Request) -> Response:
    """Answer 501: application credentials do what trusts do."""
    raise HttpProblem(501, "trusts are not served: make an application credential")


def credentials(_svc: Services, _request: Request) -> Response:
    """Answer 501: there are passwords and application credentials."""
    raise HttpProblem(501, "credentials are not served, but for application credentials")
