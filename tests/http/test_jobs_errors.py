"""Bad input of jobs: each its own code, and nothing left behind."""
import pytest

from chain import USERS, Job, blob, etag, failed, plan, post, problem, ran, tree
from mayfly import unique

HEAD = {"head.sql": "SELECT 1"}
INNER = {"project_tree": ("content", "etag"), "telemetry_context": ("traceparent", "tracestate"), "webhooks": ("url", "secret")}
HOOK = {"url": "http://example.com/x"}


@pytest.mark.parametrize("field,value", [
    ("request_id", 1), ("request_id", "x" * 257), ("user_id", []), ("user_id", "x" * 257), ("project_tree", []), ("project_tree", "x"),
    ("project_tree", {"a.sql": "SELECT 1"}), ("project_tree", {"a.sql": {}}), ("project_tree", {"a.sql": {"content": 1}}),
    ("project_tree", {"a.sql": {"content": "x", "etag": etag(b"x")}}), ("project_tree", {"a.sql": {"etag": "md5:1"}}),
    ("chain", "a.sql"), ("chain", [1]), ("head_path", 7), ("head_path", ""), ("variables", []), ("variables", {"a": None}),
    ("variables", {"a": []}), ("variables", {"a b": 1}), ("variables", {"": 1}), ("variables", {"a": "\0"}),
    ("variables", {f"v{i}": 1 for i in range(1001)}),
    ("snapshot_ttl", 0), ("snapshot_ttl", 86401), ("snapshot_ttl", "1"), ("job_ttl", 0), ("job_ttl", 2592001), ("job_ttl", 1.5),
    ("timeout_ms", 0), ("timeout_ms", 3600001), ("telemetry_context", []), ("telemetry_context", {"traceparent": "nonsense"}),
    ("telemetry_context", {"tracestate": 1}), ("webhooks", {}), ("webhooks", ["x"]), ("webhooks", [{}]), ("webhooks", [{"url": "ftp://x/"}]),
    ("webhooks", [{"url": "http://"}]), ("webhooks", [{"url": "http://a b/"}]), ("webhooks", [HOOK] * 11),
    ("webhooks", [{**HOOK, "secret": 1}]), ("isolation", "none"), ("isolation", 1), ("verify", "yes")])
def test_a_field_of_a_wrong_type_or_range_is_named(client, field, value):
    body = {"project_tree": tree(HEAD), "head_path": "head.sql", field: value}
    for path in ("/v1/jobs", "/v1/plan"):
        a = problem(client.request("POST", path, body), 400, "invalid_field")
        assert field in a["detail"] or any(inner in a["detail"] for inner in INNER.get(field, ())), a


@pytest.mark.parametrize("body", [
    {"sql": "SELECT 1"}, {"project_tree": {"a.sql": {"content": "x", "mode": 1}}}, {"webhooks": [{**HOOK, "retries": 1}]},
    {"telemetry_context": {"baggage": "x"}}])
def test_unknown_fields_are_refused(client, body):
    for path in ("/v1/jobs", "/v1/plan"):
        problem(client.request("POST", path, body), 400, "unknown_field")


def test_unknown_fields_of_the_other_bodies(fresh):
    one = Job(fresh)
    for verb in ("append", "run", "extend", "cancel"):
        problem(one.request(verb, {"nonsense": 1}), 400, "unknown_field")
    problem(one.request("append", {"head_path": "a.sql"}), 400, "unknown_field")
    problem(one.request("run", {"request_id": "a.sql"}), 400, "unknown_field")


def test_bodies_that_are_no_json(client):
    for text in ("", "[]", "{", '{"a":1,"a":2}'):
        problem(client.request("POST", "/v1/jobs", text), 400, "invalid_json")
    problem(client.request("POST", "/v1/jobs", "x", {"Content-Type": "text/plain"}), 415, "unsupported_media_type")


@pytest.mark.parametrize("path", ["/etc/passwd", "/a.sql", "../a.sql", "a/../b.sql", "a/./b.sql", "a//b.sql", "", ".", "..", "a/",
                                  "a\nb.sql", "a\x7f.sql", "x" * 513])
def test_paths_that_leave_the_tree(client, path):
    body = {"project_tree": {path: {"content": "SELECT 1"}, **tree(HEAD)}, "head_path": "head.sql"}
    problem(client.request("POST", "/v1/jobs", body), 400, "invalid_path")
    problem(client.request("POST", "/v1/plan", body), 400, "invalid_path")


def test_unknown_etags_are_listed(fresh):
    gone, there = [b"one " + unique().encode(), b"two " + unique().encode()], b"three " + unique().encode()
    assert blob(fresh, there).status == 204
    files = {"a.sql": gone[0], "b.sql": gone[1], "c.sql": there, **HEAD}
    for a in (post(fresh, files), plan(fresh, files)):
        told = problem(a, 422, "missing_blobs")
        assert any(sorted(v) == sorted(map(etag, gone)) for v in told.values() if isinstance(v, list)), told


def test_a_head_that_is_not_in_the_tree(client):
    problem(post(client, HEAD, "other.sql"), 422, "head_not_found")
    problem(plan(client, HEAD, "other.sql"), 422, "head_not_found")


def test_an_empty_tree_at_run(fresh):
    problem(post(fresh, {}, "head.sql"), 422, "empty_project")
    one = Job(fresh)
    problem(one.run(), 422, "empty_project")
    assert one.document["status"] == "pending"


def test_a_chain_that_names_what_is_not_there(client):
    a = post(client, HEAD, chain=["nope.sql", "head.sql"])
    assert a.status in (400, 422) and a.json["code"] in ("invalid_field", "invalid_path", "head_not_found"), a
    assert "nope.sql" in a.json["detail"]


