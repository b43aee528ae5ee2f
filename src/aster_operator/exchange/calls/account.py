"""Account, margin, position and listen-key calls (protocol reference, sections 4.6 and 4.7).

All are signed, except the listen-key calls with an API key, which carry the key alone. All raise
RequestRefused or a subclass for a refusal; changes that are repeatable by nature are retried like reads.
"""

from decimal import Decimal
from typing import Final

from aster_operator.domain.enums import MarginType, PositionSide, SelfTradePrevention
from aster_operator.exchange.calls.base import Calls
from aster_operator.exchange.endpoint import Endpoint, Security, read
from aster_operator.exchange.rate_limits import Priority
from aster_operator.exchange.signing.parameters import Parameters
from aster_operator.exchange.wire.account import (
    AccountRecord,
    AdlQuantileRecord,
    BalanceRecord,
    CommissionRateRecord,
    IncomeRecord,
    LeverageBracketRecord,
    LeverageRecord,
    ListenKeyRecord,
    MarginChangeRecord,
    MarketMakerProtectionRecord,
    MultiAssetsRecord,
    OpenableNotionalRecord,
    PositionMarginRecord,
    PositionModeRecord,
    PositionRiskRecord,
    SelfTradePreventionRecord,
    TransferRecord,
)
from aster_operator.exchange.wire.orders import OrderRecord
from aster_operator.exchange.wire.records import Acknowledged

__all__ = ["AccountCalls"]

_SIGNED = Security.SIGNED


def _set(name: str, *, weight: int = 1, v1: int | None = 1) -> Endpoint:
    """A POST that sets a value: harmless to repeat."""
    return Endpoint(method="POST", name=name, security=_SIGNED, weight=weight, v1=v1, repeatable=True)


BALANCE: Final = read("balance", _SIGNED, 5, v1=2)
ACCOUNT_V1: Final = read("account", _SIGNED, 5, v1=4, v3=None)
ACCOUNT_V3: Final = read("accountWithJoinMargin", _SIGNED, 5, v1=None)
POSITION_RISK: Final = read("positionRisk", _SIGNED, 5, v1=2)
LEVERAGE: Final = _set("leverage")
MARGIN_TYPE: Final = _set("marginType")
POSITION_MARGIN: Final = Endpoint(
    method="POST", name="positionMargin", security=_SIGNED, priority=Priority.CLOSE
)
POSITION_MARGIN_HISTORY: Final = read("positionMargin/history", _SIGNED)
LEVERAGE_BRACKET: Final = read("leverageBracket", _SIGNED)
POSITION_MODE: Final = read("positionSide/dual", _SIGNED, 30)
SET_POSITION_MODE: Final = _set("positionSide/dual")
MULTI_ASSETS: Final = read("multiAssetsMargin", _SIGNED, 30)
SET_MULTI_ASSETS: Final = _set("multiAssetsMargin")
STP_MODE: Final = read("stpMode", _SIGNED, 30, v1=None)
SET_STP_MODE: Final = _set("stpMode", v1=None)
COMMISSION_RATE: Final = read("commissionRate", _SIGNED, 20)
ADL_QUANTILE: Final = read("adlQuantile", _SIGNED, 5)
FORCE_ORDERS: Final = read("forceOrders", _SIGNED, 20)
INCOME: Final = read("income", _SIGNED, 30)
OPENABLE_NOTIONAL: Final = read("remainingOpenableNotionalValue", _SIGNED, 20, v3=None)
TRANSFER: Final = Endpoint(method="POST", name="asset/wallet/transfer", security=_SIGNED, weight=5)
GET_MMP: Final = read("mmp", _SIGNED, v1=None)
SET_MMP: Final = _set("mmp", v1=None)
DELETE_MMP: Final = Endpoint(method="DELETE", name="mmp", security=_SIGNED, v1=None, repeatable=True)
RESET_MMP: Final = _set("mmpReset", v1=None)
NEW_LISTEN_KEY: Final = Endpoint(
    method="POST", name="listenKey", security=Security.USER_STREAM, repeatable=True
)
KEEP_LISTEN_KEY: Final = Endpoint(
    method="PUT", name="listenKey", security=Security.USER_STREAM, repeatable=True
)
CLOSE_LISTEN_KEY: Final = Endpoint(
    method="DELETE", name="listenKey", security=Security.USER_STREAM, repeatable=True
)


