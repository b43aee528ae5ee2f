"""What can go wrong between us and the venue. Catch the widest class you would treat alike.

ExchangeError
├── RequestRefused            a definite no, with the venue's code
│   ├── RateLimited           wait `retry_after_s`
│   │   └── IpBanned          stop asking until then
│   ├── AuthenticationFailed  key, signature, address or permission
│   ├── ClockSkew             our stamp was off; resynchronised once already
│   ├── InvalidRequest        the request itself is wrong
│   │   └── FilterViolation   price, quantity or notional break the symbol's filters
│   ├── OrderRejected         well-formed, but not now
│   │   ├── InsufficientMargin
│   │   └── PositionModeMismatch
│   ├── OrderNotFound
│   ├── NoChangeNeeded        already so
│   ├── ChangeBlocked         orders or positions stand in the way
│   ├── ListenKeyUnknown
│   └── VenueUnavailable      the venue is down, restarting or answers nonsense
├── UnknownOutcome            the venue may or may not have acted: query, never send again
├── TransportFailed           no connection, or lost while nothing could have happened
├── MalformedResponse         an answer or a stream message that cannot be read
├── MissingCredentials        a signed call on a client without a key
└── AgentKeyInUse             another process signs with this agent
"""

import re
from collections.abc import Callable

from aster_operator.exchange.error_codes import FailureClass, rule_of

__all__ = [
    "AgentKeyInUse",
    "AuthenticationFailed",
    "ChangeBlocked",
    "ClockSkew",
    "ExchangeError",
    "FilterViolation",
    "InsufficientMargin",
    "InvalidRequest",
    "IpBanned",
    "ListenKeyUnknown",
    "MalformedResponse",
    "MissingCredentials",
    "NoChangeNeeded",
    "OrderNotFound",
    "OrderRejected",
    "PositionModeMismatch",
    "RateLimited",
    "RequestRefused",
    "TransportFailed",
    "UnknownOutcome",
    "VenueUnavailable",
    "refusal_of",
    "shortened",
]

_BODY_CHARACTERS = 200
_SENSITIVE = re.compile(
    r"(?i)(\"?(?:signature|childSignature|api_?key|x-mbx-apikey|secret|private_?key|listenKey)\"?\s*[=:]\s*\"?)"
    r"[^\s&\"',}<]+"
)
_LONG_HEX = re.compile(r"\b(0x)?[0-9a-fA-F]{64,}\b")


def shortened(body: bytes | str) -> str:
    """Return at most 200 characters of a body on one line, signatures, keys and secrets masked."""
    text = body.decode("utf-8", errors="replace") if isinstance(body, bytes) else body
    # Masked before it is cut, so that no half of a signature slips through.
    text = _LONG_HEX.sub("********", _SENSITIVE.sub(r"\1********", text[: 20 * _BODY_CHARACTERS]))
    text = " ".join(text.split())
    return text if len(text) <= _BODY_CHARACTERS else f"{text[:_BODY_CHARACTERS]}…"


class ExchangeError(Exception):
    """Root of everything the exchange room raises on purpose. `retriable`: the same call may work later."""

    retriable = False


class RequestRefused(ExchangeError):
    """The venue said no. Nothing has happened there.

    `code` is the venue's (0 when the answer had none), `message` its words, `http_status` of the answer,
    `endpoint` the method and path.
    """

    def __init__(self, code: int, message: str, http_status: int, endpoint: str) -> None:
        self.code = code
        self.message = shortened(message)
        self.http_status = http_status
        self.endpoint = endpoint
        self.retriable = rule_of(code).retriable
        word = f"{code} ({http_status})" if code else f"HTTP {http_status}"
        super().__init__(f"{endpoint} was refused with {word}: {self.message}")


