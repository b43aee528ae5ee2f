"""The doctor's look at the account: what its key may do, how it is set, what it holds."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from decimal import Decimal

from aster_operator.config.problems import UserProblem
from aster_operator.config.settings import Settings
from aster_operator.database.selection import LedgerKey
from aster_operator.domain.client_ids import is_own_client_order_id
from aster_operator.domain.clock import DAY_MS, Clock
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.money import plain_text
from aster_operator.domain.positions import PositionReport
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.credentials import AgentCredentials
from aster_operator.exchange.wire.agents import AgentRecord
from aster_operator.runtime.core_settings import risk_limits
from aster_operator.runtime.doctor_check import Check, guarded
from aster_operator.runtime.session_memory import open_quantities

__all__ = ["AccountExamination"]

_EXPIRES_SOON_DAYS = 3


class AccountExamination:
    """The checks that need keys which the venue accepts."""

    def __init__(
        self,
        client: AsterClient,
        settings: Settings,
        clock: Clock,
        instruments: dict[str, Instrument],
        exchange_life: Callable[[], Awaitable[str]] | None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._instruments = instruments
        self._exchange_life = exchange_life

    async def examine(self) -> list[Check]:
        checks: list[Check] = []
        for name, look in (
            ("permissions", self._permissions),
            ("user stream", self._user_stream),
            ("balance", self._balance),
            ("position mode", self._position_mode),
            ("multi-asset mode", self._multi_assets),
            ("self-trade prevention", self._self_trade_prevention),
            ("margin and leverage", self._margin),
            ("fees", self._fees),
            ("brackets", self._brackets),
            ("open positions", self._positions),
            ("open orders", self._orders),
        ):
            checks += await guarded(name, look)
        return checks

    # --- what the key may do --------------------------------------------------------------------------

    async def _permissions(self) -> list[Check]:
        account = await self._client.account()
        checks = [
            Check(
                name="permission to trade",
                ok=account.can_trade,
                detail="the account may trade" if account.can_trade else "the account may NOT trade",
                remedy="" if account.can_trade else "see the account's permissions on the website",
            )
        ]
        credentials = self._client.credentials
        if not isinstance(credentials, AgentCredentials):
            detail = "the venue does not tell what an API key may do"
            remedy = "see that withdrawals are off for it on the website"
            return [*checks, Check(name="permission to withdraw", ok=True, detail=detail, remedy=remedy)]
        if credentials.is_main_wallet:
            # The main wallet signs for itself: whoever holds this key holds everything.
            return [*checks, _may_withdraw(True)]
        agents = await self._client.agents()
        own = [row for row in agents if row.agent_address.lower() == credentials.signer.lower()]
        if not own:
            detail = "the venue accepts this agent and does not list it: what it may do is not known"
            return [*checks, Check(name="agent", ok=True, detail=detail)]
        return [*checks, *self._agent(own[0])]

    def _agent(self, agent: AgentRecord) -> list[Check]:
        checks = []
        if agent.can_perp_trade is not None:
            allowed = agent.can_perp_trade
            checks.append(
                Check(
                    name="agent may trade perpetuals",
                    ok=allowed,
                    detail="it may" if allowed else "it may NOT: every order would be refused",
                    remedy="" if allowed else "allow the agent to trade perpetuals, or make one that may",
                )
            )
        if agent.can_withdraw is not None:
            checks.append(_may_withdraw(agent.can_withdraw))
        if agent.expired:  # zero: never
            days = (agent.expired - self._clock.now_ms()) // DAY_MS
            soon = days < _EXPIRES_SOON_DAYS
            date = datetime.fromtimestamp(agent.expired / 1000, UTC).date()
            checks.append(
                Check(
                    name="agent expiry",
                    ok=not soon,
                    detail=f"the agent expires on {date}, in {days} days",
                    remedy="approve it anew: after that nothing can be closed with it" if soon else "",
                )
            )
        return checks

    async def _user_stream(self) -> list[Check]:
        stream = await self._client.open_user_stream(lambda _event: None)
        try:
            await stream.fence()
        finally:
            await stream.close()
        return [Check(name="user stream", ok=True, detail="the account's own events can be followed")]

    # --- how the account is set -----------------------------------------------------------------------

    async def _balance(self) -> list[Check]:
        snapshot = await self._client.account_snapshot()
        enough = snapshot.total_margin_balance >= self._settings.capital_usdt
        return [
            Check(
                name="balance",
                ok=enough,
                detail=f"${snapshot.total_margin_balance:,.2f} on the account, "
                f"${snapshot.available_balance:,.2f} free, CAPITAL_USDT {self._settings.capital_usdt}",
                remedy="" if enough else "lower CAPITAL_USDT or deposit more",
            )
        ]

    async def _position_mode(self) -> list[Check]:
        if await self._client.is_hedge_mode():
            return [Check(name="position mode", ok=True, detail="hedge mode")]
        held = any(report.is_open for report in await self._client.get_position_risk())
        blocked = held or bool(await self._client.open_orders())
        detail = "one-way mode; delta-neutral changes it to hedge mode at start"
        if blocked:
            detail = "one-way mode, and the venue does not change it while positions or orders are open"
        return [
            Check(
                name="position mode",
                ok=not blocked,
                detail=detail,
                remedy="close positions and orders first, for delta-neutral needs hedge mode"
                if blocked
                else "",
            )
        ]

    async def _multi_assets(self) -> list[Check]:
        enabled = await self._client.multi_assets_mode()
        blocks = enabled and self._settings.margin_type == "ISOLATED"
        return [
            Check(
                name="multi-asset mode",
                ok=not blocks,
                detail="on: margin is always cross" if enabled else "off",
                remedy="switch it off on the website, or set MARGIN_TYPE=CROSSED" if blocks else "",
            )
        ]

    async def _self_trade_prevention(self) -> list[Check]:
        if not isinstance(self._client.credentials, AgentCredentials):
            detail = "not offered for V1 keys; orders never rest against our own by construction"
            return [Check(name="self-trade prevention", ok=True, detail=detail)]
        mode = await self._client.stp_mode()
        detail = f"account default {mode}; every order states its own"
        return [Check(name="self-trade prevention", ok=True, detail=detail)]

    async def _margin(self) -> list[Check]:
        wanted_type, wanted_leverage = self._settings.margin_type, self._settings.leverage
        checks = []
        for symbol in self._instruments:
            rows = await self._client.get_position_risk(symbol)
            if not rows:
                continue
            differing = [
                row for row in rows if str(row.margin_type) != wanted_type or row.leverage != wanted_leverage
            ]
            row = differing[0] if differing else rows[0]
            now = f"{row.margin_type} {row.leverage}x"
            change = f"; set to {wanted_type} {wanted_leverage}x at start" if differing else ""
            blocked = bool(differing) and any(report.is_open for report in rows)
            checks.append(
                Check(
                    name=f"margin {symbol}",
                    ok=not blocked,
                    detail=f"{now}{'' if blocked else change}",
                    remedy=f"close the position on {symbol} first, or set MARGIN_TYPE and LEVERAGE to {now}"
                    if blocked
                    else "",
                )
            )
        return checks

    async def _fees(self) -> list[Check]:
        checks = []
        for symbol in self._instruments:
            rates = await self._client.fee_rates(symbol)
            detail = (
                f"maker {plain_text(rates.maker * 10_000)} bps, taker {plain_text(rates.taker * 10_000)} bps"
            )
            checks.append(Check(name=f"fees {symbol}", ok=True, detail=detail))
        return checks

    async def _brackets(self) -> list[Check]:
        checks = []
        leg_usd = risk_limits(self._settings).leg_notional_usd
        known = {record.symbol: record for record in await self._client.leverage_brackets(None)}
        for symbol in self._instruments:
            record = known.get(symbol)
            if record is None or not record.brackets:
                detail = "the venue names no brackets: the leverage it allows is not known"
                checks.append(Check(name=f"brackets {symbol}", ok=False, detail=detail, remedy="ask again"))
                continue
            fitting = [
                bracket
                for bracket in record.brackets
                if bracket.initial_leverage >= self._settings.leverage and leg_usd <= bracket.notional_cap
            ]
            top = max(bracket.initial_leverage for bracket in record.brackets)
            detail = f"up to {top}x; a leg of ${leg_usd:,.0f} at {self._settings.leverage}x "
            checks.append(
                Check(
                    name=f"brackets {symbol}",
                    ok=bool(fitting),
                    detail=detail + ("fits" if fitting else "does not fit"),
                    remedy="" if fitting else "lower LEVERAGE or the size of a leg",
                )
            )
        return checks

    # --- what it holds --------------------------------------------------------------------------------

    async def _positions(self) -> list[Check]:
        held = [report for report in await self._client.get_position_risk() if report.is_open]
        if not held:
            return [Check(name="open positions", ok=True, detail="none")]
        try:
            owned = await self._owned()
        except UserProblem as problem:
            return [Check(name="open positions", ok=False, detail=problem.what, remedy=problem.remedy)]
        foreign = [report for report in held if not _is_owned(report, owned)]
        detail = ", ".join(
            f"{_words(report)} ({'nobody owns it' if report in foreign else 'on the books'})"
            for report in held
        )
        return self._holdings("open positions", detail, {report.symbol for report in foreign})

    async def _owned(self) -> dict[tuple[str, str], Decimal]:
        life = await self._exchange_life() if self._exchange_life is not None else ""
        book = LedgerKey(venue=self._settings.venue, account=self._client.account_label, instance=life)
        return open_quantities(self._settings.database_url, book)

    async def _orders(self) -> list[Check]:
        orders = await self._client.open_orders()
        foreign = [order for order in orders if not is_own_client_order_id(order.client_order_id)]
        detail = f"{len(orders)} open, {len(foreign)} of them not from this program"
        if foreign:
            detail += ": " + ", ".join(
                f"{order.side} {plain_text(order.quantity)} {order.symbol} ({order.client_order_id})"
                for order in foreign
            )
        return self._holdings("open orders", detail, {order.symbol for order in foreign})

    def _holdings(self, name: str, detail: str, foreign: set[str]) -> list[Check]:
        """Foreign holdings on symbols to be traded are in the way; elsewhere they are told of."""
        here = sorted(foreign & set(self._settings.symbols))
        elsewhere = sorted(foreign - set(here))
        remedy = ""
        if here:
            what = "positions" if "position" in name else "orders"
            remedy = (
                f"close the {what} on {', '.join(here)} that nobody owns, or take these out of TRADING_PAIRS"
            )
        elif elsewhere:
            remedy = f"nobody here looks after {', '.join(elsewhere)}"
        return [Check(name=name, ok=not here, detail=detail, remedy=remedy)]


def _may_withdraw(allowed: bool) -> Check:
    return Check(
        name="permission to withdraw",
        ok=not allowed,
        detail="THIS KEY CAN WITHDRAW YOUR MONEY" if allowed else "the key cannot withdraw",
        remedy="make an agent without that right and use it instead" if allowed else "",
    )


def _words(report: PositionReport) -> str:
    return f"{report.position_side} {plain_text(report.quantity)} {report.symbol}"


def _is_owned(report: PositionReport, owned: dict[tuple[str, str], Decimal]) -> bool:
    """Whether the books hold as much on this side. In one-way mode a side is told by the sign."""
    side = str(report.position_side)
    if side == "BOTH":
        side = "LONG" if report.quantity > 0 else "SHORT"
    on_books = owned.get((report.symbol, side), Decimal(0)) + owned.get((report.symbol, "BOTH"), Decimal(0))
    return on_books >= abs(report.quantity)
