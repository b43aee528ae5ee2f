"""Messages to people: chat services and mail, by Apprise, from targets that stay secret.

One way out for alerts and reports. Each target is asked by itself, so that one that fails is named (by its
kind and place in the list, never by its address) and the others still get the message. Sending blocks for as
long as the network does; in an event loop, call `asyncio.to_thread(notifier.send, message)`.
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Literal
from urllib.parse import quote, unquote, urlencode, urlsplit

import msgspec

from aster_operator.config.masking import mask_text, register_secret
from aster_operator.config.problems import UserProblem, one_line
from aster_operator.config.settings import Settings

__all__ = [
    "Audience",
    "Delivery",
    "Level",
    "Message",
    "NotificationProblem",
    "Notifier",
    "Target",
    "notifier_from",
    "split_targets",
]

Audience = Literal["alerts", "reports", "backtests"]
Level = Literal["info", "success", "warning", "failure"]

_MAIL_SCHEMES = frozenset({"mailto", "mailtos"})
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "[::1]", "::1"})
_SHORTEST_TOKEN = 8
_SMTPS_PORT = 465


class NotificationProblem(UserProblem):
    """A target that cannot be used, or none at all. Its text never holds an address."""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What is sent. `text` goes to chat; mail gets `html` with a text part, or `text` where there is none."""

    title: str
    text: str
    html: str | None = None
    level: Level = "info"


