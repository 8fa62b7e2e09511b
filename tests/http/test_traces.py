"""Spans of requests, as a collector of OpenTelemetry gets them."""
import http.server
import json
import threading

import pytest

from chain import USERS, failed, ran
from mayfly import Client, mayfly, until

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{TRACE}-b7ad6b7169203331-01"


class Collector:
    """Keeps the spans that come; hangs when it is told to."""

    def __init__(self, hangs=False):
        spans = self.spans = []
        resources = self.resources = []
        block = self.block = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert self.path == "/v1/traces" and self.headers["Content-Type"] == "application/json"
                if hangs:
                    block.wait(60)
                    return
                for resource in body["resourceSpans"]:
                    resources.append({a["key"]: a["value"]["stringValue"] for a in resource["resource"]["attributes"]})
                    for scope in resource["scopeSpans"]:
                        spans.extend(scope["spans"])
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def named(self, name):
        """The spans of that name, once there is one."""
        until(lambda: any(s["name"] == name for s in self.spans), f"a span {name}")
        return [s for s in self.spans if s["name"] == name]


@pytest.fixture
def collector():
    one = Collector()
    yield one
    one.server.shutdown()
    one.server.server_close()


def attributes(span):
    return {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}


def test_a_request_is_a_span(server, collector):
    client = Client(server(traces__otlp_endpoint=collector.url))
    client.request("GET", "/v1/statements/0af76519-16cd-43dd-8448-eb211c80319c?secret=1", headers={"traceparent": PARENT})
    (span,) = collector.named("GET /v1/statements/{handle}")
    assert span["traceId"] == TRACE and span["parentSpanId"] == "b7ad6b7169203331" and span["kind"] == 2
    assert 0 <= int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) < 60e9
    assert attributes(span) == {"http.request.method": "GET", "http.route": "/v1/statements/{handle}", "http.response.status_code": "404",
                                "mayfly.tenant": "default"}
    assert "secret" not in json.dumps(collector.spans)
    assert collector.resources[0]["service.name"] == "mayfly"


def test_without_a_parent_a_trace_begins(server, collector):
    client = Client(server(traces__otlp_endpoint=collector.url + "/"))
    client.get("/healthz")
    client.get("/healthz")
    until(lambda: len(collector.named("GET /healthz")) >= 2, "two spans")
    spans = collector.named("GET /healthz")
    assert len({s["traceId"] for s in spans}) == len(spans) and all("parentSpanId" not in s for s in spans)


def test_a_parent_that_is_not_sampled_is_not_told(server, collector):
    client = Client(server(traces__otlp_endpoint=collector.url))
    client.request("GET", "/version", headers={"traceparent": PARENT[:-2] + "00"})
    client.request("GET", "/metrics", headers={"traceparent": PARENT})
    collector.named("GET /metrics")
    assert all(s["name"] != "GET /version" for s in collector.spans)


def test_what_waits_is_sent_at_the_end(server, collector):
    one = server(traces__otlp_endpoint=collector.url)
    Client(one).request("GET", "/version", headers={"traceparent": PARENT})
    one.stop()
    assert [s for s in collector.spans if s["name"] == "GET /version"]


@pytest.mark.parametrize("hangs", [True, False], ids=["hangs", "absent"])
def test_a_collector_that_is_no_help_disturbs_nobody(server, hangs):
    collector = Collector(hangs=True) if hangs else None
    client = Client(server(traces__otlp_endpoint=collector.url if hangs else "http://127.0.0.1:1"))
    for _ in range(50):
        assert client.get("/healthz").status == 200
    if hangs:
        collector.server.shutdown()
        collector.server.server_close()


def test_an_endpoint_that_is_no_url_is_told_at_the_start(tmp_path):
    run = mayfly("serve", "--data", str(tmp_path / "d"), "--listen", "127.0.0.1:0", "--set", "traces.otlp_endpoint=127.0.0.1:4318")
    assert run.returncode == 2 and "otlp_endpoint" in run.stderr


def test_a_job_and_its_stages_are_spans(server, collector):
    client = Client(server(traces__otlp_endpoint=collector.url))
    job = ran(client, USERS, variables={"secret": "hidden"}, telemetry_context={"traceparent": PARENT})
    (span,) = collector.named("job")
    assert span["traceId"] == TRACE and span["parentSpanId"] == "b7ad6b7169203331"
    told = attributes(span)
    assert told["mayfly.job_id"] == job["job_id"] and told["mayfly.layer_id"] == job["snapshot"]["layer_id"] and told["mayfly.cache_hit"] == "0"
    below = [s["name"] for s in collector.spans if s.get("parentSpanId") == span["spanId"]]
    assert below[0] == "parsing" and {"tail_replay", "instance_boot", "head_execution", "publishing"} <= set(below)
    failed(client, {**USERS, "seed/001_users.sql": "SELECT 1/0"}, "sql_error", "tail_replay")
    until(lambda: len(collector.named("job")) == 2, "the second job")
    assert attributes(collector.named("job")[1])["error.type"] == "sql_error" and collector.named("job")[1]["status"]["code"] == 2
    text = json.dumps(collector.spans)
    assert not any(word in text for word in ("hidden", "secret", "Grace", "SELECT", "seed/"))
