"""The control API: pause, step, speed, accounts, audit. Its own port, a bearer token, JSON in and out.

Like the REST side it is free of any transport.
"""

import hmac
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import msgspec

from aster_operator.domain.money import exact
from aster_operator.simulator.model import VenueRefusal
from aster_operator.simulator.server.accounts import DemoAccount, demo_accounts
from aster_operator.simulator.server.connections import ConnectionStatistics
from aster_operator.simulator.server.market_driver import MAX_SPEED, MarketDriver, parse_pace
from aster_operator.simulator.server.messages import WireRequest, WireResponse, json_response
from aster_operator.simulator.server.routing import Services

__all__ = ["ControlApi", "ControlRefusal", "Verb", "integer_argument"]

Verb = Callable[[dict[str, Any]], Any]


class ControlRefusal(Exception):
    """A control request that cannot be done; the text says why."""

    def __init__(self, message: str, http_status: int = 400) -> None:
        super().__init__(message)
        self.message = message
        self.http_status = http_status


class ControlApi:
    """The verbs, callable in process (`call`) and over HTTP (`dispatch`)."""

    def __init__(
        self,
        services: Services,
        driver: MarketDriver,
        statistics: ConnectionStatistics,
        token: str,
        seed: int,
        accounts: list[DemoAccount],
    ) -> None:
        self._services = services
        self._driver = driver
        self._statistics = statistics
        self._token = token
        self._seed = seed
        self._accounts = accounts
        self._verbs: dict[tuple[str, str], Verb] = {
            ("GET", "/sim/state"): self._state,
            ("GET", "/sim/audit"): self._audit,
            ("POST", "/sim/step"): self._step,
            ("POST", "/sim/pause"): self._pause,
            ("POST", "/sim/resume"): self._resume,
            ("POST", "/sim/speed"): self._speed,
            ("POST", "/sim/account"): self._account,
        }

    def add_verbs(self, verbs: dict[tuple[str, str], Verb]) -> None:
        """Add verbs of another part. Raises ValueError for one that exists."""
        for key, verb in verbs.items():
            if key in self._verbs:
                raise ValueError(f"two control verbs claim {key[0]} {key[1]}")
            self._verbs[key] = verb

    def verbs(self) -> list[tuple[str, str]]:
        return list(self._verbs)

    def dispatch(self, request: WireRequest) -> WireResponse:
        """Answer a control request; problems become `{"error"}` with 400, 401 or 404."""
        offered = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not hmac.compare_digest(offered.encode(), self._token.encode()):
            return json_response({"error": "send the control token: Authorization: Bearer <token>"}, 401)
        try:
            arguments = msgspec.json.decode(request.body) if request.body.strip() else {}
        except (msgspec.DecodeError, RecursionError):
            return json_response({"error": "the body is not JSON"}, 400)
        if not isinstance(arguments, dict):
            return json_response({"error": "the body must be a JSON object"}, 400)
        try:
            return json_response(self.call(request.method, request.path, arguments))
        except ControlRefusal as refusal:
            return json_response({"error": refusal.message}, refusal.http_status)
        except VenueRefusal as refusal:
            return json_response({"error": f"{refusal.code}: {refusal.message}"}, 400)

    def call(self, method: str, path: str, arguments: dict[str, Any] | None = None) -> Any:
        """Perform a verb in process. Raises ControlRefusal."""
        verb = self._verbs.get((method, path))
        if verb is None:
            listed = ", ".join(sorted(f"{known_method} {known}" for known_method, known in self._verbs))
            raise ControlRefusal(f"no verb {method} {path}; there are {listed}", 404)
        return verb(arguments or {})

    # --- verbs --------------------------------------------------------------------------------------

    def _state(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        exchange, statistics = self._services.exchange, self._statistics
        pace = self._driver.pace
        return {
            "state": self._driver.state.value,
            "now_ms": exchange.now_ms,
            "next_step_ms": exchange.next_step_ms(),
            "end_ms": exchange.end_ms,
            "speed": "lockstep" if pace is None else "max" if pace == MAX_SPEED else pace,
            "security_ms": self._services.clock.now_ms(),
            "symbols": list(exchange.contracts()),
            "accounts": [account.user for account in self._services.registry.accounts()],
            "connections": {name: getattr(statistics, name) for name in statistics.__slots__},
        }

    def _audit(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        report = self._services.exchange.audit()
        return {
            "balanced": report.balanced,
            "difference_atoms": report.difference_atoms,
            "detail": dict(report.detail),
        }

    def _step(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """`{"to_ms"}`, `{"ms"}` from now, or neither for the next thing that happens."""
        if "to_ms" in arguments:
            target_ms = integer_argument(arguments, "to_ms")
        elif "ms" in arguments:
            target_ms = self._services.exchange.now_ms + integer_argument(arguments, "ms")
        else:
            following = self._driver.next_step_ms()
            if following is None:
                raise ControlRefusal("the recorded data have ended; there is no next step")
            target_ms = following
        try:
            self._driver.step_to(target_ms)
        except ValueError as error:
            raise ControlRefusal(str(error)) from error
        return self._state({})

    def _pause(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        self._driver.pause()
        return self._state({})

    def _resume(self, _arguments: dict[str, Any]) -> dict[str, Any]:
        self._driver.resume()
        return self._state({})

    def _speed(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """`{"speed"}`: a factor, `max` or `lockstep`."""
        if "speed" not in arguments:
            raise ControlRefusal('send {"speed"}: a factor, "max" or "lockstep"')
        try:
            self._driver.set_pace(parse_pace(arguments["speed"]))
        except (ValueError, TypeError) as error:
            raise ControlRefusal(str(error)) from error
        return self._state({})

    def _account(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """`{"deposits": {"USDT": "1000"}}` opens an account with credentials; with `"user"` it funds one."""
        deposits = money_argument(arguments, "deposits")
        user = arguments.get("user")
        if user is None:
            return self._open_account(deposits)
        account = self._services.registry.account(user) if isinstance(user, str) else None
        if account is None:
            raise ControlRefusal(f"no account {user!r}; GET /sim/state lists them", 404)
        for asset, amount in deposits.items():
            self._services.exchange.deposit(account.account_id, asset, amount)
        return {"user": account.user}

    def _open_account(self, deposits: dict[str, Decimal]) -> dict[str, Any]:
        account = demo_accounts(self._seed, len(self._accounts) + 1)[-1]
        self._services.exchange.create_account(account.account_id, deposits)
        self._services.registry.add(account)
        self._accounts.append(account)
        return account.public_json()


def integer_argument(arguments: dict[str, Any], name: str) -> int:
    """Raises ControlRefusal when it is missing or no integer."""
    value = arguments.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ControlRefusal(f'"{name}" must be an integer, was {value!r}')
    return value


def money_argument(arguments: dict[str, Any], name: str) -> dict[str, Decimal]:
    """`{"USDT": "1000.5"}`. Raises ControlRefusal for anything else."""
    value = arguments.get(name, {})
    if not isinstance(value, dict):
        raise ControlRefusal(f'"{name}" must be an object of asset and amount')
    try:
        return {str(asset): exact(amount) for asset, amount in value.items()}
    except (ValueError, TypeError) as error:
        raise ControlRefusal(f'"{name}": {error}') from error
