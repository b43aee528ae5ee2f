"""Steering a session from another process: a socket in the file system that only its owner may open.

One JSON line in, one JSON line out. A wish becomes an `OperatorRequested` event in the session's inbox: it is
journalled with who and when, and what follows from it passes the same risk gate as everything else.
"""

import asyncio
import os
import pwd
import shutil
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import msgspec

from aster_operator.domain.events import OperatorAction

__all__ = ["SteeringAnswer", "SteeringFailed", "SteeringRequest", "request_steering", "steering_socket"]

_LONGEST_PATH = 100
"""Bytes that a socket's path may have; the system allows a few more."""
_LONGEST_LINE = 4096
_TIMEOUT_S = 5.0


class SteeringRequest(msgspec.Struct, frozen=True, kw_only=True):
    """`tool` is what the person used (dashboard, top); who it was, the socket knows."""

    action: OperatorAction
    tool: str
    detail: str = ""


class SteeringAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the wish was taken, and what there is to say about it."""

    accepted: bool
    message: str


class SteeringFailed(Exception):
    """The session could not be reached, or did not answer."""


Steer = Callable[[OperatorAction, str, str], str | None]
"""Takes action, actor and detail; a refusal in words, or None when the wish was queued."""


@asynccontextmanager
async def steering_socket(folder: Path, name: str, steer: Steer) -> AsyncIterator[Path]:
    """Listen at `folder/name.sock`, mode 600, for the block; yields the socket's path.

    Where that path is too long for a socket a private temporary folder is used. Raises OSError.
    """
    path, borrowed = _place(folder, name)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await _serve(reader, writer, steer)

        server = await asyncio.start_unix_server(serve, sock=listener, limit=_LONGEST_LINE)
        try:
            yield path
        finally:
            server.close()
            with suppress(TimeoutError):
                async with asyncio.timeout(_TIMEOUT_S):
                    await server.wait_closed()
    finally:
        listener.close()
        path.unlink(missing_ok=True)
        if borrowed is not None:
            shutil.rmtree(borrowed, ignore_errors=True)


def _place(folder: Path, name: str) -> tuple[Path, str | None]:
    """Where the socket goes, and the temporary folder that was made for it, if one was."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path, borrowed = (folder / f"{name}.sock").absolute(), None
    if len(os.fsencode(path)) > _LONGEST_PATH:
        borrowed = tempfile.mkdtemp(prefix="aster-operator-")
        path = Path(borrowed) / "steer.sock"
    path.unlink(missing_ok=True)
    return path, borrowed


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, steer: Steer) -> None:
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            line = await reader.readline()
            answer = _answer(line, _person(writer), steer)
            writer.write(msgspec.json.encode(answer) + b"\n")
            await writer.drain()
    except (TimeoutError, ValueError, ConnectionError):
        pass  # a client that says nothing sensible, or has gone, is nobody's loss
    finally:
        writer.close()


def _answer(line: bytes, person: str, steer: Steer) -> SteeringAnswer:
    try:
        request = msgspec.json.decode(line, type=SteeringRequest)
    except msgspec.DecodeError as error:
        return SteeringAnswer(accepted=False, message=f"not understood: {error}")
    refusal = steer(request.action, f"{person} ({request.tool})", request.detail)
    if refusal is not None:
        return SteeringAnswer(accepted=False, message=refusal)
    return SteeringAnswer(accepted=True, message=f"{request.action} {request.detail}".strip())


def _person(writer: asyncio.StreamWriter) -> str:
    """The user of the process at the other end, as the system knows it."""
    connection = writer.get_extra_info("socket")
    peer = getattr(socket, "SO_PEERCRED", None)
    if connection is None or peer is None:
        return "somebody"
    _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, peer, struct.calcsize("3i")))
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return f"user {user}"


async def request_steering(path: Path, request: SteeringRequest) -> SteeringAnswer:
    """Hand a wish to the session that listens at `path`. Raises SteeringFailed."""
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_unix_connection(str(path), limit=_LONGEST_LINE)
            try:
                writer.write(msgspec.json.encode(request) + b"\n")
                await writer.drain()
                return msgspec.json.decode(await reader.readline(), type=SteeringAnswer)
            finally:
                writer.close()
    except TimeoutError as error:
        raise SteeringFailed("the session does not answer") from error
    except (OSError, msgspec.DecodeError) as error:
        raise SteeringFailed(f"the session cannot be reached: {error}") from error
