"""A guest of 512 bytes that talks on its serial port: a boot sector, as no system has to boot."""

from __future__ import annotations

from typing import Final

LINE: Final = b"the quick brown fox jumps over the lazy dog, again and again\n"
END: Final = b"that was all\n"

_CODE: Final = (
    "31c0 8ed8"  # xor ax, ax; mov ds, ax
    "bb {times}"  # mov bx, TIMES
    "be {line}"  # again: mov si, LINE
    "ac 84c0 7412"  # next: lodsb; test al, al; jz done
    "88c4"  # mov ah, al
    "bafd03 ec a820 74f8"  # wait: mov dx, 0x3fd; in al, dx; test al, 0x20; jz wait
    "baf803 88e0 ee ebe9"  # mov dx, 0x3f8; mov al, ah; out dx, al; jmp next
    "4b 7807 75e1"  # done: dec bx; js halt; jnz again
    "be {end} ebdf"  # mov si, END; jmp next
    "fa f4 ebfc"  # halt: cli; hlt; jmp halt
)
_LOADED_AT: Final = 0x7C00
_CODE_BYTES: Final = 0x2F


def talking_disk(times: int) -> bytes:
    """Return a disk whose guest says `LINE` so many times, and then `END`."""
    line = _LOADED_AT + _CODE_BYTES
    numbers = {"times": times, "line": line, "end": line + len(LINE) + 1}
    words = {name: number.to_bytes(2, "little").hex() for name, number in numbers.items()}
    code = bytes.fromhex(_CODE.format(**words))
    assert len(code) == _CODE_BYTES
    return (code + LINE + b"\0" + END + b"\0").ljust(510, b"\0") + b"\x55\xaa"


def said_by(times: int) -> bytes:
    """Return what that guest says."""
    return LINE * times + END
