"""`mayfly run`, `plan`, `jobs` and `layers` against a server that says what the test wants: what they send, show, and how they end."""
import hashlib
import http.server
import json
import os
import pty
import re
import signal
import subprocess
import threading
import uuid

import pytest

from mayfly import BINARY, PATIENCE, free_port, mayfly, until

JOB = "0190a000-0000-4000-8000-00000000000a"
LAYER = "ab" * 32


def etag(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


def completed(**more):
    return {"job_id": JOB, "status": "completed", "stage": "head_execution", "error": None, "metrics": {"latency_ms": 12.5},
            "snapshot": {"tail_hash": LAYER, "layer_id": LAYER, "hit": True, "steps_reused": 2},
            "progress": {"stage": "head_execution", "steps_total": 2, "steps_done": 2},
            "results": [{"columns": [{"name": "n", "type": "INTEGER"}, {"name": "t", "type": "VARCHAR"}], "rows": [[7, "seven"]],
                         "row_count": 1, "command_tag": "SELECT 1", "truncated": False,
                         "notices": [{"severity": "NOTICE", "sqlstate": "00000", "message": "mind the gap"}]},
                        {"columns": [], "rows": [], "row_count": 0, "command_tag": "UPDATE 3", "notices": [], "truncated": False}],
            **more}


def failed(stage="head_execution", **error):
    return completed(status="failed", stage=stage, results=[], error={"code": "sql_error", "message": "it broke", **error})


class Chains(http.server.ThreadingHTTPServer):
    """Blobs for real; jobs as the test says: `job` is what a POST answers, or 202 with `lines` of a log and then `job`."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []     # (method, path, body)
        self.blobs = {}
        self.job = (200, completed())
        self.lines = None   # None: the job ends in its request
        self.hold = threading.Event()
        self.hold.set()
        self.ended = False
        self.forget = 0     # so many posts say that every etag is missing
        self.plan = (200, {})
        self.url = f"http://127.0.0.1:{self.server_port}"

    def env(self):
        return {"MAYFLY_URL": self.url}

    def run(self, *args, **more):
        return mayfly(*args, env={**self.env(), **more.pop("env", {})}, **more)

    def bodies(self, path="/v1/jobs"):
        return [json.loads(body) for method, asked, body in self.asked if (method, asked) == ("POST", path)]

    def of(self, method):
        return [path for asked, path, _ in self.asked if asked == method]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, document=None, kind="application/json"):
        body = b"" if document is None else document if isinstance(document, bytes) else json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def stream_log(self):
        s = self.server
        after = int(self.path.split("after=")[1])
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.end_headers()
        for seq, line in enumerate(s.lines, 1):
            if seq > after:
                item = {"seq": seq, "time": "2030-01-01T00:00:00Z", "stage": "tail_replay", "level": "info", "message": line}
                self.wfile.write(f"id: {seq}\ndata: {json.dumps(item)}\n\n".encode())
                self.wfile.flush()
                if line == "cut":  # the connection breaks here, once
                    s.lines[seq - 1] = "mended"
                    self.close_connection = True
                    return
        s.hold.wait(20)
        s.ended = True
        self.wfile.write(b'event: done\ndata: {"job_id": "x"}\n\n')
        self.close_connection = True

    def post_job(self, body):
        s = self.server
        etags = [f["etag"] for f in body["project_tree"].values() if "etag" in f]
        missing = [e for e in etags if e not in s.blobs or s.forget > 0]
        s.forget -= 1
        if missing:
            return self.answer(422, {"status": 422, "code": "missing_blobs", "detail": "contents are missing", "missing": missing})
        if s.lines is None:
            return self.answer(*s.job)
        return self.answer(202, {"job_id": JOB, "status": "preparing", "links": {}})

    def handle_one(self):
        s = self.server
        content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        s.asked.append((self.command, self.path, content))
        blob = self.path.removeprefix("/v1/blobs/")
        if self.command == "HEAD":
            return self.answer(200 if blob in s.blobs else 404)
        if self.command == "PUT":
            s.blobs[blob] = content
            return self.answer(204)
        if self.command == "DELETE":
            return self.answer(204)
        if self.path == "/v1/plan":
            return self.answer(*s.plan)
        if self.path == "/v1/jobs" and self.command == "POST":
            return self.post_job(json.loads(content))
        if self.path.endswith("/cancel"):
            s.hold.set()
            return self.answer(202, {})
        if "/logs" in self.path and "event-stream" in self.headers["Accept"]:
            return self.stream_log()
        if "/logs" in self.path:
            items = [] if "after=1" in self.path else [{"seq": 1, "time": "T", "stage": "parsing", "level": "info", "message": "one"}]
            return self.answer(200, {"items": items, "next": 1})
        if self.path.endswith("/results/0"):
            return self.answer(200, b'{"n":7}\n' if "ndjson" in self.headers["Accept"] else b"n,t\n7,seven\n", "text/plain")
        if self.path.startswith("/v1/layers") or self.path.startswith("/v1/jobs?"):
            return self.answer(200, {"items": [{"layer_id": LAYER, "job_id": JOB, "status": "failed", "error": {"code": "timeout"}}], "next": None})
        status, job = s.job
        return self.answer(200, job if s.ended else {"job_id": JOB, "status": "running"})

    do_GET = do_POST = do_PUT = do_HEAD = do_DELETE = handle_one

    def log_message(self, *_):
        pass


@pytest.fixture
def chains():
    server = Chains()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.hold.set()
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def project(tmp_path):
    for path, text in {"init/1.sql": "create table t (n int);\n", "head.sql": "select *\n\tfrom t wheer n = 1;\n", ".git/x": "no",
                       "data.csv": "1\n" * 100000}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    return tmp_path


# --- what is sent ---

def test_a_project_is_sent_once(chains, project):
    large = etag(b"1\n" * 100000)
    done = chains.run("run", str(project), "--head", "./head.sql", "--var", "a=b=c", "--var", "n=", "--chain", "init/1.sql, head.sql",
                      "--timeout", "7", "--isolation", "private", "--verify")
    assert done.returncode == 0, done
    sent = chains.bodies()
    assert [uuid.UUID(body.pop("request_id")).version for body in sent] == [4]  # by which an interrupted run finds its job
    assert sent == [{
        "head_path": "head.sql", "chain": ["init/1.sql", "head.sql"], "variables": {"a": "b=c", "n": ""}, "timeout_ms": 7000,
        "isolation": "private", "verify": True, "project_tree": {
            "data.csv": {"etag": large}, "head.sql": {"content": "select *\n\tfrom t wheer n = 1;\n"},
            "init/1.sql": {"content": "create table t (n int);\n"}}}]
    assert chains.of("HEAD") == chains.of("PUT") == ["/v1/blobs/" + large]
    assert chains.blobs[large] == b"1\n" * 100000
    assert chains.run("run", str(project), "--head", "head.sql").returncode == 0
    assert len(chains.of("PUT")) == 1 and "chain" not in chains.bodies()[1]  # the server has it
    (project / "init" / "0.sql").write_text("")
    (project / "init" / "notes.txt").write_text("")
    assert chains.run("run", str(project), "--head", "head.sql", "--chain", "init/,gone,head.sql").returncode == 0
    assert chains.bodies()[2]["chain"] == ["init/0.sql", "init/1.sql", "gone", "head.sql"]


def test_a_content_that_went_meanwhile_is_uploaded_again(chains, project):
    chains.forget = 2
    assert chains.run("run", str(project), "--head", "head.sql").returncode == 0
    assert len(chains.of("PUT")) == 3 and len(chains.bodies()) == 3
    chains.forget = 1000
    done = chains.run("run", str(project), "--head", "head.sql")  # not for ever
    assert done.returncode == 3 and "missing_blobs" in done.stderr


def test_mistakes_of_the_caller_reach_no_server(chains, project):
    for args in (["run"], ["run", str(project)], ["run", str(project), "--head", "none.sql"], ["run", "/nowhere", "--head", "x"],
                 ["run", str(project / "head.sql"), "--head", "x"], ["run", str(project), "--head", "head.sql", "--var", "x"],
                 ["run", str(project), "--head", "head.sql", "--var", "=x"], ["run", str(project), "--head", "head.sql", "--timeout", "0"],
                 ["run", str(project), "--head", "head.sql", "--format", "xml"], ["run", str(project), "--head", "head.sql", "--isolation", "no"],
                 ["plan", str(project), "--head", "head.sql", "--watch"], ["jobs", "get"], ["jobs", "what"], ["layers", "drop"]):
        done = chains.run(*args)
        assert done.returncode == 2 and done.stderr, args
    assert chains.asked == []


# --- what is shown ---

def test_rows_notices_tags_and_what_was_reused(chains, project):
    done = chains.run("run", str(project), "--head", "head.sql")
    assert done.stdout == "n | t\n--+------\n7 | seven\n(1 row)\n\nUPDATE 3\n"
    assert done.stderr.splitlines() == ["NOTICE:  mind the gap", f"completed in 0.013 s: layer {LAYER[:12]}, hit, 2 of 2 steps reused"] or \
        "completed in 0.012 s" in done.stderr


def test_what_may_differ_from_replay_to_replay_is_said(chains, project):
    chains.job[1]["snapshot"] |= {"deterministic": "unverified", "volatile": ["now", "random"]}
    assert "2 of 2 steps reused; deterministic: unverified: now, random\n" in chains.run("run", str(project), "--head", "head.sql").stderr


def test_other_formats(chains, project):
    assert json.loads(chains.run("run", str(project), "--head", "head.sql", "--format", "json").stdout)["job_id"] == JOB
    assert chains.run("run", str(project), "--head", "head.sql", "--format", "ndjson").stdout == '{"n":7}\n'
    assert chains.run("run", str(project), "--head", "head.sql", "--format", "csv").stdout == "n,t\n7,seven\n"


def test_an_error_has_its_place_line_and_caret(chains, project):
    chains.job = (200, failed(path="head.sql", line=2, column=9, position=18, sqlstate="42601", detail="a detail", hint="where?"))
    done = chains.run("run", str(project), "--head", "head.sql")
    assert done.returncode == 1
    assert done.stderr.splitlines()[:5] == [
        "mayfly: head.sql:2:9: it broke (SQLSTATE 42601)", "          from t wheer n = 1;", "                 ^", "  detail: a detail", "  hint: where?"]
    chains.job = (200, failed(path="head.sql", line=2, position=18, sqlstate="42601"))  # the column from the position
    assert "mayfly: head.sql:2:9: it broke" in chains.run("run", str(project), "--head", "head.sql").stderr
    chains.job = (200, failed(path="gone.sql", line=2, column=9, sqlstate="42601"))
    assert "mayfly: gone.sql:2:9: it broke" in chains.run("run", str(project), "--head", "head.sql").stderr


@pytest.mark.parametrize("status, job, code", [
    (200, failed(), 1), (200, failed("tail_replay"), 3), (200, failed("parsing", code="syntax_error"), 3),
    (200, failed(code="timeout"), 4), (200, completed(status="canceled"), 4), (200, failed("instance_boot", code="engine_unreachable"), 5),
    (422, {"code": "head_not_found", "detail": "no"}, 3), (413, {"code": "project_too_large", "detail": "no"}, 3),
    (401, {"code": "unauthenticated", "detail": "no"}, 5), (503, {"code": "unavailable", "detail": "no"}, 5), (200, {"no": "job"}, 5)])
def test_exit_codes(chains, project, status, job, code):
    chains.job = (status, job)
    done = chains.run("run", str(project), "--head", "head.sql")
    assert done.returncode == code and done.stderr


def test_no_server(project):
    done = mayfly("run", str(project), "--head", "head.sql", "--server", f"http://127.0.0.1:{free_port()}")
    assert done.returncode == 5 and "mayfly:" in done.stderr


# --- jobs that take their time ---

def test_a_long_job_is_followed_over_a_broken_connection(chains, project):
    chains.lines = ["first", "cut", "third"]
    done = chains.run("run", str(project), "--head", "head.sql")
    assert done.returncode == 0 and "seven" in done.stdout
    assert [path.split("after=")[1] for path in chains.of("GET") if "/logs" in path] == ["0", "2"]


def test_a_terminal_sees_the_stage(chains, project):
    chains.lines = ["migrations/017.sql"]
    mine, theirs = pty.openpty()
    with subprocess.Popen([BINARY, "run", str(project), "--head", "head.sql"], env={**os.environ, **chains.env()},
                          stdout=subprocess.DEVNULL, stderr=theirs):
        os.close(theirs)
        seen = b""
        while b"completed in" not in seen:
            seen += os.read(mine, 4096)
        os.close(mine)
    assert re.search(rb"s  tail_replay  migrations/017.sql", seen) and b"\r\x1b[K" in seen


def test_ctrl_c_cancels_the_job(chains, project):
    chains.lines = ["first"]
    chains.hold.clear()
    with subprocess.Popen([BINARY, "run", str(project), "--head", "head.sql"], env={**os.environ, **chains.env()},
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        until(lambda: any("/logs" in path for path in chains.of("GET")), "the log to be followed")
        p.send_signal(signal.SIGINT)
        out, err = p.communicate(timeout=PATIENCE)
    assert p.returncode == 130 and "canceled" in err and not out
    assert f"/v1/jobs/{JOB}/cancel" in chains.of("POST")


def test_watch_runs_again_when_a_file_changes(chains, project):
    with subprocess.Popen([BINARY, "run", str(project), "--head", "head.sql", "--watch"], env={**os.environ, **chains.env()},
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as p:
        until(lambda: len(chains.bodies()) == 1, "the first run")
        (project / ".hidden").write_text("1")
        assert "NOTICE" in p.stderr.readline() and "2 of 2 steps reused" in p.stderr.readline()
        assert "waiting" in p.stderr.readline()
        (project / "head.sql").write_text("select 2;\n")
        until(lambda: len(chains.bodies()) == 2, "the second run")
        (project / "more").mkdir()
        until(lambda: len(chains.bodies()) == 3, "the third run")
        while "waiting" not in p.stderr.readline() or len(chains.bodies()) < 3:
            pass
        (project / "more" / "x.sql").write_text("select 3;\n")
        until(lambda: len(chains.bodies()) == 4, "the fourth run, of a file in a new folder")
        p.send_signal(signal.SIGINT)
        p.communicate(timeout=PATIENCE)
    assert p.returncode == 130
    assert [b["project_tree"]["head.sql"]["content"] for b in chains.bodies()[1:3]] == ["select 2;\n"] * 2
    assert "more/x.sql" in chains.bodies()[3]["project_tree"]


# --- the others ---

def test_a_plan_tells_hits_and_the_reason_of_the_first_miss(chains, project):
    chains.plan = (200, {"tail_hash": LAYER, "nearest": "cd" * 32, "first_difference": {"path": "init/1.sql", "reason": "content_changed"},
                         "steps": [{"path": "init/0.sql", "hash": "cd" * 32, "hit": True}, {"path": "init/1.sql", "hash": LAYER, "hit": False}]})
    done = chains.run("plan", str(project), "--head", "head.sql")
    assert done.returncode == 0
    assert [line.split() for line in done.stdout.splitlines()] == [
        ["step", "|", "layer", "|", "cached"], done.stdout.splitlines()[1].split(), ["init/0.sql", "|", "cdcdcdcdcdcd", "|", "hit"],
        ["init/1.sql", "|", "abababababab", "|", "miss"], ["tail", LAYER],
        ["first", "difference:", "init/1.sql:", "content_changed"]]
    assert json.loads(chains.run("plan", str(project), "--head", "head.sql", "--format", "json").stdout) == chains.plan[1]
    chains.plan = (422, {"code": "syntax_error", "detail": "unterminated quote", "path": "head.sql", "line": 2, "column": 2, "position": 11})
    done = chains.run("plan", str(project), "--head", "head.sql")
    assert done.returncode == 3 and "mayfly: head.sql:2:2: unterminated quote (syntax_error)\n" in done.stderr and "^" in done.stderr


def test_jobs_and_layers(chains):
    for args in ((), ("list",), ("--format", "table")):
        assert "timeout" in chains.run("jobs", *args).stdout and LAYER in chains.run("layers", *args).stdout
    assert chains.run("jobs", "get", JOB).returncode == 0 and chains.run("jobs", "cancel", JOB).returncode == 0
    assert chains.run("jobs", "logs", JOB).stdout == "T  parsing         info   one\n"
    chains.lines, chains.ended = ["one", "two"], False
    assert [line.split()[-1] for line in chains.run("jobs", "logs", "-f", JOB).stdout.splitlines()] == ["one", "two"]
    assert chains.run("jobs", "drop", JOB).returncode == 0 and chains.run("layers", "drop", LAYER).returncode == 0
    assert chains.of("DELETE") == [f"/v1/jobs/{JOB}", f"/v1/layers/{LAYER}"]


def test_the_codes_are_in_the_help():
    text = mayfly("help", "run").stdout
    assert "3 the tail or a script" in text and "--watch" in text
    for verb in ("plan", "jobs", "layers"):
        assert f"mayfly {verb}" in mayfly("help", verb).stdout
