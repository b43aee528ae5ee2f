"""The Aster client: REST in both signature schemes and all streams, behind one object."""

import re
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, Self

from aster_operator.domain.clock import Clock, WallClock
from aster_operator.exchange.calls.agents import AgentCalls
from aster_operator.exchange.calls.builders import BuilderCalls
from aster_operator.exchange.calls.spot import SpotCalls
from aster_operator.exchange.calls.sub_accounts import SubAccountCalls
from aster_operator.exchange.client_protocol import MarketChannel, RequestUse, StreamEvent
from aster_operator.exchange.credentials import AgentCredentials, Credentials
from aster_operator.exchange.endpoint import Endpoint, Method, Product, Security
from aster_operator.exchange.entry_with_exits import EntryWithExitsCalls
from aster_operator.exchange.environment import Environment, Venue
from aster_operator.exchange.rate_limits import Priority, RateLimiter
from aster_operator.exchange.rest import RestSession
from aster_operator.exchange.signing.nonce import acquire_nonces, default_state_dir
from aster_operator.exchange.signing.parameters import ParameterValue
from aster_operator.exchange.streams.link import LinkSettings
from aster_operator.exchange.streams.market import MarketStream, MessageStream
from aster_operator.exchange.streams.names import names_of
from aster_operator.exchange.streams.order_books import OrderBooks
from aster_operator.exchange.streams.shard import ReceiverFactory
from aster_operator.exchange.streams.spot_quotes import SpotQuoteStream
from aster_operator.exchange.streams.spot_user import SpotUserStream
from aster_operator.exchange.streams.user import UserStream
from aster_operator.exchange.transport import AiohttpTransport, Transport
from aster_operator.exchange.wire.spot_stream import SpotAccountMessage, SpotOrderMessage
from aster_operator.exchange.wire.streams import MarketMessage

__all__ = ["AsterClient"]

_WHOLE_PATH: Final = re.compile(r"/?(?P<product>fapi|api)/v(?P<version>\d+)/(?P<name>[^?]+?)/?")


