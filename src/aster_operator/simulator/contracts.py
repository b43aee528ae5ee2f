"""Contract specifications: filters, brackets and fees of the symbols the exchange lists by default.

The filters of the well-known symbols are Aster's (protocol reference, section 5.1); any other symbol gets a
specification derived from the decimals and the level of its recorded prices. Fees default to the current
USDT perpetual schedule (maker 0, taker 4 bps; section 9.6) and are meant to be overridden.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from aster_operator.domain.enums import SymbolStatus
from aster_operator.domain.instruments import Instrument, LotFilter
from aster_operator.simulator.model import Bracket, ContractSpec

__all__ = [
    "DEFAULT_MAKER_FEE_E8",
    "DEFAULT_TAKER_FEE_E8",
    "KNOWN_CONTRACTS",
    "ContractFacts",
    "build_contract",
    "contract_for_prices",
    "contract_of",
    "make_brackets",
]

DEFAULT_MAKER_FEE_E8 = 0
DEFAULT_TAKER_FEE_E8 = 40_000

# (highest leverage, notional cap in USD, maintenance ratio) from the first bracket to the last.
_MAJOR_TIERS = (
    (125, 50_000, "0.004"),
    (100, 250_000, "0.005"),
    (50, 1_000_000, "0.01"),
    (20, 5_000_000, "0.025"),
    (10, 20_000_000, "0.05"),
    (5, 50_000_000, "0.1"),
    (4, 100_000_000, "0.125"),
    (2, 200_000_000, "0.25"),
    (1, 500_000_000, "0.5"),
)
_MINOR_TIERS = (
    (75, 5_000, "0.01"),
    (50, 25_000, "0.015"),
    (25, 100_000, "0.025"),
    (10, 500_000, "0.05"),
    (5, 1_000_000, "0.1"),
    (4, 2_000_000, "0.125"),
    (2, 5_000_000, "0.25"),
    (1, 10_000_000, "0.5"),
)
_QUOTES = ("USDT", "USD1", "USDF", "USDC", "USD")


@dataclass(frozen=True)
class ContractFacts:
    """What distinguishes one listed symbol; decimals as text so that they are exact."""

    tick: str
    step: str
    min_price: str
    max_price: str
    max_quantity: str
    max_market_quantity: str
    percent_price: str = "0.05"
    market_take_bound: str = "0.05"
    trigger_protect: str = "0.15"
    max_algo_orders: int = 100
    price_precision: int | None = None
    is_major: bool = False
    quotes: tuple[str, ...] = field(default=_QUOTES)


KNOWN_CONTRACTS: dict[str, ContractFacts] = {
    "BTCUSDT": ContractFacts(
        "0.1", "0.001", "1", "1000000", "100", "10", "0.02", "0.02", "0.02", is_major=True
    ),
    "ETHUSDT": ContractFacts(
        "0.01", "0.001", "0.01", "100000", "2000", "200", "0.02", "0.02", "0.02", is_major=True
    ),
    "BNBUSDT": ContractFacts("0.01", "0.01", "0.01", "100000", "5000", "500", is_major=True),
    "SOLUSDT": ContractFacts("0.01", "0.01", "0.01", "10000", "50000", "5000", is_major=True),
    "XRPUSDT": ContractFacts("0.0001", "0.1", "0.0001", "10000", "5000000", "500000", is_major=True),
    "ASTERUSDT": ContractFacts("0.0001", "0.01", "0.0001", "200", "2000000", "200000", price_precision=5),
    "DOGEUSDT": ContractFacts("0.00001", "1", "0.00001", "100", "20000000", "2000000"),
}


def make_brackets(tiers: Iterable[tuple[int, int, str]]) -> tuple[Bracket, ...]:
    """Brackets with their `cum` column: cum[n] = cum[n-1] + floor[n] x (mmr[n] - mmr[n-1]) (section 9.1)."""
    brackets: list[Bracket] = []
    floor, cumulative, previous_ratio = 0, Decimal(0), Decimal(0)
    for number, (leverage, cap, ratio_text) in enumerate(tiers, start=1):
        ratio = Decimal(ratio_text)
        cumulative += floor * (ratio - previous_ratio)
        brackets.append(Bracket(number, leverage, floor, cap, ratio, cumulative))
        floor, previous_ratio = cap, ratio
    return tuple(brackets)


def build_contract(
    symbol: str,
    facts: ContractFacts,
    *,
    maker_fee_e8: int = DEFAULT_MAKER_FEE_E8,
    taker_fee_e8: int = DEFAULT_TAKER_FEE_E8,
) -> ContractSpec:
    """The full specification of a symbol. Raises ValueError for a symbol without a known quote asset."""
    quote = next((name for name in facts.quotes if symbol.endswith(name) and symbol != name), None)
    if quote is None:
        raise ValueError(
            f"{symbol}: cannot tell the quote asset; the name must end in {', '.join(facts.quotes)}"
        )
    tick, step, band = Decimal(facts.tick), Decimal(facts.step), Decimal(facts.percent_price)
    instrument = Instrument(
        symbol=symbol,
        base_asset=symbol.removesuffix(quote),
        quote_asset=quote,
        margin_asset=quote,
        status=SymbolStatus.TRADING,
        price_precision=_decimals(tick) if facts.price_precision is None else facts.price_precision,
        quantity_precision=_decimals(step),
        tick_size=tick,
        min_price=Decimal(facts.min_price),
        max_price=Decimal(facts.max_price),
        lot=LotFilter(step, Decimal(facts.max_quantity), step),
        market_lot=LotFilter(step, Decimal(facts.max_market_quantity), step),
        min_notional=Decimal(5),
        percent_price_up=1 + band,
        percent_price_down=1 - band,
        market_take_bound=Decimal(facts.market_take_bound),
        trigger_protect=Decimal(facts.trigger_protect),
        liquidation_fee=Decimal("0.025"),
        max_num_orders=200,
        max_num_algo_orders=facts.max_algo_orders,
    )
    return ContractSpec(
        instrument=instrument,
        maker_fee_e8=maker_fee_e8,
        taker_fee_e8=taker_fee_e8,
        brackets=make_brackets(_MAJOR_TIERS if facts.is_major else _MINOR_TIERS),
    )


def contract_of(
    instrument: Instrument,
    *,
    maker_fee_e8: int = DEFAULT_MAKER_FEE_E8,
    taker_fee_e8: int = DEFAULT_TAKER_FEE_E8,
) -> ContractSpec:
    """The specification around a real venue's `instrument`: its own filters, our brackets and fees."""
    known = KNOWN_CONTRACTS.get(instrument.symbol)
    return ContractSpec(
        instrument=instrument,
        maker_fee_e8=maker_fee_e8,
        taker_fee_e8=taker_fee_e8,
        brackets=make_brackets(_MAJOR_TIERS if known is not None and known.is_major else _MINOR_TIERS),
    )


