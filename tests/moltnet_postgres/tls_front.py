"""Speaks TLS before a server that does not: the tests' PostgreSQL is built without."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["AUTHORITY", "STRANGER", "tls_front"]

_FOLDER = Path(__file__).with_name("tls")
AUTHORITY = _FOLDER / "authority.pem"
"""What the front's certificate, for ``localhost`` and 127.0.0.1 up to the year 2120, can be verified by."""
STRANGER = _FOLDER / "stranger.pem"
"""Of the same name, with another key."""

_SSL_REQUEST = b"\x00\x00\x00\x08\x04\xd2\x16\x2f"


@contextmanager
def tls_front(target: tuple[str, int]) -> Iterator[int]:
    """Serves clients that ask for TLS, one after the other, and forwards what they say; gives its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(_FOLDER / "server.pem")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, context, target), daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def _accept(listener: socket.socket, context: ssl.SSLContext, target: tuple[str, int]) -> None:
    with suppress(OSError):  # it is closed when no more are wanted
        while True:
            client, _ = listener.accept()
            with client, suppress(OSError):  # a client that refuses the certificate goes
                if client.recv(len(_SSL_REQUEST)) != _SSL_REQUEST:
                    continue
                client.sendall(b"S")
                with (
                    context.wrap_socket(client, server_side=True) as inside,
                    socket.create_connection(target) as server,
                ):
                    _forward(inside, server)


def _forward(inside: ssl.SSLSocket, server: socket.socket) -> None:
    def back() -> None:
        with suppress(OSError):
            while data := server.recv(65536):
                inside.sendall(data)

    thread = threading.Thread(target=back, daemon=True)
    thread.start()
    with suppress(OSError):
        while data := inside.recv(65536):
            server.sendall(data)
    server.shutdown(socket.SHUT_RDWR)
    thread.join()
