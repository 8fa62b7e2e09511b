"""snowflake.py - the part `snowflake` of bench/run: the dialect's rewriter, many statements in one request, array binds.

The floors: reading the statement as tokens alone; the same INSERTs, and DuckDB's appender, on the C API in one process.
"""
import json
import os
import subprocess
import time

from rig import BUILD, Server, ask, in_turn, row

ROUNDS = 3
BIND_ROUNDS = 15  # a few milliseconds each
SECONDS = 0.5
LENGTHS = (20, 200, 2000, 20000)
INSERTS = 1000
ROWS = 10000
TABLE = "create or replace table into_it (id int, name varchar, price number(10,2))"


def rewriter():
    for length in LENGTHS:
        ours, floor = in_turn(lambda: ask("snowflake", "rewrite", length, SECONDS), lambda: ask("snowflake", "lex", length, SECONDS), ROUNDS)
        row(f"a statement of {length:,} bytes rewritten, against tokens", ours, floor, " us", at_most=20 if length == 200 else None, of_ours=True)


def timed(server, *bodies):
    """Seconds of these requests, one after the other, into a new table."""
    server.statement(TABLE)
    texts = [json.dumps(body) for body in bodies]
    began = time.monotonic()
    for text in texts:
        server.connection.request("POST", "/api/v2/statements", text, {"Content-Type": "application/json"})
        answer = server.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{text[:200]}: {answer.status} {content[:500]!r}")
    return time.monotonic() - began


def counted(server, rows, took):
    found = server.statement("select count(*) from into_it")["data"][0][0]
    if int(found) != rows:
        raise SystemExit(f"{found} rows, not {rows}")
    return took


def batches(server, floor_dir):
    texts = [f"insert into into_it values ({i}, 'name {i}', {i}.25)" for i in range(INSERTS)]
    many = {"statement": ";".join(texts), "parameters": {"MULTI_STATEMENT_COUNT": "0"}}
    one = {"statement": ";".join(["begin", *texts, "commit"]), "parameters": {"MULTI_STATEMENT_COUNT": "0"}}
    name = f"{INSERTS:,} inserts in one request"
    ours, floor = in_turn(lambda: counted(server, INSERTS, timed(server, many)), lambda: ask("raw", floor_dir, "inserts", INSERTS, "each"), ROUNDS)
    row(f"{name}, a commit each", ours, floor, " s")
    ours, floor = in_turn(lambda: counted(server, INSERTS, timed(server, one)), lambda: ask("raw", floor_dir, "inserts", INSERTS, "together"), ROUNDS)
    row(f"{name}, one transaction", ours, floor, " s")
    singles = [{"statement": text} for text in texts]
    ours, floor = in_turn(lambda: timed(server, many), lambda: counted(server, INSERTS, timed(server, *singles)), ROUNDS)
    row(f"{name}, against {INSERTS:,} requests", ours, floor, " s")


def array_binds(server, floor_dir):
    columns = (("FIXED", lambda i: str(i)), ("TEXT", lambda i: f"name {i}"), ("FIXED", lambda i: f"{i}.25"))
    body = {"statement": "insert into into_it values (?, ?, ?)",
            "bindings": {str(at): {"type": kind, "value": [cell(i) for i in range(ROWS)]} for at, (kind, cell) in enumerate(columns, 1)}}
    ours, floor = in_turn(lambda: counted(server, ROWS, timed(server, body)), lambda: ask("raw", floor_dir, "append", ROWS), BIND_ROUNDS)
    row(f"{ROWS:,} rows of 3 columns as array binds, against the appender", ours * 1000, floor * 1000, " ms", at_most=3)


def rows(_, scratch):
    subprocess.run(["ninja", "-C", BUILD, "bench/snowflake"], stdout=subprocess.DEVNULL, check=True)
    floor_dir = os.path.join(scratch, "snowflake-floor")
    os.mkdir(floor_dir)
    rewriter()
    with Server(os.path.join(scratch, "snowflake")) as server:
        array_binds(server, floor_dir)
        batches(server, floor_dir)
