"""Times as people read them."""

from datetime import UTC, datetime

__all__ = ["utc_text"]


def utc_text(time_ms: int) -> str:
    """`2025-05-08 13:45:00` for milliseconds since 1970, in UTC."""
    return datetime.fromtimestamp(time_ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
