"""`exchangeInfo` (protocol reference, section 5.1)."""

from typing import Any

from aster_operator.domain.enums import OrderType
from aster_operator.domain.instruments import Instrument, LotFilter
from aster_operator.domain.money import plain_text
from aster_operator.simulator.model import ContractSpec
from aster_operator.simulator.server.rate_limits import RateLimitSettings
from aster_operator.simulator.server.routing import Call

__all__ = ["exchange_info", "instrument_filters", "rate_limits"]

PERPETUAL_DELIVERY_MS = 4133404800000
ONBOARD_MS = 1627628400000


def _lot_json(kind: str, lot: LotFilter) -> dict[str, Any]:
    return {
        "filterType": kind,
        "minQty": plain_text(lot.min_quantity),
        "maxQty": plain_text(lot.max_quantity),
        "stepSize": plain_text(lot.step),
    }


def instrument_filters(instrument: Instrument) -> list[dict[str, Any]]:
    """The filters of section 5.1, as texts."""
    return [
        {
            "filterType": "PRICE_FILTER",
            "minPrice": plain_text(instrument.min_price),
            "maxPrice": plain_text(instrument.max_price),
            "tickSize": plain_text(instrument.tick_size),
        },
        _lot_json("LOT_SIZE", instrument.lot),
        _lot_json("MARKET_LOT_SIZE", instrument.market_lot),
        {"filterType": "MAX_NUM_ORDERS", "limit": instrument.max_num_orders},
        {"filterType": "MAX_NUM_ALGO_ORDERS", "limit": instrument.max_num_algo_orders},
        {"filterType": "MIN_NOTIONAL", "notional": plain_text(instrument.min_notional)},
        {
            "filterType": "PERCENT_PRICE",
            "multiplierUp": f"{instrument.percent_price_up:.4f}",
            "multiplierDown": f"{instrument.percent_price_down:.4f}",
            "multiplierDecimal": "4",
        },
    ]


def _symbol_json(spec: ContractSpec, sequence: int) -> dict[str, Any]:
    instrument = spec.instrument
    first = spec.brackets[0]
    return {
        "symbol": spec.symbol,
        "pair": spec.symbol,
        "contractType": instrument.contract_type,
        "deliveryDate": PERPETUAL_DELIVERY_MS,
        "onboardDate": ONBOARD_MS,
        "status": instrument.status.value,
        "maintMarginPercent": f"{first.maintenance_ratio * 100:.4f}",
        "requiredMarginPercent": f"{100 / first.initial_leverage:.4f}",
        "baseAsset": instrument.base_asset,
        "quoteAsset": instrument.quote_asset,
        "marginAsset": instrument.margin_asset,
        "pricePrecision": instrument.price_precision,
        "quantityPrecision": instrument.quantity_precision,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "underlyingType": "COIN",
        "underlyingSubType": [],
        "symbolType": 0,
        "tradingMode": 0,
        "name": instrument.base_asset,
        "channel": "{}",
        "sequenceNo": sequence,
        "twapMinNotional": 1000,
        "imn": f"{spec.impact_margin_notional:.2f}",
        "tags": [],
        "settlePlan": 0,
        "triggerProtect": f"{instrument.trigger_protect:.4f}",
        "liquidationFee": f"{instrument.liquidation_fee:.6f}",
        "marketTakeBound": plain_text(instrument.market_take_bound),
        "createTime": ONBOARD_MS,
        "filters": instrument_filters(instrument),
        "orderTypes": [kind.value for kind in OrderType],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "HIDDEN"],
    }


def rate_limits(settings: RateLimitSettings) -> list[dict[str, Any]]:
    """What the limiter of a product holds its callers to."""
    rows: list[tuple[str, str, int, int | None]] = [
        ("REQUEST_WEIGHT", "MINUTE", 1, settings.weight_per_minute),
        ("ORDERS", "MINUTE", 1, settings.orders_per_minute),
        ("ORDERS", "SECOND", 10, settings.orders_per_ten_seconds),
    ]
    return [
        {"rateLimitType": kind, "interval": interval, "intervalNum": number, "limit": limit}
        for kind, interval, number, limit in rows
        if limit is not None
    ]


def exchange_info(call: Call) -> Any:
    """Rules, assets and contracts."""
    contracts = call.exchange.contracts()
    assets = dict.fromkeys(spec.instrument.margin_asset for spec in contracts.values())
    return {
        "timezone": "UTC",
        "serverTime": call.services.clock.now_ms(),
        "futuresType": "U_MARGINED",
        "simulatorInstance": call.services.instance,
        "rateLimits": rate_limits(call.services.limiter.settings),
        "exchangeFilters": [],
        "assets": [
            {"asset": asset, "marginAvailable": True, "autoAssetExchange": "-10000"} for asset in assets
        ],
        "symbols": [_symbol_json(spec, index) for index, spec in enumerate(contracts.values(), start=1)],
    }
