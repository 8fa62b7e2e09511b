#!/usr/bin/python3
"""chains.py - SQL chains against tools that clone template databases: bench/chains.py build [here] [btrfs] [xfs] [8] [160] [750]

On the file system as it is, and, as root, on loop images of btrfs and xfs; states of 8, 160 and 750 MB; all when none is
named. The peers' statements (peers.c) are run on a server on tmpfs with fsync off and shared_buffers=1GB, as their READMEs
advise: their best case. Ours goes through HTTP, each job a POST that waits for its end, over one kept connection.
All medians are of one run.
"""
import contextlib
import json
import os
import re
import select
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.dont_write_bytecode = True
from rig import BUILD, LINE, Server, row  # noqa: E402
from spaces import Postgres, postgres_programs  # noqa: E402

STATES = {"8": 100, "160": 600000, "750": 3030000}  # MB of the cluster or database: rows
SYSTEMS = ("here", "btrfs", "xfs")
IMAGE_GB = 16
SETTLE_S = 30     # until a pool has filled, or a process has gone
CYCLES_S = 5
WARM_US = 2000    # to get an instance; to boot one takes ten times that
KEY = 77
LAYER_BYTES = 100 << 30  # each miss leaves one, at its full size where there are no reflinks


def tail(rows):
    return {
        "init/1.sql": "CREATE TABLE t (id int NOT NULL, v int NOT NULL, filler char(180) NOT NULL);",
        "seed/1.sql": f"INSERT INTO t SELECT i, i % 1000, 'row ' || i FROM generate_series(1, {rows}) AS i;",
        "seed/2.sql": "ALTER TABLE t ADD PRIMARY KEY (id);",
        "seed/3.sql": "VACUUM (FREEZE, ANALYZE) t;",
    }


READ = f"SELECT v FROM t WHERE id = {KEY}"
WRITE = f"UPDATE t SET v = v + 1 WHERE id = {KEY} RETURNING v"


# --- our side ---