class AsterClient(EntryWithExitsCalls, AgentCalls, BuilderCalls, SubAccountCalls):
    """A client of one venue for one account; implements `ExchangeClient`.

    `credentials` choose the scheme: an agent's key signs V3 calls, an API key V1 calls, none leaves the
    public calls. `environment` is mainnet, testnet or sim; `base_url` and `ws_url` replace its addresses
    and are needed for sim. `ca_file` trusts a certificate authority of your own.

    `state_dir` holds the nonce marks and the lock of each agent (default: the user's state folder; on sim
    memory alone, as its nonces end with it). Raises AgentKeyInUse when another process signs with the same
    agent, ValueError for addresses that cannot be.
    """

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        environment: Environment | str = Environment.MAINNET,
        base_url: str | None = None,
        ws_url: str | None = None,
        chain_id: int | None = None,
        clock: Clock | None = None,
        transport: Transport | None = None,
        ca_file: Path | None = None,
        state_dir: Path | None = None,
        timeout_s: float = 10.0,
        recv_window_ms: int = 5000,
        link_settings: LinkSettings | None = None,
        limiter: RateLimiter | None = None,
    ) -> None:
        super().__init__()
        self.venue = Venue.of(environment, rest_url=base_url, ws_url=ws_url, chain_id=chain_id)
        self.clock: Clock = clock or WallClock()
        self.credentials = credentials
        self._ssl_context = None if ca_file is None else ssl.create_default_context(cafile=str(ca_file))
        self._link_settings = link_settings or LinkSettings()
        if state_dir is None and self.venue.environment is not Environment.SIM:
            state_dir = default_state_dir()
        self._rest = RestSession(
            venue=self.venue,
            credentials=credentials,
            transport=transport or AiohttpTransport(ssl_context=self._ssl_context),
            clock=self.clock,
            limiter=limiter,
            nonces=(
                acquire_nonces(credentials.signer, self.venue.label, state_dir)
                if isinstance(credentials, AgentCredentials)
                else None
            ),
            recv_window_ms=recv_window_ms,
            timeout_s=timeout_s,
        )
        self._rest.server_time_ms = self.server_time
        self.spot = SpotCalls(self._rest)
        """The spot market of the same account."""
        self._streams: list[MarketStream | MessageStream | OrderBooks | UserStream | SpotQuoteStream] = []

    @property
    def rest(self) -> RestSession:
        """The session underneath: clock offset, limiter and counters."""
        return self._rest

    def request_use(self) -> RequestUse:
        """Weight and orders of the running minute on the futures side, as counted here. Section 3.

        Asks nothing of the venue: no weight. Raises nothing.
        """
        limiter = self._rest.limiter
        return RequestUse(limiter.used_weight, limiter.weight_limit, limiter.used_orders, limiter.order_limit)

    @property
    def account_label(self) -> str:
        """Name of the account for position keys: the main wallet, or the start of the API key."""
        return self.credentials.account if self.credentials is not None else "public"

    async def request(
        self,
        method: Method,
        path: str,
        params: dict[str, ParameterValue] | None = None,
        security: Security = Security.SIGNED,
        *,
        weight: int = 1,
    ) -> object:
        """Call any endpoint and return the decoded JSON: for those newer than this client.

        `method` GET, POST, PUT or DELETE; `path` either the name alone ("order"), whose version follows the
        credentials, or the whole ("/fapi/v2/balance", "/api/v3/account"), taken as it is; `params` by the
        venue's names, numbers as Decimal or int; `security` as the venue's page says; `weight` what it costs,
        for the limiter. A GET is repeated on failure. Raises RequestRefused, TransportFailed,
        MalformedResponse, and for anything but a GET UnknownOutcome when the venue may have acted. Weight as
        given. Sections 1.3 and 4.
        """
        whole = _WHOLE_PATH.fullmatch(path)
        version = int(whole["version"]) if whole else None
        endpoint = Endpoint(
            method=method,
            name=whole["name"] if whole else path.strip("/"),
            v1=1 if version is None else version,
            v3=3 if version is None else version,
            product=Product(whole["product"]) if whole else Product.FUTURES,
            security=security,
            weight=weight,
            repeatable=method == "GET",
            priority=Priority.READ if method == "GET" else Priority.ORDER,
        )
        answer: object = await self._rest.call(endpoint, params or {}, object)
        return answer

    async def open_market_stream(
        self, channels: Sequence[MarketChannel], on_event: Callable[[StreamEvent], None]
    ) -> MarketStream:
        """Follow the market; events reach `on_event` synchronously, in arrival order.

        `channels` say which streams of which symbols; no request weight. Section 6. Raises TransportFailed
        when the first connection fails; later losses heal by themselves and are announced by
        FeedStatusChanged.
        """
        streams = [name for channel in channels for name in names_of(channel)]
        stream = MarketStream(
            ws_url=self.venue.ws_url,
            streams=streams,
            on_event=on_event,
            clock=self.clock,
            settings=self._link_settings,
            ssl_context=self._ssl_context,
        )
        await stream.open()
        self._streams.append(stream)
        return stream

    async def open_message_stream(
        self,
        streams: Sequence[str],
        on_message: Callable[[str, MarketMessage | list[MarketMessage], int], None],
        on_status: Callable[[bool, str], None],
        *,
        receiver: ReceiverFactory | None = None,
    ) -> MessageStream:
        """Follow any `streams` of section 6.2 by name (`aster_operator.exchange.streams.names` spells them).

        `on_message` gets (stream, typed message or array of them, received_ns), `on_status` (healthy, detail)
        at each loss and repair. Streams are added and removed on the result. `receiver` replaces the decoding
        of data frames. No request weight. Raises TransportFailed when the first connection fails.
        """
        stream = MessageStream(
            ws_url=self.venue.ws_url,
            streams=streams,
            on_message=on_message,
            on_status=on_status,
            clock=self.clock,
            settings=self._link_settings,
            ssl_context=self._ssl_context,
            receiver=receiver,
        )
        await stream.open()
        self._streams.append(stream)
        return stream

    async def open_order_books(
        self,
        symbols: Sequence[str],
        *,
        speed_ms: int = 100,
        on_live: Callable[[str, bool], None] = lambda _symbol, _live: None,
    ) -> OrderBooks:
        """Keep the whole books of `symbols` locally. Section 6.3.

        `speed_ms` 100, 250 or 500; `on_live` hears (symbol, live) when a book becomes right or stops being
        so. Raises TransportFailed when the first connection fails. Weight 20 for each snapshot.
        """
        books = OrderBooks(self, symbols, clock=self.clock, speed_ms=speed_ms, on_live=on_live)
        await books.open()
        self._streams.append(books)
        return books

    async def open_user_stream(self, on_event: Callable[[StreamEvent], None]) -> UserStream:
        """Follow own orders and account; `on_event` hears them in order. Section 7.

        After a loss FeedStatusChanged(healthy=True) says that events may be missing: take a snapshot. Raises
        TransportFailed or the refusal of the listen key. Weight 1 for each connection, 2 each half hour.
        """
        stream = UserStream(
            ws_url=self.venue.ws_url,
            keys=self,
            on_event=on_event,
            clock=self.clock,
            settings=self._link_settings,
            ssl_context=self._ssl_context,
        )
        await stream.open()
        self._streams.append(stream)
        return stream

    async def open_spot_user_stream(
        self,
        on_message: Callable[[SpotOrderMessage | SpotAccountMessage], None],
        on_status: Callable[[bool, str], None],
    ) -> SpotUserStream:
        """Follow own spot orders and balances: `on_message` hears them, `on_status` (healthy, detail).

        After a loss messages may be missing: read orders and balances. Raises TransportFailed or the refusal
        of the listen key. Weight as `open_user_stream`, on the spot host. Section 11.4.
        """
        stream = SpotUserStream(
            ws_url=self.venue.spot_ws_url,
            keys=self.spot,
            on_message=on_message,
            on_status=on_status,
            clock=self.clock,
            settings=self._link_settings,
            ssl_context=self._ssl_context,
        )
        await stream.open()
        self._streams.append(stream)
        return stream

    async def open_spot_quote_stream(
        self, symbols: Sequence[str], on_event: Callable[[StreamEvent], None]
    ) -> SpotQuoteStream:
        """Best quotes of the spot markets `symbols`, each told to `on_event`. Raises TransportFailed when the
        first connection fails. No weight: a stream (section 6)."""
        stream = SpotQuoteStream(
            symbols,
            on_event,
            ws_url=self.venue.spot_ws_url,
            clock=self.clock,
            now_ms=self._rest.venue_clock.now_ms,
            settings=self._link_settings,
            ssl_context=self._ssl_context,
        )
        await stream.open()
        self._streams.append(stream)
        return stream

    async def close(self) -> None:
        """End the streams this client opened, its connections and its hold on the agent's key.

        Raises what a consumer of a stream had raised. No request weight; implements no section.
        """
        failures: list[Exception] = []
        try:
            # Books close their own stream, so the youngest goes first; one that fails keeps no other open.
            for stream in reversed(self._streams):
                try:
                    await stream.close()
                except Exception as error:
                    failures.append(error)
        finally:
            self._streams.clear()
            await self._rest.close()
        if failures:
            raise failures[0]

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
