"""Ethernet's own numbers: MAC addresses and VLAN IDs, parsed once at the edge."""

from __future__ import annotations

import re
from typing import Final, Self

_MAC = re.compile(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", re.IGNORECASE)

VLAN_ID_MIN: Final = 1
VLAN_ID_MAX: Final = 4094  # 4095 is reserved (802.1Q); igb accepts it all the same, so we refuse.


class MacAddress:
    """A 48-bit MAC address; its text is lower case with colons. Immutable."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        assert _MAC.fullmatch(text)
        self._text: Final = text.lower()

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read six colon-separated pairs of hex digits, in either case.

        Raises:
            ValueError: `text` is anything else.
        """
        if _MAC.fullmatch(text) is None:
            raise ValueError(f"not a MAC address (xx:xx:xx:xx:xx:xx): {text!r}")
        return cls(text)

    def __str__(self) -> str:
        return self._text

    def __repr__(self) -> str:
        return f"MacAddress({self._text!r})"

    def __hash__(self) -> int:
        return hash(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MacAddress) and self._text == other._text

    def __lt__(self, other: MacAddress) -> bool:
        return self._text < other._text

    @property
    def is_zero(self) -> bool:
        """Whether all bits are 0: what a PF reports for a VF that has no admin MAC."""
        return self._text == "00:00:00:00:00:00"

    @property
    def is_multicast(self) -> bool:
        """Whether the group bit is set; no interface may have such an address."""
        return bool(int(self._text[:2], 16) & 1)


ZERO_MAC: Final = MacAddress("00:00:00:00:00:00")


def parse_guest_mac(text: str) -> MacAddress:
    """Read a MAC that a guest's interface can have: unicast, not zero.

    Raises:
        ValueError: It is malformed, all zero, or a group address.
    """
    mac = MacAddress.parse(text)
    if mac.is_zero:
        raise ValueError("the MAC address is all zero")
    if mac.is_multicast:
        raise ValueError(f"the MAC address {mac} is a group (multicast) address")
    return mac
