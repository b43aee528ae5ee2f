"""Messages reach a real mail server and a chat service's protocol; their targets stay secret."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import quote

import pytest
from mail_server import PASSWORD, USER, Mailbox, serving_mail

from aster_operator.config.masking import mask_text
from aster_operator.config.settings import load_settings
from aster_operator.monitoring.notifications import (
    Message,
    NotificationProblem,
    Notifier,
    notifier_from,
    split_targets,
)

MESSAGE = Message(title="Day 2026-02-01", text="PnL -1.20", html="<p>PnL <b>-1.20</b></p>", level="warning")
TOKEN = "T1JJ3T3L2-A1BRTD4JD-TIiajkdnlazkcOXrIdevi7FQ"


@pytest.fixture
def mailbox() -> Iterator[Mailbox]:
    with serving_mail() as box:
        yield box


@pytest.fixture
def chat() -> Iterator[tuple[str, list[dict[str, object]]]]:
    """Host and port of a web hook, and what it was sent."""
    heard: list[dict[str, object]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            heard.append({"path": self.path} | json.loads(body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}", heard
    server.shutdown()
    server.server_close()
    thread.join()


def mail_url(mailbox: Mailbox, password: str = PASSWORD) -> str:
    login = f"{quote(USER, safe='')}:{quote(password, safe='')}"
    return f"mailto://{login}@127.0.0.1:{mailbox.port}?to=me@example.com,you@example.com&from={USER}"


def test_mail_goes_out_as_html_and_text(mailbox: Mailbox) -> None:
    deliveries = Notifier([mail_url(mailbox)]).send(MESSAGE)
    assert [(delivery.target, delivery.sent) for delivery in deliveries] == [("mailto (target 1)", True)]
    assert sorted(name for names in mailbox.receivers for name in names) == [
        "me@example.com",
        "you@example.com",
    ]
    assert mailbox.messages[0]["Subject"] == "Day 2026-02-01"
    assert "<b>-1.20</b>" in mailbox.part("html")
    assert "-1.20" in mailbox.part("plain")
    assert "<b>" not in mailbox.part("plain")
    assert set(mailbox.logins) == {(USER.encode(), PASSWORD.encode())}


def test_chat_gets_the_text(chat: tuple[str, list[dict[str, object]]]) -> None:
    host, heard = chat
    (delivery,) = Notifier([f"json://{host}/{TOKEN}"]).send(MESSAGE)
    assert delivery.sent
    assert (heard[0]["path"], heard[0]["title"], heard[0]["message"], heard[0]["type"]) == (
        f"/{TOKEN}",
        "Day 2026-02-01",
        "PnL -1.20",
        "warning",
    )


def test_one_target_that_fails_does_not_silence_the_others(
    mailbox: Mailbox, chat: tuple[str, list[dict[str, object]]], capfd: pytest.CaptureFixture[str]
) -> None:
    host, heard = chat
    notifier = Notifier(
        [f"json://127.0.0.1:9/{TOKEN}", mail_url(mailbox, "wrong-password"), f"json://{host}/ok"]
    )
    down, refused, taken = notifier.send(MESSAGE)
    assert [down.sent, refused.sent, taken.sent] == [False, False, True]
    assert "535" in refused.reason
    assert len(heard) == 1
    shown = f"{down}{refused}{capfd.readouterr()}"
    for secret in (TOKEN, "wrong-password", quote(PASSWORD, safe="")):
        assert secret not in shown


def test_a_server_that_refuses_is_a_failure(mailbox: Mailbox) -> None:
    mailbox.refuses = True
    (delivery,) = Notifier([mail_url(mailbox)]).send(MESSAGE)
    assert not delivery.sent
    assert delivery.reason


def test_addresses_are_masked_in_every_text_once_they_are_known(mailbox: Mailbox) -> None:
    url = mail_url(mailbox)
    Notifier([url, f"slack://{TOKEN.replace('-', '/')}/#desk"])
    for text in (url, f"failed: {PASSWORD}", *TOKEN.split("-")):
        masked = mask_text(text)
        assert text not in masked
        assert "***" in masked


@pytest.mark.parametrize("url", ["nothing://a-secret-token", "slack://short", "mailto://no-receiver-here"])
def test_an_address_that_is_none_is_named_by_its_place_only(url: str) -> None:
    with pytest.raises(NotificationProblem) as caught:
        Notifier(["json://127.0.0.1:9/x", url])
    assert "(target 2)" in caught.value.line
    assert url.partition("://")[2] not in caught.value.line


def test_a_list_keeps_the_commas_of_an_address() -> None:
    text = "mailto://u:p@h?to=a@b.cd,e@f.gh, slack://a/b/c\njson://localhost/x"
    assert [url.split(":")[0] for url in split_targets(text)] == ["mailto", "slack", "json"]
    with pytest.raises(NotificationProblem):
        split_targets("no address at all")


# --- from the settings --------------------------------------------------------------------------------------


def test_reports_may_go_elsewhere_than_alerts() -> None:
    settings = load_settings(
        "/dev/null",
        overrides={
            "NOTIFY_URLS": "json://127.0.0.1/a,json://127.0.0.1/b",
            "NOTIFY_REPORT_URLS": "json://h/c",
        },
    )
    assert len(notifier_from(settings, "alerts").targets) == 2
    assert [target.url for target in notifier_from(settings, "reports").targets] == ["json://h/c"]
    assert notifier_from(load_settings("/dev/null")).send(MESSAGE) == []
    assert "127.0.0.1/a" not in repr(settings)


def test_the_mail_settings_of_the_second_source_system_send(mailbox: Mailbox) -> None:
    settings = load_settings(
        "/dev/null",
        overrides={
            "ASTER_EMAIL_PROD_ENABLE": True,
            "ASTER_EMAIL_SMTP_HOST": "127.0.0.1",
            "ASTER_EMAIL_SMTP_PORT": mailbox.port,
            "ASTER_EMAIL_SMTP_USER": USER,
            "ASTER_EMAIL_SMTP_PASS": PASSWORD,
            "ASTER_EMAIL_TO_PROD": "a@example.com, b@example.com",
        },
    )
    assert notifier_from(settings, "backtests").targets == ()
    (delivery,) = notifier_from(settings, "reports").send(MESSAGE)
    assert delivery.sent, delivery.reason
    assert {name for names in mailbox.receivers for name in names} == {"a@example.com", "b@example.com"}
    assert mailbox.messages[0]["From"] == USER


@pytest.mark.parametrize(
    ("host", "port", "scheme", "mode"),
    [
        ("mail.example.com", 587, "mailtos", "starttls"),
        ("mail.example.com", 465, "mailtos", "ssl"),
        ("mail.example.com", 25, "mailtos", "starttls"),
        ("localhost", 25, "mailto", "insecure"),
    ],
)
def test_only_a_server_on_this_machine_may_do_without_tls(
    host: str, port: int, scheme: str, mode: str
) -> None:
    settings = load_settings(
        "/dev/null",
        overrides={
            "ASTER_EMAIL_PROD_ENABLE": True,
            "ASTER_EMAIL_SMTP_HOST": host,
            "ASTER_EMAIL_SMTP_PORT": port,
            "ASTER_EMAIL_TO_PROD": "a@example.com",
        },
    )
    (target,) = notifier_from(settings, "reports").targets
    assert target.url.startswith(f"{scheme}://")
    assert f"mode={mode}" in target.url


def test_mail_that_is_switched_on_and_has_no_server_is_a_problem() -> None:
    settings = load_settings("/dev/null", overrides={"ASTER_EMAIL_PROD_ENABLE": True})
    with pytest.raises(NotificationProblem, match="ASTER_EMAIL_SMTP_HOST is not set"):
        notifier_from(settings, "reports")
