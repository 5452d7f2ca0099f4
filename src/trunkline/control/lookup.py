"""Finding what a person means: by ID, or by a name that only one thing has."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from trunkline.control.services import Services
from trunkline.domain.errors import Invalid, NotFound
from trunkline.domain.identity import Caller
from trunkline.domain.listing import ListQuery

T = TypeVar("T")

CANDIDATES_MAX: Final = 8  # Of one name, told in an error.


def find_by_id_or_name(
    svc: Services,
    caller: Caller,
    what: str,
    ref: str,
    *,
    get: Callable[[Services, Caller, str], T],
    list_: Callable[[Services, Caller, ListQuery], Sequence[T]],
    id_of: Callable[[T], str],
) -> T:
    """Return the one thing that `ref` means; an ID goes before a name.

    Args:
        svc: What the two use cases are given.
        caller: Only what they may see is found.
        what: What is looked for, in messages.
        ref: An ID or a name.
        get: The use case that shows one by its ID.
        list_: The use case that lists them.
        id_of: The ID of one, to tell apart several of one name.

    Raises:
        NotFound: There is none that the caller may see.
        Invalid: Several have this name; their IDs are told.
    """
    try:
        return get(svc, caller, ref)
    except NotFound:
        pass
    found = list_(svc, caller, ListQuery(equals={"name": (ref,)}, limit=CANDIDATES_MAX + 1))
    if not found:
        raise NotFound(what, ref)
    if len(found) > 1:
        raise ambiguous(what, ref, "ID", [id_of(each) for each in found])
    return found[0]


def ambiguous(what: str, ref: str, better: str, candidates: Sequence[str]) -> Invalid:
    """Return the error that tells what else to give, out of these."""
    shown = ", ".join(candidates[:CANDIDATES_MAX])
    more = ", …" if len(candidates) > CANDIDATES_MAX else ""
    return Invalid(what, f"more than one is called {ref!r}: give the {better}, of {shown}{more}")
