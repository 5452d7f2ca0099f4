"""Handler of the action ``os-getConsoleOutput``: 200 once the server's host has answered."""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from trunkline.api.http import LongPoll, Request, Response
from trunkline.api.parsing import Fields
from trunkline.control.consoles import AskedConsole, ask_console, find_console, unanswered
from trunkline.control.services import Services
from trunkline.domain.console import shown_console

# An agent answers within a round, which takes a second or two where it has much to do.
ANSWER_SECONDS_MAX: Final = 20.0
_LENGTH: Final = re.compile(r"-?[0-9]{1,9}", re.ASCII)


def get_console_output(svc: Services, request: Request, body: Fields) -> LongPoll:
    """Ask for the end of what the guest has said; `length` lines, or all that is kept."""
    lines = _lines(body.fields("os-getConsoleOutput"))
    asked = ask_console(svc, request.caller, request.params["id"])
    return LongPoll(
        host_name=asked.host_name,
        ready=partial(_answer, svc, asked, lines),
        timeout_seconds=ANSWER_SECONDS_MAX,
        otherwise=unanswered(asked),
    )


def _lines(asked: Fields) -> int | None:
    """Read `length`: a number, also as text; null and -1 stand for all, as in Nova's schema."""
    asked.require_only(("length",))
    given = asked.raw("length") if "length" in asked else None
    if given is None:
        return None
    is_number = isinstance(given, int | str) and not isinstance(given, bool)
    if not is_number or not _LENGTH.fullmatch(str(given)) or int(str(given)) < -1:
        raise asked.invalid("length", "must be a number of lines, or -1 for all that is kept")
    lines = int(str(given))
    return None if lines == -1 else lines


def _answer(svc: Services, asked: AskedConsole, lines: int | None) -> Response | None:
    said = find_console(svc, asked)
    return None if said is None else Response(body={"output": shown_console(said, lines=lines)})
