"""Examines everything between the settings and the first order, and says what to do about what it finds.

Reads only: nothing is changed on the account or in the books. Every check stands alone, so that one that
fails hides none of the others.
"""

from collections.abc import Awaitable, Callable
from decimal import Decimal

from aster_operator.config.settings import Settings
from aster_operator.domain.clock import Clock
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.money import plain_text
from aster_operator.exchange.aster_client import AsterClient
from aster_operator.exchange.client_protocol import MarketChannel
from aster_operator.exchange.credentials import AgentCredentials
from aster_operator.runtime.core_settings import risk_limits
from aster_operator.runtime.doctor_account import AccountExamination
from aster_operator.runtime.doctor_check import Check, guarded
from aster_operator.runtime.venue_setup import SetupProblem, check_sizes, choose_instruments

__all__ = ["Check", "Doctor"]

_SLOW_MS = 1_000


class Doctor:
    """One examination. Without credentials only the public checks are made.

    `exchange_life` names the life of an embedded exchange, whose books begin anew with it.
    """

    def __init__(
        self,
        client: AsterClient,
        settings: Settings,
        clock: Clock,
        exchange_life: Callable[[], Awaitable[str]] | None = None,
    ) -> None:
        self._client = client
        self._settings = settings
        self._clock = clock
        self._exchange_life = exchange_life
        self._instruments: dict[str, Instrument] = {}
        self._venue_was_heard = False

    async def examine(self) -> list[Check]:
        """All findings, in the order a person would ask."""
        checks = await guarded("reachability", self._reachability)
        if not self._venue_was_heard:
            return checks + self._files()
        for name, look in (
            ("clock", self._clock_offset),
            ("market stream", self._market_stream),
            ("symbols", self._symbols),
            ("credentials", self._credentials),
        ):
            checks += await guarded(name, look)
        if self._client.credentials is not None and checks[-1].ok:
            account = AccountExamination(
                self._client, self._settings, self._clock, self._instruments, self._exchange_life
            )
            checks += await account.examine()
        return checks + self._files()

    # --- public ---------------------------------------------------------------------------------------

    async def _reachability(self) -> list[Check]:
        first_ms = await self._timed(self._client.ping)
        self._venue_was_heard = True
        again_ms = await self._timed(self._client.ping)
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

    async def _timed(self, call: Callable[[], Awaitable[object]]) -> float:
        started_ns = self._clock.monotonic_ns()
        await call()
        return (self._clock.monotonic_ns() - started_ns) / 1e6

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

    async def _market_stream(self) -> list[Check]:
        # Any symbol will do: what is examined is the way, not the market.
        channels = [MarketChannel(symbol=symbol) for symbol in self._settings.symbols[:1]]
        stream = await self._client.open_market_stream(channels, lambda _event: None)
        try:
            taken_ms = await self._timed(stream.fence)
        finally:
            await stream.close()
        return [
            Check(
                name="market stream",
                ok=True,
                detail=f"{self._client.venue.ws_url} takes subscriptions, answers in {taken_ms:.1f} ms",
            )
        ]

    async def _symbols(self) -> list[Check]:
        """Each symbol by itself, then the sizes of all together."""
        listed = await self._client.instruments()
        prices: dict[str, Decimal] = {}
        checks: list[Check] = []
        for symbol in self._settings.symbols:
            try:
                self._instruments |= choose_instruments(listed, [symbol])
            except SetupProblem as problem:
                checks.append(Check(name="symbols", ok=False, detail=problem.what, remedy=problem.remedy))
                continue
            prices[symbol] = await self._client.get_mark_price(symbol)
        sizes = [self._size_of(symbol, price) for symbol, price in prices.items()]
        if all(check.ok for check in sizes):
            try:
                check_sizes(risk_limits(self._settings), self._instruments, prices)
            except SetupProblem as problem:
                checks.append(Check(name="symbols", ok=False, detail=problem.what, remedy=problem.remedy))
        return checks + sizes

    def _size_of(self, symbol: str, price: Decimal) -> Check:
        instrument, limits = self._instruments[symbol], risk_limits(self._settings)
        smallest = instrument.smallest_quantity(price)
        share = limits.max_position_size_pct / 100 * limits.leverage
        detail = (
            f"leg ${limits.leg_notional_usd:,.2f}; smallest order {plain_text(smallest)} "
            f"{instrument.base_asset} (${smallest * price:,.2f}), so CAPITAL_USDT works from "
            f"{smallest * price / share:,.2f}; tick {plain_text(instrument.tick_size)}, "
            f"step {plain_text(instrument.lot.step)}"
        )
        try:
            check_sizes(limits, self._instruments, {symbol: price})
        except SetupProblem as problem:
            return Check(name=f"size {symbol}", ok=False, detail=problem.what, remedy=problem.remedy)
        return Check(name=f"size {symbol}", ok=True, detail=detail)

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

    # --- this machine ---------------------------------------------------------------------------------

    def _files(self) -> list[Check]:
        """The loader of the settings has looked at every file a secret came from, the settings file too."""
        readable = [warning for warning in self._settings.warnings if "chmod 600" in warning]
        checks = [
            Check(name="key file", ok=False, detail=what, remedy=remedy)
            for what, _, remedy in (warning.rpartition(": ") for warning in readable)
        ]
        return checks or [Check(name="key files", ok=True, detail="nobody else can read them")]
