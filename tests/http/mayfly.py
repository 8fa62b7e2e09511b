"""The server as a process, and a small client of its two surfaces.

Standard library only. What runs is MAYFLY_BINARY, or build/mayfly.
"""
import atexit
import contextlib
import gzip
import http.client
import itertools
import json
import os
import random
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
import urllib.parse

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# What a shell starts in the background, or nohup, ignores these, and so would all that is started here.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGHUP, signal.SIG_DFL)

BINARY = os.path.abspath(os.environ.get("MAYFLY_BINARY") or os.path.join(ROOT, "build", "mayfly"))
SANITIZED = bool({"ASAN_OPTIONS", "TSAN_OPTIONS"} & set(os.environ)) and "san" in BINARY
PATIENCE = 120 if SANITIZED else 60  # seconds until a test gives something up: nothing is too slow before, on the busiest machine
ASYNC_MESSAGE = ("Asynchronous execution in progress. "
                 "Use provided query id to perform query monitoring and management.")
ENDED = ("SUCCEEDED", "FAILED", "CANCELED")
MIB = 1 << 20
BROKEN = ("INVARIANT", "Assertion", "AddressSanitizer", "ThreadSanitizer", "runtime error:", '"level":"error"', " ERROR ")

_numbers = itertools.count(1)
_chance = random.SystemRandom()  # whatever a test seeds


def unique(prefix="t"):
    """A name that no other test of this run uses."""
    return f"{prefix}_{next(_numbers)}"


def until(check, what, seconds=PATIENCE):
    """The first true value of check(), or a failure."""
    end, pause = time.monotonic() + seconds, 0.005
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < end, f"waited {seconds} s in vain for {what}"
        time.sleep(pause)
        pause = min(pause * 1.2, 0.1)


def free_port():
    """A port that nobody listens on, below those that the system gives to clients: no connection takes it meanwhile."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as range_of_clients:
        first = int(range_of_clients.read().split()[0])
    while True:
        port = _chance.randrange(10000, first) if first > 20000 else 0
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return s.getsockname()[1]


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.raw = response.read()
        self.encoding = self.headers.get("Content-Encoding", "")
        self.body = gzip.decompress(self.raw) if self.encoding == "gzip" else self.raw

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def text(self):
        return self.body.decode()

    @property
    def type(self):
        return self.headers.get("Content-Type", "")

    def __repr__(self):
        return f"<{self.status} {self.type} {self.body[:600]!r}>"


class Client:
    """One caller: a tenant (mode none) or a bearer token."""

    def __init__(self, server, tenant=None, token=None, headers=None):
        self.server = server
        self.headers = dict(headers or {})
        if tenant is not None:
            self.headers["X-Mayfly-Tenant"] = tenant
        if token is not None:
            self.headers["Authorization"] = "Bearer " + token

    def request(self, method, path, body=None, headers=None):
        sent = {"Accept-Encoding": "identity", **self.headers}
        if body is not None and not isinstance(body, bytes):
            body = body.encode() if isinstance(body, str) else json.dumps(body).encode()
        if body is not None:
            sent["Content-Type"] = "application/json"
        sent.update(headers or {})
        sent = {k: v for k, v in sent.items() if v is not None}
        with contextlib.closing(self.server.connection()) as connection:
            connection.request(method, path, body, sent)
            return Answer(connection.getresponse())

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    # --- /api/v2/statements ---

    def submit(self, statement, bindings=None, query=None, headers=None, **fields):
        body = {"statement": statement, **fields}
        if bindings is not None:
            body["bindings"] = bindings
        path = "/api/v2/statements"
        if query:
            path += "?" + urllib.parse.urlencode(query)
        return self.request("POST", path, body, headers)

    def cells(self, statement, bindings=None, **fields):
        """The rows of a statement that must succeed in one partition."""
        a = self.submit(statement, bindings, **fields)
        assert a.status == 200, a
        assert len(a.json["resultSetMetaData"]["partitionInfo"]) == 1, a
        return a.json["data"]

    def cell(self, statement, bindings=None, **fields):
        rows = self.cells(statement, bindings, **fields)
        assert len(rows) == 1 and len(rows[0]) == 1, rows
        return rows[0][0]

    def start(self, statement, **fields):
        """The handle of an asynchronous statement."""
        a = self.submit(statement, query={"async": "true"}, **fields)
        assert a.status == 202, a
        return a.json["statementHandle"]

    def status(self, handle, **query):
        query = "?" + urllib.parse.urlencode(query) if query else ""
        return self.request("GET", f"/api/v2/statements/{handle}{query}")

    def cancel(self, handle):
        return self.request("POST", f"/api/v2/statements/{handle}/cancel", b"")

    def poll(self, handle):
        """The answer of E2 once it is no 202."""
        def ended():
            a = self.status(handle)
            return a if a.status != 202 else None
        return until(ended, "the end of " + handle)

    # --- /v1/statements ---

    def native(self, sql, wait=PATIENCE, headers=None, **fields):
        sent = {"Prefer": f"wait={wait}"} if wait else {}
        sent.update(headers or {})
        return self.request("POST", "/v1/statements", {"sql": sql, **fields}, sent)

    def run(self, sql, **fields):
        """The document of a statement that must succeed."""
        a = self.native(sql, **fields)
        assert a.status == 200 and a.json["status"] == "SUCCEEDED", a
        return a.json

    def rows(self, sql, **fields):
        return self.result(self.run(sql, **fields)["handle"]).json["rows"]

    def document(self, handle, **query):
        query = "?" + urllib.parse.urlencode(query) if query else ""
        return self.request("GET", f"/v1/statements/{handle}{query}")

    def result(self, handle, accept="application/json"):
        return self.request("GET", f"/v1/statements/{handle}/result", headers={"Accept": accept})

    def forget(self, handle):
        return self.request("DELETE", f"/v1/statements/{handle}")

    def running(self, handle):
        """Waits until the statement runs."""
        until(lambda: self.document(handle).json["status"] == "RUNNING", handle + " to run")
        return handle

    def advance(self, seconds):
        """Turns the server's clock forward."""
        a = self.request("POST", "/v1/test/clock", {"advance_ms": int(seconds * 1000)})
        assert a.status == 200, a


