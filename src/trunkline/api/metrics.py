"""Prometheus metrics: how requests are answered, and what was changed. Counts only, no names."""

from __future__ import annotations

from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST, Histogram, generate_latest

from trunkline.api.http import Request, Response
from trunkline.control.services import Services

REQUESTS: Final = Histogram(
    "trunkline_http_request_seconds",
    "Time from the head of a request to the end of its answer; long polls include their wait.",
    ["face", "method", "status"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0),
)


def show(_svc: Services, _request: Request) -> Response:
    """Answer a scrape."""
    return Response(body=generate_latest(), content_type=CONTENT_TYPE_LATEST)
