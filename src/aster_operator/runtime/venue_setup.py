"""Getting a venue ready for a session, before the first order: checks first, then changes.

Everything that would go wrong later is found here and said in one line.
"""

import difflib
from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal

import msgspec

from aster_operator.config.problems import UserProblem
from aster_operator.domain.enums import MarginType
from aster_operator.domain.fees import FeeRates
from aster_operator.domain.instruments import Instrument
from aster_operator.domain.money import ZERO, plain_text, usd_text
from aster_operator.domain.pairing import PairKind, spot_symbol, venue_symbol
from aster_operator.domain.positions import AccountSnapshot, PositionReport
from aster_operator.exchange import errors
from aster_operator.exchange.client_protocol import ClockOffset, EntryWithExits, ExchangeClient
from aster_operator.exchange.spot_protocol import SpotWallet
from aster_operator.execution.positions.risk_setup import ensure_risk_setup
from aster_operator.strategy.parameters import RiskLimits
from aster_operator.strategy.risk_manager import RiskManager
from aster_operator.strategy.sizing import LegTooSmall

__all__ = [
    "SetupProblem",
    "SinglePositions",
    "VenueReady",
    "check_sizes",
    "choose_instruments",
    "prepare_venue",
]


_CENT = Decimal("0.01")


class SetupProblem(UserProblem):
    """The venue, the account or the settings do not allow this session; nothing was traded."""


class VenueReady(msgspec.Struct, frozen=True, kw_only=True):
    """What the checks found out and the session goes on with."""

    instruments: dict[str, Instrument]
    fees: dict[str, FeeRates]
    account: AccountSnapshot
    clock: ClockOffset
    hedge_mode: bool
    warnings: tuple[str, ...]
    takes_exits_with_entry: bool = False
    notional_caps: dict[str, Decimal] = {}
    """Largest position (USD) of each pair symbol at the leverage set, where the venue tells it."""
    spot_balances: dict[str, Decimal] = {}
    """What the spot wallet held of each asset at the start, where the session trades there."""


class SinglePositions(msgspec.Struct, frozen=True, kw_only=True):
    """What strategies of single positions want of the venue: their symbols and the leverage on them.
    `configure` False looks and changes nothing, for a dry run."""

    symbols: tuple[str, ...]
    leverage: int
    margin_type: MarginType = MarginType.ISOLATED
    configure: bool = True


async def prepare_venue(
    client: ExchangeClient,
    symbols: Sequence[str],
    limits: RiskLimits,
    *,
    max_clock_uncertainty_ms: int,
    positions: SinglePositions | None = None,
    kind: PairKind = PairKind.SAME,
) -> VenueReady:
    """Check clock, symbols, sizes and balance, then set position mode, margin type and leverage.

    `symbols` are those of pairs of the given kind, which need hedge mode; without any the account's position
    mode stays as it is. Raises SetupProblem when something stands in the way.
    """
    clock = await client.measure_clock()
    warnings = _check_clock(clock, max_clock_uncertainty_ms)
    single = () if positions is None else positions.symbols
    spot = tuple(spot_symbol(symbol) for symbol in symbols) if kind is PairKind.CARRY else ()
    listed = await client.instruments()
    instruments = choose_instruments(listed, (*symbols, *single)) | choose_spot(listed, spot)
    prices = {symbol: await client.get_mark_price(symbol) for symbol in symbols}
    check_sizes(limits, instruments, prices, kind)
    account = await client.account_snapshot()
    balances = await _check_spot_wallet(client, limits, instruments, spot)
    in_spot = _money_in(balances, instruments)
    legs = len(symbols) if kind is not PairKind.SAME else 2 * len(symbols)
    warnings += _check_account(account, limits, legs, in_spot)
    if symbols:
        await _set_hedge_mode(client, await client.get_position_risk())
    for symbol in symbols:
        await _set_margin(client, symbol, limits.leverage, limits.margin_type)
    if positions is not None and positions.configure:
        for symbol in positions.symbols:
            await _set_margin(client, symbol, positions.leverage, positions.margin_type)
    return VenueReady(
        instruments=instruments,
        fees={symbol: await client.fee_rates(symbol) for symbol in instruments},
        account=account,
        clock=clock,
        hedge_mode=await client.is_hedge_mode(),
        takes_exits_with_entry=isinstance(client, EntryWithExits) and client.takes_exits_with_entry,
        spot_balances=balances,
        notional_caps=await _notional_caps(client, symbols),
        warnings=tuple(warnings),
    )


def choose_spot(listed: Mapping[str, Instrument], symbols: Sequence[str]) -> dict[str, Instrument]:
    """The spot markets of carry pairs. Raises SetupProblem for one that is not there."""
    for symbol in symbols:
        if symbol not in listed or not listed[symbol].is_trading:
            raise SetupProblem(
                f"there is no spot market of {venue_symbol(symbol)} to hold against the perpetual",
                "TRADING_PAIRS",
                "choose a symbol that has one, or PAIR_KIND=same or cross",
            )
    return {symbol: listed[symbol] for symbol in symbols}


