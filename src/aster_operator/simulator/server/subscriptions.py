"""Who listens to which stream, and the control messages that change it (section 6.1)."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import msgspec

from aster_operator.simulator.server.frames import Outgoing

__all__ = ["MAX_STREAMS", "ControlProtocol", "Subscriber", "Subscriptions"]

MAX_STREAMS = 200
METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")


class Subscriber(Protocol):
    """The receiving end of streams: a WebSocket, or a list in a test."""

    def deliver(self, message: Outgoing) -> None: ...


class Subscriptions:
    """Streams by name with their subscribers, in the order they came.

    A listen key is a stream name like any other. `on_first` and `on_last` are told when a name gets its
    first and loses its last subscriber, `on_joined` of every new one.
    """

    def __init__(self) -> None:
        self._subscribers: dict[str, dict[Subscriber, None]] = {}
        self._streams: dict[Subscriber, dict[str, None]] = {}
        self.on_first: Callable[[str], None] = lambda _name: None
        self.on_last: Callable[[str], None] = lambda _name: None
        self.on_joined: Callable[[str], None] = lambda _name: None
        self.intercept: Callable[[str, Outgoing], Iterable[Outgoing]] | None = None
        """What becomes of a message on its way, for faults; None delivers it as it is."""

    def add(self, subscriber: Subscriber, name: str) -> None:
        streams = self._streams.setdefault(subscriber, {})
        if name in streams:
            return
        streams[name] = None
        listeners = self._subscribers.get(name)
        if listeners is None:
            self._subscribers[name] = {subscriber: None}
            self.on_first(name)
        else:
            listeners[subscriber] = None
        self.on_joined(name)

    def remove(self, subscriber: Subscriber, name: str) -> None:
        if self._streams.get(subscriber, {}).pop(name, 0) is None:
            listeners = self._subscribers[name]
            del listeners[subscriber]
            if not listeners:
                del self._subscribers[name]
                self.on_last(name)

    def forget(self, subscriber: Subscriber) -> None:
        """Remove a subscriber from everything."""
        for name in list(self._streams.get(subscriber, ())):
            self.remove(subscriber, name)
        self._streams.pop(subscriber, None)

    def names_of(self, subscriber: Subscriber) -> list[str]:
        return list(self._streams.get(subscriber, ()))

    def has(self, name: str) -> bool:
        return name in self._subscribers

    def names(self) -> list[str]:
        return list(self._subscribers)

    def count(self) -> int:
        return len(self._streams)

    def publish(self, name: str, payload: object) -> None:
        """Deliver `payload` to everybody who listens to `name`; encoded once, and only if anybody does."""
        listeners = self._subscribers.get(name)
        if listeners:
            message = Outgoing(name, payload)
            messages = (message,) if self.intercept is None else self.intercept(name, message)
            for each in messages:
                for subscriber in list(listeners):
                    subscriber.deliver(each)


class _ControlError(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def _invalid(text: str) -> _ControlError:
    return _ControlError(2, f"Invalid request: {text}")


class ControlProtocol:
    """SUBSCRIBE and its relatives for one connection. `combined` says how data frames are wrapped."""

    def __init__(
        self,
        subscriptions: Subscriptions,
        subscriber: Subscriber,
        combined: bool,
        max_streams: int = MAX_STREAMS,
    ) -> None:
        self._subscriptions = subscriptions
        self._subscriber = subscriber
        self.combined = combined
        self._max_streams = max_streams

    def answer(self, text: bytes) -> dict[str, Any]:
        """The reply to one control message; errors are replies too. A missing id is answered with null."""
        try:
            return self._answer(text)
        except _ControlError as error:
            return {"code": error.code, "msg": error.message}

    def _answer(self, text: bytes) -> dict[str, Any]:
        try:
            message = msgspec.json.decode(text)
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            raise _ControlError(3, f"Invalid JSON: expected value at {_position(text)}") from None
        if not isinstance(message, dict):
            raise _invalid("expected a request object")
        request_id = message.get("id")
        if request_id is not None and (
            isinstance(request_id, bool) or not isinstance(request_id, int) or request_id < 0
        ):
            raise _invalid("request ID must be an unsigned integer")
        method = message.get("method")
        if method is None:
            raise _invalid(f"missing field `method` at line 1 column {len(text)}")
        if method not in METHODS:
            listed = ", ".join(f"`{name}`" for name in METHODS)
            raise _invalid(
                f"unknown variant `{method}`, expected one of {listed} at line 1 column {len(text)}"
            )
        params = message.get("params", [])
        if not isinstance(params, list):
            raise _invalid(f"invalid type: expected a sequence at line 1 column {len(text)}")
        return {"result": self._perform(method, params), "id": request_id}

    def _perform(self, method: str, params: list[Any]) -> Any:
        if method == "LIST_SUBSCRIPTIONS":
            if params:
                raise _invalid("too many parameters")
            return self._subscriptions.names_of(self._subscriber)
        if method in ("SET_PROPERTY", "GET_PROPERTY"):
            return self._property(method, params)
        if not all(isinstance(name, str) for name in params):
            raise _invalid("stream name must be a string")
        if method == "SUBSCRIBE":
            self.subscribe(params)
        else:
            for name in params:
                self._subscriptions.remove(self._subscriber, name)
        return None

    def subscribe(self, names: list[str]) -> None:
        """Raises nothing for unknown streams: the venue accepts them in silence."""
        known = set(self._subscriptions.names_of(self._subscriber))
        if len(known | set(names)) > self._max_streams:
            raise _invalid("too many parameters")
        for name in names:
            self._subscriptions.add(self._subscriber, name)

    def _property(self, method: str, params: list[Any]) -> Any:
        if not params or not isinstance(params[0], str):
            raise _invalid("property name must be a string")
        if len(params) > (2 if method == "SET_PROPERTY" else 1):
            raise _invalid("too many parameters")
        if params[0] != "combined":
            raise _ControlError(0, "Unknown property")
        if method == "GET_PROPERTY":
            return self.combined
        if len(params) != 2 or not isinstance(params[1], bool):
            raise _ControlError(1, "Invalid value type: expected Boolean")
        self.combined = params[1]
        return None


def _position(text: bytes) -> str:
    """Where a JSON text stops being JSON, as line and column."""
    try:
        msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        _, _, offset = str(error).partition("(byte ")
        digits = offset.rstrip(")")
        end = int(digits) if digits.isdigit() else len(text)
        before = text[:end]
        return f"line {before.count(10) + 1} column {len(before) - (before.rfind(10) + 1) + 1}"
    except (RecursionError, UnicodeDecodeError):
        return "line 1 column 1"
    return "line 1 column 1"
