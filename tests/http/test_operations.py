"""Health, readiness, version, metrics, the OpenAPI document and the index page."""
import json
import os
import re
import signal

import pytest

from mayfly import SANITIZED, Client, in_parallel, unique, until

SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*",?)*\})? '
                    r'([+-]?(?:Inf|NaN|\d+(?:\.\d+)?(?:e[+-]?\d+)?))$')


def metrics(client):
    """Reads the text exposition as strictly as a scraper does."""
    a = client.get("/metrics")
    assert a.status == 200 and a.type.startswith("text/plain; version=0.0.4")
    assert a.text.endswith("\n")
    types, helps, samples, family = {}, set(), {}, None
    for line in a.text.splitlines():
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split(" ")
            assert family not in types, "a family is told twice: " + family
            types[family] = kind
        elif line.startswith("# HELP "):
            assert line.split(" ", 3)[2] not in helps
            helps.add(line.split(" ", 3)[2])
        else:
            name, labels, value = SAMPLE.match(line).groups()
            base = re.sub(r"_(bucket|sum|count)$", "", name) if types.get(family) == "histogram" else name
            assert base == family, "a sample outside of its family: " + line
            assert (name, labels) not in samples, "a sample twice: " + line
            samples[name, labels] = float(value)
    assert helps == set(types)
    return types, samples


def test_healthz_says_ok(client):
    a = client.get("/healthz")
    assert a.status == 200 and a.type == "application/json" and a.json == {"status": "ok"}


def test_readyz_has_an_entry_a_component(client):
    a = client.get("/readyz")
    assert a.status == 200
    for component in ("engine", "storage", "statement_store"):
        assert a.json[component]["status"] == "ok", component
    runner = a.json["runner"]
    assert runner["status"] in ("ok", "unavailable")
    assert set(runner) >= {"status", "backend", "driver", "version", "missing"}
    if runner["status"] == "ok":
        assert runner["backend"] == "jail" and runner["driver"] in ("btrfs", "overlay", "overlay-tmpfs", "reflink", "copy")
        assert set(runner["isolation"]) >= {"user_namespace", "pid_namespace", "network_namespace", "mount_namespace", "seccomp"}
    else:
        assert runner["missing"]
    assert set(a.json["engine"]["sandbox"]) >= {"landlock", "seccomp", "rlimits"}


def test_version_names_mayfly_and_its_engines(client):
    client.run("select 1")
    a = client.get("/version")
    assert a.json["name"] == "mayfly" and re.match(r"\d+\.\d+\.\d+", a.json["version"])
    assert a.json["duckdb"].startswith("v1.")
    assert a.json["postgres"] == client.get("/readyz").json["runner"]["version"]


def test_metrics_are_read_by_a_strict_parser(client):
    types, samples = metrics(client)
    assert set(types.values()) <= {"counter", "gauge", "histogram"}
    assert all(value >= 0 for value in samples.values())
    assert types["mayfly_statements_total"] == "counter" and types["mayfly_http_request_seconds"] == "histogram"


def test_histograms_grow_up_to_their_count(client):
    types, samples = metrics(client)
    for family in [f for f, kind in types.items() if kind == "histogram"]:
        buckets = [v for (name, _), v in samples.items() if name == family + "_bucket"]
        assert buckets == sorted(buckets) and buckets[-1] == samples[family + "_count", None], family
        assert (family + "_bucket", '{le="+Inf"}') in samples


def test_metrics_count_what_happens(server):
    client = server().client

    def count(samples, status):
        return samples["mayfly_statements_total", f'{{status="{status}"}}']

    before = metrics(client)[1]
    client.run("select 1")
    client.native("select * from nope")
    for refused in ("copy t to 'x'", " -- nothing"):
        assert client.native(refused).status == 422  # there was no statement: nothing is counted
    handle = client.start("call system$wait(600)")
    client.running(handle)
    assert metrics(client)[1]["mayfly_statements", '{state="running"}'] >= 1
    client.cancel(handle)
    client.poll(handle)
    after = metrics(client)[1]
    assert [count(after, s) - count(before, s) for s in ("succeeded", "failed", "canceled")] == [1, 1, 1]
    assert after["mayfly_statements_live", None] - before["mayfly_statements_live", None] == 3
    assert after["mayfly_http_requests_total", '{status="2xx"}'] > before["mayfly_http_requests_total", '{status="2xx"}']


def test_metrics_count_workers_that_die(server):
    one = server()
    one.client.run("select 1")
    assert metrics(one.client)[1]["mayfly_engine_workers", None] == 1
    for pid in one.workers():
        os.kill(pid, signal.SIGKILL)
    until(lambda: metrics(one.client)[1]["mayfly_engine_workers", None] == 0, "the worker to be missed")
    assert sum(v for (name, _), v in metrics(one.client)[1].items() if name == "mayfly_engine_workers_ended_total") == 1


def test_memory_and_files_do_not_grow_with_finished_requests(server):
    client = server().client

    def burst():
        for _ in range(300):
            client.forget(client.run("select 1")["handle"])
        _, samples = metrics(client)
        return samples["process_resident_memory_bytes", None], samples["process_open_fds", None]

    def growth():
        before, after = seen[-1], burst()
        seen.append(after)
        return after[0] - before[0], after[1] - before[1]
    seen = [burst()]
    grown = []
    while len(grown) < 8:  # what leaks does so in every burst, what an allocator or the event log keeps in some
        grown.append(growth())
        if any(memory < 300_000 or SANITIZED for memory, _ in grown) and any(files < 100 for _, files in grown):
            return
    assert not grown


