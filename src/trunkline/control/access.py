"""Who may see and change what: the policy, put to the things that are asked for.

What a caller may not see does not exist for them: `NotFound`, so that IDs can't be probed.
"""

from __future__ import annotations

from typing import Protocol

from trunkline.domain.errors import Forbidden, NotFound
from trunkline.domain.identity import Caller
from trunkline.domain.policy.language import Target
from trunkline.domain.policy.policy import NO_TARGET
from trunkline.domain.policy.rule import Rule


class Owned(Protocol):
    """Something that belongs to a project."""

    @property
    def project_id(self) -> str:
        """The project it belongs to."""
        ...


class Made(Owned, Protocol):
    """Something that belongs to a project, and was made by one of its users."""

    @property
    def user_id(self) -> str:
        """Who made it."""
        ...


def of_project(project_id: str) -> Target:
    """Return what rules may ask of a thing that belongs to a project."""
    return {"project_id": project_id}


def of_user(user_id: str) -> Target:
    """Return what rules may ask of a thing that belongs to a user."""
    return {"user_id": user_id}


def of_server(server: Made) -> Target:
    """Return what rules may ask of a server."""
    return {"project_id": server.project_id, "user_id": server.user_id}


def on_network(project_id: str, network: Owned) -> Target:
    """Return what rules may ask of a port or subnet of a project, on a network."""
    return {"project_id": project_id, "network:project_id": network.project_id}


def require(caller: Caller, rule: Rule, target: Target = NO_TARGET) -> None:
    """Raise `Forbidden` unless the policy allows it."""
    if not caller.may(rule, target):
        raise refusal(rule)


def refusal(rule: Rule) -> Forbidden:
    """Make the error that names a rule."""
    return Forbidden(f"{rule.about}, by the policy's rule {rule.name}")


def sees(caller: Caller, rule: Rule, target: Target, *, shared: bool = False) -> bool:
    """Say whether the caller may see a thing; what is shared is judged as the own project's."""
    if caller.may(rule, target):
        return True
    return shared and caller.may(rule, {**target, "project_id": caller.project_id})


def require_seen(
    caller: Caller, rule: Rule, target: Target, what: str, ref: str, *, shared: bool = False
) -> None:
    """Raise `NotFound` unless the caller may see the thing, by `rule`."""
    if not sees(caller, rule, target, shared=shared):
        raise NotFound(what, ref)


def require_change(
    caller: Caller,
    rule: Rule,
    target: Target,
    what: str,
    ref: str,
    *,
    see: Rule,
    shared: bool = False,
) -> None:
    """Raise `NotFound` for what the caller can't see, `Forbidden` for what can only be seen."""
    if not caller.may(rule, target):
        require_seen(caller, see, target, what, ref, shared=shared)
        raise refusal(rule)


def visible_by(caller: Caller, rule: Rule) -> str | None:
    """Return what `ListQuery.visible_to` should be, for the rule by which one thing is seen.

    None: the things of every project.

    Raises:
        Forbidden: The caller may not even see those of their own project, or has none.
    """
    if caller.may_on_all(rule):
        return None
    own = caller.own_project
    require(caller, rule, {name: _own(caller, name) for name in rule.target})
    return own


def _own(caller: Caller, attribute: str) -> str | None:
    return caller.user_id if attribute == "user_id" else caller.project_id