class RateLimited(RequestRefused):
    """Too many requests or orders. `retry_after_s` is how long to keep quiet."""

    def __init__(
        self, code: int, message: str, http_status: int, endpoint: str, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(code, message, http_status, endpoint)
        self.retry_after_s = retry_after_s
        self.retriable = True


class IpBanned(RateLimited):
    """The venue banned this address for ignoring its limits (HTTP 418)."""

    def __init__(
        self, code: int, message: str, http_status: int, endpoint: str, retry_after_s: float = 0.0
    ) -> None:
        super().__init__(code, message, http_status, endpoint, retry_after_s)
        self.retriable = False


class AuthenticationFailed(RequestRefused):
    """Key, signature, IP address or permission was not accepted."""


class ClockSkew(RequestRefused):
    """Timestamp or nonce outside the venue's window, also after a fresh measurement of the clock."""


class InvalidRequest(RequestRefused):
    """The request is wrong in itself: a parameter, a combination, a symbol."""


class FilterViolation(InvalidRequest):
    """Price, quantity or notional break a filter of the symbol (section 5.2)."""


class OrderRejected(RequestRefused):
    """A well-formed order the venue does not take in the present state."""


class InsufficientMargin(OrderRejected):
    """Balance or margin too small, or the position too large for the leverage."""


class PositionModeMismatch(OrderRejected):
    """`positionSide` does not fit the account's position mode."""


class OrderNotFound(RequestRefused):
    """The venue knows no such (open) order."""


class NoChangeNeeded(RequestRefused):
    """The setting already has the wanted value."""


class ChangeBlocked(RequestRefused):
    """Open orders or positions forbid the change of a setting."""


class ListenKeyUnknown(RequestRefused):
    """The listen key has lapsed."""


class VenueUnavailable(RequestRefused):
    """A 5xx answer or a shutdown; nothing was asked for that could have happened."""

    def __init__(self, code: int, message: str, http_status: int, endpoint: str) -> None:
        super().__init__(code, message, http_status, endpoint)
        self.retriable = True


class UnknownOutcome(ExchangeError):
    """The venue may or may not have acted. Resolve it by the user stream, a query by client order id, or
    `noop` on the nonce; never by sending again.

    `nonce_us` is None for requests signed with an API key.
    """

    def __init__(self, endpoint: str, cause: str, client_order_id: str | None, nonce_us: int | None) -> None:
        self.endpoint = endpoint
        self.cause = shortened(cause)
        self.client_order_id = client_order_id
        self.nonce_us = nonce_us
        name = f" of order {client_order_id}" if client_order_id else ""
        super().__init__(
            f"outcome{name} is unknown after {endpoint}: {self.cause}; query before acting again"
        )


class TransportFailed(ExchangeError):
    """No answer. `may_have_arrived` tells whether the request could have reached the venue."""

    retriable = True

    def __init__(self, endpoint: str, cause: str, *, may_have_arrived: bool) -> None:
        self.endpoint = endpoint
        self.cause = shortened(cause)
        self.may_have_arrived = may_have_arrived
        super().__init__(f"{endpoint} got no answer: {self.cause}")


class MalformedResponse(ExchangeError):
    """Bytes that do not fit what the reference promises. Names where, which field, and a shortened body."""

    def __init__(
        self, source: str, field: str, problem: str, body: bytes | str = b"", http_status: int | None = None
    ) -> None:
        self.source = source
        self.field = field
        self.problem = shortened(problem)
        self.body = shortened(body)
        self.http_status = http_status
        status = f" (HTTP {http_status})" if http_status is not None else ""
        where = f", field {field}" if field else ""
        content = f": {self.body}" if self.body else ""
        super().__init__(f"{source}{status}{where}: {self.problem}{content}")


class MissingCredentials(ExchangeError):
    """The call needs a key and the client was made without one, or with the other kind."""

    def __init__(self, endpoint: str, needed: str) -> None:
        self.endpoint = endpoint
        super().__init__(f"{endpoint} needs {needed}: pass credentials to the client")


class AgentKeyInUse(ExchangeError):
    """Another process signs with this agent; two would break each other's nonces."""

    def __init__(self, agent: str, holder_pid: int | None) -> None:
        self.agent = agent
        self.holder_pid = holder_pid
        holder = f"process {holder_pid}" if holder_pid is not None else "another process"
        super().__init__(
            f"agent {agent} is in use by {holder}: stop it first, or give this one its own agent"
        )


_BY_CLASS: dict[FailureClass, Callable[[int, str, int, str], RequestRefused]] = {
    FailureClass.VENUE_UNAVAILABLE: VenueUnavailable,
    FailureClass.UNCLEAR: VenueUnavailable,
    FailureClass.RATE_LIMITED: RateLimited,
    FailureClass.AUTHENTICATION: AuthenticationFailed,
    FailureClass.CLOCK_SKEW: ClockSkew,
    FailureClass.INVALID_REQUEST: InvalidRequest,
    FailureClass.FILTER_VIOLATION: FilterViolation,
    FailureClass.ORDER_REJECTED: OrderRejected,
    FailureClass.ORDER_NOT_FOUND: OrderNotFound,
    FailureClass.INSUFFICIENT_MARGIN: InsufficientMargin,
    FailureClass.NO_CHANGE_NEEDED: NoChangeNeeded,
    FailureClass.CHANGE_BLOCKED: ChangeBlocked,
    FailureClass.POSITION_MODE: PositionModeMismatch,
    FailureClass.LISTEN_KEY: ListenKeyUnknown,
    FailureClass.OTHER: RequestRefused,
}


def refusal_of(
    code: int, message: str, http_status: int, endpoint: str, retry_after_s: float = 0.0
) -> RequestRefused:
    """Return the error that fits a refusal by code and HTTP status (sections 8.1 and 8.2)."""
    if http_status == 418:
        return IpBanned(code, message, http_status, endpoint, retry_after_s)
    if http_status == 429:
        return RateLimited(code, message, http_status, endpoint, retry_after_s)
    rule = rule_of(code)
    if rule.failure is FailureClass.RATE_LIMITED:
        return RateLimited(code, message, http_status, endpoint, retry_after_s)
    if rule.failure is FailureClass.OTHER:
        if http_status >= 500:
            return VenueUnavailable(code, message, http_status, endpoint)
        if http_status in (401, 403):
            return AuthenticationFailed(code, message, http_status, endpoint)
    return _BY_CLASS[rule.failure](code, message, http_status, endpoint)