def test_a_tree_over_the_limits(server):
    client = server(runner__project__max_bytes=2000, runner__project__max_files=3).client
    problem(post(client, {"a.sql": "x" * 2001, **HEAD}), 413, "project_too_large")
    problem(post(client, {f"{i}.sql": "SELECT 1" for i in range(3)} | HEAD), 413, "project_too_large")
    one = Job(client)
    assert one.append({"a.sql": "-- " + "x" * 1500}).status == 200
    problem(one.append({"b.sql": "-- " + "x" * 1500}), 413, "project_too_large")
    problem(blob(client, b"x" * 2001), 413, "body_too_large")


def test_a_syntax_error_of_the_head_has_its_place(fresh):
    error = failed(fresh, {**USERS, "head.sql": "SELECT 1;\n\nSELECT *\nFROM nöwhere;\n"}, "sql_error", "head_execution")
    assert error["sqlstate"] == "42P01" and error["path"] == "head.sql" and error["line"] == 4
    assert error["message"] and "nöwhere" in error["message"] and error["position"] == 26
    assert ran(fresh, USERS)["snapshot"]["hit"] is True, "the layer of the tail is kept"


def test_an_error_of_the_tail_has_its_place(fresh):
    files = {**USERS, "seed/002.sql": "SELECT 1;\nINSERT INTO users\n  VALUES (1, 'again');"}
    error = failed(fresh, files, "sql_error", "tail_replay")
    assert error["sqlstate"] == "23505" and error["path"] == "seed/002.sql" and error["line"] == 2
    assert "users_pkey" in error["message"] and error["detail"]


def test_an_error_in_an_included_file_names_that_file(fresh):
    files = {"lib/a.sql": "\nSELECT nope;", "head.sql": "\\i lib/a.sql"}
    error = failed(fresh, files, "sql_error", "head_execution")
    assert error["path"] == "lib/a.sql" and error["line"] == 2 and error["sqlstate"] == "42703"


PARSING = [
    ("SELECT 'unfinished", "syntax_error", 422, 1), ("SELECT 1;\nSELECT \"x", "syntax_error", 422, 2),
    ("SELECT $a$ x $b$", "syntax_error", 422, 1), ("/* /* */ SELECT 1", "syntax_error", 422, 1),
    ("\\! ls", "unsupported_meta_command", 422, 1), ("SELECT 1;\n\\connect other", "unsupported_meta_command", 422, 2),
    ("\\o file", "unsupported_meta_command", 422, 1), ("SELECT 1 \\g | cat", "unsupported_meta_command", 422, 1),
    ("SELECT :nope", "missing_variable", 422, 1), ("\\i nope.sql", "missing_include", 400, 1),
    ("\\i init/1.sql", "include_cycle", 422, 1)]


@pytest.mark.parametrize("text,code,status,line", PARSING)
def test_what_is_wrong_in_a_file_is_told_before_anything_runs(fresh, text, code, status, line):
    files = {"init/1.sql": text, "head.sql": "SELECT 1"}
    error = failed(fresh, files, code, "parsing")
    assert error["path"] == "init/1.sql" and error["line"] == line, error
    told = problem(plan(fresh, files), status, code)
    assert told["path"] == "init/1.sql" and told["line"] == line, told


def test_a_longer_include_cycle(fresh):
    files = {"a.sql": "\\i b.sql", "b.sql": "\\ir a.sql", "head.sql": "SELECT 1"}
    failed(fresh, files, "include_cycle", "parsing", chain=["a.sql", "head.sql"])


def test_binary_files(fresh):
    content = b"\x89PNG\r\n\x1a\n\0\xff" + unique().encode()
    assert blob(fresh, content).status == 204
    error = failed(fresh, {"init/1.sql": content, "head.sql": "SELECT 1"}, "binary_file", "parsing")
    assert error["path"] == "init/1.sql"
    problem(plan(fresh, {"init/1.sql": content, "head.sql": "SELECT 1"}), 422, "binary_file")


def test_too_many_jobs_wait(server):
    client = server(runner__concurrent=1, runner__queued=1).client
    one = Job(client, {"head.sql": "SELECT pg_sleep(60)"}).at("head_execution")
    two = Job(client, {"head.sql": "SELECT 2"})
    a = post(client, {"head.sql": "SELECT 3"}, wait=0)
    problem(a, 429, "too_many_requests")
    assert a.headers["Retry-After"]
    assert two.document["status"] == "pending" and two.cancel().status in (200, 202)
    assert two.ended("canceled")["error"]["code"] == "canceled"
    assert one.cancel().status == 202
    one.ended("canceled")


def test_a_dsn_that_cannot_be_reached(server):
    one = server(runner__postgres__dsn="host=127.0.0.1 port=1 user=u password=hidden_secret connect_timeout=1")
    problem(post(one.client, HEAD), 503, "engine_unreachable")
    a = one.client.get("/readyz")
    assert a.status == 503 and a.json["status"] == "unavailable" and a.json["runner"]["status"] == "unavailable"
    assert a.json["runner"]["missing"] and "hidden_secret" not in a.text + one.stderr()


def test_without_postgres_the_rest_works(server, tmp_path):
    (tmp_path / "bin").mkdir()
    one = server(runner__postgres__bin_dir=str(tmp_path / "bin"))
    problem(post(one.client, HEAD), 503, "engine_unreachable")
    a = one.client.get("/readyz")
    assert a.json["runner"]["status"] == "unavailable" and a.json["runner"]["missing"]
    assert one.client.run("select 1")["status"] == "SUCCEEDED"
