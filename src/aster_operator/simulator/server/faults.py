"""Deliberate failure of the wire: rules that strike requests or stream events, by chance or by count.

Chance comes from the seed: the same requests and events in the same order meet the same faults.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase
from itertools import count
from random import Random
from typing import Any

from aster_operator.simulator.model import VenueRefusal
from aster_operator.simulator.refusals import usual_text
from aster_operator.simulator.server import refusals
from aster_operator.simulator.server.frames import Outgoing
from aster_operator.simulator.server.messages import WireRequest, WireResponse
from aster_operator.simulator.server.params import Params, read_params

__all__ = ["EVENT_FAULTS", "REQUEST_FAULTS", "FaultKind", "FaultRule", "Faults", "RequestPlan"]

HTML_500 = (
    b"<!DOCTYPE html><html><head><title>500</title></head>"
    b"<body><h1>We're sorry, but something went wrong.</h1></body></html>"
)


class FaultKind(StrEnum):
    """What a rule does. The first group strikes requests, the second stream events."""

    LATENCY = "latency"
    """The answer comes `delay_ms` later, plus up to `jitter_ms`; the request waits before it is executed."""
    DROP_REQUEST = "drop_request"
    """Not executed, and the connection breaks."""
    LOSE_ANSWER = "lose_answer"
    """Executed, and the connection breaks before the answer."""
    UNAVAILABLE = "unavailable"
    """503 with -1006: execution unknown; executed if the rule says so."""
    TIMEOUT = "timeout"
    """503 with -1007: execution unknown; executed if the rule says so."""
    TOO_MANY_REQUESTS = "too_many_requests"
    BANNED = "banned"
    REFUSE = "refuse"
    """Not executed: answered with the rule's `code`, `message` and `http_status`, as the venue refuses what
    it has understood: nonce, weight and order count are used up, and a bad signature is told first."""
    HTML_500 = "html_500"
    """A page instead of JSON; executed if the rule says so."""
    LOSE_EVENT = "lose_event"
    DUPLICATE_EVENT = "duplicate_event"
    REORDER_EVENT = "reorder_event"
    """The event comes after the next one of its stream."""


EVENT_FAULTS = frozenset({FaultKind.LOSE_EVENT, FaultKind.DUPLICATE_EVENT, FaultKind.REORDER_EVENT})
REQUEST_FAULTS = frozenset(FaultKind) - EVENT_FAULTS


@dataclass(slots=True)
class FaultRule:
    """When a fault strikes.

    `method`, `path` and `params` select requests, `stream` selects events (`*` wildcards; `user` means every
    user stream), `user` one account. `params` are parameters of the request that all must be there and match:
    `{"symbol": "BTCUSDT", "side": "SELL"}`. Of what is selected, the first `skip` pass, then each is struck
    with `probability`, `count` times at most (None = always). `code` and `message` are what a refusal says;
    without a message it is the venue's usual text for the code.
    """

    kind: FaultKind
    probability: float = 1.0
    skip: int = 0
    count: int | None = None
    method: str = "*"
    path: str = "*"
    params: dict[str, str] = field(default_factory=dict)
    stream: str = "*"
    user: str | None = None
    executed: bool = False
    delay_ms: int = 0
    jitter_ms: int = 0
    code: int | None = None
    message: str | None = None
    http_status: int = 400
    rule_id: int = 0
    struck: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"probability must be between 0 and 1, was {self.probability}")
        if min(self.skip, self.delay_ms, self.jitter_ms) < 0 or (self.count is not None and self.count < 1):
            raise ValueError("skip, delay_ms and jitter_ms cannot be negative, count must be at least 1")
        if self.kind is FaultKind.REFUSE:
            self._check_refusal()
        elif self.code is not None or self.message is not None:
            raise ValueError(f"only a fault of kind refuse takes code and message, this is {self.kind}")

    def _check_refusal(self) -> None:
        if self.code is None or self.code >= 0:
            raise ValueError(f"a refusal needs a negative code such as -2019, was {self.code}")
        if self.executed:
            raise ValueError("what is refused is not executed: take unavailable, timeout or lose_answer")
        if not 400 <= self.http_status <= 599:
            raise ValueError(f"http_status of a refusal is 400 to 599, was {self.http_status}")
        if self.message is None:
            self.message = usual_text(self.code)
            if self.message is None:
                raise ValueError(f"code {self.code} has no text of its own; give a message")

    @property
    def refusal(self) -> VenueRefusal | None:
        """What a request is refused with; None for every other kind."""
        if self.code is None or self.message is None:
            return None
        return VenueRefusal(self.code, self.message, http_status=self.http_status)

    @property
    def is_spent(self) -> bool:
        return self.count is not None and self.struck >= self.count

    def selects_request(self, method: str, path: str, account_id: str | None) -> bool:
        return (
            self.kind in REQUEST_FAULTS
            and fnmatchcase(method, self.method)
            and fnmatchcase(path, self.path)
            and self._is_of(account_id)
        )

    def selects_event(self, stream: str, account_id: str | None) -> bool:
        name = "user" if account_id is not None else stream
        return self.kind in EVENT_FAULTS and fnmatchcase(name, self.stream) and self._is_of(account_id)

    def matches(self, params: Params) -> bool:
        """Whether the request's parameters are those the rule is for."""
        return all(
            name in params and fnmatchcase(params[name], pattern) for name, pattern in self.params.items()
        )

    def _is_of(self, account_id: str | None) -> bool:
        return self.user is None or (account_id is not None and self.user.lower() == account_id)


