"""How a session ends, and how it speaks: what a service sets once and a person gives as options."""

from typing import Literal

from pydantic import BaseModel

from aster_operator.config.fields import setting

__all__ = ["LogFormat", "OnStop", "SessionSettings"]

OnStop = Literal["keep", "flatten"]
LogFormat = Literal["auto", "text", "json"]


class SessionSettings(BaseModel):
    """The end of a session and its logs."""

    on_stop: OnStop = setting(
        "ON_STOP", "keep", "At an ordered end: keep hedged pairs, or close everything first"
    )
    log_format: LogFormat = setting(
        "LOG_FORMAT", "auto", "Form of log lines; auto: JSON in a service, text elsewhere"
    )
