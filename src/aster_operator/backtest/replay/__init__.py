"""Recorded events played through strategies at millions a second: a venue of arrays, compiled.

`TickReplay` runs a strategy written in Python that acts on closed bars, timers and fills, and skips in
compiled code what cannot matter; `compile_event_strategy` compiles one that sees every event.
"""

from aster_operator.backtest.replay.engine import (
    ReplayBar,
    ReplayFill,
    ReplayVenueOptions,
    TickReplay,
    TickStrategy,
)
from aster_operator.backtest.replay.events import ReplayEvents
from aster_operator.backtest.replay.hook import EventReplay, compile_event_strategy
from aster_operator.backtest.replay.recording import catalog_events

__all__ = [
    "EventReplay",
    "ReplayBar",
    "ReplayEvents",
    "ReplayFill",
    "ReplayVenueOptions",
    "TickReplay",
    "TickStrategy",
    "catalog_events",
    "compile_event_strategy",
]
