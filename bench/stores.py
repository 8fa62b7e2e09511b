"""stores.py - the part `stores` of bench/run: statement handles in DuckDB tables and in Redis, beside floors and beside the memory.

Servers of all types and both stores use one Redis, started here without persistence, on a port of its own.
"""
import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

from rig import BUILD, CLIENTS, Server, ask, in_turn, load, resident_mb, row

ROUNDS = 3
SECONDS = 2
MANY = 64   # handles under way at once: threads of ours, depth of the pipeline of the floor
STORAGE = "snowflake_api.statement_storage."
DURABLE = ("--set", "snowflake_api.default_session=persistent")


@contextlib.contextmanager
def redis():
    """The port of a Redis, or None where none is installed."""
    program = shutil.which("redis-server") or shutil.which("valkey-server")
    if not program:
        print("stores: no redis-server is installed, its rows are skipped", flush=True)
        yield None
        return
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="mayfly-bench-redis-") as folder:
        command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
            while True:
                with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
                    break
                time.sleep(0.01)
            yield port
            process.terminate()


def flush(port):
    with socket.create_connection(("127.0.0.1", port)) as s:
        s.sendall(b"FLUSHALL\r\n")
        s.recv(100)


def of_redis(port, what):
    def ours():
        flush(port)
        return ask("stores", "redis", f"redis://127.0.0.1:{port}", MANY, SECONDS, what)

    def floor():
        flush(port)
        return ask("store_floors", "redis", port, MANY, SECONDS, what)
    row(f"Redis: {what}, {MANY} at once, handles a second", *in_turn(ours, floor, ROUNDS), at_least=0.7)


def of_duckdb(scratch, what, threads):
    def once(program):
        with tempfile.TemporaryDirectory(dir=scratch) as folder:
            return ask(program, "duckdb", folder, threads, SECONDS, what)
    ours, floor = in_turn(lambda: once("stores"), lambda: once("store_floors"), ROUNDS)
    row(f"DuckDB: {what}, {threads} at once, handles a second", ours, floor)


def submit_and_get(server):
    request = server.request("POST", "/api/v2/statements", {"statement": "SELECT 1"})
    handle = server.statement("SELECT 1")["statementHandle"]
    look = server.request("GET", f"/api/v2/statements/{handle}")
    load(server.port, CLIENTS, request, '[["1"]]', 0.3)
    return (lambda: load(server.port, CLIENTS, request, '[["1"]]', SECONDS)), (lambda: load(server.port, MANY, look, '[["1"]]', SECONDS))


def of_types(scratch, port):
    """Each type of storage against the memory, both servers up, in turn."""
    url = ("--set", f"{STORAGE}redis.url=redis://127.0.0.1:{port}")
    types = {"DuckDB": DURABLE}
    if port:
        types |= {"Redis": ("--set", STORAGE + "type=redis", *url), "hybrid": ("--set", STORAGE + "type=hybrid", *url),
                  "hybrid, DuckDB": ("--set", STORAGE + "type=hybrid", *url, *DURABLE)}
    for name, options in types.items():
        with Server(os.path.join(scratch, "memory " + name)) as memory, Server(os.path.join(scratch, name), *options) as server:
            submits, looks = zip(submit_and_get(server), submit_and_get(memory))
            row(f"{name}: submits a second, against memory", *in_turn(*submits, ROUNDS))
            row(f"{name}: GETs a second, against memory", *in_turn(*looks, ROUNDS))


def handles_in_memory(scratch):
    """Growth by handles that have ended, less their rows; events are off, which keep the newest for readers of their own."""
    def live_and_rows():
        text = server.call("GET", "/metrics").decode()
        return [int(re.search(f"^mayfly_{name} ([0-9]+)$", text, re.M).group(1)) for name in ("statements_live", 'result_bytes\\{place="memory"\\}')]

    with Server(os.path.join(scratch, "handles"), "--set", "events.statements=false") as server:
        request = server.request("POST", "/api/v2/statements", {"statement": "SELECT 1"})
        load(server.port, CLIENTS, request, '[["1"]]', 1)
        (many, kept), memory = live_and_rows(), resident_mb(server.process.pid)
        load(server.port, CLIENTS, request, '[["1"]]', 10)
        (more, held), memory = live_and_rows(), resident_mb(server.process.pid) - memory
        row("1,000,000 finished handles, no rows, memory", (memory - (held - kept) / 1048576) / (more - many) * 1e6, unit=" MB", at_most=512)


def rows(_, scratch):
    os.environ["MAYFLY_BINARY"] = f"{BUILD}/mayfly"
    subprocess.run(["ninja", "-C", BUILD, "bench/stores", "bench/store_floors"], stdout=subprocess.DEVNULL, check=True)
    with redis() as port:
        for what in ("put", "get") if port else ():
            of_redis(port, what)
        for what in ("put", "get"):
            for threads in (1, MANY):
                of_duckdb(scratch, what, threads)
        of_types(scratch, port)
    handles_in_memory(scratch)
