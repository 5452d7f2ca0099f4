"""Logs: one line for each thing that happened, as JSON or for a person's eyes, without secrets."""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from functools import lru_cache
from typing import Any, Final, TextIO

# structlog.dev loads rich, and with it pygments, where they are: for the tracebacks that it draws
# on terminals. Here tracebacks are plain, an agent is 3 MiB smaller, and a command starts sooner.
_rich = sys.modules.get("rich")
sys.modules["rich"] = None  # type: ignore[assignment]  # Which is how a module is said to be absent.
import structlog  # noqa: E402

if _rich is None:
    del sys.modules["rich"]
else:
    sys.modules["rich"] = _rich

HIDDEN: Final = "[hidden]"
_DEPTH_MAX: Final = 8
_NAMES_KEPT_MAX: Final = 1024

# Parts of names whose values are never written, however they got into an event.
_SECRET_NAMES: Final = (
    "password", "passwd", "token", "secret", "authorization", "credential", "enrolment_key",
    "api_key", "private_key", "cookie", "user_data", "database_url",
)  # fmt: skip

Event = MutableMapping[str, Any]


def configure_logging(
    *, as_json: bool | None = None, level: int = logging.INFO, stream: TextIO | None = None
) -> None:
    """Set up structlog, and let the standard library's loggers speak through it.

    Args:
        as_json: JSON lines, or lines for people; None: JSON unless `stream` is a terminal.
        level: Nothing below it is written.
        stream: Where to; None: standard error.
    """
    out = stream or sys.stderr
    if as_json is None:
        as_json = not out.isatty()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_logger_name,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        *([structlog.processors.format_exc_info] if as_json else []),
        hide_secrets,
        drop_absent,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False, default=str)
        if as_json
        # Other formatters, if they are installed, show variables: tokens and passwords too.
        else structlog.dev.ConsoleRenderer(
            colors=out.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
    )
    handler = logging.StreamHandler(out)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(level)
    # uvicorn's own lines about connections say nothing that ours about requests don't.
    # Nor does it matter to anybody which plugins Alembic finds in itself when it is loaded, or
    # that it looked for migrations and found none.
    for chatty in ("uvicorn", "alembic"):
        logging.getLogger(chatty).setLevel(max(level, logging.WARNING))
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def hide_secrets(_logger: object, _method: str, event: Event) -> Event:
    """Put `[hidden]` for every value whose name is that of a secret, however deep."""
    for name, value in event.items():
        event[name] = HIDDEN if _is_secret(name) and value else _without_secrets(value, 0)
    return event


def drop_absent(_logger: object, _method: str, event: Event) -> Event:
    """Leave out what is None: that a thing has no host need not be said."""
    for name in [name for name, value in event.items() if value is None]:
        del event[name]
    return event


def _without_secrets(value: Any, depth: int) -> Any:
    if depth == _DEPTH_MAX:
        return "…"
    if isinstance(value, dict):
        return {
            key: HIDDEN if _is_secret(str(key)) and inner else _without_secrets(inner, depth + 1)
            for key, inner in value.items()
        }
    if isinstance(value, list | tuple):
        return [_without_secrets(inner, depth + 1) for inner in value]
    return value


@lru_cache(maxsize=_NAMES_KEPT_MAX)
def _is_secret(name: str) -> bool:
    lowered = name.lower().replace("-", "_")
    return any(part in lowered for part in _SECRET_NAMES)