class AccountCalls(Calls):
    """The account, its margin and its settings."""

    async def balance(self) -> list[BalanceRecord]:
        """Return the balances of the futures wallet by asset.

        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 5. Section 4.6.
        """
        return await self._rest.call(BALANCE, {}, list[BalanceRecord])

    async def account(self) -> AccountRecord:
        """Return totals (USD), assets and positions, flat ones too.

        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 5. Section 4.6.
        """
        endpoint = ACCOUNT_V3 if self._rest.uses_agent else ACCOUNT_V1
        return await self._rest.call(endpoint, {}, AccountRecord)

    async def position_risk(self, symbol: str | None = None) -> list[PositionRiskRecord]:
        """Return positions with mark price, margin and liquidation price, flat ones too.

        `position_amt` is signed. `symbol` None means all. Raises RequestRefused, TransportFailed,
        MalformedResponse. Weight 5. Section 4.6.
        """
        return await self._rest.call(POSITION_RISK, {"symbol": symbol}, list[PositionRiskRecord])

    async def change_leverage(self, symbol: str, leverage: int) -> LeverageRecord:
        """Set the leverage (1 to 125) and return what the venue confirms.

        `symbol` as the venue lists it. `leverage` is a whole number (times). Raises InvalidRequest (-4028),
        ChangeBlocked (-4161: lowered with an isolated position open). Weight 1. Section 4.6.
        """
        return await self._rest.call(LEVERAGE, {"symbol": symbol, "leverage": leverage}, LeverageRecord)

    async def change_margin_type(self, symbol: str, margin_type: MarginType) -> Acknowledged:
        """Set isolated or crossed margin.

        `symbol` as the venue lists it. `margin_type` is ISOLATED or CROSSED. Raises NoChangeNeeded (-4046),
        ChangeBlocked (-4047 open orders, -4048 position, -4168 multi-asset mode). Weight 1. Section 4.6.
        """
        return await self._rest.call(MARGIN_TYPE, {"symbol": symbol, "marginType": margin_type}, Acknowledged)

    async def change_position_margin(
        self, symbol: str, amount: Decimal, *, add: bool, position_side: PositionSide | None = None
    ) -> PositionMarginRecord:
        """Add or take away margin of an isolated position; `position_side` in hedge mode.

        Not repeatable. Raises UnknownOutcome without a clear answer, ChangeBlocked (-4049, -4054),
        InsufficientMargin (-4051). `symbol` as the venue lists it. `amount` is in units of the asset. `add`
        False takes away. Weight 1. Section 4.6.
        """
        parameters: Parameters = {
            "symbol": symbol,
            "positionSide": position_side,
            "amount": amount,
            "type": 1 if add else 2,
        }
        return await self._rest.call(POSITION_MARGIN, parameters, PositionMarginRecord)

    async def position_margin_history(
        self,
        symbol: str,
        *,
        added: bool | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[MarginChangeRecord]:
        """Return changes of isolated margin; `added` None gives both kinds.

        `symbol` as the venue lists it. `start_ms` and `end_ms` bound the time (ms UTC, both included).
        `limit` rows at most. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section
        4.6.
        """
        parameters: Parameters = {
            "symbol": symbol,
            "type": None if added is None else (1 if added else 2),
            "startTime": start_ms,
            "endTime": end_ms,
            "limit": limit,
        }
        return await self._rest.call(POSITION_MARGIN_HISTORY, parameters, list[MarginChangeRecord])

    async def leverage_brackets(self, symbol: str | None = None) -> list[LeverageBracketRecord]:
        """Return the leverage brackets of one symbol or all; notionals in USD.

        `symbol` None means all. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section
        4.6.
        """
        answer: LeverageBracketRecord | list[LeverageBracketRecord] = await self._rest.call(
            LEVERAGE_BRACKET, {"symbol": symbol}, LeverageBracketRecord | list[LeverageBracketRecord]
        )
        return answer if isinstance(answer, list) else [answer]

    async def position_mode(self) -> bool:
        """Return True in hedge mode.

        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 30. Section 4.6.
        """
        record: PositionModeRecord = await self._rest.call(POSITION_MODE, {}, PositionModeRecord)
        return record.dual_side_position

    async def change_position_mode(self, *, hedge: bool) -> Acknowledged:
        """Switch between one-way and hedge mode for all symbols.

        `hedge` False is one-way. Raises NoChangeNeeded (-4059), ChangeBlocked (-4067, -4068). Weight 1.
        Section 4.6.
        """
        return await self._rest.call(SET_POSITION_MODE, {"dualSidePosition": hedge}, Acknowledged)

    async def multi_assets_mode(self) -> bool:
        """Return True when all assets share one margin.

        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 30. Section 4.6.
        """
        record: MultiAssetsRecord = await self._rest.call(MULTI_ASSETS, {}, MultiAssetsRecord)
        return record.multi_assets_margin

    async def change_multi_assets_mode(self, *, enabled: bool) -> Acknowledged:
        """Switch multi-asset margin on or off.

        `enabled` False switches it off. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1.
        Section 4.6.
        """
        return await self._rest.call(SET_MULTI_ASSETS, {"multiAssetsMargin": enabled}, Acknowledged)

    async def stp_mode(self) -> SelfTradePrevention | str:
        """Return the account's self-trade prevention.

        V3. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 30. Section 4.6.
        """
        record: SelfTradePreventionRecord = await self._rest.call(STP_MODE, {}, SelfTradePreventionRecord)
        known = {mode.value: mode for mode in SelfTradePrevention}
        return known.get(record.stp_mode, record.stp_mode)

    async def change_stp_mode(self, mode: SelfTradePrevention) -> Acknowledged:
        """Set the account's self-trade prevention.

        `mode` is which of two own orders expires. V3. Raises RequestRefused, TransportFailed,
        MalformedResponse. Weight 1. Section 4.6.
        """
        return await self._rest.call(SET_STP_MODE, {"stpMode": mode}, Acknowledged)

    async def commission_rate(self, symbol: str) -> CommissionRateRecord:
        """Return the account's fees as fractions of notional.

        `symbol` as the venue lists it. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 20.
        Section 4.6.
        """
        return await self._rest.call(COMMISSION_RATE, {"symbol": symbol}, CommissionRateRecord)

    async def adl_quantile(self, symbol: str | None = None) -> list[AdlQuantileRecord]:
        """Return how near positions are to auto-deleveraging: 0 far, 4 next.

        `symbol` None means all. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 5. Section
        4.6.
        """
        answer: AdlQuantileRecord | list[AdlQuantileRecord] = await self._rest.call(
            ADL_QUANTILE, {"symbol": symbol}, AdlQuantileRecord | list[AdlQuantileRecord]
        )
        return answer if isinstance(answer, list) else [answer]

    async def force_orders(
        self,
        symbol: str | None = None,
        *,
        auto_close_type: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[OrderRecord]:
        """Return own liquidation and ADL orders (default: the last 7 days).

        `auto_close_type` LIQUIDATION or ADL; `limit` up to 100 (default 50). `symbol` None means all.
        `start_ms` and `end_ms` bound the time (ms UTC, both included). Raises RequestRefused,
        TransportFailed, MalformedResponse. Weight 20 with a symbol, 50 without. Section 4.6.
        """
        parameters: Parameters = {
            "symbol": symbol,
            "autoCloseType": auto_close_type,
            "startTime": start_ms,
            "endTime": end_ms,
            "limit": limit,
        }
        return await self._rest.call(
            FORCE_ORDERS, parameters, list[OrderRecord], weight=50 if symbol is None else 20
        )

    async def income(
        self,
        *,
        symbol: str | None = None,
        income_type: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> list[IncomeRecord]:
        """Return one page of cash movements, oldest first; `income` is signed (default: last 7 days).

        `limit` up to 1000 (default 100). `symbol` None means all. `income_type` narrows to one kind.
        `start_ms` and `end_ms` bound the time (ms UTC, both included). Raises RequestRefused,
        TransportFailed, MalformedResponse. Weight 30. Section 4.6.
        """
        parameters: Parameters = {
            "symbol": symbol,
            "incomeType": income_type,
            "startTime": start_ms,
            "endTime": end_ms,
            "limit": limit,
        }
        return await self._rest.call(INCOME, parameters, list[IncomeRecord])

    async def remaining_openable_notional(self, symbol: str, leverage: int) -> Decimal:
        """Return how much notional (USD) may still be opened.

        `symbol` as the venue lists it. `leverage` is a whole number (times). V1 only. Raises RequestRefused,
        TransportFailed, MalformedResponse. Weight 20. Section 4.6.
        """
        record: OpenableNotionalRecord = await self._rest.call(
            OPENABLE_NOTIONAL, {"symbol": symbol, "leverage": leverage}, OpenableNotionalRecord
        )
        return record.remaining_openable_notional_value

    async def transfer(
        self, asset: str, amount: Decimal, *, to_spot: bool, client_tran_id: str
    ) -> TransferRecord:
        """Move money between the futures and the spot wallet.

        `client_tran_id` below 64 characters, unique for 7 days: send the same one to make a repeat harmless
        (-4115). `asset` such as USDT. `amount` is in units of the asset. `to_spot` False moves to futures.
        Raises UnknownOutcome without a clear answer. Weight 5. Section 4.6.
        """
        parameters: Parameters = {
            "asset": asset,
            "amount": amount,
            "clientTranId": client_tran_id,
            "kindType": "FUTURE_SPOT" if to_spot else "SPOT_FUTURE",
        }
        return await self._rest.call(TRANSFER, parameters, TransferRecord, client_order_id=client_tran_id)

    async def market_maker_protection(self, symbol: str | None = None) -> list[MarketMakerProtectionRecord]:
        """Return the market-maker protections that are set.

        `symbol` None means all. V3. Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1.
        Section 4.6.
        """
        answer: MarketMakerProtectionRecord | list[MarketMakerProtectionRecord] = await self._rest.call(
            GET_MMP, {"symbol": symbol}, MarketMakerProtectionRecord | list[MarketMakerProtectionRecord]
        )
        return answer if isinstance(answer, list) else [answer]

    async def set_market_maker_protection(
        self,
        symbol: str,
        *,
        window_ms: int,
        frozen_ms: int,
        qty_limit: Decimal | None = None,
        value_limit: Decimal | None = None,
        delta_limit: Decimal | None = None,
    ) -> bool:
        """Freeze quoting for `frozen_ms` when more than a limit is filled within `window_ms`.

        `symbol` as the venue lists it. `qty_limit` is in units, `value_limit` and `delta_limit` in USD. V3.
        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section 4.6.
        """
        parameters: Parameters = {
            "symbol": symbol,
            "windowTimeInMilliseconds": window_ms,
            "frozenTimeInMilliseconds": frozen_ms,
            "qtyLimit": qty_limit,
            "valueLimit": value_limit,
            "deltaLimit": delta_limit,
        }
        return await self._rest.call(SET_MMP, parameters, bool)

    async def delete_market_maker_protection(self, symbol: str) -> bool:
        """Remove the protection of a symbol.

        `symbol` as the venue lists it. V3. Raises RequestRefused, TransportFailed, MalformedResponse. Weight
        1. Section 4.6.
        """
        return await self._rest.call(DELETE_MMP, {"symbol": symbol}, bool)

    async def reset_market_maker_protection(self, symbol: str) -> bool:
        """Allow quoting again after a protection fired.

        `symbol` as the venue lists it. V3. Raises RequestRefused, TransportFailed, MalformedResponse. Weight
        1. Section 4.6.
        """
        return await self._rest.call(RESET_MMP, {"symbol": symbol}, bool)

    async def new_listen_key(self) -> str:
        """Return the listen key of the account, made or extended to 60 minutes.

        Raises RequestRefused, TransportFailed, MalformedResponse. Weight 1. Section 4.7.
        """
        record: ListenKeyRecord = await self._rest.call(NEW_LISTEN_KEY, {}, ListenKeyRecord)
        return record.listen_key

    async def keep_listen_key(self, listen_key: str) -> None:
        """Extend the listen key by 60 minutes.

        `listen_key` is from `new_listen_key`. Raises ListenKeyUnknown (-1125). Weight 1. Section 4.7.
        """
        await self._rest.call(KEEP_LISTEN_KEY, {"listenKey": listen_key}, dict[str, object])

    async def close_listen_key(self, listen_key: str) -> None:
        """End the listen key.

        `listen_key` is from `new_listen_key`. Raises RequestRefused, TransportFailed, MalformedResponse.
        Weight 1. Section 4.7.
        """
        await self._rest.call(CLOSE_LISTEN_KEY, {"listenKey": listen_key}, dict[str, object])
