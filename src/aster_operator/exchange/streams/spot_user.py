"""The spot user stream: own spot orders and balances."""

from collections.abc import Callable
from typing import Any

import msgspec

from aster_operator.domain.clock import Clock
from aster_operator.domain.events import FeedStatusChanged
from aster_operator.exchange.client_protocol import StreamEvent
from aster_operator.exchange.streams.user import ListenKeys, UserStream
from aster_operator.exchange.wire.spot_stream import SpotAccountMessage, SpotOrderMessage, SpotUserMessage
from aster_operator.exchange.wire.user_stream import ListenKeyExpiredMessage

__all__ = ["SpotUserStream"]


class SpotUserStream(UserStream):
    """Typed messages of the spot wallet, with the listen key, repairs and changeovers of the futures' stream.

    `on_status` hears (healthy, detail) at each loss and repair; after a repair messages may be missing, so
    read orders and balances anew. Other arguments are those of UserStream.
    """

    def __init__(
        self,
        *,
        ws_url: str,
        keys: ListenKeys,
        on_message: Callable[[SpotOrderMessage | SpotAccountMessage], None],
        on_status: Callable[[bool, str], None],
        clock: Clock,
        **options: Any,
    ) -> None:
        def status_only(event: StreamEvent) -> None:
            if isinstance(event, FeedStatusChanged):
                on_status(event.healthy, event.detail)

        super().__init__(
            ws_url=ws_url,
            keys=keys,
            on_event=status_only,
            on_message=lambda message: (
                None if isinstance(message, ListenKeyExpiredMessage) else on_message(message)
            ),
            clock=clock,
            **options,
        )

    def _make_decoder(self) -> msgspec.json.Decoder[Any]:
        return msgspec.json.Decoder(SpotUserMessage, strict=False)
