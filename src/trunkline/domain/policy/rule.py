"""What a policy decides: rules with names, and what they say unless an operator says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

ANYBODY: Final = "@"
ADMIN: Final = "rule:admin_only"
ADMIN_READER: Final = "rule:admin_or_system_reader"
PROJECT_MEMBER: Final = "rule:admin_or_project_member"
PROJECT_READER: Final = "rule:admin_or_project_reader"
NETWORK_OWNER: Final = "rule:admin_or_network_owner"
SELF: Final = "rule:admin_only or user_id:%(user_id)s"
SELF_READER: Final = "rule:admin_or_system_reader or user_id:%(user_id)s"

# What a rule may ask of the thing that it is about.
OF_PROJECT: Final = ("project_id",)
OF_NETWORK: Final = ("project_id", "network:project_id")  # And of the network it is on.
OF_SERVER: Final = ("project_id", "user_id")
OF_USER: Final = ("user_id",)


@dataclass(frozen=True, slots=True, eq=False)
class Rule:
    """One decision. Names are those of Nova, Neutron and so on, where these have one for it."""

    name: str
    check: str  # What it says by default, in the language of `policy.language`.
    about: str  # What is allowed by it: "creating a network".
    target: tuple[str, ...] = ()
    reads: bool = False  # Nothing can be changed by what it allows.
    needs_project: bool = False  # Tokens for the system are refused: nothing would own the result.

    @property
    def scope_types(self) -> tuple[str, ...]:
        """What tokens may be for, as oslo.policy words it."""
        return ("project",) if self.needs_project else ("system", "project")


BASE_RULES: Final = (
    Rule("context_is_admin", "role:admin", "being an admin: what `is_admin:True` means"),
    Rule("admin_only", "rule:context_is_admin", "what only admins may do"),
    Rule(
        "admin_or_system_reader",
        "rule:admin_only or (role:reader and system_scope:all)",
        "looking at the whole system",
        reads=True,
    ),
    Rule(
        "project_member",
        "role:member and project_id:%(project_id)s",
        "being a member of the project that a thing belongs to",
        OF_PROJECT,
    ),
    Rule(
        "project_reader",
        "role:reader and project_id:%(project_id)s",
        "being a reader of the project that a thing belongs to",
        OF_PROJECT,
        reads=True,
    ),
    Rule(
        "admin_or_project_member",
        "rule:admin_only or rule:project_member",
        "changing what belongs to the own project",
        OF_PROJECT,
    ),
    Rule(
        "admin_or_project_reader",
        "rule:admin_or_system_reader or rule:project_reader",
        "looking at what belongs to the own project",
        OF_PROJECT,
        reads=True,
    ),
    Rule(
        "network_owner",
        "project_id:%(network:project_id)s",
        "being of the project that owns the network of a port or subnet",
        OF_NETWORK,
        reads=True,
    ),
    Rule(
        "admin_or_network_owner",
        "rule:admin_only or (role:member and rule:network_owner)",
        "what only the owner of a network may do on it",
        OF_NETWORK,
    ),
)
