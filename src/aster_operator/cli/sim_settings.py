"""Settings of commands that trade on the embedded exchange: what is not set gets values that show it well."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aster_operator.cli.options import settings_from

if TYPE_CHECKING:
    from aster_operator.config.settings import Settings

__all__ = ["default_symbols", "keys_set", "settings_for_the_sim"]

_DEMO_DEFAULTS = {
    "CAPITAL_USDT": "10000",
    "LEVERAGE": "5",
    "MAX_POSITION_SIZE_PCT": "10",
    "TRADING_PAIRS": "BTCUSDT,ETHUSDT",
    "DAILY_VOLUME_TARGET": "500000",
    # Market time runs much faster than the minutes that the exchange counts requests in.
    "ACCOUNT_REFRESH_S": "1800",
}
"""What the demo trades with where the person has set nothing: sizes that show a rotation well."""


def settings_for_the_sim(
    env_file: str | None, overrides: dict[str, Any], defaults: dict[str, str] | None = None
) -> "Settings":
    """Settings for the embedded exchange: what was not set gets the demo's values and `defaults`;
    `overrides` win."""
    already = keys_set(settings_from(env_file, overrides=overrides, quiet=True))
    unset = {key: value for key, value in (_DEMO_DEFAULTS | (defaults or {})).items() if key not in already}
    return settings_from(env_file, overrides=unset | {"VENUE": "sim"} | overrides)


def keys_set(settings: "Settings") -> set[str]:
    """Environment names of the settings that somebody has set."""
    from aster_operator.config.fields import field_key

    fields = type(settings).model_fields
    return {field_key(fields[name]) for name in settings.model_fields_set}


def default_symbols(data: Path | None) -> list[str]:
    """BTCUSDT and ETHUSDT as far as the data have them, else the first symbol there."""
    from aster_operator.config.problems import UserProblem
    from aster_operator.market_data.history import HistoryError, recorded_symbols

    try:
        found = recorded_symbols(data)
    except HistoryError as error:
        raise UserProblem(str(error)) from error
    return [symbol for symbol in ("BTCUSDT", "ETHUSDT") if symbol in found] or found[:1]
