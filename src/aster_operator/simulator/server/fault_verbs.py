"""Control verbs that break the wire: faults, sockets, clocks, listen keys, bans, maintenance."""

from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from aster_operator.simulator.server.connections import StreamConnection
from aster_operator.simulator.server.control import ControlRefusal, Verb, integer_argument
from aster_operator.simulator.server.fault_gate import FaultGate
from aster_operator.simulator.server.faults import FaultRule, Faults
from aster_operator.simulator.server.http_host import StreamHost
from aster_operator.simulator.server.product_streams import StreamProducts
from aster_operator.simulator.server.routing import Services
from aster_operator.simulator.server.settings import SecurityClock

__all__ = ["FaultVerbs"]


class FaultVerbs:
    """See `verbs` for their names."""

    def __init__(
        self,
        services: Services,
        faults: Faults,
        gate: FaultGate,
        front: StreamHost,
        products: StreamProducts,
        security_clock: SecurityClock,
    ) -> None:
        self._services = services
        self._faults = faults
        self._gate = gate
        self._front = front
        self._products = products
        self._security_clock = security_clock
        self._socket_actions: dict[str, Callable[[StreamConnection], None]] = {
            "cut": StreamConnection.cut,
            "stall": StreamConnection.stall,
            "half_open": StreamConnection.half_open,
            "resume": StreamConnection.resume,
            "retire": StreamConnection.retire,
        }

    def verbs(self) -> dict[tuple[str, str], Verb]:
        """Path to verb, for the control API."""
        return {
            ("GET", "/sim/faults"): self._list,
            ("POST", "/sim/fault"): self._add,
            ("POST", "/sim/heal"): self._heal,
            ("POST", "/sim/sockets"): self._sockets,
            ("POST", "/sim/clock"): self._clock,
            ("POST", "/sim/listen_keys"): self._listen_keys,
            ("POST", "/sim/ban"): self._ban,
            ("POST", "/sim/maintenance"): self._maintenance,
        }

    def _list(self, _arguments: dict[str, Any]) -> Any:
        return self._faults.listed()

    def _add(self, arguments: dict[str, Any]) -> Any:
        """The fields of a `FaultRule`; answers its id."""
        try:
            rule = msgspec.convert(arguments, FaultRule, strict=True)
        except (msgspec.ValidationError, ValueError) as error:
            raise ControlRefusal(f"no such fault: {error}") from error
        known = set(FaultRule.__dataclass_fields__) - {"rule_id", "struck"}
        unknown = set(arguments) - known
        if unknown:
            raise ControlRefusal(
                f"a fault has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}"
            )
        return {"rule_id": self._faults.add(rule)}

    def _heal(self, arguments: dict[str, Any]) -> Any:
        """`{"rule_id"}` lifts one rule, `{}` all of them."""
        rule_id = integer_argument(arguments, "rule_id") if "rule_id" in arguments else None
        return {"lifted": self._faults.remove(rule_id)}

    def _sockets(self, arguments: dict[str, Any]) -> Any:
        """`{"action": cut|stall|half_open|resume|retire, "stream": pattern}`; `user` means user streams."""
        action = self._socket_actions.get(arguments.get("action", ""))
        if action is None:
            raise ControlRefusal(f'"action" must be one of {", ".join(self._socket_actions)}')
        pattern = arguments.get("stream", "*")
        if not isinstance(pattern, str):
            raise ControlRefusal('"stream" must be a text')
        touched = [each for each in self._front.connections if self._listens(each, pattern)]
        for connection in touched:
            action(connection)
        return {"touched": len(touched)}

    def _listens(self, connection: StreamConnection, pattern: str) -> bool:
        names = connection.streams
        shown = ["user" if self._products.account_of(name) is not None else name for name in names]
        return pattern == "*" or any(fnmatchcase(name, pattern) for name in shown)

    def _clock(self, arguments: dict[str, Any]) -> Any:
        """`{"skew_ms"}`: how far the security clock is ahead of the wall."""
        self._security_clock.skew_ms = integer_argument(arguments, "skew_ms")
        return {"security_ms": self._security_clock.now_ms()}

    def _listen_keys(self, arguments: dict[str, Any]) -> Any:
        """Expire the key of `{"user"}`, or all keys, at once."""
        user = arguments.get("user")
        if user is not None and not isinstance(user, str):
            raise ControlRefusal('"user" must be an address')
        account_id = None if user is None else user.lower()
        return {"expired": sum(product.expire_now(account_id) for product in self._products.both())}

    def _ban(self, arguments: dict[str, Any]) -> Any:
        """`{"ms", "peer"}` bans an address with 418; `{"ms": 0}` pardons everybody."""
        duration_ms = integer_argument(arguments, "ms")
        peer = arguments.get("peer", "127.0.0.1")
        if not isinstance(peer, str) or duration_ms < 0:
            raise ControlRefusal('"peer" must be an address and "ms" not negative')
        for limiter in (self._services.limiter, self._services.spot_limiter):
            if duration_ms == 0:
                limiter.pardon()
            else:
                limiter.ban(peer, duration_ms)
        return {}

    def _maintenance(self, arguments: dict[str, Any]) -> Any:
        """`{"on"}`: answer everything 503 and end all streams, until it is off again."""
        on = arguments.get("on")
        if not isinstance(on, bool):
            raise ControlRefusal('"on" must be true or false')
        self._gate.in_maintenance = on
        if on:
            for connection in list(self._front.connections):
                connection.cut()
        return {"in_maintenance": on}
