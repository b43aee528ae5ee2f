"""What a strategy of single positions is: a pure function from the picture at a bar's close to a decision.

A third strategy is one file with a subclass of `Strategy`; docs/strategies/add-a-strategy.md walks through
it. The operator feeds it every closed one-minute bar of its symbols, sizes and sends its entries, rests the
exits at the exchange and keeps the books.
"""

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, ClassVar, Self

import msgspec

from aster_operator.domain.enums import Side
from aster_operator.domain.market import Bar

__all__ = [
    "BarDecision",
    "BarView",
    "Enter",
    "Exit",
    "ExitPlan",
    "OwnPosition",
    "ParameterFaults",
    "Strategy",
    "Verdict",
    "read_json_object",
]


_MAX_DEPTH = 50


class ParameterFaults(ValueError):
    """Parameters that cannot be used; `faults` names every one of them, each a line with its key."""

    def __init__(self, faults: list[str] | tuple[str, ...]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


class OwnPosition(msgspec.Struct, frozen=True, kw_only=True):
    """What is held on the symbol. `side` is the side of its entry, `quantity` unsigned base units."""

    side: Side
    quantity: Decimal
    entry_price: Decimal
    opened_ms: int


class BarView(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a decision may rest on, at the close of one bar.

    `bars` are closed one-minute bars, oldest first, each minute at most once, the one that just closed last;
    at most `Strategy.warm_up_bars` of them. A minute the venue never told of is simply not there. Prices in
    quote units; `funding_rate` and `taker_fee_rate` are fractions. None is what is not known: decide
    accordingly, a missing value is not zero.
    """

    symbol: str
    now_ms: int
    bars: tuple[Bar, ...]
    bid: Decimal | None
    ask: Decimal | None
    mark: Decimal | None
    funding_rate: Decimal | None
    tick_size: Decimal
    taker_fee_rate: Decimal
    position: OwnPosition | None = None

    @property
    def last_bar(self) -> Bar:
        return self.bars[-1]

    @property
    def follows_a_gap(self) -> bool:
        """True when minutes are missing between the last bar and the one before it."""
        if len(self.bars) < 2:
            return False
        bar, before = self.bars[-1], self.bars[-2]
        return bar.open_ms - before.open_ms > bar.close_ms + 1 - bar.open_ms


class ExitPlan(msgspec.Struct, frozen=True, kw_only=True):
    """Where a position ends, in bps of its entry price, all positive.

    The stop is not optional: nothing stands unprotected. A trailing stop needs both its values: it arms when
    the price has moved `trailing_activation_bps` in favour and fires `trailing_callback_bps` off the best
    price since.
    """

    stop_loss_bps: Decimal
    take_profit_bps: Decimal | None = None
    trailing_activation_bps: Decimal | None = None
    trailing_callback_bps: Decimal | None = None

    def __post_init__(self) -> None:
        if not 0 < self.stop_loss_bps < 10_000:
            raise ValueError(f"stop_loss_bps must be between 0 and 10000, was {self.stop_loss_bps}")
        for name in ("take_profit_bps", "trailing_activation_bps", "trailing_callback_bps"):
            value = getattr(self, name)
            if value is not None and not 0 < value < 10_000:
                raise ValueError(f"{name} must be between 0 and 10000, was {value}")
        if (self.trailing_activation_bps is None) != (self.trailing_callback_bps is None):
            raise ValueError("a trailing stop needs both trailing_activation_bps and trailing_callback_bps")


class Enter(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Open a position: BUY is long, SELL is short. The operator decides how large and whether it may."""

    side: Side
    exits: ExitPlan
    reason: str


class Exit(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Close the position now, at the market."""

    reason: str


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one blocker said: the value it looked at and the limit it held it to, as text."""

    name: str
    passed: bool
    value: str
    limit: str

    def __str__(self) -> str:
        return f"{'ok' if self.passed else 'BLOCKED'} {self.value} against {self.limit}"


class BarDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What one bar led to, acted on or not: `action` in one word, `reason` in words, every number it rests
    on, and each blocker's verdict."""

    action: str
    reason: str
    intent: Enter | Exit | None = None
    numbers: dict[str, str] = {}
    verdicts: tuple[Verdict, ...] = ()


class Strategy(ABC):
    """One strategy for one or more symbols.

    Must be deterministic: the same view gives the same decision, for nothing else makes a replay or a
    backtest true. It reads no clock, no file and no network, and keeps no state that the bars in the view
    do not imply.
    """

    name: ClassVar[str]
    """How people and the books call it: lower case, hyphens."""

    @property
    @abstractmethod
    def warm_up_bars(self) -> int:
        """Closed bars needed before the first signal; they are fetched before trading starts."""

    @abstractmethod
    def on_bar_closed(self, view: BarView) -> BarDecision:
        """Decide on the bar that just closed. Called exactly once for each bar, in order of time."""

    @classmethod
    def from_json(cls, text: str | None, symbols: tuple[str, ...]) -> Self:  # noqa: ARG003
        """The strategy with the parameters a person wrote, None for its defaults.

        `text` is the content of the parameter file, read again whenever the file changes while trading.
        Raises ParameterFaults with every fault. The default takes no parameters.
        """
        if text is not None and read_json_object(text):
            raise ParameterFaults([f"{cls.name} takes no parameters"])
        return cls()

    def trades(self, symbol: str) -> bool:  # noqa: ARG002
        """False when the parameters switch entries off for this symbol."""
        return True


def read_json_object(text: str) -> Mapping[str, Any]:
    """The JSON object in `text`. Raises ParameterFaults for anything else, repeated keys included."""

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ParameterFaults([f"{name} is given twice" for name in twice])
        return dict(pairs)

    if _depth(text) > _MAX_DEPTH:
        raise ParameterFaults([f"no JSON of parameters: nested deeper than {_MAX_DEPTH}"])
    try:
        value = json.loads(text, parse_float=Decimal, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ParameterFaults([f"no JSON: {error.msg} in line {error.lineno}"]) from None
    if not isinstance(value, dict):
        raise ParameterFaults([f"must be a JSON object, is {type(value).__name__}"])
    return value


def _depth(text: str) -> int:
    """How deep brackets nest, those in strings included. Counted before parsing: the parser goes down with
    them, and where somebody has raised the interpreter's limit it takes the process with it."""
    depth = deepest = 0
    for character in text:
        if character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest
