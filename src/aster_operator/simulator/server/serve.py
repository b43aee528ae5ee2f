"""The exchange as a server: what the command line, the demo and the tests start.

async with ExchangeServer(ServerSettings(pace="lockstep"), exchange=exchange, clock=WallClock()) as server:
    print(server.first_line())
"""

import asyncio
import secrets
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from aster_operator.domain.clock import Clock
from aster_operator.simulator.api import ExchangeApi
from aster_operator.simulator.server.accounts import AccountRegistry, DemoAccount, demo_accounts
from aster_operator.simulator.server.control import ControlApi
from aster_operator.simulator.server.dispatcher import Dispatcher
from aster_operator.simulator.server.endpoints import ENDPOINTS
from aster_operator.simulator.server.fault_gate import FaultGate
from aster_operator.simulator.server.fault_verbs import FaultVerbs
from aster_operator.simulator.server.faults import Faults
from aster_operator.simulator.server.frames import Outgoing
from aster_operator.simulator.server.http_host import HttpHost, StreamHost
from aster_operator.simulator.server.listen_keys import ListenKeys
from aster_operator.simulator.server.listing_verbs import ListingVerbs
from aster_operator.simulator.server.market_driver import MarketDriver, MarketState, parse_pace
from aster_operator.simulator.server.market_feed import MarketFeed
from aster_operator.simulator.server.market_maker_protection import MarketMakerProtection
from aster_operator.simulator.server.market_verbs import market_verbs
from aster_operator.simulator.server.messages import encode_json
from aster_operator.simulator.server.product_streams import ProductStreams, StreamProducts
from aster_operator.simulator.server.rate_limits import RateLimiter
from aster_operator.simulator.server.routing import Services
from aster_operator.simulator.server.scenario_player import ScenarioPlayer
from aster_operator.simulator.server.settings import ExchangeServerError, SecurityClock, ServerSettings
from aster_operator.simulator.server.spot_hub import SpotStreamHub
from aster_operator.simulator.server.spot_wallets import SpotWallets
from aster_operator.simulator.server.storm import OrderStorm
from aster_operator.simulator.server.stream_hub import StreamHub
from aster_operator.simulator.server.subscriptions import Subscriptions

if TYPE_CHECKING:
    from aster_operator.simulator.server.tls import TemporaryAuthority

__all__ = ["ExchangeServer", "ServerSettings"]

HOUSEKEEPING_S = 1.0


def _new_authority(host: str) -> "TemporaryAuthority":
    # Only who asks for TLS pays for loading what makes certificates.
    from aster_operator.simulator.server.tls import TemporaryAuthority

    return TemporaryAuthority(host)


