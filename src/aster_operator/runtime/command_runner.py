"""Carries out the core's commands at the venue and in the books, and brings back what came of them.

Every failure of a request becomes an event: a definite refusal, an unknown outcome, or silence that the
core's own watch will ask about again. Nothing is ever sent twice from here.
"""

import logging
from collections.abc import Callable
from typing import Protocol

import msgspec
import structlog

from aster_operator.domain.clock import Clock
from aster_operator.domain.commands import (
    CancelOrder,
    Command,
    Notify,
    NotifyLevel,
    QueryOrder,
    RecordDecision,
    RecordPositionClosed,
    RecordPositionOpened,
    RecordTrade,
    Remember,
    RequestFills,
    RequestSnapshot,
    StopSession,
    SubmitOrder,
)
from aster_operator.domain.events import (
    CancelRefused,
    Event,
    OrderChanged,
    OrderNotFound,
    OrderOutcomeUnknown,
    OrderRefusedByVenue,
    VenueSnapshotTaken,
)
from aster_operator.domain.orders import NewOrder, OrderReport
from aster_operator.domain.positions import PositionReport, SpotBalance
from aster_operator.exchange import errors
from aster_operator.exchange.client_protocol import DeleveragingQueue, EntryWithExits, ExchangeClient
from aster_operator.exchange.spot_protocol import SpotWallet

__all__ = ["Books", "CommandRunner", "VenueCommand"]

VenueCommand = SubmitOrder | CancelOrder | QueryOrder | RequestSnapshot

_log = structlog.get_logger("session")
_LEVELS = {
    NotifyLevel.INFO: logging.INFO,
    NotifyLevel.WARNING: logging.WARNING,
    NotifyLevel.CRITICAL: logging.CRITICAL,
}


class Books(Protocol):
    """What the session writes down. The database's recorder implements it."""

    def record_order_intent(self, order: NewOrder, at_ms: int) -> None:
        """Returns once the intent is durable: it is called before the order goes on the wire."""

    def record_position_opened(self, command: RecordPositionOpened) -> None: ...

    def record_position_closed(self, command: RecordPositionClosed) -> None: ...

    def record_decision(self, command: RecordDecision) -> None: ...

    def record_trade(self, command: RecordTrade) -> None: ...

    def remember(self, command: Remember) -> None:
        """Returns once it is durable: what is remembered makes sense of the order that follows."""


