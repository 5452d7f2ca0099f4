"""What Keystone has and is not served here: refused by name."""

from __future__ import annotations

from trunkline.api.http import Request, Response
from trunkline.api.problems import HttpProblem
from trunkline.control.services import Services


def catalog(_svc: Services, _request: Request) -> Response:
    """Answer 501: the catalog is what is served."""
    raise HttpProblem(501, "the catalog can't be changed: it names what is served here")


def trusts(_svc: Services, _request: Request) -> Response:
    """Answer 501: application credentials do what trusts do."""
    raise HttpProblem(501, "trusts are not served: make an application credential")


def credentials(_svc: Services, _request: Request) -> Response:
    """Answer 501: there are passwords and application credentials."""
    raise HttpProblem(501, "credentials are not served, but for application credentials")
