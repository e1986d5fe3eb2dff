"""A web service with an illness, chosen by the environment variable MOOD:

fine          answers 200 "fine"
no-port       listens nowhere
late-port     listens after two seconds only
other-port    listens on 3000 in the place of 8080
slow          accepts connections and never answers
no-http       answers with something that is not HTTP
to-https      redirects to https, unless X-Forwarded-Proto says that it is
to-login      redirects to /login
host          answers 400 unless it is asked as localhost
login         answers 401
method        answers 405 to everything but POST
maintenance   answers 200 with another text
unsteady      answers 200 and 503 by turns
memory        takes more and more memory
late-crash    serves well for a moment, then ends with 7
behind-nginx  answers 500 to what comes through nginx

Whatever it is, it answers 500 from the moment on in which it is asked for /break.
"""

import itertools
import os
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

MOOD = os.environ.get("MOOD", "fine")
broken = threading.Event()
turns = itertools.count()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        if self.path == "/break":
            broken.set()
        status, headers, body = self.choose()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if self.command == "HEAD" else body.encode())

    def choose(self):
        if broken.is_set() or (MOOD == "behind-nginx" and self.headers.get("X-Forwarded-For")):
            return 500, {}, "broken\n"
        if MOOD == "to-https" and self.headers.get("X-Forwarded-Proto") != "https":
            return 301, {"Location": f"https://{self.headers['Host']}/"}, ""
        if MOOD == "to-login":
            return 302, {"Location": "/login"}, ""
        if MOOD == "host" and self.headers.get("Host") != "localhost":
            return 400, {}, "Invalid HTTP_HOST header\n"
        if MOOD == "login":
            return 401, {"WWW-Authenticate": "Basic"}, ""
        if MOOD == "method" and self.command != "POST":
            return 405, {}, ""
        if MOOD == "maintenance":
            return 200, {}, "down for maintenance\n"
        if MOOD == "unsteady" and next(turns) % 2:
            return 503, {}, "busy\n"
        return 200, {}, "fine\n"

    do_GET = do_HEAD = do_POST = answer

    def log_message(self, *_):
        """Nobody reads it."""


class Server(ThreadingHTTPServer):
    daemon_threads = True


def listen_only(answer):
    server = socket.create_server(("", 8080))
    connections = []
    while True:
        connection, _ = server.accept()
        if answer:
            connection.sendall(answer)
            connection.close()
        else:
            connections.append(connection)


def take_memory():
    pages = []
    while True:
        pages.append(b"x" * 4_000_000)
        time.sleep(0.01)


def main():
    print(f"moody is in the mood {MOOD}", flush=True)
    if MOOD == "no-port":
        time.sleep(3600)
    elif MOOD == "late-port":
        time.sleep(2)
    elif MOOD == "slow":
        listen_only(b"")
    elif MOOD == "no-http":
        listen_only(b"220 mail.example ESMTP\r\n")
    elif MOOD == "memory":
        take_memory()
    server = Server(("", 3000 if MOOD == "other-port" else 8080), Handler)
    if MOOD == "late-crash":
        threading.Thread(target=server.serve_forever, daemon=True).start()
        time.sleep(1.5)
        print("moody: the database is gone", flush=True)
        sys.exit(7)
    server.serve_forever()


main()
