"""Errors of the other rooms that a person can mend, and what to do about each.

The rooms below do not know the command line, and looking their errors up must not import them: classes are
named here in full and compared with the names in an error's ancestry. A test resolves every name.
"""

__all__ = ["ROOM_REMEDIES", "room_line"]

_EXCHANGE = "aster_operator.exchange.errors."

ROOM_REMEDIES: dict[str, str] = {
    _EXCHANGE
    + "AuthenticationFailed": "check keys, agent permissions and the addresses the key may be used from",
    _EXCHANGE + "ClockSkew": "set this machine's clock (NTP), then start again",
    _EXCHANGE + "IpBanned": "wait until the venue lifts the ban; asking again prolongs it",
    _EXCHANGE + "RateLimited": "wait a minute, and stop other programs on this address",
    _EXCHANGE + "InsufficientMargin": "add margin, or lower CAPITAL_USDT, MAX_POSITION_SIZE_PCT or LEVERAGE",
    _EXCHANGE + "ChangeBlocked": "close the positions and cancel the orders of the symbol first",
    _EXCHANGE + "PositionModeMismatch": "let no other program change the position mode of this account",
    _EXCHANGE + "VenueUnavailable": "the venue is down or restarting: try again later",
    _EXCHANGE + "RequestRefused": "the venue refused it; its words say why",
    _EXCHANGE + "UnknownOutcome": "start again: it asks the venue what became of the order before it trades",
    _EXCHANGE + "TransportFailed": "check the network and the address of the venue",
    _EXCHANGE + "MalformedResponse": "check the address of the venue; if it is right, update aster-operator",
    _EXCHANGE + "MissingCredentials": "set the keys in .env",
    _EXCHANGE + "AgentKeyInUse": "",
    _EXCHANGE + "ExchangeError": "check the venue",
    "aster_operator.exchange.credentials.CredentialsError": "correct the keys in .env",
    "aster_operator.simulator.server.settings.ExchangeServerError": "",
    "aster_operator.market_data.history.HistoryError": "",
    "aster_operator.market_data.catalog.problems.CatalogError": "",
    "aster_operator.market_data.conversion.problems.ConversionError": "",
    "aster_operator.market_data.csv_logs.CsvLogError": "",
    "aster_operator.market_data.recorder.problems.RecorderError": "",
    "aster_operator.rewards.errors.RewardsError": "",
    "aster_operator.strategy.risk_manager.LegTooSmall": "",
}
"""Full class name and what to do; empty where the error's own text says it."""


def room_line(error: BaseException) -> str | None:
    """The line for an error of another room, by its nearest listed ancestor; None when there is none."""
    for kind in type(error).__mro__:
        remedy = ROOM_REMEDIES.get(f"{kind.__module__}.{kind.__qualname__}")
        if remedy is not None:
            return f"{error}: {remedy}" if remedy else str(error)
    return None
