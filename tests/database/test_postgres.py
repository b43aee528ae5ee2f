"""PostgreSQL over its wire: every form of address, logins, encryption, and connections that break."""

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from books_values import BOOK, make_fill
from postgres_wire import Wire
from sqlalchemy import text

from aster_operator.database import postgres
from aster_operator.database.db import session_on
from aster_operator.database.engine import database_name, normalised_url, open_engine
from aster_operator.database.models import Trade
from aster_operator.database.postgres import connect_arguments
from aster_operator.database.problems import DatabaseProblem
from aster_operator.database.recorder import TradeRecorder
from aster_operator.database.schema import open_books

PASSWORD = "hunter22:/@"
PASSWORD_IN_ADDRESS = "hunter22%3A%2F%40"


def arguments_of(url: str) -> dict[str, Any]:
    """What the driver is given for an address."""
    engine = open_engine(url)
    _, options = engine.dialect.create_connect_args(engine.url)
    engine.dispose()
    return connect_arguments(options)


def problem_of(url: str) -> str:
    with pytest.raises(DatabaseProblem) as caught:
        open_books(url)
    line = caught.value.line
    assert "\n" not in line
    assert "{" not in line
    assert "hunter22" not in line
    return line


# --- addresses ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "arguments"),
    [
        (
            f"postgresql://u:{PASSWORD_IN_ADDRESS}@books.example/b",
            {
                "user": "u",
                "password": PASSWORD,
                "host": "books.example",
                "port": 5432,
                "database": "b",
                "ssl_context": None,
            },
        ),
        ("postgres://u@h:6543/b", {"port": 6543}),
        ("postgresql://u@h/b?port=6543", {"port": 6543}),
        ("postgresql://u@/b?host=/run/pg", {"unix_sock": "/run/pg/.s.PGSQL.5432", "ssl_context": False}),
        ("postgresql://u@:6543/b?host=/run/pg", {"unix_sock": "/run/pg/.s.PGSQL.6543"}),
        ("postgresql+pg8000://u@/b?unix_sock=/run/pg/x", {"unix_sock": "/run/pg/x"}),
        # A Unix socket is never encrypted, whatever was asked for.
        ("postgresql://u@/b?host=/run/pg&sslmode=verify-full", {"ssl_context": False}),
        ("postgresql://u@h/b?sslmode=disable", {"ssl_context": False}),
        ("postgresql://u@h/b?sslmode=prefer", {"ssl_context": None}),
        ("postgresql://u@h/b?sslmode=require", {"ssl_context": True}),
        ("postgresql://u@h/b?application_name=books", {"application_name": "books"}),
    ],
)
def test_an_address_as_the_driver_takes_it(url: str, arguments: dict[str, Any]) -> None:
    found = arguments_of(url)
    assert {name: found.get(name) for name in arguments} == arguments
    assert ("host" in found) != ("unix_sock" in found)


@pytest.mark.parametrize(
    ("mode", "checks_name"), [("require", False), ("verify-ca", False), ("verify-full", True)]
)
def test_a_certificate_of_an_authority_is_verified(mode: str, checks_name: bool, tmp_path: Path) -> None:
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    context = arguments_of(f"postgresql://u@h/b?sslmode={mode}&sslrootcert={tmp_path / 'ca.pem'}")[
        "ssl_context"
    ]
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname is checks_name
    assert len(context.get_ca_certs()) == 1


