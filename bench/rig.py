"""rig.py - what the parts of bench/run share: servers, the programs beside them, the table."""
import contextlib
import http.client
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time

BUILD = os.path.abspath(sys.argv[1] if len(sys.argv) > 1 else "build")
CLIENTS = 8       # of statements: connections against threads, as many as a tenant runs at once by default
SECONDS = 3
ROUNDS = 5


# --- the server under measurement ---

class Server:
    def __init__(self, data, *options):
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        began = time.monotonic()
        args = ["serve", "--data", data, "--listen", f"127.0.0.1:{self.port}", *options]
        self.process = subprocess.Popen([f"{BUILD}/mayfly", *args], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        while True:
            if self.process.poll() is not None:
                sys.exit(f"the server ended with {self.process.returncode}: mayfly {' '.join(args)}")
            with contextlib.suppress(ConnectionRefusedError):
                self.connection = http.client.HTTPConnection("127.0.0.1", self.port)
                self.connection.connect()
                break
            time.sleep(0.0005)
        self.statement("SELECT 1")
        self.start_seconds = time.monotonic() - began

    def call(self, method, path, body=None, headers=None, want=(200,)):
        text = json.dumps(body) if body is not None else None
        self.connection.request(method, path, text, {"Content-Type": "application/json", **(headers or {})})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status not in want:
            sys.exit(f"{method} {path}: {answer.status} {content[:500]!r}")
        return content

    def statement(self, sql):
        return json.loads(self.call("POST", "/api/v2/statements", {"statement": sql}))

    def request(self, method, path, body=None):
        """The bytes of a request, for load."""
        text = json.dumps(body) if body is not None else ""
        return (f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nAccept: application/json\r\n"
                f"Content-Type: application/json\r\nContent-Length: {len(text)}\r\n\r\n{text}").encode()

    def worker(self):
        with open(f"/proc/{self.process.pid}/task/{self.process.pid}/children", encoding="ascii") as f:
            return int(f.read().split()[0])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.process.send_signal(signal.SIGTERM)
        self.process.wait()


def resident_mb(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as f:
        return next(int(line.split()[1]) for line in f if line.startswith("VmRSS:")) / 1024


# --- the programs beside it ---

def ask(program, *args, given=None):
    done = subprocess.run([f"{BUILD}/bench/{program}", *map(str, args)], input=given, stdout=subprocess.PIPE, check=True)
    return float(done.stdout or 0)


def load(port, connections, request, expected, seconds=SECONDS):
    return ask("load", port, connections, seconds, expected, given=request)


def in_turn(ours, floor, rounds=ROUNDS):
    """Medians of both, one after the other each round."""
    pairs = [(ours(), floor()) for _ in range(rounds)]
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)


# --- the table ---

LINE = "{:<52}{:>12}{:>12}{:>8}{:>12}  {}"


def shown(value, unit):
    return (f"{value:,.0f}" if value >= 1000 else f"{value:.3g}") + unit


def row(name, ours, floor=None, unit="", at_least=None, at_most=None, of_ours=False):
    """The aim is of the ratio where there is a floor (but with of_ours), else of our figure."""
    of_ours = of_ours or not floor
    judged = ours if of_ours else ours / floor
    aim = verdict = ""
    if at_least or at_most:
        aim = (f">= {at_least}" if at_least else f"<= {at_most}") + (unit if of_ours else "")
        verdict = "ok" if (judged >= at_least if at_least else judged <= at_most) else "miss"
    ratio = ours / floor if floor else 0
    print(LINE.format(name, shown(ours, unit), shown(floor, unit) if floor else "", (f"{ratio:.2f}" if ratio >= 0.1 else f"{ratio:.4f}") if floor else "",
                      aim, verdict).rstrip(), flush=True)
