"""Device specs as operators write them: parsed whole, with each fault, its place and remedy."""

from __future__ import annotations

import difflib
import re
import warnings
from collections.abc import Mapping, Sequence

from trunkline.domain.bandwidth import Bandwidth
from trunkline.domain.device import (
    PHYSICAL_NETWORK_TAG,
    SWITCH_TAG,
    VFS_MAX,
)
from trunkline.domain.device_spec import DeviceSpec, Offer
from trunkline.domain.errors import ErrorKind, TrunklineError
from trunkline.domain.ether import MacAddress
from trunkline.domain.host import COUNT_MAX
from trunkline.domain.network_pool import PoolMode
from trunkline.domain.pci import parse_pci_id
from trunkline.domain.spec_patterns import AddressPattern, glob_regex

_KEYS = (
    "vendor_id",
    "product_id",
    "address",
    "ifname",
    "serial",
    "mac",
    "physical_network",
    "switch",
    "tags",
    "egress_mbps",
    "ingress_mbps",
    "vf_count",
    "network_pool",
    "managed",
    "one_time_use",
    "offer",
    "exclude",
)
_AUTO = "auto"
_BANDWIDTHS = ("egress_mbps", "ingress_mbps")
_CABLE_TAGS = (PHYSICAL_NETWORK_TAG, SWITCH_TAG)  # Keys of their own, since one cable has one.
_NOT_TAGS = (*_CABLE_TAGS, "managed", "one_time_use")
# Tags that Trunkline demands itself: any other value would silently mean no.
_YES_OR_NO_TAGS = ("trusted", "live_migratable")
_CONDITIONS = ("vendor_id", "product_id", "address", "ifname", "serial", "mac")
_ADDRESS_PARTS = {"domain": 8, "bus": 2, "slot": 2, "function": 1}  # Most hex digits of each.
_TAG_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_TAG_BYTES_MAX = 255  # The longest value that the database and the API take.
_IFNAME_BYTES_MAX = 15

# Facts of the hardware, which a tag must not pass for, with or without the `e.` before it.
_FACTS = frozenset(
    {"vendor_id", "product_id", "dev_type", "numa_node", "driver", "address", "ifname"}
    | {"network_pool"}
)


class InvalidDeviceSpecs(TrunklineError):
    """The device specs of a host can't be used; `faults` has every reason."""

    code = "host.invalid_device_specs"
    kind = ErrorKind.INVALID

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


def parse_device_specs(
    raw: Sequence[object], *, path: str = "device_specs", allow_auto: bool = False
) -> tuple[DeviceSpec, ...]:
    """Read device specs from parsed TOML or JSON; `path` is where they stand, for messages.

    `allow_auto`: PFs may be left to be found, by who knows the machine.

    Raises:
        InvalidDeviceSpecs: Some are malformed or contradict each other; it tells all of it.
    """
    faults: list[str] = []
    specs: list[tuple[int, DeviceSpec]] = []
    for index, table in enumerate(raw):
        place = f"{path}[{index}]"
        if not isinstance(table, Mapping):
            faults.append(f"{place}: expected a table, found {type(table).__name__}")
            continue
        found: list[str] = []
        spec = _Reader(table, place, found).spec()
        if spec.is_auto and not allow_auto:
            found.append(f'{place}.address: "auto" is for compute.toml; write the address')
        faults.extend(found)
        if not found:
            specs.append((index, spec))
    faults.extend(_contradictions(specs, path))
    faults.extend(_without_effect(specs, path))
    if faults:
        raise InvalidDeviceSpecs(faults)
    return tuple(spec for _, spec in specs)