def test_without_a_host_a_socket_of_this_machine_comes_before_tcp(
    postgres_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_SOCKET_DIRECTORIES", (str(tmp_path),))
    assert arguments_of("postgresql://operator@/postgres")["host"] == "localhost"
    directory = postgres_server.partition("host=")[2]
    monkeypatch.setattr(postgres, "_SOCKET_DIRECTORIES", (str(tmp_path), directory))
    engine = open_engine("postgresql://operator@/postgres")
    with engine.connect() as connection:
        assert connection.execute(text("SELECT current_user")).scalar() == "operator"
    engine.dispose()


def test_without_a_user_it_is_the_one_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    assert arguments_of("postgresql://h/b")["user"] == "ada"

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr("getpass.getuser", nobody)
    assert "names no user" in problem_of("postgresql://h/b")


@pytest.mark.parametrize(
    ("rest", "what"),
    [
        ("h/b?connect_timeout=3", "parameter 'connect_timeout', DATABASE_URL: take it out; known are"),
        ("h/b?host=a&host=b", "parameter 'host' twice"),
        ("h/b?port=many", "the port is 'many'"),
        ("h:70000/b", "the port is 70000"),
        ("h:many/b", "cannot be understood"),
        ("h/b?sslmode=maybe", "sslmode is 'maybe'"),
        ("h/b?sslmode=verify-full&sslrootcert=/no/such.pem", "sslrootcert /no/such.pem cannot be read"),
    ],
)
def test_a_faulty_address_is_told(rest: str, what: str) -> None:
    assert what in problem_of(f"postgresql://u:hunter22@{rest}")


def test_a_password_after_the_question_mark_is_hidden_too() -> None:
    assert "hunter22" not in database_name("postgresql://u@h/b?password=hunter22&sslpassword=hunter22")


# --- logins ---------------------------------------------------------------------------------------------


@pytest.fixture
def guarded_url(postgres_url: str) -> Iterator[str]:
    """Address of an empty database that its user opens with a password only, without the password."""
    owner = open_engine(postgres_url)
    name = owner.url.database
    with owner.begin() as connection:
        connection.execute(text(f"CREATE ROLE guarded LOGIN PASSWORD '{PASSWORD}'"))
        connection.execute(text(f"ALTER DATABASE {name} OWNER TO guarded"))
    yield postgres_url.replace("operator@", "guarded@")
    with owner.begin() as connection:
        connection.execute(text(f"ALTER DATABASE {name} OWNER TO operator"))
        connection.execute(text("DROP OWNED BY guarded"))
        connection.execute(text("DROP ROLE guarded"))
    owner.dispose()


def socket_path(url: str) -> str:
    return f"{normalised_url(url).query['host']}/.s.PGSQL.5432"


def over_tcp(url: str, port: int, password: str = PASSWORD_IN_ADDRESS, parameters: str = "") -> str:
    """The address of the same database as seen through a wire on `port`."""
    return f"postgresql://guarded:{password}@localhost:{port}/{normalised_url(url).database}{parameters}"


def keeps_books(url: str) -> None:
    engine = open_books(url)
    assert TradeRecorder(engine, BOOK, "r").record_fill(make_fill(1))
    with session_on(engine) as session:
        assert session.query(Trade.price).scalar() == make_fill(1).price
    engine.dispose()


def test_a_login_by_password_through_the_socket(guarded_url: str) -> None:
    keeps_books(guarded_url.replace("guarded@", f"guarded:{PASSWORD_IN_ADDRESS}@"))


def test_a_login_by_password_over_tcp(guarded_url: str) -> None:
    with Wire(socket_path(guarded_url)) as wire:
        keeps_books(over_tcp(guarded_url, wire.port))


def test_a_wrong_and_a_missing_password(guarded_url: str) -> None:
    line = problem_of(guarded_url.replace("guarded@", "guarded:hunter22x@"))
    assert line.startswith('password authentication failed for user "guarded", ')
    assert line.endswith("check user and password in DATABASE_URL")
    line = problem_of(guarded_url)
    assert line.startswith("the server asks for a password and the address has none, ")


# --- encryption -----------------------------------------------------------------------------------------


def test_a_server_without_encryption_where_it_is_required(guarded_url: str) -> None:
    with Wire(socket_path(guarded_url)) as wire:
        line = problem_of(over_tcp(guarded_url, wire.port, parameters="?sslmode=require"))
    assert line.startswith("Server refuses SSL, ")
    assert "check sslmode" in line


@pytest.fixture
def authority(tmp_path: Path) -> trustme.CA:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return authority


@pytest.fixture
def encrypted(guarded_url: str, authority: trustme.CA) -> Iterator[Wire]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    with Wire(socket_path(guarded_url), context) as wire:
        yield wire


@pytest.mark.parametrize("parameters", ["", "?sslmode=require", "?sslmode=verify-full&sslrootcert={}/ca.pem"])
def test_an_encrypted_login(guarded_url: str, encrypted: Wire, parameters: str, tmp_path: Path) -> None:
    keeps_books(over_tcp(guarded_url, encrypted.port, parameters=parameters.format(tmp_path)))


def test_a_certificate_that_nobody_vouches_for(guarded_url: str, encrypted: Wire) -> None:
    line = problem_of(over_tcp(guarded_url, encrypted.port, parameters="?sslmode=verify-full"))
    assert "certificate verify failed" in line
    assert "check sslmode and sslrootcert" in line


# --- connections that break -----------------------------------------------------------------------------


def test_a_connection_that_breaks_is_a_problem_and_is_replaced(guarded_url: str) -> None:
    with Wire(socket_path(guarded_url)) as wire:
        engine = open_books(over_tcp(guarded_url, wire.port))
        recorder = TradeRecorder(engine, BOOK, "r")

        def write_and_lose_the_server() -> None:
            with recorder.batch():
                recorder.record_fill(make_fill(1))
                wire.cut_on_next_question.set()
                recorder.record_fill(make_fill(2))

        with pytest.raises(
            DatabaseProblem, match=r"no connection to the server.*check DATABASE_URL"
        ) as caught:
            write_and_lose_the_server()
        assert "hunter22" not in caught.value.line
        assert recorder.record_fills([make_fill(1), make_fill(2)]) == 2
        # Broken while it lay idle: nobody notices.
        wire.cut_on_next_question.set()
        assert recorder.record_fill(make_fill(3))
        assert not wire.cut_on_next_question.is_set()
        engine.dispose()


def test_a_session_that_the_server_ends_is_a_problem(postgres_url: str) -> None:
    engine = open_books(postgres_url)

    def end_own_session() -> None:
        with session_on(engine) as session:
            session.execute(text("SELECT pg_terminate_backend(pg_backend_pid())"))

    with pytest.raises(DatabaseProblem, match=r"the server closed the connection|terminating connection"):
        end_own_session()
    assert TradeRecorder(engine, BOOK, "r").record_fill(make_fill(1))
    engine.dispose()


def test_an_answer_of_the_server_is_one_line_with_its_detail(postgres_url: str) -> None:
    engine = open_books(postgres_url)
    orphan = "INSERT INTO order_transitions (journal_id, state, at_ms, detail) VALUES (7, 'x', 1, '')"
    with pytest.raises(DatabaseProblem) as caught, session_on(engine) as session:
        session.execute(text(orphan))
    assert "violates foreign key constraint" in caught.value.line
    assert "Key (journal_id)=(7) is not present" in caught.value.line
    assert "{" not in caught.value.line
    engine.dispose()
