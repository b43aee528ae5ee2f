"""`backtest replay --venue arrays`: recorded ticks through compiled code, millions of events a second."""

import re
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

if TYPE_CHECKING:
    from aster_operator.backtest.replay import EventReplay, ReplayEvents, ReplayVenueOptions, TickStrategy
    from aster_operator.backtest.replay.outcome import ReplayOutcome
    from aster_operator.config.settings import Settings
    from aster_operator.runtime.session_plan import BarStrategy
    from aster_operator.runtime.strategy_replay import ReplayResult
    from aster_operator.simulator.model import ContractSpec

__all__ = ["ArrayOptions", "replay_on_arrays"]

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
"""What numba puts around its words for a terminal."""

_PARTS = ("on_bar", "on_fill", "on_timer")
"""What a `TickStrategy` has."""


class ArrayOptions(NamedTuple):
    """What `replay` was asked beside the strategy; `minutes` None plays everything."""

    catalog: Path | None
    minutes: int | None
    latency_ms: int
    every_event: bool


def replay_on_arrays(settings: "Settings", chosen: "BarStrategy", options: ArrayOptions) -> "ReplayResult":
    """Play each symbol by itself and add up. Raises UserProblem and BacktestProblem."""
    from aster_operator.backtest.replay.outcome import outcome_of_events, play
    from aster_operator.cli.backtest_kernels import compiling_told
    from aster_operator.cli.progress import progress_bars
    from aster_operator.domain.clock import MINUTE_MS, WallClock

    found = _strategy(chosen)
    clock = WallClock()
    outcomes, loading_ns, playing_ns, minutes = [], 0, 0, 0
    with progress_bars() as bar, compiling_told():
        for symbol in chosen.symbols:
            advance = bar(f"reading and playing {symbol}")
            started_ns = clock.monotonic_ns()
            events = _events(options, symbol)
            contract = _contract(symbol, events)
            venue = _venue(contract, options.latency_ms)
            strategy = None if found.compiled else _trader(settings, chosen, found, contract, events, options)
            loaded_ns = clock.monotonic_ns()
            advance(0.5)
            if strategy is None:
                outcomes.append(outcome_of_events(events, _run_compiled(found, events, venue)))
            else:
                outcomes.append(play(events, venue, strategy, every_event=options.every_event))
            loading_ns += loaded_ns - started_ns
            playing_ns += clock.monotonic_ns() - loaded_ns
            minutes = max(minutes, int(events.times_ms[-1] - events.times_ms[0]) // MINUTE_MS)
            advance(1.0)
    return _result(outcomes, chosen.symbols, minutes, loading_ns / 1e9, playing_ns / 1e9)


class _Found(NamedTuple):
    """What `--strategy` names: a class of the live desk's, one of `TickStrategy`, or a compiled function."""

    kind: Any
    is_desk: bool
    compiled: bool
    run: Any


def _strategy(chosen: "BarStrategy") -> _Found:
    import inspect

    from aster_operator.config.problems import UserProblem
    from aster_operator.strategy.base import Strategy
    from aster_operator.strategy.registry import StrategyNotFound, find_strategy, load_module

    where, _, name = chosen.strategy.rpartition(":")
    try:
        kind = getattr(load_module(where), name, None) if where else find_strategy(chosen.strategy)
        if inspect.isclass(kind) and issubclass(kind, Strategy):
            return _Found(find_strategy(chosen.strategy), is_desk=True, compiled=False, run=None)
    except StrategyNotFound as missing:
        raise UserProblem(str(missing), "--strategy") from missing
    if inspect.isclass(kind) and all(callable(getattr(kind, part, None)) for part in _PARTS):
        return _Found(kind, is_desk=False, compiled=False, run=None)
    if inspect.isfunction(kind):
        from aster_operator.backtest.replay import compile_event_strategy

        return _Found(kind, is_desk=False, compiled=True, run=compile_event_strategy(kind))
    raise UserProblem(
        f"{chosen.strategy} is no Strategy, no class with {', '.join(_PARTS)} and no function",
        "--strategy",
        "see docs/lab.md, Replay of recorded events",
    )


def _run_compiled(found: _Found, events: "ReplayEvents", venue: "ReplayVenueOptions") -> "EventReplay":
    from numba.core.errors import NumbaError

    from aster_operator.strategy.asking import StrategyFault

    try:
        return cast("EventReplay", found.run(events, venue))
    except NumbaError as error:
        code = found.kind.__code__
        # The first lines name the compiler's pipeline; what is wrong and where comes below.
        told = [line.strip() for line in _COLOURS.sub("", str(error)).splitlines() if line.strip()]
        words = "; ".join(told[1:4] or told)
        where = f"{code.co_filename} line {code.co_firstlineno}"
        raise StrategyFault(found.kind.__name__, f"numba cannot compile it: {words}", where) from error


def _events(options: ArrayOptions, symbol: str) -> "ReplayEvents":
    from aster_operator.backtest.replay import catalog_events
    from aster_operator.config.problems import UserProblem

    if options.catalog is None:
        raise UserProblem("arrays are played from a recorded catalog", "--catalog", "name its folder")
    events = catalog_events(options.catalog, symbol)
    return events if options.minutes is None else events.first_minutes(options.minutes)


def _contract(symbol: str, events: "ReplayEvents") -> "ContractSpec":
    """As the embedded exchange lists the symbol."""
    from aster_operator.backtest.replay.venue import QUOTE_EVENT, TRADE_EVENT
    from aster_operator.simulator.contracts import contract_for_prices

    kind = TRADE_EVENT if (events.kinds == TRADE_EVENT).any() else QUOTE_EVENT
    return contract_for_prices(symbol, events.values[events.kinds == kind, 0][:2_000].tolist())


def _venue(contract: "ContractSpec", latency_ms: int) -> "ReplayVenueOptions":
    from aster_operator.backtest.replay import ReplayVenueOptions

    return ReplayVenueOptions(
        latency_ms=latency_ms,
        maker_fee_bps=contract.maker_fee_e8 / 1e4,
        taker_fee_bps=contract.taker_fee_e8 / 1e4,
    )


def _trader(
    settings: "Settings",
    chosen: "BarStrategy",
    found: _Found,
    contract: "ContractSpec",
    events: "ReplayEvents",
    options: ArrayOptions,
) -> "TickStrategy":
    from aster_operator.backtest.replay.desk_trader import DeskTrader
    from aster_operator.backtest.replay.recording import minutes_before
    from aster_operator.backtest.replay.venue import MARK_EVENT
    from aster_operator.config.problems import UserProblem
    from aster_operator.domain.fees import FeeRates
    from aster_operator.runtime.core_settings import risk_limits
    from aster_operator.runtime.session_plan import rules_of_desk
    from aster_operator.strategy.asking import faults_named, make_strategy

    symbol = contract.symbol
    if not found.is_desk:
        text, kind = chosen.parameters, found.kind
        if not hasattr(kind, "from_json"):
            return cast("TickStrategy", faults_named(kind, kind))
        return cast("TickStrategy", faults_named(kind, kind.from_json, text, (symbol,)))
    if not (events.kinds == MARK_EVENT).any():
        raise UserProblem(
            f"{symbol} has no marks, which stops and blockers need",
            str(options.catalog),
            "record the stream markPrice",
        )
    taker, maker = (Decimal(fee) / 10**8 for fee in (contract.taker_fee_e8, contract.maker_fee_e8))
    desk = rules_of_desk(settings, chosen, {symbol: FeeRates(symbol=symbol, maker=maker, taker=taker)})
    strategy = make_strategy(found.kind, desk.parameters, chosen.symbols)
    past = minutes_before(options.catalog or Path(), symbol, int(events.times_ms[0]))
    return DeskTrader(
        strategy,
        contract.instrument,
        desk,
        risk_limits(settings),
        deposit_usd=settings.capital_usdt,
        past=past,
    )


def _result(
    outcomes: "list[ReplayOutcome]",
    symbols: tuple[str, ...],
    minutes: int,
    loading_s: float,
    playing_s: float,
) -> "ReplayResult":
    import hashlib
    from collections import Counter

    from aster_operator.runtime.strategy_replay import ArrayReplayResult

    reasons: Counter[str] = Counter()
    for outcome in outcomes:
        reasons.update(outcome.exits_by_reason)
    unprotected = [each for outcome in outcomes for each in outcome.unprotected_ms]
    prints = [outcome.fingerprint for outcome in outcomes]
    faults = [outcome.ledger for outcome in outcomes if outcome.ledger != "match"]
    return ArrayReplayResult(
        decisions=sum(outcome.decisions for outcome in outcomes),
        entries=sum(outcome.entries for outcome in outcomes),
        exits_by_reason=dict(sorted(reasons.items())),
        unprotected_ms_max=round(max(unprotected, default=0)),
        unprotected_ms_total=round(sum(unprotected)),
        orphan_exits=sum(outcome.orphan_exits for outcome in outcomes),
        net_pnl_usd=_money(sum(outcome.net_pnl for outcome in outcomes)),
        fees_usd=_money(sum(outcome.fees for outcome in outcomes)),
        funding_usd=_money(sum(outcome.funding for outcome in outcomes)),
        events=sum(outcome.events for outcome in outcomes),
        seconds=playing_s,
        ledger=faults[0] if faults else "match",
        fingerprint=prints[0] if len(prints) == 1 else hashlib.sha256("".join(prints).encode()).hexdigest(),
        symbols=symbols,
        market_minutes=minutes,
        load_seconds=loading_s,
    )


def _money(amount: float) -> Decimal:
    return round(Decimal(amount), 8)
