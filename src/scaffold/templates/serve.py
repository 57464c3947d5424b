"""Serves model.safetensors over HTTP, by the standard library alone.

GET /v2/health/ready            200 while it serves, 503 once it is told to end
POST /predict {"rows": [[…]]}   {"predictions": […]}
"""

import json
import math
import os
import signal
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = int(os.environ.get("PORT", "8080"))
BODY_MAX = 1 << 20
TYPES = {"F32": "f", "F64": "d"}


def load(path):
    """The tensors of a safetensors file: eight bytes of length, a JSON header, then the numbers."""
    with open(path, "rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
        data = file.read()
    tensors = {}
    for name, tensor in header.items():
        if name == "__metadata__":
            continue
        begin, end = tensor["data_offsets"]
        code = TYPES[tensor["dtype"]]
        tensors[name] = struct.unpack(f"<{(end - begin) // struct.calcsize(code)}{code}", data[begin:end])
    return tensors


class Model:
    """A linear model of `git model train`: features brought to mean 0 and deviation 1, then weighted."""

    def __init__(self, path):
        tensors = load(path)
        self.weight, (self.bias,) = tensors["linear.weight"], tensors["linear.bias"]
        self.mean = tensors.get("input.mean", [0.0] * len(self.weight))
        self.std = tensors.get("input.std", [1.0] * len(self.weight))

    def predict(self, row):
        if not isinstance(row, list) or len(row) != len(self.weight):
            raise ValueError(f"each row must have {len(self.weight)} numbers")
        if not all(isinstance(x, (int, float)) and not isinstance(x, bool) and math.isfinite(x) for x in row):
            raise ValueError("rows hold finite numbers only")
        features = zip(row, self.mean, self.std, self.weight)
        return self.bias + sum((x - mean) / std * weight for x, mean, std, weight in features)


class Handler(BaseHTTPRequestHandler):
    model = None
    ending = threading.Event()
    timeout = 30  # seconds that a client may keep us waiting

    def do_GET(self):
        if self.path != "/v2/health/ready":
            return self.answer(404, {"error": "no such path"})
        ready = not self.ending.is_set()
        self.answer(200 if ready else 503, {"ready": ready})

    def do_POST(self):
        if self.path != "/predict":
            return self.answer(404, {"error": "no such path"})
        try:
            length = int(self.headers.get("Content-Length", 0))
            if not 0 <= length <= BODY_MAX:
                return self.answer(413, {"error": f"at most {BODY_MAX} bytes"})
            request = json.loads(self.rfile.read(length))
            rows = request.get("rows") if isinstance(request, dict) else None
            if not isinstance(rows, list):
                raise ValueError('write {"rows": [[1, 2, 3]]}')
            self.answer(200, {"predictions": [self.model.predict(row) for row in rows]})
        except (ValueError, OverflowError) as error:
            self.answer(400, {"error": str(error)})

    def answer(self, status, body):
        body = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format, *args):
        if getattr(self, "path", "") != "/v2/health/ready":
            super().log_message(format, *args)


class Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for requests that are being answered
    request_queue_size = 128


def main():
    Handler.model = Model(os.environ.get("MODEL", "model.safetensors"))
    server = Server(("", PORT), Handler)

    def end(*_):
        Handler.ending.set()
        # It waits for the loop, which runs in this very thread.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    print(f"serving on port {server.server_port}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    print("ended", flush=True)


if __name__ == "__main__":
    main()
