"""Scenario files: a sequence of control verbs played in market time.

A file says when it begins and what is done how many seconds after that:

    name: flash crash
    description: what a reader should know
    begins: at_once            # or pair_open: when an account holds a long and a short of one symbol
    steps:
      - at_s: 30               # market seconds after the beginning
        do: gap                # a control verb: POST /sim/gap
        with: {symbol: BTCUSDT, move_pct: -3}
        repeat: {times: 10, every_s: 2}
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from importlib import resources
from pathlib import Path
from typing import Any, Literal

import msgspec

from aster_operator.simulator.api import ExchangeApi
from aster_operator.simulator.server.control import ControlApi, ControlRefusal, Verb

__all__ = [
    "Repeat",
    "Scenario",
    "ScenarioError",
    "ScenarioPlayer",
    "ScenarioStep",
    "load_scenario",
    "shipped_scenarios",
]

WATCH_EVERY_MS = 1_000
NOT_IN_SCENARIOS = frozenset({"step", "scenario", "scenario/stop"})
"""Verbs that move time or plan more of it cannot be done while time is moving."""


class ScenarioError(ValueError):
    """A scenario that cannot be played; the text names the file and what is wrong in one line."""


@dataclass(frozen=True)
class Repeat:
    times: int
    every_s: float


@dataclass(frozen=True)
class ScenarioStep:
    """One verb, `at_s` market seconds after the beginning. `do` is the verb's name under `/sim/`."""

    at_s: float
    do: str
    arguments: dict[str, Any] = field(default_factory=dict)
    repeat: Repeat | None = None

    def times_ms(self) -> list[int]:
        """Offsets from the beginning at which the verb is done."""
        if self.repeat is None:
            return [int(self.at_s * 1000)]
        return [int((self.at_s + turn * self.repeat.every_s) * 1000) for turn in range(self.repeat.times)]


@dataclass(frozen=True)
class Scenario:
    name: str
    description: str
    steps: tuple[ScenarioStep, ...]
    begins: Literal["at_once", "pair_open"] = "at_once"


def shipped_scenarios() -> dict[str, Path]:
    """Name to file of the scenarios that come with the exchange."""
    folder = Path(str(resources.files("aster_operator.simulator.server"))) / "scenarios"
    return {file.stem: file for file in sorted(folder.glob("*.yaml"))}


def load_scenario(source: str | Path) -> Scenario:
    """A shipped scenario by its name, or a file. Raises ScenarioError."""
    shipped = shipped_scenarios()
    path = shipped.get(str(source), Path(source))
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        listed = ", ".join(shipped)
        raise ScenarioError(
            f"no scenario {source}: give a file, or one of {listed} ({error.strerror})"
        ) from error
    try:
        return parse_scenario(msgspec.yaml.decode(text))
    except (msgspec.DecodeError, ScenarioError) as error:
        raise ScenarioError(f"{path}: {' '.join(str(error).split())}") from error


def parse_scenario(content: Any) -> Scenario:
    """A decoded scenario file. Raises ScenarioError."""
    if isinstance(content, dict) and isinstance(content.get("steps"), list):
        steps = [
            {("arguments" if key == "with" else key): value for key, value in step.items()}
            if isinstance(step, dict)
            else step
            for step in content["steps"]
        ]
        content = content | {"steps": steps}
    try:
        scenario = msgspec.convert(content, Scenario)
    except msgspec.ValidationError as error:
        raise ScenarioError(str(error)) from error
    for step in scenario.steps:
        if step.at_s < 0 or (step.repeat is not None and (step.repeat.times < 1 or step.repeat.every_s < 0)):
            raise ScenarioError(f"step {step.do}: times cannot be negative, a repeat needs at least one turn")
    return scenario


class ScenarioPlayer:
    """Plans a scenario's verbs in market time. What a verb refuses is kept in `problems`."""

    def __init__(
        self,
        exchange: ExchangeApi,
        control: ControlApi,
        accounts: Callable[[], Sequence[str]],
    ) -> None:
        self._exchange = exchange
        self._control = control
        self._accounts = accounts
        # What was planned under an earlier number has been stopped.
        self._play_number = 0
        self._planned = 0
        self.done: list[str] = []
        self.problems: list[str] = []

    def verbs(self) -> dict[tuple[str, str], Verb]:
        return {
            ("GET", "/sim/scenarios"): self._list,
            ("POST", "/sim/scenario"): self._play,
            ("POST", "/sim/scenario/stop"): self._stop,
        }

    def play(self, scenario: Scenario) -> None:
        """Raises ScenarioError for a verb that does not exist."""
        verbs = self._control.verbs()
        known = {path.removeprefix("/sim/") for method, path in verbs if method == "POST"} - NOT_IN_SCENARIOS
        for step in scenario.steps:
            if step.do not in known:
                raise ScenarioError(
                    f"{scenario.name}: no verb {step.do}; there are {', '.join(sorted(known))}"
                )
        if scenario.begins == "at_once":
            self._begin(scenario)
        else:
            self._watch(scenario)

    def _watch(self, scenario: Scenario) -> None:
        if any(self._holds_pair(account_id) for account_id in self._accounts()):
            self._begin(scenario)
        else:
            self._plan(self._exchange.now_ms + WATCH_EVERY_MS, partial(self._watch, scenario))

    def _holds_pair(self, account_id: str) -> bool:
        sides: dict[str, set[bool]] = {}
        for position in self._exchange.positions(account_id, None):
            if position.lots:
                sides.setdefault(position.spec.symbol, set()).add(position.lots > 0)
        return any(len(directions) == 2 for directions in sides.values())

    def _begin(self, scenario: Scenario) -> None:
        start_ms = self._exchange.now_ms
        for step in scenario.steps:
            for offset_ms in step.times_ms():
                self._plan(start_ms + offset_ms, partial(self._do, step))

    def _plan(self, time_ms: int, action: Callable[[], None]) -> None:
        play = self._play_number

        def act() -> None:
            if play == self._play_number:
                self._planned -= 1
                action()

        self._planned += 1
        self._exchange.schedule(time_ms, act)

    def _do(self, step: ScenarioStep) -> None:
        stamp = f"{self._exchange.now_ms} {step.do}"
        try:
            self._control.call("POST", f"/sim/{step.do}", dict(step.arguments))
        except ControlRefusal as refusal:
            self.problems.append(f"{stamp}: {refusal.message}")
        else:
            self.done.append(stamp)

    # --- verbs --------------------------------------------------------------------------------------

    def _list(self, _arguments: dict[str, Any]) -> Any:
        return {
            "shipped": {name: load_scenario(path).description for name, path in shipped_scenarios().items()},
            "done": self.done,
            "problems": self.problems,
        }

    def _play(self, arguments: dict[str, Any]) -> Any:
        """`{"name"}` of a shipped scenario or a file, or `{"scenario": {...}}` in the shape of a file."""
        try:
            if "scenario" in arguments:
                scenario = parse_scenario(arguments["scenario"])
            else:
                scenario = load_scenario(str(arguments.get("name", "")))
            self.play(scenario)
        except ScenarioError as error:
            raise ControlRefusal(str(error)) from error
        return {"playing": scenario.name, "steps": sum(len(step.times_ms()) for step in scenario.steps)}

    def _stop(self, _arguments: dict[str, Any]) -> Any:
        forgotten, self._planned = self._planned, 0
        self._play_number += 1
        return {"forgotten": forgotten}
