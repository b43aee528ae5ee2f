"""Logs of a session: readable in a terminal, JSON in a service, always to standard error, secrets masked."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from aster_operator.config.masking import mask_text

__all__ = ["configure_logs"]

_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logs(level: str = "info", *, as_json: bool = False) -> None:
    """Set up structlog for the process. `level` is debug, info, warning or error."""
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _mask,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def _mask(logger: object, method: str, entry: MutableMapping[str, Any]) -> MutableMapping[str, Any]:  # noqa: ARG001
    """Known secrets and everything that looks like one become stars, wherever they stand."""
    for key, value in entry.items():
        if isinstance(value, str):
            entry[key] = mask_text(value)
    return entry
