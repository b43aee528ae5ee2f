"""How large an entry is."""

from decimal import Decimal

from msgspec.structs import replace

from aster_operator.domain.instruments import Instrument
from aster_operator.domain.money import plain_text, usd_text
from aster_operator.domain.orders import Refused
from aster_operator.execution.positions.settings import PositionSizing

__all__ = ["entry_quantity"]


def entry_quantity(
    sizing: PositionSizing, instrument: Instrument, price: Decimal, balance_usd: Decimal | None
) -> Decimal | Refused:
    """Base units to enter at `price`.

    A set notional is rounded up to the lot, so that the entry is worth at least that much. From balance x
    risk x leverage it is rounded down, so that it never risks more. Either way the exits, which go by the
    market's lot, can close it to the last unit.
    """
    try:
        if sizing.order_notional_usd is not None:
            return _at_least(instrument, sizing.order_notional_usd, price)
        if balance_usd is None:
            return Refused(rule="balance", reason="the account's balance is not known yet")
        target_usd = balance_usd * sizing.risk_pct / 100 * sizing.leverage
        quantity = instrument.market_lot.floor(instrument.lot.floor(target_usd / price))
        smallest = instrument.smallest_quantity(price)
        if quantity < smallest:
            return Refused(
                rule="ASTER_RISK_PCT",
                reason=f"{usd_text(balance_usd)} x {sizing.risk_pct} % x {sizing.leverage} is "
                f"{usd_text(target_usd)}, below the smallest order of {plain_text(smallest)} "
                f"{instrument.base_asset} ({usd_text(smallest * price)})",
            )
        return quantity
    except ValueError as unfit:  # above a maximum, or the two lots never meet
        return Refused(rule="lot", reason=str(unfit))


def _at_least(instrument: Instrument, notional_usd: Decimal, price: Decimal) -> Decimal:
    wanted = replace(instrument, min_notional=max(instrument.min_notional, notional_usd))
    return wanted.smallest_quantity(price)
