"""How hosts become known and get a credential of their own.

A host proves that it may by an enrolment token, which an admin makes for it, or by the enrolment
key, where one is set: whoever has that can pass for any host.
"""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from trunkline.control import audit
from trunkline.control.access import require
from trunkline.control.audit import Actor, actor_of
from trunkline.control.hosts import ensure_host, require_host_name
from trunkline.control.races import write_until_won
from trunkline.control.services import Services
from trunkline.domain.enrolment import LIFETIME_MAX, EnrolmentToken
from trunkline.domain.errors import AlreadyExists, Invalid, Unauthenticated
from trunkline.domain.identity import Caller
from trunkline.domain.ids import EnrolmentTokenId, HostName
from trunkline.domain.policy import trunkline_rules as rules
from trunkline.store.transaction import Transaction

ENROLMENT_KEY_SETTING = "enrolment_key_hash"


def set_enrolment_key(svc: Services, key: str | None) -> None:
    """Set the key that any host may enrol with; None: there is none. Only its hash is kept."""
    value = "" if key is None else _hash(key)
    svc.store.write(lambda tx: tx.settings.put(ENROLMENT_KEY_SETTING, value))


def create_enrolment_token(
    svc: Services, caller: Caller, *, host: HostName | None, lifetime: timedelta
) -> tuple[EnrolmentToken, str]:
    """Make a token, and return it with its text, which is told this once. Admins only."""
    require(caller, rules.CREATE_ENROLMENT_TOKEN)
    if host is not None:
        require_host_name(host)
    if not timedelta(0) < lifetime <= LIFETIME_MAX:
        most = int(LIFETIME_MAX.total_seconds())
        raise Invalid("ttl_seconds", f"must be from 1 to {most}")
    now, text = svc.clock.now(), svc.ids.new_secret()
    token = EnrolmentToken(
        id=EnrolmentTokenId(svc.ids.new_id()),
        host=host,
        created_by=caller.user_name,
        created_at=now,
        expires_at=now + lifetime,
    )

    def create(tx: Transaction) -> None:
        tx.enrolment_tokens.insert(token, _hash(text))
        _audit(tx, svc, caller, "enrolment_token.create", token)

    svc.store.write(create)
    return token, text


def list_enrolment_tokens(svc: Services, caller: Caller) -> list[EnrolmentToken]:
    """Return every token that is kept, newest first. Admins only."""
    require(caller, rules.LIST_ENROLMENT_TOKENS)
    return svc.store.read(lambda tx: tx.enrolment_tokens.all())


def revoke_enrolment_token(svc: Services, caller: Caller, token_id: str) -> None:
    """Make a token worthless. A host that enrolled by it stays enrolled. Admins only."""
    require(caller, rules.REVOKE_ENROLMENT_TOKEN)

    def revoke(tx: Transaction) -> None:
        token = tx.enrolment_tokens.get(token_id)
        tx.enrolment_tokens.delete(token.id)
        _audit(tx, svc, caller, "enrolment_token.revoke", token)

    svc.store.write(revoke)


def enrol_host(svc: Services, name: HostName, key: str, *, token: str | None = None) -> str:
    """Make a host known, or known anew, and return its agent's credential, bound to its name.

    An earlier credential of the same host is worthless from then on.

    Args:
        svc: The services.
        name: The host's.
        key: The enrolment key, or the text of an enrolment token.
        token: The credential, where the agent has made one up, and kept it: then it can ask again
            when the answer got lost. Otherwise one is made here.

    Raises:
        Unauthenticated: `key` is neither, or does not let this host enrol.
        Invalid: The name is empty, too long, or has unprintable characters.
    """
    # Before the one writer of an embedded database is kept from others by whoever guesses.
    svc.store.read(lambda tx: _require_known(tx, key))
    credential = token or svc.ids.new_secret()

    def enrol(tx: Transaction) -> None:
        by = _proof(tx, svc, name, key, credential)
        if by is None:
            return  # The same question once more: its answer got lost.
        known = tx.hosts.find_by_name(name)
        host = known or ensure_host(tx, svc, name, details={"by": by})
        tx.hosts.set_token_hash(host.id, _hash(credential))
        if known is not None:
            audit.record(
                tx, Actor(f"agent {name}"), svc.clock.now(), "host.enrol", f"host {name}",
                host=name, details={"by": by, "again": True},
            )  # fmt: skip

    write_until_won(svc.store, enrol, lost=(AlreadyExists,))  # Enrolled twice at once.
    return credential


def host_by_token(svc: Services, token: str) -> HostName:
    """Return the one host that an agent with this credential may speak for.

    Raises:
        Unauthenticated: No host's agent has it.
    """
    name = svc.store.read(lambda tx: tx.hosts.name_by_token_hash(_hash(token)))
    if name is None:
        raise Unauthenticated("the agent's credential is not known; enrol the host again")
    return name


def _proof(tx: Transaction, svc: Services, name: HostName, key: str, credential: str) -> str | None:
    """Return what lets this host enrol, used up if it is a token; None: it has already.

    Raises:
        Unauthenticated: Nothing does.
    """
    token = _require_known(tx, key)
    if token is None:
        return "the enrolment key"
    if token.used_by == name and tx.hosts.name_by_token_hash(_hash(credential)) == name:
        return None
    now = svc.clock.now()
    if token.host not in (None, name):
        raise Unauthenticated(f"the enrolment token is for host {token.host}, not for {name}")
    if token.used_at is None and now >= token.expires_at:
        raise Unauthenticated(f"the enrolment token expired at {token.expires_at:%F %T} UTC")
    if token.host is None and tx.hosts.has_credential(name):
        raise Unauthenticated(
            f"host {name} is enrolled already: only a token that was made for it enrols it again"
        )
    if not tx.enrolment_tokens.use(token.id, name, now):
        raise Unauthenticated("the enrolment token was used already; each enrols a host once")
    return f"enrolment token {token.id}"


def _require_known(tx: Transaction, key: str) -> EnrolmentToken | None:
    """Return the token that `key` is; None: it is the enrolment key."""
    expected = tx.settings.find(ENROLMENT_KEY_SETTING) or ""
    if hmac.compare_digest(expected, _hash(key)):
        return None
    token = tx.enrolment_tokens.find_by_hash(_hash(key))
    if token is None:
        raise Unauthenticated("this is neither the enrolment key nor an enrolment token")
    return token


def _audit(
    tx: Transaction, svc: Services, caller: Caller, action: str, token: EnrolmentToken
) -> None:
    audit.record(
        tx, actor_of(caller), svc.clock.now(), action, f"enrolment token {token.id}",
        host=token.host, details={"expires_at": token.expires_at.isoformat()},
    )  # fmt: skip


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
