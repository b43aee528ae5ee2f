"""What travels through the exchange's front door, free of any transport.

A transport (the aiohttp server, a test, another host) turns what it received into a `WireRequest` and
sends the `WireResponse` it gets. The raw bytes stay raw: both signature schemes are verified over the
query and body exactly as they were sent (protocol reference, sections 2.1 and 2.6).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec

__all__ = ["WireRequest", "WireResponse", "encode_json", "json_response"]

encode_json = msgspec.json.Encoder().encode
JSON_TYPE = "application/json;charset=UTF-8"


@dataclass(slots=True)
class WireRequest:
    """One HTTP request. `raw_query` is everything after `?`; `headers` is looked up in lower case."""

    method: str
    path: str
    raw_query: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    peer: str = "127.0.0.1"


@dataclass(slots=True)
class WireResponse:
    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = JSON_TYPE


def json_response(payload: Any, status: int = 200) -> WireResponse:
    return WireResponse(status=status, body=encode_json(payload))
