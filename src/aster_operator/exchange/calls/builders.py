"""Reads of a builder about the users who trade under its code (protocol reference, section 4.8).

V3 alone. The account of the credentials is the builder. `user_addresses` (at most 50) names users; without it
all bound users are paged through, in the order of their binding. Users who may not be shown are listed in
`errors` of the page. `limit` is users a page (for trades and past orders: rows), up to 1000, default 50.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeVar

from aster_operator.exchange.calls.base import Calls
from aster_operator.exchange.endpoint import Endpoint, Security, read
from aster_operator.exchange.signing.parameters import Parameters
from aster_operator.exchange.wire.builders import (
    ApprovedUserRecord,
    BuilderPage,
    BuilderUserAccountRecord,
    BuilderUserBalanceRecord,
    BuilderUserCommissionRecord,
    BuilderUserOrderRecord,
    BuilderUserPositionRecord,
    BuilderUserTradeRecord,
)

__all__ = ["BuilderCalls"]

Row = TypeVar("Row")
_MOST_ADDRESSES: Final = 50


def _builder_read(name: str) -> Endpoint:
    return read(f"builder/{name}", Security.SIGNED, 5, v1=None)


USER_ACCOUNTS: Final = _builder_read("userAccounts")
USER_OPEN_ORDERS: Final = _builder_read("userOpenOrders")
USER_BALANCES: Final = _builder_read("userBalances")
USER_POSITION_RISK: Final = _builder_read("userPositionRisk")
USER_COMMISSION_RATES: Final = _builder_read("userCommissionRates")
USER_TRADES: Final = _builder_read("userTrades")
USER_ALL_ORDERS: Final = _builder_read("userAllOrders")
APPROVED_USERS: Final = _builder_read("approvedUserList")


class BuilderCalls(Calls):
    """What a builder may know of its users."""

    async def builder_user_accounts(
        self,
        *,
        user_addresses: Sequence[str] | None = None,
        symbol: str | None = None,
        page: int | None = None,
        limit: int | None = None,
    ) -> BuilderPage[BuilderUserAccountRecord]:
        """Return permissions, modes and leverage of the builder's users; `symbol` narrows the leverage.

        `user_addresses` narrows to at most 50 users. `page` begins at 1, `limit` is its size. Raises
        ValueError for more than 50 addresses. Weight 5. Section 4.8.
        """
        return await self._page(
            USER_ACCOUNTS, BuilderUserAccountRecord, user_addresses, page, limit, {"symbol": symbol}
        )

    async def builder_user_open_orders(
        self,
        *,
        user_addresses: Sequence[str] | None = None,
        symbol: str | None = None,
        page: int | None = None,
        limit: int | None = None,
    ) -> BuilderPage[BuilderUserOrderRecord]:
        """Return the open orders of the builder's users; a user may have any number of rows.

        `user_addresses` narrows to at most 50 users. `symbol` None means all. `page` begins at 1, `limit` is
        its size. Raises ValueError for more than 50 addresses. Weight 5. Section 4.8.
        """
        return await self._page(
            USER_OPEN_ORDERS, BuilderUserOrderRecord, user_addresses, page, limit, {"symbol": symbol}
        )

    async def builder_user_balances(
        self,
        *,
        user_addresses: Sequence[str] | None = None,
        page: int | None = None,
        limit: int | None = None,
    ) -> BuilderPage[BuilderUserBalanceRecord]:
        """Return the wallet balances of the builder's users by asset, in the asset and in USD.

        `user_addresses` narrows to at most 50 users. `page` begins at 1, `limit` is its size. Raises
        ValueError for more than 50 addresses. Weight 5. Section 4.8.
        """
        return await self._page(USER_BALANCES, BuilderUserBalanceRecord, user_addresses, page, limit, {})

    async def builder_user_position_risk(
        self,
        *,
        user_addresses: Sequence[str] | None = None,
        symbol: str | None = None,
        page: int | None = None,
        limit: int | None = None,
    ) -> BuilderPage[BuilderUserPositionRecord]:
        """Return the open positions of the builder's users; flat ones are left out.

        `user_addresses` narrows to at most 50 users. `symbol` None means all. `page` begins at 1, `limit` is
        its size. Raises ValueError for more than 50 addresses. Weight 5. Section 4.8.
        """
        return await self._page(
            USER_POSITION_RISK, BuilderUserPositionRecord, user_addresses, page, limit, {"symbol": symbol}
        )

    async def builder_user_commission_rates(
        self,
        symbol: str,
        *,
        user_addresses: Sequence[str] | None = None,
        page: int | None = None,
        limit: int | None = None,
    ) -> BuilderPage[BuilderUserCommissionRecord]:
        """Return the fees of the builder's users on `symbol`, as fractions of notional.

        `user_addresses` narrows to at most 50 users. `page` begins at 1, `limit` is its size. Raises
        ValueError for more than 50 addresses. Weight 5. Section 4.8.
        """
        return await self._page(
            USER_COMMISSION_RATES, BuilderUserCommissionRecord, user_addresses, page, limit,
            {"symbol": symbol},
        )  # fmt: skip

    async def builder_user_trades(
        self,
        *,
        user_addresses: Sequence[str] | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        page: int | None = None,
        limit: int | None = None,
    ) -> BuilderPage[BuilderUserTradeRecord]:
        """Return trades under the builder's code, newest first (default: 7 days; at most 90 days back).

        `user_addresses` narrows to at most 50 users. `start_ms` and `end_ms` bound the time (ms UTC, both
        included). `page` begins at 1, `limit` is its size. Raises ValueError for more than 50 addresses.
        Weight 5. Section 4.8.
        """
        times: Parameters = {"startTime": start_ms, "endTime": end_ms}
        return await self._page(USER_TRADES, BuilderUserTradeRecord, user_addresses, page, limit, times)

    async def builder_user_all_orders(
        self,
        *,
        user_addresses: Sequence[str] | None = None,
        symbol: str | None = None,
        start_ms: int | None = None,
        end_ms: int | None = None,
        page: int | None = None,
        limit: int | None = None,
    ) -> BuilderPage[BuilderUserOrderRecord]:
        """Return orders in any state under the builder's code (default: 7 days; at most 90 days back).

        `user_addresses` narrows to at most 50 users. `symbol` None means all. `start_ms` and `end_ms` bound
        the time (ms UTC, both included). `page` begins at 1, `limit` is its size. Raises ValueError for more
        than 50 addresses. Weight 5. Section 4.8.
        """
        chosen: Parameters = {"symbol": symbol, "startTime": start_ms, "endTime": end_ms}
        return await self._page(USER_ALL_ORDERS, BuilderUserOrderRecord, user_addresses, page, limit, chosen)

    async def builder_approved_users(self, *, start_ms: int | None = None) -> list[ApprovedUserRecord]:
        """Return who approved this account as builder, after `start_ms` if given; at most 1000.

        Raises RequestRefused. Weight 5. Section 4.8.
        """
        return await self._rest.call(APPROVED_USERS, {"startTime": start_ms}, list[ApprovedUserRecord])

    async def _page(
        self,
        endpoint: Endpoint,
        row: type[Row],
        addresses: Sequence[str] | None,
        page: int | None,
        limit: int | None,
        rest: Parameters,
    ) -> BuilderPage[Row]:
        if addresses is not None and not 1 <= len(addresses) <= _MOST_ADDRESSES:
            raise ValueError(f"user_addresses: 1 to {_MOST_ADDRESSES} addresses, not {len(addresses)}")
        parameters: Parameters = {
            "userAddresses": None if addresses is None else ",".join(addresses),
            **rest,
            "page": page,
            "limit": limit,
        }
        # The row's type is known only now, so the type of the page is made at run time.
        kind: Any = BuilderPage
        answer: BuilderPage[Row] = await self._rest.call(endpoint, parameters, kind[row])
        return answer