async def _check_spot_wallet(
    client: ExchangeClient,
    limits: RiskLimits,
    instruments: Mapping[str, Instrument],
    symbols: Sequence[str],
) -> dict[str, Decimal]:
    """The spot wallet by asset; none without spot symbols. Raises SetupProblem when it cannot pay them."""
    if not symbols:
        return {}
    if not isinstance(client, SpotWallet):
        raise SetupProblem(
            "carry pairs need a venue with a spot market", "PAIR_KIND", "choose same or cross for this one"
        )
    wallet = {balance.asset: balance.total for balance in await client.spot_balances()}
    # Coins that an earlier run left there are a leg already paid for.
    worth = _money_in(wallet, instruments)
    for symbol in symbols:
        price = await client.get_mark_price(symbol)
        worth += min(wallet.get(instruments[symbol].base_asset, ZERO) * price, limits.leg_notional_usd)
    needed = len(symbols) * limits.leg_notional_usd
    if worth < needed:
        raise SetupProblem(
            f"the spot wallet holds {usd_text(worth)}, and {len(symbols)} spot legs need {usd_text(needed)}",
            "spot wallet",
            "transfer USDT to the spot wallet, or lower CAPITAL_USDT, MAX_POSITION_SIZE_PCT or LEVERAGE",
        )
    return wallet


def _money_in(wallet: Mapping[str, Decimal], instruments: Mapping[str, Instrument]) -> Decimal:
    quotes = {instrument.quote_asset for instrument in instruments.values()}
    return sum((wallet.get(asset, ZERO) for asset in quotes), ZERO)


async def _notional_caps(client: ExchangeClient, symbols: Sequence[str]) -> dict[str, Decimal]:
    """What the brackets allow at the leverage that is set now, as the position rows tell it."""
    caps: dict[str, Decimal] = {}
    for symbol in symbols:
        named = [row.max_notional for row in await client.get_position_risk(symbol) if row.max_notional > 0]
        if named:
            caps[symbol] = min(named)
    return caps


def choose_instruments(listed: dict[str, Instrument], symbols: Sequence[str]) -> dict[str, Instrument]:
    """The instruments of `symbols`, in that order. Raises SetupProblem for one that cannot be traded."""
    chosen = {}
    for symbol in symbols:
        instrument = listed.get(symbol)
        if instrument is None:
            near = difflib.get_close_matches(symbol, listed, n=1)
            hint = f"did you mean {near[0]}?" if near else "choose one the venue lists"
            raise SetupProblem(f"{symbol} is not listed at the venue", "TRADING_PAIRS", hint)
        if not instrument.is_trading:
            raise SetupProblem(
                f"{symbol} is {instrument.status}, not TRADING", "TRADING_PAIRS", "take it out for now"
            )
        chosen[symbol] = instrument
    return chosen


def check_sizes(
    limits: RiskLimits,
    instruments: dict[str, Instrument],
    prices: dict[str, Decimal],
    kind: PairKind = PairKind.SAME,
) -> None:
    """Raise SetupProblem when one leg of any symbol would be below the venue's smallest order, or all pairs
    together need more than the capital."""
    manager = RiskManager(limits, instruments)
    needed: list[LegTooSmall] = []
    for symbol, price in prices.items():
        try:
            manager.calculate_position_size(price, symbol)
        except LegTooSmall as problem:
            needed.append(problem)
    if needed:
        worst = max(needed, key=lambda problem: problem.smallest_capital_usd)
        raise SetupProblem(
            f"CAPITAL_USDT {plain_text(limits.capital_usd)} x MAX_POSITION_SIZE_PCT "
            f"{plain_text(limits.max_position_size_pct)} % x LEVERAGE {limits.leverage}: {worst}",
            "settings",
            "raise CAPITAL_USDT, MAX_POSITION_SIZE_PCT or LEVERAGE",
        )
    _check_liquidation_distance(limits)
    legs = _legs_as_margin(kind, len(prices), limits)
    share_pct = legs * limits.max_position_size_pct
    if share_pct > 100:
        pairs = len(prices) if kind is not PairKind.CROSS else len(prices) // 2
        most_pct = (100 / legs).quantize(_CENT, ROUND_FLOOR)
        raise SetupProblem(
            f"{pairs} pairs of two legs at {plain_text(limits.max_position_size_pct)} % each need "
            f"{plain_text(share_pct)} % of CAPITAL_USDT"
            + (" as margin" if kind is not PairKind.CARRY else ", for spot is paid in full"),
            "MAX_POSITION_SIZE_PCT",
            f"set it to {plain_text(most_pct)} or less, or trade fewer pairs",
        )