class ExchangeServer:
    """REST and WebSocket on one loopback port, the control API on another.

    `clock` is the wall; market time is the exchange's own. Raises ValueError for a pace that is none.
    """

    def __init__(self, settings: ServerSettings, *, exchange: ExchangeApi, clock: Clock) -> None:
        self.settings = settings
        self.exchange = exchange
        self.security_clock = SecurityClock(clock, settings.security_skew_ms)
        self._accounts = list(demo_accounts(settings.seed, settings.account_count))
        self.registry = AccountRegistry(self._accounts)
        for account in self._accounts:
            if not exchange.has_account(account.account_id):
                exchange.create_account(account.account_id, settings.deposits)
        market = MarketFeed(exchange)
        self.streams = StreamProducts(self._futures_streams(market), self._spot_streams())
        self.subscriptions = self.streams.futures.subscriptions
        self.driver = MarketDriver(exchange, clock, parse_pace(settings.pace), self.streams.on_time)
        self.limiter = RateLimiter(settings.limits, self.security_clock, self._limit_window)
        spot_limiter = RateLimiter(settings.spot_limits, self.security_clock, self._limit_window)
        self.services = Services(
            exchange,
            self.security_clock,
            self.registry,
            settings.auth,
            self.limiter,
            spot_limiter,
            self.streams.futures.listen_keys,
            self.streams.spot.listen_keys,
            market,
            SpotWallets(exchange, self._on_transfer),
            MarketMakerProtection(exchange),
            instance=f"{clock.now_ns():x}",
        )
        self.dispatcher = Dispatcher(self.services, ENDPOINTS)
        self.faults = Faults(
            settings.seed, latency_ms=settings.latency_ms, jitter_ms=settings.latency_jitter_ms
        )
        self.gate = FaultGate(self.dispatcher, self.faults)
        self.streams.intercept(self._intercept)
        self.control_token = settings.control_token or secrets.token_urlsafe(24)
        self._authority = _new_authority(settings.host) if settings.tls else None
        self._front = StreamHost(
            settings.host,
            settings.port,
            self.gate.reply,
            choose=self.streams.choose,
            clock=clock,
            max_body_bytes=settings.max_body_bytes,
            tls=None if self._authority is None else self._authority.server_context(),
        )
        self.control = self._control_api()
        self.scenarios = ScenarioPlayer(exchange, self.control, self._account_ids)
        self.control.add_verbs(self.scenarios.verbs())
        self._back = HttpHost(
            settings.host,
            settings.control_port,
            self.control.dispatch,
            clock=clock,
            max_body_bytes=settings.max_body_bytes,
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._failure: BaseException | None = None
        self._stopped = asyncio.Event()

    def _futures_streams(self, market: MarketFeed) -> ProductStreams:
        subscriptions = Subscriptions()
        keys = ListenKeys(self.security_clock, self.settings.seed)
        hub = StreamHub(self.exchange, market, subscriptions, keys)
        return ProductStreams(subscriptions, keys, self.settings.sockets, hub)

    def _spot_streams(self) -> ProductStreams:
        subscriptions = Subscriptions()
        keys = ListenKeys(self.security_clock, self.settings.seed, product="spot ")
        spot = self.exchange.spot
        self._spot_hub = None if spot is None else SpotStreamHub(self.exchange, spot, subscriptions, keys)
        return ProductStreams(subscriptions, keys, self.settings.spot_sockets, self._spot_hub)

    def _on_transfer(self, account_id: str, to_spot: bool) -> None:
        if self._spot_hub is not None:
            self._spot_hub.transferred(account_id, to_spot=to_spot)

    def _control_api(self) -> ControlApi:
        control = ControlApi(
            self.services,
            self.driver,
            self._front.statistics,
            self.control_token,
            self.settings.seed,
            self._accounts,
        )
        faults = FaultVerbs(
            self.services,
            self.faults,
            self.gate,
            self._front,
            self.streams,
            self.security_clock,
        )
        control.add_verbs(faults.verbs())
        control.add_verbs(market_verbs(self.exchange.control))
        control.add_verbs(ListingVerbs(self.exchange).verbs())
        control.add_verbs(OrderStorm(self.exchange, self.settings.seed).verbs())
        return control

    def _limit_window(self, span_ms: int) -> object:
        wall_span = self.security_clock.now_ms() // span_ms
        if self.driver.pace == 1.0:
            return wall_span
        return wall_span, self.exchange.now_ms // span_ms

    def _account_ids(self) -> list[str]:
        return [account.account_id for account in self.registry.accounts()]

    # --- life ---------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        try:
            await self._front.start()
            await self._back.start()
        except BaseException:
            await self._close_hosts()
            raise
        for name, work in (("market time", self.driver.run()), ("housekeeping", self._keep_house())):
            task = asyncio.create_task(work, name=f"exchange {name}")
            task.add_done_callback(self._on_task_done)
            self._tasks.append(task)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
        if self._failure is not None and error is None:
            raise ExchangeServerError(f"the exchange stopped: {self._failure!r}") from self._failure

    async def close(self) -> None:
        """Stop time, end every connection, free the ports."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self._close_hosts()
        self.streams.detach()
        self._stopped.set()

    async def _close_hosts(self) -> None:
        await self._front.close()
        await self._back.close()
        if self._authority is not None:
            self._authority.close()

    def _on_task_done(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and task.exception() is not None:
            self._failure = task.exception()
            self._stopped.set()

    async def serve_forever(self) -> None:
        """Serve until closed or cancelled. Raises ExchangeServerError when something inside has failed."""
        await self._stopped.wait()
        if self._failure is not None:
            raise ExchangeServerError(f"the exchange stopped: {self._failure!r}") from self._failure

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_S)
            self.keep_house()

    def keep_house(self) -> None:
        """What the wall clock makes due: pings, lapsed listen keys, connections that are too old."""
        self._front.keep_house()
        self._back.keep_house()
        for product in self.streams.both():
            product.expire_due()

    # --- addresses ----------------------------------------------------------------------------------

    @property
    def rest_url(self) -> str:
        return f"http{self._s}://{self._url_host}:{self._front.port}"

    @property
    def ws_url(self) -> str:
        return f"ws{self._s}://{self._url_host}:{self._front.port}"

    @property
    def control_url(self) -> str:
        return f"http://{self._url_host}:{self._back.port}"

    @property
    def _s(self) -> str:
        return "s" if self.settings.tls else ""

    @property
    def _url_host(self) -> str:
        return f"[{self.settings.host}]" if ":" in self.settings.host else self.settings.host

    @property
    def ca_file(self) -> Path | None:
        """The certificate authority to trust, None without TLS."""
        return None if self._authority is None else self._authority.ca_file

    @property
    def accounts(self) -> tuple[DemoAccount, ...]:
        return tuple(self._accounts)

    def first_line(self) -> str:
        """What `exchange serve --json` prints once it accepts connections."""
        line: dict[str, Any] = {
            "rest": self.rest_url,
            "ws": self.ws_url,
            "control": self.control_url,
            "control_token": self.control_token,
            "accounts": [account.public_json() for account in self._accounts],
        }
        if self.ca_file is not None:
            line["ca_file"] = str(self.ca_file)
        return encode_json(line).decode()

    # --- time ---------------------------------------------------------------------------------------

    @property
    def market_state(self) -> MarketState:
        return self.driver.state

    def step_to(self, time_ms: int) -> None:
        """Play the market up to `time_ms`; every frame it causes has been written when this returns."""
        self.driver.step_to(time_ms)

    def next_step_ms(self) -> int | None:
        """Market time of the next thing that will happen; None when the data have ended."""
        return self.driver.next_step_ms()

    # --- requests -----------------------------------------------------------------------------------

    def _intercept(self, stream: str, message: Outgoing) -> Iterable[Outgoing]:
        if not self.faults.touches_events:
            return (message,)
        return self.faults.deliveries(stream, self.streams.account_of(stream), message)