@dataclass(slots=True)
class RequestPlan:
    """What will happen to a request: wait, then perhaps execute, then answer, or not."""

    delay_ms: float = 0.0
    rule: FaultRule | None = None

    @property
    def goes_in(self) -> bool:
        """The request reaches the venue, which executes it, or refuses it with `refusal`."""
        return (
            self.rule is None
            or self.rule.executed
            or self.rule.kind in (FaultKind.LOSE_ANSWER, FaultKind.REFUSE)
        )

    @property
    def refusal(self) -> VenueRefusal | None:
        return None if self.rule is None else self.rule.refusal

    def answer(self, usual: WireResponse | None, banned_until_ms: int) -> WireResponse | VenueRefusal | None:
        """The answer instead of the usual one; None breaks the connection."""
        if self.rule is None:
            return usual
        match self.rule.kind:
            case FaultKind.UNAVAILABLE:
                return VenueRefusal(
                    -1006,
                    "An unexpected response was received from the message bus. Execution status unknown.",
                    http_status=503,
                )
            case FaultKind.TIMEOUT:
                return VenueRefusal(
                    -1007,
                    "Timeout waiting for response from backend server. "
                    "Send status unknown; execution status unknown.",
                    http_status=503,
                )
            case FaultKind.TOO_MANY_REQUESTS:
                return refusals.too_many_requests(2400)
            case FaultKind.BANNED:
                return refusals.banned(banned_until_ms)
            case FaultKind.REFUSE:
                return usual
            case FaultKind.HTML_500:
                return WireResponse(500, HTML_500, content_type="text/html;charset=UTF-8")
            case _:
                return None


def _params_of(request: WireRequest) -> Params:
    """None at all where they cannot be read: the venue will say so."""
    try:
        return read_params(request.raw_query, request.body)
    except VenueRefusal:
        return Params({})


class Faults:
    """The rules in force, on top of a latency that every request has and that no healing lifts."""

    def __init__(self, seed: int, *, latency_ms: int = 0, jitter_ms: int = 0) -> None:
        """Raises ValueError for a negative latency."""
        if min(latency_ms, jitter_ms) < 0:
            raise ValueError("latency_ms and jitter_ms cannot be negative")
        self._latency_ms, self._jitter_ms = latency_ms, jitter_ms
        self._random = Random(seed)  # noqa: S311 - chance of a simulation, not of a secret
        self._ids = count(1)
        self._rules: list[FaultRule] = []
        self._held: dict[str, Outgoing] = {}

    def add(self, rule: FaultRule) -> int:
        """Put a rule in force and return its id."""
        rule.rule_id = next(self._ids)
        self._rules.append(rule)
        return rule.rule_id

    def remove(self, rule_id: int | None) -> int:
        """Lift one rule, or all; return how many were lifted."""
        kept = [rule for rule in self._rules if rule_id is not None and rule.rule_id != rule_id]
        lifted = len(self._rules) - len(kept)
        self._rules = kept
        return lifted

    def listed(self) -> list[dict[str, Any]]:
        return [asdict(rule) for rule in self._rules]

    def _strikes(self, rule: FaultRule) -> bool:
        if rule.is_spent:
            return False
        if rule.skip > 0:
            rule.skip -= 1
            return False
        if rule.probability < 1 and self._random.random() >= rule.probability:
            return False
        rule.struck += 1
        return True

    def plan_request(self, request: WireRequest, account_id: str | None) -> RequestPlan:
        """All delays add up; of the other faults the first that strikes is done."""
        plan = RequestPlan(float(self._latency_ms))
        if self._jitter_ms:
            plan.delay_ms += self._random.random() * self._jitter_ms
        params: Params | None = None
        for rule in self._rules:
            if not rule.selects_request(request.method, request.path, account_id):
                continue
            if plan.rule is not None and rule.kind is not FaultKind.LATENCY:
                continue
            if rule.params:
                params = _params_of(request) if params is None else params
                if not rule.matches(params):
                    continue
            if not self._strikes(rule):
                continue
            if rule.kind is FaultKind.LATENCY:
                plan.delay_ms += rule.delay_ms + self._random.random() * rule.jitter_ms
            else:
                plan.rule = rule
        return plan

    @property
    def strike_requests(self) -> bool:
        delays = self._latency_ms or self._jitter_ms
        return bool(delays) or any(rule.kind in REQUEST_FAULTS for rule in self._rules)

    @property
    def touches_events(self) -> bool:
        return bool(self._held) or any(rule.kind in EVENT_FAULTS for rule in self._rules)

    def deliveries(self, stream: str, account_id: str | None, message: Outgoing) -> Iterator[Outgoing]:
        """What becomes of an event: itself, nothing, itself twice, or itself after the next one."""
        held = self._held.pop(stream, None)
        kind = next(
            (
                rule.kind
                for rule in self._rules
                if rule.selects_event(stream, account_id) and self._strikes(rule)
            ),
            None,
        )
        if kind is FaultKind.REORDER_EVENT and held is None:
            self._held[stream] = message
            return
        if kind is not FaultKind.LOSE_EVENT:
            yield message
        if kind is FaultKind.DUPLICATE_EVENT:
            yield message
        if held is not None:
            yield held
