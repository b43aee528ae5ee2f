"""A wire to the PostgreSQL server over TCP that can be encrypted and cut."""

import contextlib
import socket
import ssl
import struct
import threading
from types import TracebackType
from typing import Self

_RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Wire:
    """Carries bytes between a TCP port of this machine and the server's Unix socket.

    With `tls` the client's end is encrypted, as by a server with a certificate. `cut_on_next_question` resets
    the client's connection, once, as soon as it sends something: what a server's crash looks like.
    """

    def __init__(self, socket_path: str, tls: ssl.SSLContext | None = None) -> None:
        self.cut_on_next_question = threading.Event()
        self._socket_path = socket_path
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._threads = [threading.Thread(target=self._serve)]

    @property
    def port(self) -> int:
        port: int = self._listener.getsockname()[1]
        return port

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(timeout=30)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:  # closed: the test is over
                return
            thread = threading.Thread(target=self._carry, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _carry(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        server.connect(self._socket_path)
        # A peer that resets its end is what some tests are about.
        with client, server, contextlib.suppress(OSError):
            if self._tls is not None:
                client.recv(8)  # the request for encryption
                client.sendall(b"S")
                client = self._tls.wrap_socket(client, server_side=True)
            answers = threading.Thread(target=_pump, args=(server, client))
            answers.start()
            try:
                self._questions(client, server)
            finally:
                server.shutdown(socket.SHUT_RDWR)
                answers.join(timeout=30)
                client.close()

    def _questions(self, client: socket.socket, server: socket.socket) -> None:
        while data := client.recv(65536):
            if self.cut_on_next_question.is_set():
                self.cut_on_next_question.clear()
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                client.close()
                return
            server.sendall(data)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            target.sendall(data)