def test_waiting_requests_hold_no_thread(server):
    one = server(tenants__concurrent_statements=1)
    client = one.client
    running = client.running(client.native("select count(*) from range(1000000000000) t(i) where i % 7 = 3", wait=0).json["handle"])

    def release():
        until(lambda: metrics(client)[1]["mayfly_http_requests_parked", None] >= 30, "30 parked requests")
        assert client.get("/healthz").status == 200
        client.cancel(running)

    *answers, _ = in_parallel(*[lambda: client.submit("select 1")] * 30, release)
    assert [a.status for a in answers] == [200] * 30


def document(client):
    a = client.get("/openapi.json")
    assert a.status == 200 and a.type == "application/json"
    return a.json


def operations(doc):
    for path, methods in doc["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_the_openapi_document_has_every_path(client):
    doc = document(client)
    assert doc["openapi"].startswith("3.1") and doc["info"]["title"] and doc["info"]["version"]
    assert {(path, method) for path, method, _ in operations(doc)} >= {
        ("/api/v2/statements", "post"), ("/api/v2/statements/{handle}", "get"), ("/api/v2/statements/{handle}/cancel", "post"),
        ("/v1/statements", "post"), ("/v1/statements", "get"), ("/v1/statements/{handle}", "get"),
        ("/v1/statements/{handle}", "delete"), ("/v1/statements/{handle}/result", "get"), ("/v1/statements/{handle}/events", "get"),
        ("/healthz", "get"), ("/readyz", "get"), ("/version", "get"), ("/metrics", "get"), ("/openapi.json", "get")}


def test_operations_are_named_once_and_say_what_they_answer(client):
    ids = []
    for path, method, operation in operations(document(client)):
        ids.append(operation["operationId"])
        assert operation["summary"] and operation["responses"], (path, method)
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"\d{3}|default", status) and response["description"]
        declared = {p["name"] for p in operation.get("parameters", []) if p["in"] == "path"}
        assert declared == set(re.findall(r"\{(\w+)\}", path)), (path, method)
    assert len(ids) == len(set(ids))


def test_all_references_of_the_document_lead_somewhere(client):
    doc = document(client)

    def walk(node):
        if isinstance(node, dict):
            if "$ref" in node:
                target = doc
                for part in node["$ref"].removeprefix("#/").split("/"):
                    target = target[part]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)
    walk(doc)


def test_a_document_has_the_fields_that_the_schema_promises(client):
    doc = document(client)
    schema = doc["components"]["schemas"]["Statement"]
    assert set(schema["properties"]) == set(client.run("select 1")) | {"query_tag"}  # which is there where there is one


def test_a_result_is_documented_in_each_of_its_formats(client):
    ok = document(client)["paths"]["/v1/statements/{handle}/result"]["get"]["responses"]["200"]
    handle = client.run("select 1")["handle"]
    assert len(ok["content"]) == 4
    for media in ok["content"]:
        a = client.result(handle, media)
        assert a.status == 200 and a.type == media


def test_every_documented_get_is_served(client):
    for path, method, _ in operations(document(client)):
        if method == "get":
            a = client.get(re.sub(r"\{\w+\}", "00000000-0000-7000-8000-000000000000", path))
            assert a.status in (200, 404) or (path.startswith("/api/v2") and a.status == 400), (path, a)


def test_the_index_page_lists_the_endpoints(client):
    a = client.get("/")
    assert a.status == 200 and a.type.startswith("text/html")
    assert "/v1/statements" in a.text and "/api/v2/statements" in a.text and "/openapi.json" in a.text


def test_the_test_clock_is_closed_unless_asked_for(server):
    one = server(server__test_clock="false")
    assert one.client.request("POST", "/v1/test/clock", {"advance_ms": 1}).status == 404


@pytest.mark.parametrize("body", [{"advance_ms": -1}, {"advance_ms": "1"}, {"foo": 1}, [], {"advance_ms": 10**30}])
def test_the_test_clock_takes_only_forward_milliseconds(client, body):
    assert client.request("POST", "/v1/test/clock", body).status == 400


def test_the_test_clock_is_no_part_of_the_document(client):
    assert not [path for path in document(client)["paths"] if "test" in path]


def logged(server):
    return [json.loads(line) for line in server.stderr().splitlines() if line.startswith("{")]


def test_logs_are_json_lines_without_sql(server):
    one = server(log__level="debug")
    mark = unique("secret_text")
    one.client.native(f"select '{mark}' from nope")
    one.client.submit(f"selec '{mark}'")
    assert one.stop() == 0
    assert logged(one) and all({"time", "level", "message"} <= set(line) for line in logged(one))
    assert mark not in one.stderr()


def test_a_failed_call_is_logged_once_with_its_request_id(server):
    one = server(log__level="debug")
    one.client.get("/v1/statements/x", **{"X-Request-Id": "trace-me"})
    assert one.stop() == 0
    assert [line.get("request_id") for line in logged(one)].count("trace-me") == 1


def test_a_gzipped_answer_is_the_same_answer(client):
    plain, packed = client.get("/openapi.json"), client.get("/openapi.json", **{"Accept-Encoding": "gzip"})
    assert packed.encoding == "gzip" and packed.body == plain.body and len(packed.raw) < len(plain.raw)
    assert "Accept-Encoding" in packed.headers["Vary"]
    for refused in ("gzip;q=0", "identity", "br", ""):
        assert client.get("/openapi.json", **{"Accept-Encoding": refused}).encoding == ""


def test_operations_need_no_tenant(server):
    one = server(auth__require_tenant="true")
    for path in ("/healthz", "/readyz", "/version", "/metrics", "/openapi.json", "/"):
        assert Client(one).get(path).status == 200, path
