"""`mayfly session` and `mayfly events` against a server that says what the test wants: what they send, and how they end."""
import contextlib
import gzip
import http.server
import json
import os
import signal
import subprocess
import threading
import urllib.parse

import pytest

from mayfly import BINARY, free_port, mayfly, until

SESSION = "0190a000-0000-4000-8000-000000000001"


class Scripted(http.server.ThreadingHTTPServer):
    """Answers by the first word of its script that fits; keeps what it was asked."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []     # (method, path, headers, body)
        self.answers = {}   # "METHOD path" without its query: (status, document), or a function of the handler
        self.url = f"http://127.0.0.1:{self.server_port}"

    def run(self, *args, **more):
        return mayfly(*args, env={"MAYFLY_URL": self.url, **more.pop("env", {})}, **more)

    def paths(self):
        return [f"{method} {path}" for method, path, _, _ in self.asked]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def body(self):
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        whole = b""
        while size := int(self.rfile.readline(), 16):
            whole += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return whole

    def answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def handle_one(self):
        self.server.asked.append((self.command, self.path, dict(self.headers), self.body()))
        said = self.server.answers.get(f"{self.command} {self.path.split('?')[0]}", (200, {}))
        if callable(said):
            said(self)
        else:
            self.answer(*said)

    do_GET = do_POST = do_DELETE = handle_one

    def log_message(self, *_):
        pass


@pytest.fixture
def scripted():
    server = Scripted()
    server.answers = {"POST /v1/sessions": (201, {"session_id": SESSION}),
                      f"DELETE /v1/sessions/{SESSION}": (200, {"deleted_tables": 2, "deleted_row_count": 7})}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def problem(status, code, detail):
    return status, {"title": code, "status": status, "detail": detail, "code": code}


# --- one request each ---

def test_the_verbs_ask_as_the_contract_says(scripted):
    s = f"/v1/sessions/{SESSION}"
    scripted.answers |= {f"POST {s}/extend": (200, {"expires_at": "2030-01-01T00:00:00Z"}),
                         f"POST {s}/fork": (201, {"session_id": SESSION[:-1] + "2"}),
                         f"POST {s}/tables": (201, {"table_ref": 'mutable.public."x"'}),
                         f"POST {s}/query": (200, {"columns": [{"name": "a", "type": "INTEGER"}], "rows": [[1]]})}
    lines = [(("open", "--storage", "persistent", "--timeout", "60", "--idle", "5", "--label", "a=b"), SESSION,
              ("POST", "/v1/sessions", {"storage": "persistent", "timeout_seconds": 60, "idle_timeout_seconds": 5, "labels": {"a": "b"}})),
             (("extend", SESSION, "90"), "2030-01-01T00:00:00Z", ("POST", s + "/extend", {"timeout_seconds": 90})),
             (("fork", SESSION), SESSION[:-1] + "2", ("POST", s + "/fork", {})),
             (("table", SESSION, "t", "n:INTEGER NOT NULL", "d:DECIMAL(9,2)", "--key", "n"), 'mutable.public."x"',
              ("POST", s + "/tables", {"name": "t", "primary_key": ["n"], "columns": [
                  {"name": "n", "type": "INTEGER", "nullable": False}, {"name": "d", "type": "DECIMAL(9,2)"}]})),
             (("query", SESSION, "select {table}", "--table", "t", "--format", "json"), None,
              ("POST", s + "/query", {"sql": "select {table}", "table": "t"}))]
    for args, out, (method, path, body) in lines:
        done = scripted.run("session", *args)
        assert done.returncode == 0, done
        assert out is None or done.stdout == out + "\n"
        assert scripted.asked[-1][:2] == (method, path) and json.loads(scripted.asked[-1][3]) == body
    done = scripted.run("session", "close", SESSION)
    assert done.returncode == 0 and "2 tables and 7 rows" in done.stderr


def test_the_list_goes_through_all_pages(scripted):
    pages = {None: ("a", "next page"), "next%20page": ("b", None)}

    def page(handler):
        _, _, after = handler.path.partition("&after=")
        name, following = pages[after or None]
        handler.answer(200, {"items": [{"session_id": name, "storage": "memory", "labels": {"k": "v"}, "table_count": 3}], "next": following})

    scripted.answers["GET /v1/sessions"] = page
    rows = [[cell.strip() for cell in line.split("|")] for line in scripted.run("session", "list").stdout.splitlines()]
    assert [row[0] for row in rows[2:]] == ["a", "b"] and rows[2][4:] == ["3", '{"k":"v"}']
    lines = scripted.run("session", "list", "--format", "json").stdout.splitlines()
    assert [json.loads(line)["session_id"] for line in lines] == ["a", "b"]


@pytest.mark.parametrize("args", [(), ("make",), ("show",), ("open", "x"), ("extend", "x"), ("extend", "x", "soon"), ("table", "x", "t"),
                                  ("table", "x", "t", "n"), ("insert", "x", "t", "/nowhere.csv"), ("insert", "x", "t", "-"), ("run",),
                                  ("run", "true"), ("run", "--"), ("query", "x"), ("list", "--format", "xml")], ids=" ".join)
def test_wrong_usage_is_exit_2_and_asks_nothing(scripted, args):
    done = scripted.run("session", *args)
    assert done.returncode == 2 and done.stdout == "" and done.stderr and not scripted.asked


def test_what_the_server_refuses_is_exit_1_with_its_words(scripted):
    scripted.answers[f"POST /v1/sessions/{SESSION}/fork"] = problem(410, "session_closed", "It is closed.")
    done = scripted.run("session", "fork", SESSION)
    assert done.returncode == 1 and done.stderr == "mayfly: session_closed: It is closed.\n"


# --- rows ---

def test_rows_are_streamed_in_the_form_of_their_file(scripted, tmp_path):
    path = f"/v1/sessions/{SESSION}/tables/t/rows"
    scripted.answers[f"POST {path}"] = (200, {"inserted": 3})
    rows = b"".join(b"%d,%d\n" % (i, i) for i in range(200000))
    csv, packed = tmp_path / "rows.csv", tmp_path / "rows.ndjson.gz"
    csv.write_bytes(rows)
    packed.write_bytes(gzip.compress(rows, 1))
    for args, stdin, kind, sent in [((str(csv),), None, "text/csv", rows),
                                    ((str(packed),), None, "application/x-ndjson", gzip.compress(rows, 1)),
                                    (("-", "--format", "json"), "[[1]]", "application/json", b"[[1]]")]:
        done = scripted.run("session", "insert", SESSION, "t", *args, stdin=stdin)
        assert done.returncode == 0 and done.stdout == "3\n", done
        _, asked, headers, body = scripted.asked[-1]
        assert asked == path and headers["Content-Type"] == kind
        assert (headers.get("Content-Encoding") == "gzip") == args[0].endswith(".gz")
        assert (gzip.decompress(body) == rows) if args[0].endswith(".gz") else body == sent
    assert scripted.asked[0][2]["Content-Length"] == str(len(rows))
    assert scripted.asked[2][2]["Transfer-Encoding"] == "chunked"


def test_a_refusal_comes_before_the_rows(scripted, tmp_path):
    def refuse(handler):
        handler.close_connection = True
        handler.answer(*problem(404, "unknown_table", "There is no table."))

    handle_one = Handler.handle_expect_100
    Handler.handle_expect_100 = lambda self: (refuse(self), False)[1]
    try:
        file = tmp_path / "big.csv"
        file.write_bytes(b"1\n" * 2000000)
        done = scripted.run("session", "insert", SESSION, "t", str(file))
    finally:
        Handler.handle_expect_100 = handle_one
    assert done.returncode == 1 and "unknown_table: There is no table." in done.stderr


# --- run ---

@pytest.mark.parametrize("command, code", [("exit 0", 0), ("exit 7", 7), ("kill -9 $$", 137), ("kill -TERM $$", 143)])
def test_the_session_of_a_command_ends_with_it(scripted, command, code):
    done = scripted.run("session", "run", "--timeout", "60", "--", "sh", "-c", 'echo "$MAYFLY_SESSION $MAYFLY_URL $1"; ' + command, "x", "a b")
    assert done.returncode == code and done.stdout == f"{SESSION} {scripted.url} a b\n" and done.stderr == ""
    assert scripted.paths() == ["POST /v1/sessions", f"DELETE /v1/sessions/{SESSION}"]
    assert json.loads(scripted.asked[0][3]) == {"timeout_seconds": 60}


def test_the_command_gets_what_the_session_was_opened_with(scripted):
    done = scripted.run("session", "run", "--tenant", "acme", "--token", "secret", "--", "sh", "-c", 'echo "$MAYFLY_TENANT $MAYFLY_TOKEN"')
    assert done.stdout == "acme secret\n"
    for _, _, headers, _ in scripted.asked:
        assert headers["X-Mayfly-Tenant"] == "acme" and headers["Authorization"] == "Bearer secret"


def test_a_command_that_cannot_be_run_leaves_no_session(scripted):
    for command, code in (("/nowhere/command", 127), ("/etc/passwd", 126)):
        done = scripted.run("session", "run", "--", command)
        assert done.returncode == code and command in done.stderr
        assert scripted.paths()[-1] == f"DELETE /v1/sessions/{SESSION}"


@pytest.mark.parametrize("signo", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda s: s.name)
def test_signals_are_passed_on(scripted, tmp_path, signo):
    ready = tmp_path / "ready"
    script = f"trap 'exit 42' {signo.name[3:]}; touch {ready}; while :; do sleep 0.05; done"
    with subprocess.Popen([BINARY, "session", "run", "--", "sh", "-c", script], env={**os.environ, "MAYFLY_URL": scripted.url}) as child:
        until(ready.exists, "the command to run")
        child.send_signal(signo)
        assert child.wait(20) == 42
    assert scripted.paths()[-1] == f"DELETE /v1/sessions/{SESSION}"


def test_a_signal_that_ends_the_command_ends_the_session(scripted, tmp_path):
    ready = tmp_path / "ready"
    with subprocess.Popen([BINARY, "session", "run", "--", "sh", "-c", f"touch {ready}; exec sleep 100"],
                          env={**os.environ, "MAYFLY_URL": scripted.url}) as child:
        until(ready.exists, "the command to run")
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 128 + signal.SIGTERM
    assert scripted.paths()[-1] == f"DELETE /v1/sessions/{SESSION}"


@pytest.mark.parametrize("said, words", [(problem(500, "partial_deletion_failure", "1 of 2 is left."), "could not be closed"),
                                         (problem(410, "session_expired", "Its time was over."), "has ended before"),
                                         (problem(410, "session_closed", "It is closed."), "")], ids=lambda s: str(s)[:20])
def test_a_close_that_fails_is_said_and_keeps_the_exit_code(scripted, said, words):
    scripted.answers[f"DELETE /v1/sessions/{SESSION}"] = said
    done = scripted.run("session", "run", "--", "sh", "-c", "exit 5")
    assert done.returncode == 5 and words in done.stderr and bool(words) == bool(done.stderr)


def test_without_a_session_the_command_does_not_run(scripted):
    scripted.answers["POST /v1/sessions"] = problem(429, "quota_exceeded", "Too many sessions.")
    done = scripted.run("session", "run", "--", "echo", "ran")
    assert done.returncode == 1 and done.stdout == "" and "Too many sessions." in done.stderr
    assert len(scripted.asked) == 1
    done = mayfly("session", "run", "--url", f"http://127.0.0.1:{free_port()}", "--", "echo", "ran")
    assert done.returncode == 3 and done.stdout == ""


# --- events ---

def test_events_are_printed_page_by_page(scripted):
    def page(handler):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(handler.path).query))
        at = int(query.get("after", 0))
        items = [{"offset": i, "payload": {"x": "ü"}} for i in range(at, min(at + 2, at + int(query["limit"]), 6))]
        cursor = str(at + len(items))
        handler.answer(200, {"items": items, "next": cursor if at + len(items) < 6 else None, "cursor": cursor, "lost": 3 if at == 0 else 0})

    scripted.answers["GET /v1/events"] = page
    done = scripted.run("events", "--topic", "a b", "--session", SESSION, "--event", "opened", "--after", "2")
    assert done.returncode == 0 and [json.loads(line)["offset"] for line in done.stdout.splitlines()] == [2, 3, 4, 5]
    assert "--after 6" in done.stderr and "gap" not in done.stderr
    assert scripted.asked[0][1] == f"/v1/events?topic=a%20b&session_id={SESSION}&event=opened&after=2&limit=1000"
    done = scripted.run("events", "--limit", "3")
    assert len(done.stdout.splitlines()) == 3 and "gap: 3 events" in done.stderr
    assert scripted.asked[-1][1] == "/v1/events?after=2&limit=1"


def stream(handler, text):
    handler.send_response(200)
    handler.send_header("Content-Type", "text/event-stream")
    handler.send_header("Connection", "close")
    handler.end_headers()
    with contextlib.suppress(OSError):
        handler.wfile.write(text.encode())
    handler.close_connection = True


def test_following_goes_on_behind_the_last_whole_event(scripted):
    texts = [": hello\n\nid: c1\ndata: {\"n\":1}\n\nid: c2\ndata: {\"n\":2}\n\nid: c3\ndata: {\"n\":",
             "event: gap\ndata: {\"lost\":4}\n\nid: c3\ndata: {\"n\":3}\n\n", "id: c4\ndata: {\"n\":4}\n\n"]
    scripted.answers["GET /v1/events"] = lambda handler: stream(handler, texts[len(scripted.asked) - 1])
    done = scripted.run("events", "-f", "--after", "c0", "--limit", "4")
    assert done.returncode == 0 and [json.loads(line)["n"] for line in done.stdout.splitlines()] == [1, 2, 3, 4]
    assert 'gap: {"lost":4}' in done.stderr and "connecting again" in done.stderr
    assert [(path, headers.get("Last-Event-ID")) for _, path, headers, _ in scripted.asked] == [
        ("/v1/events?after=c0", None), ("/v1/events", "c2"), ("/v1/events", "c3")]
    assert all(headers["Accept"] == "text/event-stream" for _, _, headers, _ in scripted.asked)


def test_following_outlives_a_server_that_is_away_for_a_while(scripted):
    answers = [lambda h: stream(h, "id: c1\ndata: 1\n\n"), lambda h: h.answer(503, {"code": "unavailable", "detail": "draining"}),
               lambda h: stream(h, "id: c2\ndata: 2\n\n")]
    scripted.answers["GET /v1/events"] = lambda handler: answers[len(scripted.asked) - 1](handler)
    done = scripted.run("events", "-f", "--limit", "2")
    assert done.returncode == 0 and done.stdout == "1\n2\n" and scripted.asked[2][2]["Last-Event-ID"] == "c1"


def test_following_ends_where_it_is_refused(scripted):
    scripted.answers["GET /v1/events"] = problem(403, "forbidden", "Not yours.")
    done = scripted.run("events", "-f")
    assert done.returncode == 1 and "Not yours." in done.stderr and len(scripted.asked) == 1
    assert mayfly("events", "-f", "--url", f"http://127.0.0.1:{free_port()}").returncode == 3


def test_an_interrupt_ends_following(scripted):
    waiting = threading.Event()
    scripted.answers["GET /v1/events"] = lambda handler: (stream(handler, "id: 1\ndata: 1\n\n"), waiting.wait(20))
    with subprocess.Popen([BINARY, "events", "-f"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          env={**os.environ, "MAYFLY_URL": scripted.url}) as child:
        assert child.stdout.readline() == b"1\n"
        child.send_signal(signal.SIGINT)
        assert child.wait(20) == 130
    waiting.set()


@pytest.mark.parametrize("args", [("x",), ("--limit", "0"), ("--limit", "x"), ("verify", "more")], ids=" ".join)
def test_a_wrong_events_command_is_exit_2(scripted, args):
    done = scripted.run("events", *args)
    assert done.returncode == 2 and done.stdout == "" and "usage:" in done.stderr and not scripted.asked