class _Reader:
    """Reads one table, and notes each fault with its place."""

    def __init__(self, table: Mapping[object, object], place: str, faults: list[str]) -> None:
        self._table = table
        self._place = place
        self._faults = faults

    def spec(self) -> DeviceSpec:
        for key in self._table:
            if key not in _KEYS:
                near = difflib.get_close_matches(str(key), _KEYS, n=1)
                remedy = f"did you mean {near[0]}?" if near else f"known are {', '.join(_KEYS)}"
                self._fault(str(key), f"unknown; {remedy}")
        if not any(key in self._table for key in _CONDITIONS):
            self._fault("", f"matches nothing in particular; add one of {', '.join(_CONDITIONS)}")
        return DeviceSpec(
            vendor_id=self._pci_id("vendor_id"),
            product_id=self._pci_id("product_id"),
            address=self._address(),
            ifname=self._ifname(),
            is_auto=self._is_auto,
            serial=self._text("serial"),
            mac=self._mac(),
            offer=self._offer(),
            exclude=self._exclude(),
            tags=self._tags(),
            bandwidth=Bandwidth(
                egress_mbps=self._mbps("egress_mbps"), ingress_mbps=self._mbps("ingress_mbps")
            ),
            vf_count=self._vf_count(),
            network_pool=self._network_pool(),
            managed=self._managed(),
            one_time_use=self._one_time_use(),
        )

    def _fault(self, key: str, problem: str) -> None:
        place = f"{self._place}.{key}" if key else self._place
        self._faults.append(f"{place}: {problem}")

    def _text(self, key: str) -> str | None:
        value = self._table.get(key)
        if value is None or (isinstance(value, str) and value):
            return value
        self._fault(key, f"expected text, found {value!r}; write it in quotes")
        return None

    def _pci_id(self, key: str) -> str | None:
        text = self._text(key)
        if text is None:
            return None
        try:
            return parse_pci_id(text)
        except ValueError as fault:
            self._fault(key, f'{fault}; write it as "8086"')
            return None

    def _ifname(self) -> str | None:
        text = self._text("ifname")
        if text is None:
            return None
        if "*" not in text and len(text.encode()) > _IFNAME_BYTES_MAX:
            self._fault("ifname", f"{text!r} is longer than {_IFNAME_BYTES_MAX} bytes")
        if problem := _pattern_problem(glob_regex(text)):
            self._fault("ifname", f"not a pattern: {text!r} ({problem}); mind the brackets")
        return text

    def _mac(self) -> MacAddress | None:
        text = self._text("mac")
        try:
            return None if text is None else MacAddress.parse(text)
        except ValueError as fault:
            self._fault("mac", f'{fault}; write it as "00:1b:21:00:00:01"')
            return None

    @property
    def _is_auto(self) -> bool:
        return self._table.get("address") == _AUTO

    def _address(self) -> AddressPattern | None:
        value = self._table.get("address")
        if value is None or self._is_auto:
            return None
        if isinstance(value, Mapping):
            return self._address_table(value)
        if not isinstance(value, str):
            self._fault("address", f"expected text or a table, found {value!r}")
            return None
        parts = re.fullmatch(r"([^:.]+):([^:.]+):([^:.]+)\.([^:.]+)", value)
        if parts is None:
            self._fault(
                "address",
                f"not a whole PCI address: {value!r};"
                ' write DDDD:BB:SS.F, with * for a part that may be anything: "0000:05:*.*"; or'
                ' "auto" for the one PF that fits',
            )
            return None
        return self._pattern(
            dict(zip(_ADDRESS_PARTS, parts.groups(), strict=True)), value, globs=True
        )

    def _address_table(self, table: Mapping[object, object]) -> AddressPattern | None:
        parts: dict[str, str] = dict.fromkeys(_ADDRESS_PARTS, ".*")
        count = len(self._faults)
        for key, value in table.items():
            if key not in _ADDRESS_PARTS:
                known = ", ".join(_ADDRESS_PARTS)
                self._fault(f"address.{key}", f"unknown; known are {known}")
            elif not isinstance(value, str) or not value:
                self._fault(f"address.{key}", f"expected a regular expression, found {value!r}")
            else:
                parts[str(key)] = value
        if not table:
            self._fault("address", f"empty; add one of {', '.join(_ADDRESS_PARTS)}")
        if len(self._faults) > count:
            return None
        text = ", ".join(f"{key}={value!r}" for key, value in table.items())
        return self._pattern(parts, f"{{{text}}}", globs=False)

    def _pattern(
        self, parts: Mapping[str, str], text: str, *, globs: bool
    ) -> AddressPattern | None:
        patterns: dict[str, str] = {}
        for key, part in parts.items():
            place = "address" if globs else f"address.{key}"
            if globs and not re.fullmatch(r"[0-9a-fA-F*?\[\]!-]+", part):
                self._fault(place, f"{part!r} in {text!r} is neither hex digits nor a pattern")
                continue
            if re.fullmatch(r"[0-9a-fA-F]+", part) and not _fits(key, part):
                self._fault(place, f"{part!r} in {text!r} is no PCI {key}")
                continue
            pattern = glob_regex(part) if globs else part
            if problem := _pattern_problem(pattern):
                self._fault(place, f"not a pattern: {part!r} ({problem})")
                continue
            patterns[key] = pattern.lower() if globs else pattern
        if len(patterns) < len(_ADDRESS_PARTS):
            return None
        return AddressPattern(**patterns, text=text)

    def _offer(self) -> Offer:
        # A PF that is given away whole takes with it what libvirt is to hand out.
        usual = Offer.VFS if "network_pool" in self._table else Offer.ALL
        value = self._table.get("offer", usual.value)
        for offer in Offer:
            if offer.value == value:
                return offer
        self._fault("offer", f'{value!r} is unknown; write "all", "pf", "vfs" or "plain"')
        return Offer.ALL

    def _exclude(self) -> bool:
        value = self._flag("exclude", usual=False)
        if value and self._is_auto:
            self._fault("address", 'what is excluded is not to be found: write it, not "auto"')
        if value:
            for key in (
                *(*_CABLE_TAGS, *_BANDWIDTHS, "vf_count", "network_pool", "tags", "offer"),
                *("managed", "one_time_use"),
            ):
                if key in self._table:
                    self._fault(key, "has no meaning for what is excluded; remove it")
        return value

    def _flag(self, key: str, *, usual: bool) -> bool:
        value = self._table.get(key, usual)
        if not isinstance(value, bool):
            self._fault(key, f"expected true or false, found {value!r:.80}")
            return usual
        return value

    def _managed(self) -> bool:
        managed = self._flag("managed", usual=True)
        if not managed and "network_pool" in self._table:
            self._fault("managed", "libvirt binds what is in its network pools; remove one of both")
        return managed

    def _one_time_use(self) -> bool:
        once = self._flag("one_time_use", usual=False)
        if once and "network_pool" in self._table:
            self._fault(
                "one_time_use",
                "libvirt chooses of a network pool, and might choose one that was used; remove one"
                " of both",
            )
        return once

    def _mbps(self, key: str) -> int | None:
        value = self._table.get(key)
        if value is None:
            return None
        if self._table.get("offer") == Offer.PLAIN.value:
            self._fault(key, "has no meaning for plain functions; remove it")
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= COUNT_MAX:
            self._fault(key, f"expected a whole number of Mbit/s from 1, found {value!r:.80}")
            return None
        return value

    def _vf_count(self) -> int | None:
        value = self._table.get("vf_count")
        if value is None:
            return None
        if self._table.get("offer") in (Offer.PF.value, Offer.PLAIN.value):
            self._fault("vf_count", "has no meaning where no VFs are on offer; remove it")
        if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= VFS_MAX:
            self._fault("vf_count", f"expected 1 to {VFS_MAX}, found {value!r:.80}")
            return None
        return value

    def _network_pool(self) -> PoolMode | None:
        value = self._table.get("network_pool")
        if value is None:
            return None
        if "physical_network" not in self._table:
            self._fault("network_pool", "is of a physical network; add physical_network")
        if self._table.get("offer", Offer.VFS.value) != Offer.VFS.value:
            self._fault("network_pool", 'hands out VFs; remove offer, or write "vfs"')
        for mode in PoolMode:
            if mode.value == value:
                return mode
        self._fault("network_pool", f'{value!r:.80} is unknown; write "hostdev" or "passthrough"')
        return None

    def _tags(self) -> dict[str, str]:
        tags: dict[str, str] = {}
        raw = self._table.get("tags", {})
        if not isinstance(raw, Mapping):
            self._fault("tags", f"expected a table, found {raw!r}")
            raw = {}
        for name, value in raw.items():
            key = f"tags.{name}"
            if not isinstance(name, str) or not _TAG_NAME.fullmatch(name):
                self._fault(
                    key, "not a tag's name; use a-z, 0-9 and _, a letter first, without `e.`"
                )
            elif name in _FACTS:
                self._fault(key, "the name of a hardware fact; choose another name")
            elif name in _NOT_TAGS:
                self._fault(key, "stands beside `tags`, not in it; move it one level up")
            elif name in _YES_OR_NO_TAGS and value not in ("true", "false"):
                self._fault(key, f'expected "true" or "false", found {value!r:.80}')
            elif not isinstance(value, str) or not 0 < len(value.encode()) <= _TAG_BYTES_MAX:
                self._fault(
                    key, f"expected text of 1 to {_TAG_BYTES_MAX} bytes, found {value!r:.80}"
                )
            else:
                tags[name] = value
        for key in _CABLE_TAGS:
            text = self._text(key)
            if text is not None:
                if len(text.encode()) > _TAG_BYTES_MAX:
                    self._fault(key, f"longer than {_TAG_BYTES_MAX} bytes")
                tags[key] = text
        return tags


