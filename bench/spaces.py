"""spaces.py - the rows about materialized views and their pages: bench/run build spaces

One million rows of seven columns in a table of a space; a view of all of them, sorted by a column that is not
the table's order. The floors: DuckDB's own sorted COPY, and PostgreSQL's ORDER BY … OFFSET on a materialized view
with an index of that order.
"""
import contextlib
import glob
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import threading
import time

from rig import CLIENTS, Server, ask, in_turn, load, row

COUNT = 1000000
FAR = 500000
ROUNDS = 200
DATA = ("SELECT i AS id, (i * 7919 % 1000003)::BIGINT AS amount, 'name ' || hash(i) % 100000 AS name, i / 7.0::DOUBLE AS share,"
        " DATE '2020-01-01' + (i % 2000)::INT AS day, (i % 1000 / 10)::DECIMAL(10, 2) AS price, i % 3 = 0 AS flag"
        f" FROM range({COUNT}) t(i)")
COLUMNS = "id bigint, amount bigint, name text, share double precision, day date, price numeric(10, 2), flag boolean"
ORDER = ["amount", "id"]


def post(server, path, body, want=(201,)):
    return json.loads(server.call("POST", path, body, want=want))


def timed(act):
    began = time.monotonic()
    act()
    return time.monotonic() - began


def median_ms(act, rounds=ROUNDS):
    return statistics.median(timed(act) for _ in range(rounds)) * 1000


def upload(server, path, file):
    with open(file, "rb") as f:
        server.connection.request("PUT", path, f.read(), {"Content-Type": "application/vnd.apache.parquet"})
    answer = server.connection.getresponse()
    content = answer.read()
    if answer.status not in (200, 201) or json.loads(content)["row_count"] != COUNT:
        sys.exit(f"PUT {path}: {answer.status} {content[:500]!r}")


def page_path(session, offset):
    return f"/v1/spaces/bench/sql-sessions/{session}/rows?offset={offset}&limit=50"


def pages(server, session):
    """Latencies of a page at the beginning and in the middle, in turn."""
    near, far = [], []
    for _ in range(ROUNDS):
        near.append(timed(lambda: server.call("GET", page_path(session, 0))))
        far.append(timed(lambda: server.call("GET", page_path(session, FAR))))
    near, far = statistics.median(near) * 1000, statistics.median(far) * 1000
    row("page of 50 at offset 500,000, against offset 0", far, near, " ms", at_most=1.5)
    return far


def check_page(server, session):
    page = json.loads(server.call("GET", page_path(session, FAR)))
    column = [each["name"] for each in page["columns"]].index("amount")
    amounts = [each[column] for each in page["rows"]]
    if len(amounts) != 50 or amounts != sorted(amounts):
        sys.exit(f"not a page of the view: {amounts}")


def refresh(server, saved, file, scratch):
    out = os.path.join(scratch, "own.parquet")
    copy = (f"COPY (SELECT * FROM read_parquet('{file}') ORDER BY {', '.join(ORDER)}) TO '{out}'"
            " (FORMAT parquet, COMPRESSION zstd, ROW_GROUP_SIZE 20480)")
    ours, floor = in_turn(lambda: timed(lambda: post(server, f"/v1/spaces/bench/sql/{saved}/refresh", {}, want=(200, 202))),
                          lambda: ask("raw", scratch, "timed", copy))
    row("refresh of 1,000,000 rows, against a sorted COPY", ours, floor, " s", at_most=1.3)


