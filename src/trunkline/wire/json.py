"""The domain's types as JSON and back, for the host protocol, the journal and JSON columns.

msgspec reads the annotations of the frozen dataclasses; the hooks here add the domain's own value
types, which are text on the wire. A fault names its path: ``$.devices[2].address``.
"""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from trunkline.domain.ether import MacAddress
from trunkline.domain.pci import PciAddress

T = TypeVar("T")

_TEXT_TYPES = (PciAddress, MacAddress)


def _to_builtin(value: Any) -> Any:
    if isinstance(value, _TEXT_TYPES):
        return str(value)
    raise NotImplementedError(f"no JSON form for {type(value).__name__}")


def _from_builtin(type_: type, value: Any) -> Any:
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {type(value).__name__}")
    if issubclass(type_, _TEXT_TYPES):
        return type_.parse(value)
    raise NotImplementedError(f"no JSON form for {type_.__name__}")


def encode(value: object) -> bytes:
    """Render a value of the domain as JSON."""
    return msgspec.json.encode(value, enc_hook=_to_builtin)


def decode(data: bytes | str, type_: type[T]) -> T:
    """Parse JSON into `type_`.

    Raises:
        msgspec.ValidationError: Something does not fit; its text names the path and the fault.
        msgspec.DecodeError: It is no JSON. (The class above is one of these.)
    """
    try:
        return msgspec.json.decode(data, type=type_, dec_hook=_from_builtin)
    except UnicodeDecodeError as problem:
        raise msgspec.DecodeError(f"it is not UTF-8 text: {problem.reason}") from problem
    except RecursionError as problem:
        raise msgspec.DecodeError("it is nested too deep") from problem


def to_builtins(value: object) -> Any:
    """Turn a value of the domain into dicts, lists, text and numbers, as its JSON would have."""
    return msgspec.to_builtins(value, enc_hook=_to_builtin)


def convert(value: object, type_: type[T]) -> T:
    """Turn dicts, lists, text and numbers (parsed TOML, say) into `type_`, as `decode` would."""
    # By way of JSON: msgspec.convert() leaves keys that are text as they are, without the hook, and
    # a mapping by PCI address would come out as one by text.
    return decode(encode(value), type_)
