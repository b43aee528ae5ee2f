"""The endpoints, one small function each, and the table that names them all."""

from aster_operator.simulator.server.endpoints.account import ACCOUNT_ENDPOINTS
from aster_operator.simulator.server.endpoints.agents import AGENT_ENDPOINTS
from aster_operator.simulator.server.endpoints.builders import BUILDER_ENDPOINTS
from aster_operator.simulator.server.endpoints.custody import CUSTODY_ENDPOINTS
from aster_operator.simulator.server.endpoints.history import HISTORY_ENDPOINTS
from aster_operator.simulator.server.endpoints.market import MARKET_ENDPOINTS
from aster_operator.simulator.server.endpoints.orders import ORDER_ENDPOINTS
from aster_operator.simulator.server.endpoints.protection import PROTECTION_ENDPOINTS
from aster_operator.simulator.server.endpoints.spot import SPOT_ENDPOINTS
from aster_operator.simulator.server.endpoints.spot_history import SPOT_HISTORY_ENDPOINTS
from aster_operator.simulator.server.endpoints.strategies import STRATEGY_ENDPOINTS
from aster_operator.simulator.server.endpoints.sub_accounts import SUB_ACCOUNT_ENDPOINTS
from aster_operator.simulator.server.endpoints.user_stream import USER_STREAM_ENDPOINTS
from aster_operator.simulator.server.endpoints.withdrawals import WITHDRAWAL_ENDPOINTS

__all__ = ["ENDPOINTS"]

ENDPOINTS = (
    *MARKET_ENDPOINTS,
    *ORDER_ENDPOINTS,
    *STRATEGY_ENDPOINTS,
    *ACCOUNT_ENDPOINTS,
    *PROTECTION_ENDPOINTS,
    *HISTORY_ENDPOINTS,
    *USER_STREAM_ENDPOINTS,
    *AGENT_ENDPOINTS,
    *BUILDER_ENDPOINTS,
    *SUB_ACCOUNT_ENDPOINTS,
    *CUSTODY_ENDPOINTS,
    *WITHDRAWAL_ENDPOINTS,
    *SPOT_ENDPOINTS,
    *SPOT_HISTORY_ENDPOINTS,
)
