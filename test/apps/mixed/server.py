"""A web service for load: it starts at once and is fast enough for a million requests.

/            the version
/slow?s=5    answers after that many seconds
/stream      server-sent events, two a second
/upload      takes a body and says how many bytes it received
/ws          WebSocket that echoes short texts

On SIGTERM it stops accepting, closes WebSockets with 1001, ends streams, finishes what it has begun, and ends with 0.
"""

import asyncio
import base64
import hashlib
import signal
import struct
from pathlib import Path

VERSION = Path(__file__).with_name("version.txt").read_text().strip()
# RFC 6455, section 1.3
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
DRAIN_LIMIT = 20.0

open_connections = set()
stopping = False


def answer(status, body):
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nX-Version: {VERSION}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"Connection: close\r\n\r\n" + body


class Connection(asyncio.Protocol):
    """One request a connection, which is how nginx asks; a WebSocket lasts longer."""

    def __init__(self):
        self.received = bytearray()
        self.wanted = None
        self.web_socket = False
        self.timer = None
        self.events = 0

    def connection_made(self, transport):
        self.transport = transport
        open_connections.add(self)

    def connection_lost(self, _):
        open_connections.discard(self)
        if self.timer is not None:
            self.timer.cancel()

    def data_received(self, data):
        self.received += data
        if self.web_socket:
            self.echo()
        elif self.wanted is None:
            end = self.received.find(b"\r\n\r\n")
            if end >= 0:
                self.begin(bytes(self.received[:end]).decode("latin-1").split("\r\n"), end + 4)
        elif len(self.received) >= self.wanted:
            self.finish(answer("200 OK", f"received {self.wanted}\n".encode()))

    def begin(self, lines, length):
        target = lines[0].split(" ")[1]
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
        del self.received[:length]
        path, _, query = target.partition("?")
        if path == "/":
            self.finish(answer("200 OK", f"mixed {VERSION}\n".encode()))
        elif path == "/slow":
            reply = answer("200 OK", f"mixed {VERSION}\n".encode())
            self.later(float(query.partition("=")[2]), lambda: self.finish(reply))
        elif path == "/upload":
            self.wanted = int(headers.get("content-length", "0"))
            self.data_received(b"")
        elif path == "/stream":
            head = f"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nX-Accel-Buffering: no\r\nX-Version: {VERSION}\r\n"
            self.transport.write(head.encode() + b"Connection: close\r\n\r\n")
            self.event()
        elif path == "/ws":
            self.upgrade(headers)
        else:
            self.finish(answer("404 Not Found", b""))

    def later(self, seconds, what):
        self.timer = asyncio.get_running_loop().call_later(seconds, what)

    def finish(self, data=b""):
        self.transport.write(data)
        self.transport.close()

    def event(self):
        if stopping:
            self.finish()
            return
        self.events += 1
        self.transport.write(f"id: {self.events}\ndata: {VERSION}\n\n".encode())
        self.later(0.5, self.event)

    def upgrade(self, headers):
        key = headers["sec-websocket-key"].encode()
        accept = base64.b64encode(hashlib.sha1(key + WEBSOCKET_GUID).digest()).decode()
        self.web_socket = True
        self.transport.write(
            f"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\nX-Version: {VERSION}\r\n\r\n".encode()
        )
        self.echo()

    def echo(self):
        while len(self.received) >= 6 and len(self.received) >= 6 + (self.received[1] & 0x7F):
            length = self.received[1] & 0x7F
            mask = self.received[2:6]
            text = bytes(byte ^ mask[place % 4] for place, byte in enumerate(self.received[6 : 6 + length]))
            opcode = self.received[0] & 0x0F
            del self.received[: 6 + length]
            self.transport.write(bytes([0x80 | opcode, length]) + text)
            if opcode == 0x8:
                self.transport.close()

    def go_away(self):
        if self.web_socket:
            self.transport.write(bytes([0x88, 2]) + struct.pack("!H", 1001))


async def main():
    global stopping
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, told.set)
    server = await loop.create_server(Connection, "", 8080, backlog=1024)
    print(f"mixed {VERSION} serves on port 8080", flush=True)
    await told.wait()
    stopping = True
    server.close()
    for connection in list(open_connections):
        connection.go_away()
    until = loop.time() + DRAIN_LIMIT
    while open_connections and loop.time() < until:
        await asyncio.sleep(0.05)


asyncio.run(main())