class Target(msgspec.Struct, frozen=True):
    """One receiver. `name` is what people may see of it: its kind and its place in the list."""

    url: str
    name: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one message at one target. `reason` is empty when it was taken."""

    target: str
    sent: bool
    reason: str = ""


class Notifier:
    """Sends messages to a fixed list of targets. With none, `send` does nothing and returns no deliveries."""

    def __init__(self, urls: Sequence[str]) -> None:
        """Raises NotificationProblem for an address of no known kind, naming its place only."""
        self.targets = tuple(_target(url, number) for number, url in enumerate(urls, 1))
        for target in self.targets:
            _hide(target.url)
        self._clients = [_client(target) for target in self.targets]

    def send(self, message: Message) -> list[Delivery]:
        """Hand `message` to every target; a failure is a Delivery, never an exception of the network."""
        return [
            self._send_to(target, client, message)
            for target, client in zip(self.targets, self._clients, strict=True)
        ]

    def _send_to(self, target: Target, client: object, message: Message) -> Delivery:
        from apprise import NotifyFormat

        is_mail = urlsplit(target.url).scheme in _MAIL_SCHEMES
        html = message.html if is_mail else None
        with _heard() as lines:
            sent = client.notify(  # type: ignore[attr-defined]  # Apprise has no types
                title=message.title,
                body=message.text if html is None else html,
                notify_type=message.level,
                body_format=NotifyFormat.TEXT if html is None else NotifyFormat.HTML,
            )
        if sent:
            return Delivery(target=target.name, sent=True)
        return Delivery(target=target.name, sent=False, reason=lines[-1] if lines else "it was not taken")


def notifier_from(settings: Settings, audience: Audience = "alerts") -> Notifier:
    """The notifier of the settings for one audience. Raises NotificationProblem.

    `NOTIFY_URLS` gets everything, unless `NOTIFY_REPORT_URLS` takes the reports; the mail settings
    (`ASTER_EMAIL_*`) add their receivers of daily reports and of backtests where these are switched on.
    """
    secret = settings.notify_urls
    if audience != "alerts" and settings.notify_report_urls is not None:
        secret = settings.notify_report_urls
    urls = [] if secret is None else split_targets(secret.get_secret_value())
    return Notifier([*urls, *_mail_targets(settings, audience)])


def split_targets(text: str) -> list[str]:
    """The addresses of a list; commas inside an address belong to it. Raises NotificationProblem."""
    from apprise.utils.parse import parse_urls

    urls = [str(url).strip() for url in parse_urls(text)]  # type: ignore[no-untyped-call]
    if not urls or any("://" not in url for url in urls):
        raise NotificationProblem(
            "a list of targets holds something else than addresses",
            "NOTIFY_URLS",
            "write addresses as Apprise does: mailtos://..., slack://..., tgram://...",
        )
    return urls


# --- mail of the second source system's settings ----------------------------------------------------------


def _mail_targets(settings: Settings, audience: Audience) -> list[str]:
    wanted, receivers = {
        "alerts": (settings.email_trade_alert_enable, settings.email_to_prod),
        "reports": (settings.email_prod_enable, settings.email_to_prod),
        "backtests": (
            settings.email_backtest_enable or settings.email_backtest_on_completion,
            settings.email_to_backtest,
        ),
    }[audience]
    if not wanted:
        return []
    if not settings.email_smtp_host or not receivers:
        missing = "ASTER_EMAIL_SMTP_HOST" if not settings.email_smtp_host else "a receiver (ASTER_EMAIL_TO_*)"
        raise NotificationProblem(
            f"mail is switched on and {missing} is not set", "settings", "set it, or switch the mail off"
        )
    return [_mail_url(settings, settings.email_smtp_host, receivers)]


def _mail_url(settings: Settings, host: str, receivers: str) -> str:
    user, password = settings.email_smtp_user, settings.email_smtp_pass
    login = ""
    if user and password is not None:
        register_secret(password.get_secret_value())
        login = f"{quote(user, safe='')}:{quote(password.get_secret_value(), safe='')}@"
    port = settings.email_smtp_port
    # A password never crosses a network in clear: only a server on this machine may do without TLS.
    plain = host in _LOOPBACK and port != _SMTPS_PORT
    mode = "insecure" if plain else "ssl" if port == _SMTPS_PORT else "starttls"
    to = ",".join(part.strip() for part in receivers.split(",") if part.strip())
    sender = user if user and "@" in user else to.split(",")[0]
    query = urlencode({"from": sender, "to": to, "mode": mode, "smtp": host})
    return f"{'mailto' if plain else 'mailtos'}://{login}{host}:{port}?{query}"


# --- targets ------------------------------------------------------------------------------------------------


def _target(url: str, number: int) -> Target:
    return Target(url, f"{urlsplit(url).scheme or 'target'} (target {number})")


def _client(target: Target) -> object:
    import apprise

    # Apprise imports its services here, and one of them a module that Python is about to drop.
    with _heard(), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client = apprise.Apprise.instantiate(target.url, suppress_exceptions=True)
    if client is None:
        raise NotificationProblem(
            f"{target.name} is no address that a message can be sent to",
            "NOTIFY_URLS",
            "write it as Apprise does: mailtos://user:password@host?to=..., slack://..., tgram://...",
        )
    return client


def _hide(url: str) -> None:
    """Register everything in an address that may be a token, as it stands and decoded."""
    parts = urlsplit(url)
    pieces = [*parts.path.split("/"), parts.username or "", parts.password or ""]
    if parts.scheme not in _MAIL_SCHEMES:
        pieces += [parts.netloc, parts.netloc.rpartition("@")[2], parts.hostname or ""]
        pieces += [pair.partition("=")[2] for pair in parts.query.split("&")]
    register_secret(url)
    if parts.password:
        register_secret(unquote(parts.password))
    for piece in pieces:
        for text in (piece, unquote(piece)):
            if len(text) >= _SHORTEST_TOKEN and text not in _LOOPBACK:
                register_secret(text)


class _Listener(logging.Handler):
    """Keeps what Apprise says of a failure, masked, one line each."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        text = record.getMessage()
        # Debug lines hold whole requests; of them only the network's own words are of use.
        if record.levelno >= logging.WARNING or "Exception" in text:
            self.lines.append(mask_text(one_line(text)))


@contextmanager
def _heard() -> Iterator[list[str]]:
    """Apprise's log lines of the block, kept from other handlers, which print addresses."""
    logger = logging.getLogger("apprise")
    listener = _Listener()
    level, propagates = logger.level, logger.propagate
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield listener.lines
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
        logger.propagate = propagates
