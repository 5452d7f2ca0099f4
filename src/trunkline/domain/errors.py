"""The failures that callers are expected to meet: one class a situation, facts as attributes.

A bug raises something else. Each `code` stands in docs/errors.md and in HTTP bodies; it is never
changed and never reused. The HTTP status is the API layer's business (`api.errors`), chosen by the
`kind` of the error.
"""

from __future__ import annotations

import enum
from typing import ClassVar

from trunkline.domain.bandwidth import Bandwidth, Guarantee


class ErrorKind(enum.Enum):
    """What the caller can do about an error."""

    INVALID = "invalid"  # The request is wrong as it stands; sending it again can't help.
    UNAUTHENTICATED = "unauthenticated"  # Who is asking is not known.
    FORBIDDEN = "forbidden"  # Known, and not allowed.
    NOT_FOUND = "not_found"  # No such thing, or none that the caller may see.
    CONFLICT = "conflict"  # True requests that another state of the world refuses.
    TOO_LARGE = "too_large"  # A named limit was passed.
    UNAVAILABLE = "unavailable"  # Nothing wrong with the request; try again later.
    TOO_MANY = "too_many"  # Asked too often; try again later.
    NO_SPACE = "no_space"  # There is no room for what was sent, until an operator makes some.


class TrunklineError(Exception):
    """Root of the failures that callers are expected to meet."""

    code: ClassVar[str]
    kind: ClassVar[ErrorKind]

    @property
    def message(self) -> str:
        """One sentence for people: what was wanted and what stood in the way."""
        return str(self)


class NotFound(TrunklineError):
    """Nothing of this kind with this ID or name is visible to the caller."""

    code = "request.not_found"
    kind = ErrorKind.NOT_FOUND

    def __init__(self, what: str, ref: str) -> None:
        super().__init__(f"{what} {ref} could not be found")
        self.what = what
        self.ref = ref


class Invalid(TrunklineError):
    """A value in the request is malformed or out of range; `field` says which."""

    code = "request.invalid"
    kind = ErrorKind.INVALID

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field}: {problem}")
        self.field = field
        self.problem = problem


class TooManyLogins(TrunklineError):
    """So many are logging in that this login would have waited for seconds; nothing was checked."""

    code = "identity.too_many_logins"
    kind = ErrorKind.UNAVAILABLE

    def __init__(self) -> None:
        super().__init__(
            "too many are logging in at this moment: try again in a second, and use a token for as"
            " long as it is valid, rather than log in for each request"
        )


class Forbidden(TrunklineError):
    """The policy does not allow the caller this."""

    code = "request.forbidden"
    kind = ErrorKind.FORBIDDEN

    def __init__(self, action: str) -> None:
        super().__init__(f"not allowed: {action}")
        self.action = action


class Unauthenticated(TrunklineError):
    """No valid credential came with the request."""

    code = "identity.unauthenticated"
    kind = ErrorKind.UNAUTHENTICATED

    def __init__(self, problem: str = "the request you have made requires authentication") -> None:
        super().__init__(problem)


class NotInAccessRules(Unauthenticated):
    """No access rule of the application credential behind the token allows the request."""

    code = "identity.not_in_access_rules"

    def __init__(self, service: str, method: str) -> None:
        super().__init__(
            f"no access rule of the application credential allows this {method} of {service}"
        )


class IdentityUnavailable(TrunklineError):
    """The identity service elsewhere can't be asked whom a token speaks for."""

    code = "identity.unavailable"
    kind = ErrorKind.UNAVAILABLE

    def __init__(self, url: str, problem: str) -> None:
        super().__init__(
            f"this token can't be checked, since Keystone at {url} can't be asked: {problem}; "
            "try again later"
        )
        self.url = url


class TooLarge(TrunklineError):
    """The request passes a named limit."""

    code = "request.too_large"
    kind = ErrorKind.TOO_LARGE

    def __init__(self, what: str, limit: int, unit: str) -> None:
        super().__init__(f"{what} is larger than the limit of {limit} {unit}")
        self.limit = limit


class InUse(TrunklineError):
    """Something still needs the thing that was to be deleted or changed."""

    code = "request.in_use"
    kind = ErrorKind.CONFLICT

    def __init__(self, what: str, ref: str, by: str) -> None:
        super().__init__(f"{what} {ref} is in use: {by}")
        self.what = what
        self.ref = ref
        self.by = by


class AlreadyExists(TrunklineError):
    """A thing with this name, number or address exists already."""

    code = "request.already_exists"
    kind = ErrorKind.CONFLICT

    def __init__(self, what: str, ref: str) -> None:
        super().__init__(f"{what} {ref} already exists")
        self.what = what
        self.ref = ref


class IllegalTransition(TrunklineError):
    """An event arrived that its state has no answer to: stale news, or a bug."""

    code = "state.illegal_transition"
    kind = ErrorKind.CONFLICT

    def __init__(self, *, machine: str, state: str, event: str) -> None:
        super().__init__(f"a {machine} that is {state} cannot {event}")
        self.machine = machine
        self.state = state
        self.event = event


