"""An upstream made of Python's http.server: answers every request and says what reached it.

Each line on standard output is a JSON object: first {"listening": "127.0.0.1:PORT"}, then one object per
request, written before its answer. GET .../bytes/N answers with N bytes; every other request with a JSON object that
states what was received. The program ends with its standard input, so that it cannot outlive a test.
"""

import hashlib
import http.server
import json
import os
import re
import sys
import threading

CHUNK = bytes(range(256)) * 256
LOG = threading.Lock()


def log(line):
    with LOG:
        sys.stdout.write(json.dumps(line) + "\n")
        sys.stdout.flush()


class Handler(http.server.SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def body(self):
        """Length and SHA-256 of the body, never held whole; and the trailers."""
        size, digest, trailers = 0, hashlib.sha256(), []
        if "chunked" in self.headers.get("Transfer-Encoding", "").lower():
            while length := int(self.rfile.readline().split(b";")[0], 16):
                while length:
                    part = self.rfile.read(min(length, len(CHUNK)))
                    if not part:
                        raise ConnectionError("the body ended inside a chunk")
                    size, length = size + len(part), length - len(part)
                    digest.update(part)
                self.rfile.readline()
            while (line := self.rfile.readline().strip()):
                name, _, value = line.decode("latin-1").partition(":")
                trailers.append([name, value.strip()])
        else:
            left = int(self.headers.get("Content-Length", 0))
            while left:
                part = self.rfile.read(min(left, len(CHUNK)))
                if not part:
                    raise ConnectionError("the body ended early")
                size, left = size + len(part), left - len(part)
                digest.update(part)
        return size, digest.hexdigest(), trailers

    def answer(self):
        # The request line as it came: `self.path` is already tidied.
        target = self.requestline.split(" ")[1]
        size, digest, trailers = self.body()
        request = {
            "method": self.command,
            "target": target,
            "version": self.request_version,
            "headers": [[name, value] for name, value in self.headers.items()],
            "trailers": trailers,
            "body_bytes": size,
            "body_sha256": digest,
            # The file that http.server would send, by its own reading of the path.
            "route": "/" + os.path.relpath(self.translate_path(target), self.directory),
        }
        log(request)
        wanted = re.search(r"/bytes/(\d+)$", target)
        if wanted and self.command == "GET":
            left = int(wanted[1])
            self.send_response(200)
            self.send_header("Content-Type", "application/octet-stream")
            self.send_header("Content-Length", str(left))
            self.end_headers()
            while left:
                part = CHUNK[: min(left, len(CHUNK))]
                self.wfile.write(part)
                left -= len(part)
            return
        body = json.dumps(request).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = do_TRACE = answer


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        # A client that goes away in the middle is what some tests do on purpose.
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def end_with_standard_input():
    sys.stdin.buffer.read()
    os._exit(0)


server = Server(("127.0.0.1", 0), Handler)
threading.Thread(target=end_with_standard_input, daemon=True).start()
log({"listening": "127.0.0.1:%d" % server.server_address[1]})
server.serve_forever()