def pages_a_second(server, other, session):
    request = {each: each.request("GET", page_path(session, FAR)) for each in (server, other)}
    one = statistics.median(load(server.port, CLIENTS, request[server], '"rows"') for _ in range(3))
    row("pages a second, one server", one)
    together = []
    for _ in range(3):
        got = []
        threads = [threading.Thread(target=lambda s=s: got.append(load(s.port, CLIENTS, request[s], '"rows"')))
                   for s in (server, other)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
        together.append(sum(got))
    row("pages a second, two servers on one storage", statistics.median(together), one)


# --- PostgreSQL ---

def postgres_programs():
    for initdb in sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"), reverse=True):
        return os.path.dirname(initdb)
    found = shutil.which("initdb")
    return os.path.dirname(found) if found else None


class Postgres:
    """A cluster of its own in `folder`, reached by a socket there. It does not run as root."""

    def __init__(self, programs, folder, settings="-c shared_buffers=512MB -c work_mem=256MB"):
        self.programs, self.folder = programs, folder
        os.mkdir(folder)
        self.as_user = []
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
            self.as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self.run("initdb", "-D", f"{folder}/data", "-A", "trust", "-U", "bench", "--no-sync")
        settings = f"-k {folder} -c listen_addresses= -c fsync=off {settings}"
        self.run("pg_ctl", "-D", f"{folder}/data", "-w", "-t", "60", "-l", f"{folder}/log", "-o", settings, "start")

    def run(self, program, *args, given=None):
        done = subprocess.run([*self.as_user, f"{self.programs}/{program}", *args], input=given, cwd=self.folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        if done.returncode:
            sys.exit(f"{program}: {done.stdout}")
        return done.stdout

    def sql(self, text, database="postgres"):
        return self.run("psql", "-X", "-h", self.folder, "-U", "bench", "-d", database, "-q", "-v", "ON_ERROR_STOP=1", given=text)

    def close(self):
        self.run("pg_ctl", "-D", f"{self.folder}/data", "-m", "immediate", "stop")


def fill(postgres, file):
    postgres.sql(f"CREATE TABLE source ({COLUMNS});\n\\copy source FROM '{file}' WITH (FORMAT csv)\n"
                 "CREATE MATERIALIZED VIEW v AS SELECT * FROM source;\n"
                 f"CREATE UNIQUE INDEX ON v ({', '.join(ORDER)});\nVACUUM ANALYZE v;\n")


def postgres_pages(postgres):
    """Milliseconds of the far page, as psql measures them, with all of it in memory."""
    one = f"SELECT * FROM v ORDER BY {', '.join(ORDER)} LIMIT 50 OFFSET {FAR};\n"
    told = postgres.sql("\\timing on\n\\o /dev/null\n" + one * 12)
    return statistics.median([float(ms) for ms in re.findall(r"Time: ([0-9.]+) ms", told)][2:])


def against_postgres(far_ms, scratch):
    programs = postgres_programs()
    if not programs:
        print("page of 50 at offset 500,000, against PostgreSQL: skipped, PostgreSQL is not installed (tools/deps bench)")
        return
    file, folder = os.path.join(scratch, "source.csv"), os.path.join(scratch, "postgres")
    ask("raw", scratch, "sql", f"COPY ({DATA}) TO '{file}' (FORMAT csv, HEADER false)")
    os.chmod(file, 0o644)
    with contextlib.closing(Postgres(programs, folder)) as postgres:
        fill(postgres, file)
        row("page of 50 at offset 500,000, against PostgreSQL", far_ms, postgres_pages(postgres), " ms", at_most=0.1)


# --- all of them ---

def rows(_, scratch):
    """`scratch` can be passed by all: PostgreSQL and the workers have uids of their own."""
    folder = os.path.join(scratch, "spaces")
    os.mkdir(folder)
    os.chmod(folder, 0o755)
    storage = f"storage.root={folder}/storage"
    file = os.path.join(folder, "source.parquet")
    ask("raw", folder, "sql", f"COPY ({DATA}) TO '{file}' (FORMAT parquet)")
    with Server(f"{folder}/a", "--set", storage) as server, Server(f"{folder}/b", "--set", storage) as other:
        server.call("PUT", "/v1/spaces/bench", want=(200, 201))
        upload(server, "/v1/spaces/bench/tables/source?mode=create", file)
        saved = post(server, "/v1/spaces/bench/sql", {"name": "all", "sql": "SELECT * FROM source", "order_by": ORDER})["id"]
        opened = {}
        open_ms = median_ms(lambda: opened.update(post(server, "/v1/spaces/bench/sql-sessions", {"sql_id": saved})))
        row("a SQL session opened", open_ms, unit=" ms")
        session = opened["id"]
        check_page(server, session)
        check_page(other, session)
        far_ms = pages(server, session)
        against_postgres(far_ms, folder)
        row("count of a session", median_ms(lambda: server.call("GET", f"/v1/spaces/bench/sql-sessions/{session}/count")), unit=" ms")
        pages_a_second(server, other, session)
        refresh(server, saved, file, folder)