def contract_for_prices(
    symbol: str,
    prices: Iterable[float],
    *,
    maker_fee_e8: int = DEFAULT_MAKER_FEE_E8,
    taker_fee_e8: int = DEFAULT_TAKER_FEE_E8,
) -> ContractSpec:
    """The known specification of `symbol`, or one derived from recorded `prices`.

    The derived tick is the finest decimal the prices use; the derived lot is worth 0.1 to 10 USD for cheap
    symbols and is never finer than a thousandth. Raises ValueError when there is no price.
    """
    facts = KNOWN_CONTRACTS.get(symbol) or _derived_facts(symbol, prices)
    return build_contract(symbol, facts, maker_fee_e8=maker_fee_e8, taker_fee_e8=taker_fee_e8)


def _derived_facts(symbol: str, prices: Iterable[float]) -> ContractFacts:
    sample = [Decimal(str(price)) for price in prices]
    if not sample:
        raise ValueError(f"{symbol}: no recorded price to derive a tick size from")
    places = min(8, max(_decimals(price) for price in sample))
    # Money is booked in 10^-8, so one tick of one lot must not be finer than that.
    step_places = min(3, 8 - places, max(0, min(sample).adjusted()))
    tick, step = Decimal(1).scaleb(-places), Decimal(1).scaleb(-step_places)
    ceiling = Decimal(10) ** (max(sample).adjusted() + 2)
    largest = Decimal(10) ** max(3, 7 - max(sample).adjusted())
    return ContractFacts(
        tick=format(tick, "f"),
        step=format(step, "f"),
        min_price=format(tick, "f"),
        max_price=format(ceiling, "f"),
        max_quantity=format(largest, "f"),
        max_market_quantity=format(largest / 10, "f"),
    )


def _decimals(value: Decimal) -> int:
    exponent = value.normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
