"""Examines everything between the settings and the first order, and says what to do about what it finds.

Reads only: nothing is changed on the account. Every check stands alone, so that one that fails hides none
of the others.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal
from pathlib import Path

import msgspec

from aster_operator.config.settings import Settings
from aster_operator.domain.client_ids import is_own_client_order_id
from aster_operator.domain.clock import Clock
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.money import plain_text
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.credentials import AgentCredentials
from aster_operator.exchange.errors import ExchangeError
from aster_operator.runtime.core_settings import risk_limits
from aster_operator.runtime.venue_setup import SetupProblem, check_sizes, choose_instruments

__all__ = ["Check", "Doctor"]

_SLOW_MS = 1_000


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One finding. `ok` False is something to mend; `remedy` says how, empty when there is nothing to do."""

    name: str
    ok: bool
    detail: str
    remedy: str = ""


class Doctor:
    """One examination. Without credentials only the public checks are made."""

    def __init__(self, client: AsterClient, settings: Settings, clock: Clock) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._instruments: dict[str, Instrument] = {}

    async def examine(self) -> list[Check]:
        """All findings, in the order a person would ask."""
        checks = await self._guarded("reachability", self._reachability)
        if not checks[-1].ok:
            return checks + self._files()
        for name, look in (
            ("clock", self._clock_offset),
            ("symbols", self._symbols),
            ("credentials", self._credentials),
        ):
            checks += await self._guarded(name, look)
        if self._client.credentials is not None and checks[-1].ok:
            for name, look in (
                ("permissions", self._permissions),
                ("balance", self._balance),
                ("position mode", self._position_mode),
                ("multi-asset mode", self._multi_assets),
                ("self-trade prevention", self._self_trade_prevention),
                ("margin and leverage", self._margin),
                ("fees", self._fees),
                ("brackets", self._brackets),
                ("open positions and orders", self._holdings),
            ):
                checks += await self._guarded(name, look)
        return checks + self._files()

    async def _guarded(self, name: str, look: Callable[[], Awaitable[list[Check]]]) -> list[Check]:
        try:
            return await look()
        except ExchangeError as error:
            return [Check(name=name, ok=False, detail=str(error), remedy=_remedy_for(name))]

    # --- public ---------------------------------------------------------------------------------------

    async def _reachability(self) -> list[Check]:
        started_ns = self._clock.monotonic_ns()
        await self._client.ping()
        first_ms = (self._clock.monotonic_ns() - started_ns) / 1e6
        started_ns = self._clock.monotonic_ns()
        await self._client.ping()
        again_ms = (self._clock.monotonic_ns() - started_ns) / 1e6
        slow = again_ms > _SLOW_MS
        return [
            Check(
                name="reachability",
                ok=not slow,
                detail=f"{self._client.venue.rest_url} answers in {again_ms:.1f} ms "
                f"({first_ms:.1f} ms with connecting)",
                remedy="use a machine nearer to the venue" if slow else "",
            )
        ]

    async def _clock_offset(self) -> list[Check]:
        offset = await self._client.measure_clock()
        limit_ms = self._settings.max_clock_offset_ms
        uncertain = offset.uncertainty_ms > limit_ms
        off = abs(offset.offset_ms) > limit_ms
        detail = f"venue minus local {offset.offset_ms:+.0f} ms, known to ±{offset.uncertainty_ms:.0f} ms"
        if uncertain:
            return [Check(name="clock", ok=False, detail=detail, remedy="mend the network")]
        if off:
            detail += "; requests are stamped with the venue's time"
            return [Check(name="clock", ok=False, detail=detail, remedy="set this machine's clock (NTP)")]
        return [Check(name="clock", ok=True, detail=detail)]

    async def _symbols(self) -> list[Check]:
        symbols = self._settings.trading_pairs
        listed = await self._client.instruments()
        try:
            self._instruments = choose_instruments(listed, symbols)
            prices = {symbol: await self._client.get_mark_price(symbol) for symbol in symbols}
            check_sizes(risk_limits(self._settings), self._instruments, prices)
        except SetupProblem as problem:
            return [Check(name="symbols", ok=False, detail=problem.what, remedy=problem.remedy)]
        return [
            Check(name=f"size {symbol}", ok=True, detail=self._size_words(symbol, prices[symbol]))
            for symbol in symbols
        ]

    def _size_words(self, symbol: str, price: Decimal) -> str:
        instrument, limits = self._instruments[symbol], risk_limits(self._settings)
        smallest = instrument.smallest_quantity(price)
        share = limits.max_position_size_pct / 100 * limits.leverage
        return (
            f"leg ${limits.leg_notional_usd:,.2f}; smallest order {plain_text(smallest)} "
            f"{instrument.base_asset} (${smallest * price:,.2f}), so CAPITAL_USDT works from "
            f"{smallest * price / share:,.2f}; tick {plain_text(instrument.tick_size)}, "
            f"step {plain_text(instrument.lot.step)}"
        )

    # --- account --------------------------------------------------------------------------------------

    async def _credentials(self) -> list[Check]:
        if self._client.credentials is None:
            return [
                Check(
                    name="credentials",
                    ok=False,
                    detail="no keys are set: only public checks were made",
                    remedy="set WALLET_ADDRESS and ASTER_AGENT_PRIVATE_KEY, "
                    "or ASTER_API_KEY and ASTER_API_SECRET",
                )
            ]
        await self._client.balance()
        scheme = "V3 agent" if isinstance(self._client.credentials, AgentCredentials) else "V1 API key (HMAC)"
        return [
            Check(
                name="credentials", ok=True, detail=f"{scheme} is accepted for {self._client.account_label}"
            )
        ]

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
        can_withdraw = await self._key_can_withdraw()
        if can_withdraw is None:
            detail = "the venue does not tell what this kind of key may do"
            checks.append(Check(name="permission to withdraw", ok=True, detail=detail))
        else:
            checks.append(
                Check(
                    name="permission to withdraw",
                    ok=not can_withdraw,
                    detail="THIS KEY CAN WITHDRAW YOUR MONEY" if can_withdraw else "the key cannot withdraw",
                    remedy="make an agent without that right and use it instead" if can_withdraw else "",
                )
            )
        return checks

    async def _key_can_withdraw(self) -> bool | None:
        credentials = self._client.credentials
        if not isinstance(credentials, AgentCredentials):
            return None
        if credentials.user.lower() == credentials.signer.lower():
            # The main wallet signs for itself: whoever holds this key holds everything.
            return True
        agents = await self._client.request("GET", "agent")
        if not isinstance(agents, list):
            return None
        for agent in agents:
            if isinstance(agent, dict) and str(agent.get("agentAddress", "")).lower() == (
                credentials.signer.lower()
            ):
                return bool(agent.get("canWithdraw"))
        return None

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
        hedge = await self._client.is_hedge_mode()
        detail = "hedge mode" if hedge else "one-way mode; delta-neutral changes it to hedge mode at start"
        return [Check(name="position mode", ok=True, detail=detail)]

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
            row = rows[0]
            differs = str(row.margin_type) != wanted_type or row.leverage != wanted_leverage
            held = any(report.is_open for report in rows)
            now = f"{row.margin_type} {row.leverage}x"
            change = f"; set to {wanted_type} {wanted_leverage}x at start" if differs else ""
            blocked = differs and held
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
        for record in await self._client.leverage_brackets(None):
            if record.symbol not in self._instruments:
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
                    name=f"brackets {record.symbol}",
                    ok=bool(fitting),
                    detail=detail + ("fits" if fitting else "does not fit"),
                    remedy="" if fitting else "lower LEVERAGE or the size of a leg",
                )
            )
        return checks

    async def _holdings(self) -> list[Check]:
        positions = [report for report in await self._client.get_position_risk() if report.is_open]
        orders = await self._client.open_orders()
        foreign = [order for order in orders if not is_own_client_order_id(order.client_order_id)]
        held = ", ".join(
            f"{report.position_side} {plain_text(abs(report.quantity))} {report.symbol}"
            for report in positions
        )
        here = {report.symbol for report in positions} & set(self._settings.trading_pairs)
        return [
            Check(
                name="open positions",
                ok=True,
                detail=held or "none",
                remedy=f"no pair is opened on {', '.join(sorted(here))} unless it is ours" if here else "",
            ),
            Check(
                name="open orders",
                ok=True,
                detail=f"{len(orders)} open, {len(foreign)} of them not from this program",
            ),
        ]

    # --- this machine ---------------------------------------------------------------------------------

    def _files(self) -> list[Check]:
        readable = [warning for warning in self._settings.warnings if "chmod 600" in warning]
        checks = [
            Check(name="key file", ok=False, detail=what, remedy=remedy)
            for what, _, remedy in (warning.rpartition(": ") for warning in readable)
        ]
        env_file = Path(".env")
        if self._client.credentials is not None and env_file.is_file() and env_file.stat().st_mode & 0o077:
            checks.append(
                Check(
                    name="settings file",
                    ok=False,
                    detail=".env can be read by other users of this machine",
                    remedy="chmod 600 .env",
                )
            )
        return checks or [Check(name="key files", ok=True, detail="nobody else can read them")]


def _remedy_for(name: str) -> str:
    return {
        "reachability": "check the address and the network",
        "credentials": "check the keys, their expiry and the IP whitelist",
    }.get(name, "see the message")
