"""Listens, and answers every request with 500."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = b"the database is not there\n"
        self.send_response(500)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


print("never-healthy: cannot reach the database", flush=True)
ThreadingHTTPServer(("", 8080), Handler).serve_forever()
