"""Control verbs that interfere with the market itself, over `ExchangeControl`."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from aster_operator.domain.enums import Side, SymbolStatus
from aster_operator.domain.money import exact
from aster_operator.simulator.control import ExchangeControl
from aster_operator.simulator.model import ATOMS
from aster_operator.simulator.server.control import ControlRefusal, Verb

__all__ = ["market_verbs"]


def _symbol(arguments: dict[str, Any]) -> str:
    symbol = arguments.get("symbol")
    if not isinstance(symbol, str):
        raise ControlRefusal('send "symbol"')
    return symbol


def _account(arguments: dict[str, Any]) -> str:
    user = arguments.get("user")
    if not isinstance(user, str):
        raise ControlRefusal('send "user", the address of the account')
    return user.lower()


def _decimal(arguments: dict[str, Any], name: str) -> Decimal:
    try:
        return exact(arguments[name])
    except KeyError:
        raise ControlRefusal(f'send "{name}"') from None
    except (ValueError, TypeError) as error:
        raise ControlRefusal(f'"{name}": {error}') from error


def _optional_decimal(arguments: dict[str, Any], name: str) -> Decimal | None:
    return None if arguments.get(name) is None else _decimal(arguments, name)


def _side(arguments: dict[str, Any]) -> Side:
    try:
        return Side(arguments.get("side", ""))
    except ValueError:
        raise ControlRefusal('"side" must be BUY (the bids) or SELL (the asks)') from None


def _flag(arguments: dict[str, Any], name: str) -> bool:
    value = arguments.get(name)
    if not isinstance(value, bool):
        raise ControlRefusal(f'"{name}" must be true or false')
    return value


def _status(arguments: dict[str, Any]) -> SymbolStatus:
    try:
        return SymbolStatus(arguments.get("status", ""))
    except ValueError:
        raise ControlRefusal(f'"status" must be one of {", ".join(SymbolStatus)}') from None


def _done(act: Callable[[dict[str, Any]], None]) -> Verb:
    def verb(arguments: dict[str, Any]) -> Any:
        try:
            act(arguments)
        except ValueError as error:
            raise ControlRefusal(str(error)) from error
        return {}

    return verb


def market_verbs(control: ExchangeControl) -> dict[tuple[str, str], Verb]:
    """Path to verb, for the control API. Prices, quantities and rates may be texts or numbers."""

    def funding(arguments: dict[str, Any]) -> None:
        act = control.settle_funding if arguments.get("now") is True else control.set_funding_rate
        act(_symbol(arguments), _decimal(arguments, "rate"))

    def fees(arguments: dict[str, Any]) -> None:
        maker, taker = (int(_decimal(arguments, name) * ATOMS) for name in ("maker", "taker"))
        symbol = _symbol(arguments) if "symbol" in arguments else None
        account_id = _account(arguments) if "user" in arguments else None
        control.set_fees(maker, taker, symbol=symbol, account_id=account_id)

    def filters(arguments: dict[str, Any]) -> None:
        names = [name for name in arguments if name != "symbol"]
        changes: dict[str, Any] = {
            name: arguments[name] if name.startswith("max_num") else _decimal(arguments, name)
            for name in names
        }
        control.set_filter(_symbol(arguments), **changes)

    acts: dict[str, Callable[[dict[str, Any]], None]] = {
        "mark": lambda a: control.set_mark_price(_symbol(a), _optional_decimal(a, "price")),
        "gap": lambda a: control.gap_book(_symbol(a), _decimal(a, "move_pct")),
        "empty_side": lambda a: control.empty_side(_symbol(a), _side(a)),
        "restore_side": lambda a: control.restore_side(_symbol(a), _side(a)),
        "cap_fills": lambda a: control.cap_fills(_symbol(a), _optional_decimal(a, "quantity")),
        "liquidate": lambda a: control.force_liquidation(_account(a), _symbol(a)),
        "deleverage": lambda a: control.force_adl(_account(a), _symbol(a)),
        "funding": funding,
        "fees": fees,
        "filters": filters,
        "status": lambda a: control.set_status(_symbol(a), _status(a)),
        "halt": lambda a: control.halt(_symbol(a), _flag(a, "halted")),
        "delist": lambda a: control.delist_symbol(_symbol(a)),
    }
    return {("POST", f"/sim/{name}"): _done(act) for name, act in acts.items()}
