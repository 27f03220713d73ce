"""A TCP proxy before an S3 server that does one harm to one request: what networks and servers do now and then."""

from __future__ import annotations

import contextlib
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
BROKEN = b"<?xml version='1.0'?><Error><Code>InternalError</Code><Message>We encountered an internal error.</Message></Error>"
STALL = 30.0

FAULTS = ("reset", "reset after", "stall", "truncate", "corrupt", "500", "503", "trickle")
"""`reset after`: the server gets the request, but its answer is lost. `corrupt`: a byte of the answer's body is another."""


@dataclass
class Message:
    """One HTTP message: its head, and what is to come of its body."""

    head: bytes
    body: bytes

    @property
    def verb(self) -> str:
        return self.head.split(b" ", 1)[0].decode()


@dataclass
class Proxy:
    """Passes requests on, in their order of arrival, and does what `faults` says to the nth, counted from 1."""

    upstream: str
    faults: dict[int, str] = field(default_factory=dict)
    seen: list[str] = field(default_factory=list)
    struck: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = threading.Event()
        self._listener = _listen(0)
        self._port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def reset(self, faults: dict[int, str] | None = None) -> None:
        """Count from 1 again, with other faults."""
        with self._lock:
            self.seen, self.struck, self.faults = [], [], faults or {}

    @contextlib.contextmanager
    def away(self) -> Iterator[None]:
        """Nobody listens, and whoever is connected is cut off, until the context is left."""
        self._hang_up()
        try:
            yield
        finally:
            self._closed = threading.Event()
            self._listener = _listen(self._port)
            threading.Thread(target=self._accept, args=(self._listener,), daemon=True).start()

    def close(self) -> None:
        """Stop for good."""
        self._hang_up()

    def _hang_up(self) -> None:
        self._closed.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for one in list(self._open):
            _cut(one)

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        where = urlsplit(self.upstream)
        self._open.add(client)
        # A socket that is closed while it is waited for is a ValueError.
        with (
            contextlib.suppress(OSError, EOFError, ValueError),
            client,
            socket.create_connection((where.hostname, where.port)) as server,
        ):
            for each in (client, server):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(server)
            while self._pass(client, server):
                pass
        self._open.discard(client)

    def _pass(self, client: socket.socket, server: socket.socket) -> bool:
        """One request and its answer; false when the connection is over."""
        request = _read(client, answering=client)
        if request is None:
            return False
        with self._lock:
            self.seen.append(request.head.split(b"\r\n", 1)[0].decode())
            fault = self.faults.get(len(self.seen), "")
            if fault:
                self.struck.append(fault)
        if fault in {"500", "503", "reset", "stall"}:
            return self._refuse(client, fault)
        server.sendall(request.head + request.body)
        answer = _read(server, to_head=request.verb == "HEAD")
        if answer is None or fault == "reset after":
            _cut(client)
            return False
        return self._answer(client, answer, fault)

    def _refuse(self, client: socket.socket, fault: str) -> bool:
        if fault == "reset":
            _cut(client)
            return False
        if fault == "stall":
            self._closed.wait(STALL)
            return False
        body, words = (BUSY, "503 Slow Down") if fault == "503" else (BROKEN, "500 Internal Server Error")
        client.sendall(
            f"HTTP/1.1 {words}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
        )
        return True

    def _answer(self, client: socket.socket, answer: Message, fault: str) -> bool:
        body = answer.body
        if fault == "corrupt" and body:
            middle = len(body) // 2
            body = body[:middle] + bytes([body[middle] ^ 0x20]) + body[middle + 1 :]
        if fault == "truncate":
            client.sendall(answer.head + body[: len(body) // 2])
            _cut(client)
            return False
        if fault == "trickle":
            client.sendall(answer.head)
            step = max(1, len(body) // 20)
            for start in range(0, len(body), step):
                client.sendall(body[start : start + step])
                time.sleep(0.02)
            return True
        client.sendall(answer.head + body)
        return True


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def _cut(one: socket.socket) -> None:
    """End a connection with a reset, as a crashed machine does."""
    with contextlib.suppress(OSError):
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def _read(source: socket.socket, *, to_head: bool = False, answering: socket.socket | None = None) -> Message | None:
    """One whole message, or `None` at the end. Who asks for leave to send a body gets it."""
    data = b""
    while b"\r\n\r\n" not in data:
        select.select([source], [], [])
        more = source.recv(1 << 16)
        if not more:
            return None
        data += more
    head, body = data.split(b"\r\n\r\n", 1)
    head += b"\r\n\r\n"
    fields = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:] if line)
    }
    if answering is not None and fields.get(b"expect", b"").lower() == b"100-continue":
        answering.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"expect:")]
        head = b"\r\n".join(lines)
    if to_head or head.split(b" ")[1] in {b"204", b"304"}:
        return Message(head, b"")
    if fields.get(b"transfer-encoding", b"").lower() == b"chunked":
        while not body.endswith(b"0\r\n\r\n"):
            body += _more(source)
        return Message(head, body)
    pieces, missing = [body], int(fields.get(b"content-length", b"0")) - len(body)
    while missing > 0:
        pieces.append(_more(source))
        missing -= len(pieces[-1])
    return Message(head, b"".join(pieces))


def _more(source: socket.socket) -> bytes:
    data = source.recv(1 << 20)
    if not data:
        raise EOFError
    return data