class StateConflict(TrunklineError):
    """The thing is in a state that does not allow the action."""

    code = "state.conflict"
    kind = ErrorKind.CONFLICT

    def __init__(self, what: str, ref: str, problem: str) -> None:
        super().__init__(f"{what} {ref}: {problem}")
        self.what = what
        self.ref = ref


class GenerationMoved(TrunklineError):
    """The thing changed after it was read. Read it again and decide again."""

    code = "store.generation_moved"
    kind = ErrorKind.CONFLICT

    def __init__(self, what: str, ref: str, *, seen_generation: int) -> None:
        super().__init__(f"{what} {ref} has moved past generation {seen_generation}")
        self.what = what
        self.ref = ref
        self.seen_generation = seen_generation


class DeviceTaken(TrunklineError):
    """The device that was chosen or claimed already has an owner, or can't have this one."""

    code = "allocation.device_taken"
    kind = ErrorKind.CONFLICT

    def __init__(
        self, device: str, problem: str = "it has an owner already", *, host_id: str | None = None
    ) -> None:
        super().__init__(f"device {device} cannot be taken: {problem}")
        self.device = device
        self.host_id = host_id  # Set where a race was lost: what is known of this host is stale.


class NicNotPlaced(TrunklineError):
    """The host of a server has nothing for one NIC more; nothing was taken."""

    code = "allocation.nic_not_placed"
    kind = ErrorKind.INVALID

    def __init__(self, server_id: str, problem: str) -> None:
        super().__init__(f"the host of server {server_id} can't give it this NIC: {problem}")
        self.problem = problem


class NotEnoughBandwidth(TrunklineError):
    """A PF has not as much left as it is to guarantee."""

    code = "allocation.not_enough_bandwidth"
    kind = ErrorKind.CONFLICT

    def __init__(
        self, device_id: str, guarantee: Guarantee, left: Bandwidth, *, host_id: str
    ) -> None:
        super().__init__(
            f"not enough bandwidth is left to guarantee {guarantee}, on the card where it is to be"
        )
        self.device_id = device_id
        self.guarantee = guarantee
        self.left = left
        self.host_id = host_id  # What is known of this host may be stale.


class QosNotSupported(TrunklineError):
    """A port can't have what a QoS policy says, where it is or wherever it will be."""

    code = "qos.not_supported"
    kind = ErrorKind.CONFLICT

    def __init__(self, policy: str, port: str, problem: str) -> None:
        super().__init__(f"port {port} can't have QoS policy {policy}: {problem}")
        self.policy = policy
        self.port = port


class QosRulesConflict(TrunklineError):
    """Two rules of a QoS policy can't hold together."""

    code = "qos.rules_conflict"
    kind = ErrorKind.CONFLICT

    def __init__(self, policy: str, problem: str) -> None:
        super().__init__(f"QoS policy {policy}: {problem}")
        self.policy = policy


class NoSegmentationIdFree(TrunklineError):
    """Every segmentation ID that tenant networks may have is in use."""

    code = "network.no_segmentation_id_free"
    kind = ErrorKind.CONFLICT

    def __init__(self, physical_networks: str) -> None:
        super().__init__(
            f"no segmentation ID is free on {physical_networks}: delete a network, or widen a range"
        )


class NoAddressFree(TrunklineError):
    """A subnet's allocation pools are used up."""

    code = "network.no_address_free"
    kind = ErrorKind.CONFLICT

    def __init__(self, subnet: str) -> None:
        super().__init__(f"no IP address is free in {subnet}")


class StoreUnavailable(TrunklineError):
    """The database could not take the write; nothing of it was kept."""

    code = "store.unavailable"
    kind = ErrorKind.UNAVAILABLE

    def __init__(self, problem: str) -> None:
        super().__init__(f"the change could not be stored, nothing was kept: {problem}")


class ImageStoreFull(TrunklineError):
    """The disk that keeps the images has no room for these bytes."""

    code = "image.store_full"
    kind = ErrorKind.NO_SPACE

    def __init__(self, image: str) -> None:
        super().__init__(f"no space is left for the bytes of image {image}; nothing was kept")
        self.image = image


class LimitReached(TrunklineError):
    """A named limit on how many of something may exist was reached."""

    code = "request.limit_reached"
    kind = ErrorKind.CONFLICT

    def __init__(self, what: str, limit: int) -> None:
        super().__init__(f"the limit of {limit} {what} is reached")
        self.limit = limit


class TwoAgents(TrunklineError):
    """Two agents report for one host in turn; neither is believed."""

    code = "agent.two_agents"
    kind = ErrorKind.CONFLICT

    def __init__(self, host: str) -> None:
        super().__init__(
            f"two agents report for host {host} in turn, perhaps with copies of one state "
            "directory: stop both, and start the right one"
        )
        self.host = host