def _fits(part: str, digits: str) -> bool:
    limits = {"domain": 0xFFFF_FFFF, "bus": 0xFF, "slot": 0x1F, "function": 0x7}
    width = {"domain": len(digits) >= 4, "bus": len(digits) == 2, "slot": len(digits) == 2}
    return width.get(part, len(digits) == 1) and int(digits, 16) <= limits[part]


def _contradictions(specs: Sequence[tuple[int, DeviceSpec]], path: str) -> list[str]:
    """Specs that match on the very same conditions: all but the first are dead."""
    faults: list[str] = []
    first: dict[tuple[object, ...], tuple[int, DeviceSpec]] = {}
    for index, spec in specs:
        earlier_index, earlier = first.setdefault(spec.conditions, (index, spec))
        if earlier is spec:
            continue
        if earlier == spec:
            problem = "the same spec again"
        elif Offer.PLAIN in (earlier.offer, spec.offer) and earlier.is_apart_from(spec):
            continue
        elif earlier.physical_network != spec.physical_network:
            problem = (
                f"matches the same devices as {path}[{earlier_index}], which puts them on physical"
                f" network {earlier.physical_network}, this one on {spec.physical_network}"
            )
        elif earlier.is_apart_from(spec):
            continue
        else:
            problem = f"matches the same devices as {path}[{earlier_index}], and disagrees on them"
        faults.append(f"{path}[{index}]: {problem}; remove one of them")
    return faults


def _without_effect(specs: Sequence[tuple[int, DeviceSpec]], path: str) -> list[str]:
    """Specs that come after one that means all that they do, and more."""
    faults: list[str] = []
    for at, (index, spec) in enumerate(specs):
        wider = (
            each
            for each, earlier in specs[:at]
            if earlier.conditions != spec.conditions and earlier.leaves_nothing_to(spec)
        )
        earlier_index = next(wider, None)
        if earlier_index is not None:
            faults.append(
                f"{path}[{index}]: never counts: {path}[{earlier_index}], which stands before it,"
                " means all that it does; put this one first"
            )
    return faults


def _pattern_problem(pattern: str) -> str:
    """Say why a regular expression can't be used; empty: it can."""
    try:
        with warnings.catch_warnings():
            # What Python warns of, as a set in a set, is to mean something else some day.
            warnings.simplefilter("error")
            re.compile(pattern)
    except (re.error, OverflowError, RecursionError, Warning) as problem:
        return str(problem)
    return ""
