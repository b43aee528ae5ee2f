"""Connecting to PostgreSQL: addresses in the form its own programs take, and a driver whose every failure
is an error of the database.

Imported only when the books are in PostgreSQL; the driver is an optional part of the installation.
"""

import getpass
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pg8000  # type: ignore[import-untyped]
import scramp  # type: ignore[import-untyped]
from sqlalchemy import Dialect, Engine, event

from aster_operator.database.problems import DatabaseProblem

__all__ = ["PARAMETERS", "connect_arguments", "listen_for_connects"]

PARAMETERS = frozenset({"application_name", "host", "port", "sslmode", "sslrootcert", "unix_sock"})
"""What may follow the `?` of an address, as `name=value`."""

_DEFAULT_PORT = 5432
_SOCKET_DIRECTORIES = ("/var/run/postgresql", "/tmp")  # noqa: S108 - where servers put their sockets
_PASSWORD_REQUESTS = frozenset({3, 5, 10})  # plain, MD5 and SASL, as the server numbers them


def listen_for_connects(engine: Engine) -> None:
    """Let `engine` connect with `connect_arguments` and a driver that raises nothing but its own errors."""
    event.listen(engine, "do_connect", _connect)


def _connect(dialect: Dialect, record: object, arguments: object, options: dict[str, Any]) -> Any:  # noqa: ARG001
    try:
        return _Connection(**connect_arguments(options))
    except OSError as error:
        raise pg8000.InterfaceError("network error") from error
    except scramp.ScramException:
        raise pg8000.InterfaceError("the exchange of the password with the server failed") from None


class _Connection(pg8000.Connection):  # type: ignore[misc]
    """The driver's connection, without the three ways in which an error can pass it by.

    SQLAlchemy replaces a connection that broke, and we describe it, only when the error is the driver's own.
    """

    def handle_messages(self, context: Any) -> None:
        try:
            super().handle_messages(context)
        except OSError as error:
            raise pg8000.InterfaceError("network error") from error

    def handle_AUTHENTICATION_REQUEST(self, data: bytes, context: Any) -> None:  # noqa: N802 - the driver's
        if self.password is None and int.from_bytes(data[:4]) in _PASSWORD_REQUESTS:
            raise pg8000.InterfaceError("the server asks for a password and the address has none")
        super().handle_AUTHENTICATION_REQUEST(data, context)

    def close(self) -> None:
        # The socket is closed in any case. A server that refused us may be gone before our goodbye, and that
        # must not take the place of its refusal.
        with suppress(pg8000.InterfaceError):
            super().close()


def connect_arguments(options: Mapping[str, Any]) -> dict[str, Any]:
    """What the driver takes, from the parts of an address: user, password, host, port, database, PARAMETERS.

    As with PostgreSQL's own programs, a host that is a path is the directory of a Unix socket, no host means
    the socket of this machine (or else TCP to localhost), no user means the user of the operating system,
    and `sslmode` speaks of TCP only. Raises DatabaseProblem.
    """
    _check_parameters(options)
    arguments = {
        name: options[name] for name in ("password", "database", "application_name") if name in options
    }
    arguments["user"] = options.get("user") or _system_user()
    port = _port(options.get("port", _DEFAULT_PORT))
    host = options.get("host", "")
    path = options.get("unix_sock") or _socket_path(host, port)
    if path is not None:
        return arguments | {"unix_sock": path, "ssl_context": False}
    host = host or "localhost"
    return arguments | {"host": host, "port": port, "ssl_context": _ssl_context(options)}


def _check_parameters(options: Mapping[str, Any]) -> None:
    unknown = sorted(set(options) - PARAMETERS - {"user", "password", "database"})
    if unknown:
        raise _problem(
            f"the address has the parameter {unknown[0]!r}",
            f"take it out; known are {', '.join(sorted(PARAMETERS))}",
        )
    repeated = sorted(name for name, value in options.items() if not isinstance(value, str | int))
    if repeated:
        raise _problem(f"the address has the parameter {repeated[0]!r} twice", "leave one")


def _problem(what: str, remedy: str) -> DatabaseProblem:
    return DatabaseProblem(what, "DATABASE_URL", remedy)


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise _problem("the address names no user", "write postgresql://user:password@host/name") from None


def _port(text: str | int) -> int:
    with suppress(ValueError):
        if 1 <= int(text) <= 65535:
            return int(text)
    raise _problem(f"the port is {text!r}", "write a number from 1 to 65535")


def _socket_path(host: str, port: int) -> str | None:
    if host.startswith("/"):
        return f"{host}/.s.PGSQL.{port}"
    if host:
        return None
    usual = (Path(directory) / f".s.PGSQL.{port}" for directory in _SOCKET_DIRECTORIES)
    return next((str(path) for path in usual if path.is_socket()), None)


def _ssl_context(options: Mapping[str, Any]) -> ssl.SSLContext | bool | None:
    """The driver's choice of encryption: None when the server offers it, True always, a context to verify.

    `require` with a certificate of an authority verifies it too, as PostgreSQL's own programs do.
    """
    mode, authority = options.get("sslmode", "prefer"), options.get("sslrootcert")
    if mode == "disable":
        return False
    if mode in ("allow", "prefer"):
        return None
    if mode == "require" and authority is None:
        return True
    if mode not in ("require", "verify-ca", "verify-full"):
        raise _problem(
            f"sslmode is {mode!r}", "write disable, allow, prefer, require, verify-ca or verify-full"
        )
    try:
        context = ssl.create_default_context(cafile=None if authority == "system" else authority)
    except OSError as error:
        raise _problem(
            f"sslrootcert {authority} cannot be read: {error.strerror}",
            "name a file with certificates in PEM format",
        ) from None
    context.check_hostname = mode == "verify-full"
    return context