def uuid_like(text):
    return len(text) == 36 and [len(p) for p in text.split("-")] == [8, 4, 4, 4, 12] and text == text.lower()


class Server:
    """`mayfly serve` on a port of its own with a data folder of its own."""

    def __init__(self, settings=None, listen=None, scheme="http", args=(), env=None, data=None):
        self.owns_folder = data is None
        self.folder = data or tempfile.mkdtemp(prefix="mayfly-http-")
        if self.owns_folder:
            atexit.register(self.drop)  # whatever goes wrong
        os.chmod(self.folder, 0o711)  # workers run under uids of their own
        self.data = os.path.join(self.folder, "data")
        self.scheme = scheme
        self.workers_seen = set()
        self.expected = [": 503 "]  # errors in its log that are no fault
        self.port = free_port()
        self.listen = (listen or "127.0.0.1:{port}").format(port=self.port)
        settings = {"server.test_clock": "true", "server.drain_seconds": 3, **(settings or {})}
        command = [BINARY, "serve", "--listen", self.listen, "--data", self.data, *args]
        for key, value in settings.items():
            command += ["--set", f"{key}={value}"]
        self.log = os.path.join(self.folder, "log")
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **(env or {})})
        self.client = Client(self)
        try:
            until(self.healthy, "the server to start")
        except BaseException:
            self.kill()
            self.drop()
            raise

    def connection(self, timeout=PATIENCE * 3):
        if self.listen.startswith("unix:"):
            return UnixConnection(self.listen[len("unix:"):], timeout)
        if self.scheme == "https":
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=timeout, context=context)
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)

    def healthy(self):
        assert self.process.poll() is None, f"the server ended with {self.process.returncode}: {self.stderr()}"
        try:
            return self.client.get("/healthz").status == 200
        except OSError:
            return False

    def socket(self, timeout=PATIENCE):
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout)

    def stderr(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def as_tenant(self, name):
        return Client(self, tenant=name)

    def with_token(self, token, **headers):
        return Client(self, token=token, headers=headers)

    def url(self):
        return f"{self.scheme}://127.0.0.1:{self.port}"

    def workers(self):
        """Process ids of the engine workers that live now."""
        pids = set()
        for task in os.listdir(f"/proc/{self.process.pid}/task") if self.process.poll() is None else ():
            with contextlib.suppress(OSError):
                with open(f"/proc/{self.process.pid}/task/{task}/children", encoding="ascii") as children:
                    pids.update(map(int, children.read().split()))
        self.workers_seen |= pids
        return pids

    def terminate(self):
        self.workers()
        self.process.send_signal(signal.SIGTERM)

    def stop(self):
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.terminate()
        try:
            return self.process.wait(PATIENCE * 5)  # after a whole run it has much to end
        except subprocess.TimeoutExpired:
            self.kill()
            return "it did not end"

    def kill(self):
        self.process.kill()
        self.process.wait()

    def check_end(self):
        """Every server must end cleanly, whatever a test did to it."""
        try:
            code = self.stop()
            lines = [line for line in self.stderr().splitlines()
                     if any(mark in line for mark in BROKEN) and not any(mark in line for mark in self.expected)]
            until(lambda: not any(is_alive(pid) for pid in self.workers_seen), "the workers to end")
            until(lambda: not left_behind(self.folder), f"what the server of {self.folder} left to go")
        finally:
            self.drop()
        assert code == 0, f"exit code {code}"
        assert not lines, lines

    def drop(self):
        if self.owns_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
            atexit.unregister(self.drop)


def memory(pid, what):
    """Bytes of a process: VmRSS, what it has in memory now; VmHWM, what it had at most."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(what + ":"))


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def left_behind(folder):
    """What a server of this run left: instances of PostgreSQL without their server, mounts of its folder."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError, IndexError):
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as stat:
                name, _, rest = stat.read().partition("(")[2].rpartition(")")
            state, parent, group = rest.split()[:3]
            if name == "postgres" and state != "Z" and int(group) == os.getpgrp() and program(parent) not in (os.path.basename(BINARY), "postgres"):
                found.append(int(pid))
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        return found + [line for line in mounts if folder in line]


def program(pid):
    return os.path.basename(os.readlink(f"/proc/{pid}/exe")).split(" ")[0]


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def in_parallel(*calls):
    """Runs the calls at once, in threads; their results in order."""
    results = [None] * len(calls)

    def one(i, call):
        try:
            results[i] = call()
        except BaseException as e:  # shown by the caller
            results[i] = e

    threads = [threading.Thread(target=one, args=(i, call)) for i, call in enumerate(calls)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    for r in results:
        if isinstance(r, BaseException):
            raise r
    return results


def mayfly(*args, stdin=None, env=None, timeout=PATIENCE * 2):
    """Runs a verb of the command line to its end."""
    clean = {k: v for k, v in os.environ.items() if not k.startswith("MAYFLY_")}
    return subprocess.run([BINARY, *args], input=stdin, capture_output=True, text=True, timeout=timeout,
                          env={**clean, **(env or {})}, check=False)
