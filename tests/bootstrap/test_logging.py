"""Logs: one line an event, as JSON or for people, and no secrets in them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from trunkline.bootstrap.logging import configure_logging


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    """What was logged, as JSON; the test's own logging comes back afterwards."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    stream = io.StringIO()
    configure_logging(as_json=True, stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_an_event_is_one_line_with_its_fields(out: io.StringIO) -> None:
    structlog.get_logger("trunkline.agent").info("settled", host="h1", generation=7, port=None)
    [line] = lines(out)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "settled", "level": "info", "logger": "trunkline.agent",
        "host": "h1", "generation": 7,
    }  # fmt: skip


def test_secrets_are_hidden_however_deep_they_are(out: io.StringIO) -> None:
    structlog.get_logger("t").info(
        "login",
        password="hunter2",
        headers={"X-Auth-Token": "hunter2", "Authorization": "hunter2", "Accept": "json"},
        users=[{"name": "me", "adminPass": 1, "user": {"password": "hunter2"}}],
        enrolment_key="hunter2",
    )
    assert "hunter2" not in out.getvalue()
    [line] = lines(out)
    assert line["headers"]["Accept"] == "json"
    assert line["users"][0]["name"] == "me"
    assert line["password"] == "[hidden]"


def test_secrets_bound_to_a_context_are_hidden_too(out: io.StringIO) -> None:
    with structlog.contextvars.bound_contextvars(request_id="req-1", token="hunter2"):
        structlog.get_logger("t").info("request")
    [line] = lines(out)
    assert (line["request_id"], line["token"]) == ("req-1", "[hidden]")


def test_an_exception_is_one_line_too(out: io.StringIO) -> None:
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        structlog.get_logger("t").exception("it broke")
    [line] = lines(out)
    assert "ValueError: first\nsecond" in line["exception"]


def test_what_libraries_log_has_the_same_form(out: io.StringIO) -> None:
    logging.getLogger("sqlalchemy").warning("slow %s", "query")
    [line] = lines(out)
    assert (line["event"], line["logger"], line["level"]) == ("slow query", "sqlalchemy", "warning")


def test_what_is_below_the_level_is_not_written(out: io.StringIO) -> None:
    structlog.get_logger("t").debug("detail")
    logging.getLogger("t").debug("detail")
    logging.getLogger("uvicorn.error").info("connection")
    assert out.getvalue() == ""


def test_lines_for_people_have_no_colours_without_a_terminal(out: io.StringIO) -> None:
    plain = io.StringIO()
    configure_logging(as_json=False, stream=plain)
    structlog.get_logger("t2").info("settled", host="h1", token="hunter2")
    assert "settled" in plain.getvalue()
    assert "host=h1" in plain.getvalue()
    assert "\x1b" not in plain.getvalue()
    assert "hunter2" not in plain.getvalue()


def test_configuring_again_does_not_double_lines(out: io.StringIO) -> None:
    configure_logging(as_json=True, stream=out)
    structlog.get_logger("t3").info("once")
    assert len(lines(out)) == 1


def test_a_traceback_for_people_shows_no_variables(out: io.StringIO) -> None:
    """They are tokens and passwords, too."""
    assert not out.getvalue()
    stream = io.StringIO()
    configure_logging(as_json=False, stream=stream)
    try:
        password = "hunter" + str(2)
        raise KeyError(len(password))
    except KeyError:
        structlog.get_logger("t").exception("unexpected error")
    assert "KeyError: 7" in stream.getvalue()
    assert "hunter2" not in stream.getvalue()
