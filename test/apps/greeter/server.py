"""What a gRPC server is on the wire, and no more: HTTP/2 without TLS, messages with a length, a status in the trailers.

A call's message is a text, how many greetings it wants: `20` is answered with twenty messages, `greeter VERSION NUMBER`,
ten a second. A call without a message ends with the status 13 (INTERNAL), as those of real servers do. It does not read
the headers of a call: every path is the same method.

On SIGTERM it stops accepting, finishes the calls that it has begun, and ends with 0.
"""

import asyncio
import signal
import struct
from pathlib import Path

VERSION = Path(__file__).with_name("version.txt").read_text().strip()
DRAIN_LIMIT = 20.0
# RFC 9113, section 6
DATA, HEADERS, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE = 0x0, 0x1, 0x3, 0x4, 0x6, 0x8
END_STREAM, ACK, END_HEADERS, PADDED = 0x1, 0x1, 0x4, 0x8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

calls = set()


def literal(name, value):
    """A header that no table remembers (RFC 7541, section 6.2.2)."""
    return b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()


STATUS_200 = b"\x88"
HEAD = STATUS_200 + literal("content-type", "application/grpc") + literal("x-version", VERSION)


class Connection:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.received = {}
        self.tasks = {}

    def send(self, kind, flags, stream, payload=b""):
        head = struct.pack("!I", len(payload))[1:] + bytes([kind, flags]) + struct.pack("!I", stream)
        self.writer.write(head + payload)

    async def serve(self):
        try:
            if await self.reader.readexactly(len(PREFACE)) != PREFACE:
                return
            self.send(SETTINGS, 0, 0)
            while True:
                head = await self.reader.readexactly(9)
                payload = await self.reader.readexactly(int.from_bytes(head[:3], "big"))
                self.take(head[3], head[4], int.from_bytes(head[5:], "big") & 0x7FFFFFFF, payload)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for task in self.tasks.values():
                task.cancel()
            self.writer.close()

    def take(self, kind, flags, stream, payload):
        if kind == SETTINGS and not flags & ACK:
            self.send(SETTINGS, ACK, 0)
        elif kind == PING and not flags & ACK:
            self.send(PING, ACK, 0, payload)
        elif kind == RST_STREAM and stream in self.tasks:
            self.tasks.pop(stream).cancel()
        elif kind in (HEADERS, DATA):
            if kind == HEADERS:
                self.received[stream] = b""
            elif payload:
                self.received[stream] += payload[1 : len(payload) - payload[0]] if flags & PADDED else payload
                for which in (0, stream):
                    self.send(WINDOW_UPDATE, 0, which, struct.pack("!I", len(payload)))
            if flags & END_STREAM:
                self.begin(stream, self.received.pop(stream))

    def begin(self, stream, message):
        task = asyncio.get_running_loop().create_task(self.answer(stream, message))
        self.tasks[stream] = task
        calls.add(task)
        task.add_done_callback(calls.discard)

    async def answer(self, stream, message):
        if len(message) <= 5:
            self.send(HEADERS, END_HEADERS | END_STREAM, stream, HEAD + literal("grpc-status", "13"))
            return
        self.send(HEADERS, END_HEADERS, stream, HEAD)
        for number in range(1, int(message[5:]) + 1):
            text = f"greeter {VERSION} {number}\n".encode()
            self.send(DATA, 0, stream, b"\0" + struct.pack("!I", len(text)) + text)
            await asyncio.sleep(0.1)
        self.send(HEADERS, END_HEADERS | END_STREAM, stream, literal("grpc-status", "0"))
        await self.writer.drain()


async def main():
    told = asyncio.Event()
    for name in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(name, told.set)
    server = await asyncio.start_server(lambda reader, writer: Connection(reader, writer).serve(), "", 8080)
    print(f"greeter {VERSION} serves on port 8080", flush=True)
    await told.wait()
    print(f"greeter {VERSION} stops, {len(calls)} calls open", flush=True)
    server.close()
    if calls:
        await asyncio.wait(set(calls), timeout=DRAIN_LIMIT)


asyncio.run(main())
