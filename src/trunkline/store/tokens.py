"""Tokens."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BindParameter, Connection, bindparam, delete, insert, or_, select

from trunkline.domain.identity import target_of_domain
from trunkline.domain.ids import ApplicationCredentialId, DomainId, RoleTarget, UserId
from trunkline.store.identity_tables import projects, tokens, users
from trunkline.store.prepared import Prepared

_WANTED: BindParameter[str] = bindparam("wanted")
_TOKEN = Prepared(select(tokens).where(tokens.c.token_hash == _WANTED))


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRecord:
    """A token as the store keeps it: its text is known only to whom it was given."""

    token_hash: str  # SHA-256 of its text, in hex.
    user_id: UserId
    target: RoleTarget | None  # None: for nothing but to get another token, and to look around.
    issued_at: datetime
    expires_at: datetime
    methods: tuple[str, ...]
    audit_id: str
    application_credential_id: ApplicationCredentialId | None = None


class Tokens:
    """Rows of tokens."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def find(self, token_hash: str) -> TokenRecord | None:
        """Return the token with this hash, expired or not."""
        row = _TOKEN.one_or_none(self._connection, {"wanted": token_hash})
        return None if row is None else TokenRecord(**row | {"methods": tuple(row["methods"])})

    def insert(self, token: TokenRecord) -> None:
        """Store a new token."""
        row = {column.name: getattr(token, column.name) for column in tokens.c}
        self._connection.execute(insert(tokens).values(row))

    def delete(self, token_hash: str) -> None:
        """Revoke a token."""
        self._connection.execute(delete(tokens).where(tokens.c.token_hash == token_hash))

    def delete_of_user(self, user_id: UserId) -> None:
        """Revoke every token of a user."""
        self._connection.execute(delete(tokens).where(tokens.c.user_id == user_id))

    def delete_of_domain(self, domain_id: DomainId) -> None:
        """Revoke every token of a domain's users, and for it and its projects."""
        of_users = select(users.c.id).where(users.c.domain_id == domain_id)
        of_projects = select(projects.c.id).where(projects.c.domain_id == domain_id)
        self._connection.execute(
            delete(tokens).where(
                or_(
                    tokens.c.user_id.in_(of_users),
                    tokens.c.target.in_(of_projects),
                    tokens.c.target == target_of_domain(domain_id),
                )
            )
        )

    def delete_for(self, target: RoleTarget) -> None:
        """Revoke every token for a target."""
        self._connection.execute(delete(tokens).where(tokens.c.target == target))

    def purge(self, before: datetime, *, limit: int) -> int:
        """Forget up to `limit` tokens that expired before a time."""
        expired = select(tokens.c.token_hash).where(tokens.c.expires_at < before).limit(limit)
        return self._connection.execute(
            delete(tokens).where(tokens.c.token_hash.in_(expired))
        ).rowcount