class Jobs:
    """One connection to a server, for requests that are bytes already."""

    def __init__(self, server):
        self.server = server
        self.socket = socket.create_connection(("127.0.0.1", server.port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def request(self, files, head, wait=60):
        body = json.dumps({"project_tree": {path: {"content": text} for path, text in {**files, "test/head.sql": head}.items()},
                           "head_path": "test/head.sql", "timeout_ms": 600000})
        prefer = f"Prefer: wait={wait}\r\n" if wait else ""
        return (f"POST /v1/jobs HTTP/1.1\r\nHost: 127.0.0.1:{self.server.port}\r\nContent-Type: application/json\r\n{prefer}"
                f"Content-Length: {len(body)}\r\n\r\n{body}").encode()

    def ask(self, request):
        """Milliseconds, and the answer's body."""
        began = time.perf_counter()
        self.socket.sendall(request)
        got = self.socket.recv(65536)
        while b"\r\n\r\n" not in got:
            got += self.socket.recv(65536)
        head, body = got.split(b"\r\n\r\n", 1)
        size = int(re.search(rb"(?i)content-length: *(\d+)", head)[1])
        while len(body) < size:
            body += self.socket.recv(65536)
        return (time.perf_counter() - began) * 1000, body

    def timed(self, request):
        took, body = self.ask(request)
        if b'"status":"completed"' not in body:
            sys.exit(f"a job did not complete: {body[:1000]!r}")
        return took

    def built(self, files, head):
        """Runs the job however long it takes; its document."""
        job = json.loads(self.ask(self.request(files, head))[1])
        while job["status"] not in ("completed", "failed", "canceled"):
            job = json.loads(self.server.call("GET", f"/v1/jobs/{job['job_id']}?wait=30"))
        if job["status"] != "completed":
            sys.exit(f"the tail could not be built: {job['error']}")
        return job

    def close(self):
        self.socket.close()


def until(check, what):
    end = time.monotonic() + SETTLE_S
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            sys.exit(f"waited in vain for {what}")
        time.sleep(0.002)


def runner(server):
    return json.loads(server.call("GET", "/readyz"))["runner"]


def median(act, rounds):
    return statistics.median(act() for _ in range(rounds))


def with_pool(server, jobs, files):
    """A writable hit where an instance waited, with an open connection; where none did, it does not count."""
    request = jobs.request(files, WRITE)
    counted, end = [], time.monotonic() + 2 * SETTLE_S
    while len(counted) < 30:
        if time.monotonic() > end:
            sys.exit(f"in {2 * SETTLE_S} s only {len(counted)} of 30 jobs found a warm instance")
        full = time.monotonic() + 1
        while runner(server)["instances_warm"] < 2 and time.monotonic() < full:  # the readers' is one of them
            time.sleep(0.01)
        took, body = jobs.ask(request)
        job = json.loads(body)
        if job["status"] != "completed":
            sys.exit(f"a job did not complete: {job['error']}")
        if job["metrics"]["boot_us"] < WARM_US:
            counted.append(took)
    return statistics.median(counted)


def new_steps(jobs, files, marker):
    numbers = iter(range(1000000))

    def one():
        n = next(numbers)
        step = {f"next/{marker}.sql": f"INSERT INTO t VALUES ({4000000 + n}, 0, 'new {marker} {n}');"}
        return jobs.timed(jobs.request({**files, **step}, READ))

    return median(one, 15)


def cycles(server, files, workers):
    """Instances made, used once and thrown away, a second."""
    end = time.monotonic() + CYCLES_S
    counts = [0] * workers

    def work(i):
        with contextlib.closing(Jobs(server)) as jobs:
            request = jobs.request(files, WRITE)
            while time.monotonic() < end:
                jobs.timed(request)
                counts[i] += 1

    threads = [threading.Thread(target=work, args=(i,)) for i in range(workers)]
    began = time.monotonic()
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    return sum(counts) / (time.monotonic() - began)


def postgres_children(pid):
    found = set()
    for task in os.listdir(f"/proc/{pid}/task"):
        with contextlib.suppress(OSError):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as f:
                found.update(map(int, f.read().split()))
    named = set()
    for child in found:
        with contextlib.suppress(OSError):
            with open(f"/proc/{child}/comm", encoding="ascii") as f:
                if f.read().strip() == "postgres":
                    named.add(child)
    return named


def cancel_to_gone(server, jobs, files):
    """From sending the cancel until the instance's first process has ended."""
    begin = jobs.request(files, "UPDATE t SET v = 0 WHERE id = 1; SELECT pg_sleep(600);", wait=0)

    def one():
        before = postgres_children(server.process.pid)
        job = json.loads(jobs.ask(begin)[1])["job_id"]
        until(lambda: json.loads(server.call("GET", f"/v1/jobs/{job}"))["stage"] == "head_execution", "the head to run")
        ours = postgres_children(server.process.pid) - before
        if len(ours) != 1:
            sys.exit(f"the job has {len(ours)} instances")
        fd = os.pidfd_open(ours.pop())
        waiting = select.poll()
        waiting.register(fd, select.POLLIN)
        began = time.perf_counter()
        jobs.socket.sendall(f"POST /v1/jobs/{job}/cancel HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nContent-Length: 0\r\n\r\n".encode())
        gone = waiting.poll(SETTLE_S * 1000)
        took = (time.perf_counter() - began) * 1000
        os.close(fd)
        if not gone:
            sys.exit("a canceled job's instance is still there")
        while b"\r\n\r\n" not in jobs.socket.recv(65536):
            pass
        until(lambda: json.loads(server.call("GET", f"/v1/jobs/{job}"))["status"] == "canceled", "the cancel")
        return took

    return median(one, 15)


# --- the file systems ---

def tell(*command):
    return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True).stdout.strip()


def unmount(folder):
    for _ in range(100):  # an instance may be on its way out
        if subprocess.run(["umount", folder], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            return
        time.sleep(0.1)
    tell("umount", "--lazy", folder)


@contextlib.contextmanager
def mounted(folder, *arguments):
    os.mkdir(folder)
    tell("mount", *arguments, folder)
    try:
        yield folder
    finally:
        unmount(folder)


@contextlib.contextmanager
def file_system(kind, scratch):
    """A folder on it, and its name. A loop device is detached by its unmount."""
    if kind == "here":
        folder = os.path.join(scratch, "here")
        os.mkdir(folder)
        yield folder, tell("findmnt", "-no", "FSTYPE", "-T", folder)
        return
    image = os.path.join(scratch, kind + ".img")
    with open(image, "wb") as f:
        f.truncate(IMAGE_GB << 30)
    tell("mkfs." + kind, "-q", *(["-m", "reflink=1"] if kind == "xfs" else []), image)
    try:
        with mounted(os.path.join(scratch, kind), "-o", "loop", image) as folder:
            yield folder, kind
    finally:
        os.unlink(image)


# --- the peers ---

@contextlib.contextmanager
def peers_folder(scratch):
    if os.geteuid() == 0:
        with mounted(os.path.join(scratch, "tmpfs"), "-t", "tmpfs", "-o", "size=8g", "tmpfs") as folder:
            os.chmod(folder, 0o755)
            yield os.path.join(folder, "postgres")
        return
    with tempfile.TemporaryDirectory(prefix="mayfly-bench-", dir="/dev/shm") as folder:
        yield os.path.join(folder, "postgres")


def peer(postgres, mode, head, rounds):
    done = subprocess.run([f"{BUILD}/bench/peers", f"host={postgres.folder} user=bench", mode, "state", str(rounds), head],
                          stdout=subprocess.PIPE, check=True)
    return float(done.stdout)


def measure_peers(postgres, rows, rounds):
    postgres.sql('CREATE DATABASE state;')
    for text in tail(rows).values():
        postgres.sql(text, "state")
    size = int(postgres.run("psql", "-X", "-At", "-h", postgres.folder, "-U", "bench", "-d", "postgres", "-c", "SELECT pg_database_size('state') / 1000000"))
    print(f"the peers' template database has {size} MB", flush=True)
    try:
        return {mode: peer(postgres, mode, WRITE if mode == "ready" else READ, rounds) for mode in ("pgtestdb", "ready", "refill")}
    finally:
        postgres.sql("DROP DATABASE state;")


def all_peers(states, scratch):
    programs = postgres_programs()
    if not programs:
        sys.exit("PostgreSQL is not installed: tools/deps postgres")
    with peers_folder(scratch) as folder, contextlib.closing(Postgres(programs, folder, "-c shared_buffers=1GB")) as postgres:
        return {mb: measure_peers(postgres, STATES[mb], 7 if mb == "750" else 21) for mb in states}


# --- the table ---

def state_rows(folder, name, mb, peers):
    files = tail(STATES[mb])
    options = ["--set", f"runner.layers.dir={folder}/layers", "--set", f"tenants.layer_bytes={LAYER_BYTES}",
               "--set", f"runner.layers.max_bytes={LAYER_BYTES}"]
    label = f"{mb} MB, {name}: "
    with Server(f"{folder}/data", *options) as server, contextlib.closing(Jobs(server)) as jobs:
        jobs.built(files, READ)
        request = jobs.request(files, READ)
        median(lambda: jobs.timed(request), 50)
        row(label + "read-only hit / ready pool", median(lambda: jobs.timed(request), 500), peers["ready"], " ms", at_most=0.3, of_ours=True)
        row(label + "writable hit, pool / ready pool", with_pool(server, jobs, files), peers["ready"], " ms",
            at_most=0.5 if mb == "8" else 5, of_ours=True)
        row(label + "miss, one new step / pgtestdb", new_steps(jobs, files, "a"), peers["pgtestdb"], " ms")
    with Server(f"{folder}/data", *options, "--set", "runner.instance.warm_bytes=0") as server, contextlib.closing(Jobs(server)) as jobs:
        jobs.built(files, READ)
        request = jobs.request(files, WRITE)
        row(label + "hit, no pool / pgtestdb", median(lambda: jobs.timed(request), 30), peers["pgtestdb"], " ms", at_most=25, of_ours=True)
        for workers in (1, 2, 4):
            row(label + f"cycles a second, {workers} / refill", cycles(server, files, workers), 1000 / peers["refill"],
                at_least=60 if workers == 4 and mb == "8" else None, of_ours=True)
        row(label + "cancel to gone", cancel_to_gone(server, jobs, files), unit=" ms", at_most=10)


def system_rows(kind, states, peers, scratch):
    with file_system(kind, scratch) as (folder, name):
        os.chmod(folder, 0o755)
        for mb in states:
            own = os.path.join(folder, mb)
            os.mkdir(own)
            os.chmod(own, 0o755)
            with Server(f"{own}/probe", "--set", f"runner.layers.dir={own}/layers") as server:
                told = {key: value for key, value in runner(server).items() if isinstance(value, str)}
            print(f"{name}, {mb} MB: {json.dumps(told)}", flush=True)
            state_rows(own, name, mb, peers[mb])


def main():
    chosen = sys.argv[2:]
    states = [mb for mb in STATES if mb in chosen] or list(STATES)
    systems = [kind for kind in SYSTEMS if kind in chosen] or [kind for kind in SYSTEMS if kind == "here" or os.geteuid() == 0]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that everything is unmounted
    subprocess.run(["ninja", "-C", BUILD, "mayfly", "bench/peers"], stdout=subprocess.DEVNULL, check=True)
    with tempfile.TemporaryDirectory(prefix="mayfly-bench-") as scratch:
        os.chmod(scratch, 0o755)
        peers = all_peers(states, scratch)
        print(LINE.format("ours / theirs", "ours", "theirs", "ratio", "aim", "").rstrip())
        for mb in states:
            for mode, ms in peers[mb].items():
                print(LINE.format(f"{mb} MB, tmpfs: {mode}", "", f"{ms:.3g} ms", "", "", "").rstrip())
        for kind in systems:
            system_rows(kind, states, peers, scratch)


if __name__ == "__main__":
    main()