def _legs_as_margin(kind: PairKind, symbols: int, limits: RiskLimits) -> Decimal:
    """What all pairs take of the capital, in margins of one leg: spot is paid in full."""
    match kind:
        case PairKind.SAME:
            return Decimal(2 * symbols)
        case PairKind.CROSS:
            return Decimal(symbols)
        case PairKind.CARRY:
            return Decimal(symbols * (1 + limits.leverage))


def _check_liquidation_distance(limits: RiskLimits) -> None:
    """An isolated leg begins at most 1 / leverage from its liquidation, which must be more than the limit."""
    widest_pct = Decimal(100) / limits.leverage
    least_pct = limits.min_liquidation_distance_pct
    if limits.margin_type is MarginType.ISOLATED and widest_pct <= least_pct:
        raise SetupProblem(
            f"an isolated leg at LEVERAGE {limits.leverage} begins less than {widest_pct:.2f} % from its "
            f"liquidation price, MIN_LIQUIDATION_DISTANCE_PCT {plain_text(least_pct)} would close it at once",
            "LEVERAGE",
            f"set it to {max(1, int(Decimal(50) / least_pct))} or less, or MARGIN_TYPE to CROSSED",
        )


def _check_clock(clock: ClockOffset, max_uncertainty_ms: int) -> list[str]:
    if clock.uncertainty_ms > max_uncertainty_ms:
        raise SetupProblem(
            f"the venue's clock is known only to ±{clock.uncertainty_ms:.0f} ms",
            "MAX_CLOCK_OFFSET_MS",
            "mend the network or raise the limit",
        )
    if abs(clock.offset_ms) > max_uncertainty_ms:
        direction = "behind" if clock.offset_ms > 0 else "ahead of"
        return [
            f"this machine's clock is {abs(clock.offset_ms) / 1000:.1f} s {direction} the venue's: "
            "requests are stamped with the venue's time; set the clock right (NTP)"
        ]
    return []


def _check_account(account: AccountSnapshot, limits: RiskLimits, legs: int, in_spot: Decimal) -> list[str]:
    """Remarks about the account. Raises SetupProblem when it cannot carry the `legs` that need margin."""
    if not account.can_trade:
        raise SetupProblem(
            "the account may not trade", "the venue", "see the account's permissions on the website"
        )
    needed_usd = legs * limits.leg_notional_usd / limits.leverage
    if account.total_margin_balance < needed_usd:
        raise SetupProblem(
            f"the account holds ${account.total_margin_balance:,.2f}, and {legs} legs need "
            f"${needed_usd:,.2f} as margin",
            "CAPITAL_USDT",
            "set it to what may be used, or deposit more",
        )
    if account.total_margin_balance + in_spot < limits.capital_usd:
        # After a small loss a session must still start, or nobody would look after what it holds.
        return [
            f"the account holds ${account.total_margin_balance + in_spot:,.2f}, less than CAPITAL_USDT "
            f"{plain_text(limits.capital_usd)}"
        ]
    return []


async def _set_hedge_mode(client: ExchangeClient, positions: Sequence[PositionReport]) -> None:
    if await client.is_hedge_mode():
        return
    try:
        await client.set_hedge_mode(True)
    except errors.ChangeBlocked as blocked:
        held = ", ".join(f"{report.symbol}" for report in positions if report.is_open) or "open orders"
        raise SetupProblem(
            f"the account is in one-way mode and cannot change: {blocked.message}",
            held,
            "close positions and orders on the account, then start again",
        ) from blocked
    except errors.RequestRefused as refused:
        raise SetupProblem(
            f"the account is in one-way mode and the venue refused hedge mode: {refused.message}",
            "position mode",
            "switch the account to hedge mode on the website",
        ) from refused


async def _set_margin(client: ExchangeClient, symbol: str, leverage: int, margin_type: MarginType) -> None:
    try:
        setup = await ensure_risk_setup(client, [symbol], leverage, margin_type)
    except errors.ChangeBlocked as blocked:
        raise SetupProblem(
            f"margin type or leverage of {symbol} cannot change now: {blocked.message}",
            symbol,
            "close the symbol's positions and orders, or set margin type and leverage to what they are",
        ) from blocked
    except errors.RequestRefused as refused:
        raise SetupProblem(
            f"leverage {leverage} on {symbol} was refused: {refused.message}",
            "LEVERAGE",
            "choose what the symbol's brackets allow",
        ) from refused
    confirmed = setup[symbol].leverage
    if confirmed != leverage:
        raise SetupProblem(
            f"the venue set leverage {confirmed} on {symbol} instead of {leverage}",
            "LEVERAGE",
            "choose what the symbol's brackets allow",
        )
