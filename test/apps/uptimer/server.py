"""A web service that says its version and for how long it has been up.

/            version and uptime as a line of text
/health      200 as soon as it serves
/slow?s=5    answers after that many seconds (60 at most)
/stream      server-sent events, two a second
/download?s=5  a long answer, sent over that many seconds
/upload      POST: says how many bytes it received
/ws          WebSocket that echoes text and binary messages

Every answer names the version (X-Version), the container (X-Instance) and the scheme that the proxy says the client
spoke (X-Scheme). The port refuses connections
during the warm-up. On SIGTERM the service stops accepting, finishes what it has begun, and ends with 0.
"""

import base64
import hashlib
import os
import signal
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

PORT = int(os.environ.get("PORT", "8080"))
WARMUP = float(os.environ.get("WARMUP", "3"))
DRAIN_LIMIT = 20.0
VERSION = Path(__file__).with_name("version.txt").read_text().strip()
INSTANCE = socket.gethostname()
STARTED = time.monotonic()

# RFC 6455, section 1.3
WEBSOCKET_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA

stopping = threading.Event()


class Busy:
    """Counts the requests in progress, to wait for them at the end."""

    def __init__(self):
        self.count = 0
        self.changed = threading.Condition()

    def __enter__(self):
        with self.changed:
            self.count += 1

    def __exit__(self, *_):
        with self.changed:
            self.count -= 1
            self.changed.notify_all()

    def wait_until_idle(self, limit):
        with self.changed:
            return self.changed.wait_for(lambda: self.count == 0, timeout=limit)


busy = Busy()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "uptimer"
    disable_nagle_algorithm = True
    timeout = 75  # longer than nginx keeps an idle connection

    def do_GET(self):
        url = urlsplit(self.path)
        with busy:
            received = len(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
            if url.path == "/":
                self.text(200, f"uptimer {VERSION} up {time.monotonic() - STARTED:.1f} s\n")
            elif url.path == "/health":
                self.text(200, "ok\n")
            elif url.path == "/slow":
                seconds = min(float(parse_qs(url.query).get("s", ["5"])[0]), 60.0)
                time.sleep(seconds)
                self.text(200, f"uptimer {VERSION} after {seconds:g} s\n")
            elif url.path == "/upload":
                self.text(200, f"uptimer {VERSION} received {received}\n")
            elif url.path == "/download":
                self.download(min(float(parse_qs(url.query).get("s", ["5"])[0]), 60.0))
            elif url.path == "/stream":
                self.stream()
            elif url.path == "/ws":
                self.web_socket()
            else:
                self.text(404, "not found\n")

    do_HEAD = do_POST = do_GET

    def text(self, status, body):
        data = body.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        self.identify()
        if stopping.is_set():
            self.send_header("Connection", "close")
            self.close_connection = True
        # Head and body in one write: one packet.
        self._headers_buffer.append(b"\r\n" + (b"" if self.command == "HEAD" else data))
        self.flush_headers()

    def identify(self):
        self.send_header("X-Version", VERSION)
        self.send_header("X-Instance", INSTANCE)
        self.send_header("X-Scheme", self.headers.get("X-Forwarded-Proto", ""))

    def download(self, seconds):
        pieces = max(1, round(seconds * 10))
        self.send_response(200)
        self.send_header("Content-Type", "application/octet-stream")
        self.send_header("Content-Length", str(pieces * 10_000))
        self.identify()
        self.end_headers()
        for _ in range(pieces):
            self.wfile.write(b"x" * 10_000)
            time.sleep(0.1)

    def stream(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Cache-Control", "no-store")
        self.send_header("Connection", "close")
        self.identify()
        self.end_headers()
        self.close_connection = True
        number = 0
        while not stopping.is_set():
            number += 1
            self.wfile.write(f"id: {number}\ndata: uptimer {VERSION}\n\n".encode())
            stopping.wait(0.5)

    def web_socket(self):
        key = self.headers.get("Sec-WebSocket-Key")
        if key is None or self.headers.get("Upgrade", "").lower() != "websocket":
            self.text(426, "this is a WebSocket\n")
            return
        accept = base64.b64encode(hashlib.sha1(key.encode() + WEBSOCKET_GUID).digest()).decode()
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.send_header("Sec-WebSocket-Accept", accept)
        self.identify()
        self.end_headers()
        self.close_connection = True
        open_web_sockets.add(self)
        try:
            self.connection.settimeout(None)
            self.echo_messages()
        finally:
            open_web_sockets.discard(self)

    def echo_messages(self):
        message, kind = b"", TEXT
        while True:
            head = self.rfile.read(2)
            if len(head) < 2:
                return
            final, opcode, length = head[0] & 0x80, head[0] & 0x0F, head[1] & 0x7F
            if length == 126:
                (length,) = struct.unpack("!H", self.rfile.read(2))
            elif length == 127:
                (length,) = struct.unpack("!Q", self.rfile.read(8))
            mask = self.rfile.read(4) if head[1] & 0x80 else b"\0\0\0\0"
            data = bytes(byte ^ mask[place % 4] for place, byte in enumerate(self.rfile.read(length)))
            if opcode == CLOSE:
                self.send_frame(CLOSE, data)
                return
            if opcode == PING:
                self.send_frame(PONG, data)
            elif opcode != PONG:
                message, kind = message + data, opcode or kind
                if final:
                    self.send_frame(kind, message)
                    message = b""

    def send_frame(self, opcode, data):
        size = bytes([len(data)]) if len(data) < 126 else struct.pack("!BH", 126, len(data))
        if len(data) > 0xFFFF:
            size = struct.pack("!BQ", 127, len(data))
        self.connection.sendall(bytes([0x80 | opcode]) + size + data)

    def log_message(self, *_):
        """One line for each of a million requests would only cost time."""


open_web_sockets = set()


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 1024

    def handle_error(self, request, client_address):
        """A client that hangs up is nothing to report."""


def stop(server):
    """Ends what is open: no new connections, WebSockets told to go away, requests finished."""
    server.shutdown()
    server.server_close()
    for handler in list(open_web_sockets):
        try:
            handler.send_frame(CLOSE, struct.pack("!H", 1001))
        except OSError:
            pass
    return busy.wait_until_idle(DRAIN_LIMIT)


def main():
    told = threading.Event()

    def on_signal(*_):
        stopping.set()
        told.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    print(f"uptimer {VERSION} warms up for {WARMUP:g} s", flush=True)
    if told.wait(WARMUP):
        return
    server = Server(("", PORT), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print(f"uptimer {VERSION} serves on port {PORT}", flush=True)
    # With a limit: a signal that another thread happens to receive does not end a wait without one.
    while not told.wait(0.1):
        pass
    print(f"uptimer {VERSION} stops, {busy.count} requests open", flush=True)
    finished = stop(server)
    print(f"uptimer {VERSION} ends" + ("" if finished else ", with requests unfinished"), flush=True)


main()
