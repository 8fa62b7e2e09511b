"""A Redis of the tests' own, on a free port with a folder of its own, a small client of it, and what can go wrong between it and a server.

Standard library only. What runs is redis-server, or valkey-server, of the system; without either, what needs it is skipped.
"""
import atexit
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from mayfly import PATIENCE, Server, free_port, until

PROGRAM = shutil.which("redis-server") or shutil.which("valkey-server")
PREFIX = "mayfly:statements:"
STORAGE = "snowflake_api.statement_storage."
REDIS_OPTIONS = {name: "redis." + name for name in ("ca_file", "connections", "key_prefix", "on_loss", "timeout_ms")}


class ReplyError(Exception):
    """What Redis refused, in its words."""


class Connection:
    """Commands over one connection, answers as Python values: bytes, int, list, None."""

    def __init__(self, port, password=None, timeout=PATIENCE):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self.file = self.socket.makefile("rb")
        if password:
            self.command("AUTH", password)

    def close(self):
        self.file.close()
        self.socket.close()

    def command(self, *words):
        self.socket.sendall(encoded(words))
        return self.answer()

    def answer(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("Redis hung up")
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise ReplyError(rest.decode())
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [self.answer() for _ in range(int(rest))]
        return rest


def encoded(words):
    parts = [w if isinstance(w, bytes) else str(w).encode() for w in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(p), p) for p in parts)


class Redis:
    """One Redis. durable: what it acknowledged is there again after kill() and start()."""

    def __init__(self, durable=False, password=None):
        if not PROGRAM:
            pytest.skip("no redis-server or valkey-server is installed")
        self.folder = tempfile.mkdtemp(prefix="mayfly-redis-")
        self.port = free_port()
        self.durable, self.password = durable, password
        self.process = None
        atexit.register(self.drop)  # whatever goes wrong
        self.start()

    def start(self):
        command = [PROGRAM, "--port", self.port, "--bind", "127.0.0.1", "--dir", self.folder, "--save", "", "--daemonize", "no",
                   "--appendonly", "yes" if self.durable else "no", "--appendfsync", "no"]  # what is written outlives the process, if not the machine
        if self.password:
            command += ["--requirepass", self.password]
        with open(os.path.join(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(list(map(str, command)), stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        until(self.answers, "Redis to start")

    def answers(self):
        assert self.process.poll() is None, f"Redis ended with {self.process.returncode}: {self.log()}"
        with contextlib.suppress(OSError, ReplyError):
            return self.command("PING") == b"PONG"
        return False

    def log(self):
        with open(os.path.join(self.folder, "log"), encoding="utf-8", errors="replace") as log:
            return log.read()

    def kill(self):
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.kill()
        self.start()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def full(self):
        """No memory for anything new."""
        self.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        self.command("CONFIG", "SET", "maxmemory", 1)

    def roomy(self):
        self.command("CONFIG", "SET", "maxmemory", 0)

    def drop(self):
        atexit.unregister(self.drop)
        if self.process.poll() is None:
            self.resume()
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def heal(self):
        """Whatever a test did to it: it runs and has room."""
        if self.process.poll() is not None:
            self.start()
        self.resume()
        self.roomy()

    # --- looking ---

    def connection(self):
        return Connection(self.port, self.password)

    def command(self, *words):
        with contextlib.closing(self.connection()) as c:
            return c.command(*words)

    def info(self, section):
        lines = self.command("INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def keys(self, pattern="*"):
        with contextlib.closing(self.connection()) as c:
            return sorted(k.decode() for k in c.command("KEYS", pattern))

    def ttls(self, pattern="*"):
        """Milliseconds to live of every key, -1 without."""
        with contextlib.closing(self.connection()) as c:
            found = {k.decode(): c.command("PTTL", k) for k in c.command("KEYS", pattern)}
        return {k: ttl for k, ttl in found.items() if ttl != -2}  # gone meanwhile

    def flush(self):
        self.command("FLUSHALL")

    def url(self, port=None, database=None):
        secret = f":{self.password}@" if self.password else ""
        return f"redis://{secret}127.0.0.1:{port or self.port}" + (f"/{database}" if database is not None else "")


class Listener:
    """Takes connections on a port of its own; serve(socket) each, on a thread."""

    def __init__(self, serve):
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.port = self.listening.getsockname()[1]
        self.serve = serve
        self.taken = set()
        self.lock = threading.Lock()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                taken, _ = self.listening.accept()
                with self.lock:
                    self.taken.add(taken)
                threading.Thread(target=self.one, args=(taken,), daemon=True).start()

    def one(self, taken):
        with contextlib.suppress(OSError):
            self.serve(taken)
        with self.lock:
            self.taken.discard(taken)
        hang_up(taken)

    def hang_up(self):
        with self.lock:
            taken = list(self.taken)
        for one in taken:
            hang_up(one)

    def close(self):
        hang_up(self.listening)
        self.hang_up()


def hang_up(one):
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


class Proxy(Listener):
    """Between a server and Redis: `delay` seconds for each piece, answers that are lost, a wire that is cut."""

    def __init__(self, redis):
        self.redis = redis
        self.delay = 0
        self.lose_answers = False
        self.refuses = False
        super().__init__(self.between)

    def between(self, client):
        if self.refuses:
            return
        with contextlib.closing(socket.create_connection(("127.0.0.1", self.redis.port))) as behind:
            threading.Thread(target=self.pump, args=(behind, client, True), daemon=True).start()
            self.pump(client, behind, False)

    def pump(self, source, sink, answers):
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                if self.delay:
                    time.sleep(self.delay)
                if not (answers and self.lose_answers):
                    sink.sendall(piece)
        for one in (source, sink):
            with contextlib.suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def cut(self):
        """As if the wire were cut: what is open is lost, nothing new comes through."""
        self.refuses = True
        self.hang_up()

    def mend(self):
        self.refuses = False

    @property
    def url(self):
        return self.redis.url(port=self.port)


def storage_settings(kind, url=None, **more):
    """Settings of a server with this type of statement storage: its options by their short names, others with __ for dots."""
    settings = {STORAGE + "type": kind}
    if url:
        settings[STORAGE + "redis.url"] = url
    for key, value in more.items():
        key = REDIS_OPTIONS.get(key, key).replace("__", ".")
        of_storage = "." not in key or key.startswith("redis.")
        settings[STORAGE + key if of_storage else key] = value
    return settings


class Fleet:
    """Servers on one Redis: start(…) makes another; all that live at the end must end cleanly."""

    def __init__(self, kind, redis, url=None, **settings):
        self.kind, self.redis, self.url = kind, redis, url or (redis.url() if redis else None)
        self.settings, self.made = settings, []

    def start(self, options=None, **settings):
        one = Server(storage_settings(self.kind, self.url, **{**self.settings, **settings}), **(options or {}))
        self.made.append(one)
        return one

    def again(self, server, options=None, **settings):
        """Another server on the folder of one that has ended."""
        return self.start({"data": server.folder, **(options or {})}, **settings)

    def kill(self, server):
        server.workers()
        server.kill()

    def close(self):
        if self.redis:
            self.redis.heal()
        with contextlib.ExitStack() as ends:  # the last first: it may use the folder of an earlier one
            for one in self.made:
                ends.callback(one.check_end if one.process.poll() is None else one.drop)
