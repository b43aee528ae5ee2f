"""A real SMTP server on loopback that keeps what it is given."""

from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes
from email.message import EmailMessage, Message
from email.policy import default
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

USER = "desk@example.com"
PASSWORD = "pass/word-with:odd@signs"


class Mailbox:
    """What the server took. `refuses` makes it turn every message away."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.receivers: list[list[str]] = []
        self.logins: list[tuple[bytes, bytes]] = []
        self.refuses = False
        self.port = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.refuses:
            return "554 5.7.1 no"
        self.messages.append(message_from_bytes(envelope.content, policy=default))
        self.receivers.append(list(envelope.rcpt_tos))
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        self.logins.append((data.login, data.password))
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)

    def part(self, kind: str, number: int = -1) -> str:
        """Text of the part of a message: plain or html."""
        message = self.messages[number]
        assert isinstance(message, EmailMessage)
        found = message.get_body(preferencelist=(kind,))
        assert found is not None
        return str(found.get_content())


class _Controller(Controller):
    """Listens on a port that the system chooses."""

    def _trigger_server(self) -> None:
        assert self.server is not None
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def serving_mail() -> Iterator[Mailbox]:
    mailbox = Mailbox()
    controller = _Controller(
        mailbox, hostname="127.0.0.1", port=0, authenticator=mailbox.authenticate, auth_require_tls=False
    )
    controller.start()
    mailbox.port = controller.port
    try:
        yield mailbox
    finally:
        controller.stop()