class CommandRunner:
    """Runs one command at a time; `on_notice` is told every message for the owner."""

    def __init__(
        self,
        client: ExchangeClient,
        books: Books,
        clock: Clock,
        on_notice: Callable[[Notify], None] | None = None,
    ) -> None:
        self._client = client
        self._books = books
        self._clock = clock
        self._on_notice = on_notice

    async def run(self, command: VenueCommand, now_ms: int) -> Event | None:
        """Do it at the venue; the event it leads to, or None when there is nothing to learn.

        `now_ms` stamps answers that carry no time of their own. Raises ExchangeError only for a snapshot
        that could not be read: the caller decides when to try again.
        """
        match command:
            case SubmitOrder():
                return await self._submit(command, now_ms)
            case CancelOrder():
                return await self._cancel(command, now_ms)
            case QueryOrder():
                return await self._query(command, now_ms)
            case RequestSnapshot():
                return await self._snapshot(command, now_ms)

    def keep(self, command: Command) -> None:
        """Carry out a command that needs no venue: write to the books or tell the owner."""
        match command:
            case RecordPositionOpened():
                self._books.record_position_opened(command)
            case RecordPositionClosed():
                self._books.record_position_closed(command)
            case RecordDecision():
                _log.debug("decided", symbol=command.symbol, action=command.action, market_ms=command.at_ms)
                self._books.record_decision(command)
            case RecordTrade():
                self._books.record_trade(command)
            case Remember():
                self._books.remember(command)
            case RequestFills():
                pass  # the session reads them with its next step
            case Notify():
                _log.log(_LEVELS[command.level], command.message, market_ms=command.at_ms)
                if self._on_notice is not None:
                    self._on_notice(command)
            case StopSession():
                _log.info("session stops", reason=command.reason, open_positions=command.open_positions)
            case _:
                raise TypeError(f"{type(command).__name__} needs the venue")

    async def _place(self, command: SubmitOrder) -> OrderReport:
        order, followers = command.order.value, [follower.value for follower in command.followers]
        if not followers:
            return await self._client.place_order(order)
        stop, target = followers
        if not isinstance(self._client, EntryWithExits):
            raise TypeError(f"{type(self._client).__name__} takes no exits with an entry")
        return await self._client.place_entry_with_exits(order, (stop, target))

    async def _submit(self, command: SubmitOrder, now_ms: int) -> Event:
        order = command.order.value
        for each in (command.order, *command.followers):
            # `market_ms` is that of the decision it follows from, `client_order_id` stands in the books.
            _log.debug(
                "order sent",
                client_order_id=each.value.client_order_id,
                symbol=each.value.symbol,
                reason=each.value.reason,
                market_ms=command.at_ms,
            )
            self._books.record_order_intent(each.value, now_ms)
        try:
            report = await self._place(command)
        except errors.UnknownOutcome as unknown:
            return OrderOutcomeUnknown(
                event_ms=now_ms,
                received_ns=self._clock.now_ns(),
                client_order_id=order.client_order_id,
                cause=str(unknown),
                nonce_us=unknown.nonce_us,
            )
        except errors.RequestRefused as refused:
            return self._refused(order, refused.code, refused.message, now_ms)
        except errors.ExchangeError as error:
            if isinstance(error, errors.TransportFailed) and not error.may_have_arrived:
                return self._refused(order, 0, str(error), now_ms)
            # An answer that cannot be read says nothing about what the venue did.
            return OrderOutcomeUnknown(
                event_ms=now_ms,
                received_ns=self._clock.now_ns(),
                client_order_id=order.client_order_id,
                cause=str(error),
            )
        return self._changed(report, now_ms)

    async def _cancel(self, command: CancelOrder, now_ms: int) -> Event:
        try:
            report = await self._client.cancel_order(command.symbol, command.client_order_id)
        except errors.ExchangeError as error:
            code = error.code if isinstance(error, errors.RequestRefused) else 0
            return CancelRefused(
                event_ms=now_ms,
                received_ns=self._clock.now_ns(),
                client_order_id=command.client_order_id,
                code=code,
                message=str(error),
            )
        return self._changed(report, now_ms)

    async def _query(self, command: QueryOrder, now_ms: int) -> Event | None:
        try:
            report = await self._client.query_order(command.symbol, command.client_order_id)
        except errors.OrderNotFound:
            return OrderNotFound(
                event_ms=now_ms,
                received_ns=self._clock.now_ns(),
                client_order_id=command.client_order_id,
            )
        except errors.ExchangeError as error:
            _log.warning("order query failed", client_order_id=command.client_order_id, error=str(error))
            return None
        return self._changed(report, now_ms)

    async def _snapshot(self, command: RequestSnapshot, now_ms: int) -> Event:
        account = await self._client.account_snapshot()
        # Orders first: one that fills between the two reads is then in both, never in neither.
        open_orders: list[OrderReport] = []
        for symbol in command.symbols or (None,):
            open_orders += await self._client.open_orders(symbol)
        positions = await self._client.get_position_risk()
        return VenueSnapshotTaken(
            event_ms=now_ms,
            received_ns=self._clock.now_ns(),
            account=account,
            positions=await self._with_places([position for position in positions if position.is_open]),
            open_orders=tuple(open_orders),
            spot_balances=await self._spot_balances(),
        )

    async def _spot_balances(self) -> tuple[SpotBalance, ...]:
        return tuple(await self._client.spot_balances()) if isinstance(self._client, SpotWallet) else ()

    async def _with_places(self, positions: list[PositionReport]) -> tuple[PositionReport, ...]:
        """The positions with their places in the queue for auto-deleveraging, where the venue tells them. Not
        knowing them is no reason to do without the rest."""
        if not positions or not isinstance(self._client, DeleveragingQueue):
            return tuple(positions)
        try:
            places = await self._client.adl_quantiles()
        except errors.ExchangeError as error:
            _log.warning("places in the deleveraging queue could not be read", error=str(error))
            return tuple(positions)
        return tuple(
            msgspec.structs.replace(
                position, adl_quantile=places.get((position.symbol, position.position_side))
            )
            for position in positions
        )

    def _changed(self, report: OrderReport, now_ms: int) -> Event:
        return OrderChanged(
            event_ms=max(now_ms, report.update_ms),
            received_ns=self._clock.now_ns(),
            report=report,
            from_stream=False,
        )

    def _refused(self, order: NewOrder, code: int, message: str, now_ms: int) -> Event:
        return OrderRefusedByVenue(
            event_ms=now_ms,
            received_ns=self._clock.now_ns(),
            client_order_id=order.client_order_id,
            code=code,
            message=message,
        )
