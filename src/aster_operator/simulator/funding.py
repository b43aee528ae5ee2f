"""Mark and index price (protocol reference, section 9.4) and the funding rate (section 9.5) of one symbol.

Prices in 10^-8 of the quote, rates as fractions times 10^8.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from decimal import Decimal

from aster_operator.simulator.model import ATOMS, ContractSpec

__all__ = ["FUNDING_CAP_E8", "MarkPricer", "funding_rate_e8", "impact_price_e8"]

_HOUR_MS = 3_600_000
_INTEREST_PER_8H_E8 = 10_000
_PREMIUM_BAND_E8 = 50_000
FUNDING_CAP_E8 = {8: 3_000_000, 4: 2_000_000, 1: 2_000_000}
"""Highest absolute funding rate per settlement, by interval in hours."""


def funding_rate_e8(average_premium_e8: int, interest_e8: int, interval_hours: int) -> int:
    """[avg(P) + clamp(I - avg(P), -0.05 %, +0.05 %)] / (8 / N), then capped; `interest_e8` per 8 hours."""
    band = max(-_PREMIUM_BAND_E8, min(_PREMIUM_BAND_E8, interest_e8 - average_premium_e8))
    rate = round((average_premium_e8 + band) * interval_hours / 8)
    cap = FUNDING_CAP_E8.get(interval_hours, 2_000_000)
    return max(-cap, min(cap, rate))


def impact_price_e8(levels: Iterable[tuple[int, int]], spec: ContractSpec) -> int | None:
    """Average price at which the impact notional trades into `levels` (best first); None when too thin."""
    wanted = int(spec.impact_margin_notional * ATOMS)
    unit = spec.atoms_per_tick_lot
    left, base = wanted, Decimal(0)
    for ticks, lots in levels:
        value = ticks * lots * unit
        taken = min(value, left)
        base += Decimal(taken) / (ticks * unit)
        left -= taken
        if left <= 0:
            return int(Decimal(wanted) / (base * unit) * spec.price_atoms_per_tick)
    return None


class MarkPricer:
    """Mark price and funding of one symbol.

    `recorded` holds (settlement time, rate e8) where the past is known; the rate of any other settlement is
    computed from the premium. The mark is the median of index carried by funding, index plus the five-minute
    basis, and the last price; it is rounded to the contract's mark quantum.
    """

    def __init__(
        self, spec: ContractSpec, start_ms: int, ticks: int, recorded: Mapping[int, int] | None = None
    ) -> None:
        self.spec = spec
        self._recorded = dict(recorded or {})
        self._interval_ms = spec.funding_interval_hours * _HOUR_MS
        self._basis: deque[int] = deque(maxlen=5)
        self._basis_minute = -1
        self._premium_sum = 0
        self._premium_weight = 0
        self._premium_samples = 0
        self._override_e8: int | None = None
        self.index_e8 = ticks * spec.price_atoms_per_tick
        self.mark_e8 = self._quantized(self.index_e8)
        self.updated_ms = start_ms
        self.next_funding_ms = 0
        self.funding_rate_e8 = 0
        self.schedule_after(start_ms)

    @property
    def index_ticks(self) -> int:
        """Index price in whole ticks."""
        return self.index_e8 // self.spec.price_atoms_per_tick

    def schedule_after(self, time_ms: int) -> None:
        """Set the next settlement to the first one after `time_ms` and begin its rate."""
        self.next_funding_ms = (time_ms // self._interval_ms + 1) * self._interval_ms
        self._premium_sum = self._premium_weight = self._premium_samples = 0
        self.funding_rate_e8 = self._estimate()

    def override(self, mark_e8: int | None) -> None:
        """Pin the mark (None lets it float again)."""
        self._override_e8 = None if mark_e8 is None else self._quantized(mark_e8)
        if self._override_e8 is not None:
            self.mark_e8 = self._override_e8

    def rebase(self) -> None:
        """Forget the basis of the last minutes: the market has jumped."""
        self._basis.clear()
        self._basis_minute = -1

    def dictate_funding(self, next_funding_ms: int, rate_e8: int) -> None:
        """Take the next settlement and its rate from outside."""
        self.next_funding_ms = next_funding_ms
        self.set_recorded_rate(next_funding_ms, rate_e8)

    def set_recorded_rate(self, time_ms: int, rate_e8: int) -> None:
        """Fix the rate of the settlement at `time_ms`."""
        self._recorded[time_ms] = rate_e8
        if time_ms == self.next_funding_ms:
            self.funding_rate_e8 = rate_e8

    def update(
        self, now_ms: int, index_ticks: int, last_ticks: int, bid: int | None, ask: int | None
    ) -> None:
        """Take in the state of the market at `now_ms` and set index and mark."""
        unit = self.spec.price_atoms_per_tick
        self.updated_ms = now_ms
        self.index_e8 = index = index_ticks * unit
        if self._override_e8 is not None:
            self.mark_e8 = self._override_e8
            return
        basis = (bid + ask) * unit // 2 - index if bid is not None and ask is not None else 0
        minute = now_ms // 60_000
        if minute != self._basis_minute:
            self._basis_minute = minute
            self._basis.append(basis)
        hours_e8 = max(0, self.next_funding_ms - now_ms) * ATOMS // _HOUR_MS
        carried = index + index * self.funding_rate_e8 // ATOMS * hours_e8 // (8 * ATOMS)
        averaged = index + sum(self._basis) // len(self._basis)
        self.mark_e8 = self._quantized(sorted((carried, averaged, last_ticks * unit))[1])

    def sample_premium(self, bids: Iterable[tuple[int, int]], asks: Iterable[tuple[int, int]]) -> None:
        """Sample the premium against the impact prices, about once a minute; later samples weigh more."""
        impact_bid, impact_ask = impact_price_e8(bids, self.spec), impact_price_e8(asks, self.spec)
        if impact_bid is None or impact_ask is None:
            return
        index = self.index_e8
        premium = (max(0, impact_bid - index) - max(0, index - impact_ask)) * ATOMS // index
        self._premium_samples += 1
        self._premium_sum += premium * self._premium_samples
        self._premium_weight += self._premium_samples
        self.funding_rate_e8 = self._estimate()

    def _estimate(self) -> int:
        known = self._recorded.get(self.next_funding_ms)
        if known is not None:
            return known
        average = self._premium_sum // self._premium_weight if self._premium_weight else 0
        interest = 0 if self.spec.instrument.base_asset == "BNB" else _INTEREST_PER_8H_E8
        return funding_rate_e8(average, interest, self.spec.funding_interval_hours)

    def _quantized(self, price_e8: int) -> int:
        quantum = self.spec.mark_quantum_e8
        return max(quantum, (price_e8 + quantum // 2) // quantum * quantum)
