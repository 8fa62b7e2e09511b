"""Webhooks: signed, retried, never to where they must not go."""
import hashlib
import hmac
import http.server
import json
import threading

import pytest

from chain import USERS, Job, post, problem, ran
from mayfly import until


class Receiver:
    """Takes what is posted; answers(request number) says how."""

    def __init__(self, answers=lambda n: 204):
        taken = self.taken = []
        block = self.block = threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                text = self.rfile.read(int(self.headers["Content-Length"]))
                taken.append((self.path, dict(self.headers), text))
                status = answers(len(taken))
                if status == "hang":
                    block.wait(60)
                    return
                self.send_response(status)
                if 300 <= status < 400:
                    self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.block.set()
        self.server.shutdown()
        self.server.server_close()

    def wait(self, n=1):
        until(lambda: len(self.taken) >= n, f"{n} deliveries")
        return self.taken


@pytest.fixture
def hooked(server):
    return server(runner__webhooks__allow_private="true", runner__webhooks__backoff_ms=20, runner__webhooks__attempts=4)


def delivered(client, job_id):
    """The delivery list of the job's only hook."""
    return Job(client, job_id=job_id).document["webhooks"][0]


def test_a_signed_post_of_the_job_without_rows(hooked):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with Receiver() as there:
        job = ran(hooked.client, USERS, webhooks=[{"url": there.url, "secret": "s3cret"}], telemetry_context={"traceparent": trace})
        path, headers, text = there.wait()[0]
        assert path == "/hook"
        assert headers["X-Mayfly-Signature"] == "sha256=" + hmac.new(b"s3cret", text, hashlib.sha256).hexdigest()
        assert headers["Content-Type"].startswith("application/json")
        assert trace.split("-")[1] in headers.get("traceparent", "")
        told = json.loads(text)
        assert told["job_id"] == job["job_id"] and told["status"] == "completed"
        assert not told.get("rows") and "Grace" not in text.decode()
        until(lambda: delivered(hooked.client, job["job_id"])["state"] == "delivered", "the delivery to be recorded")
        everything = json.dumps(Job(hooked.client, job_id=job["job_id"]).document) + hooked.stderr()
        assert "s3cret" not in everything, "the secret is never shown again"


@pytest.mark.parametrize("files,status", [({"head.sql": "SELECT 1/0"}, "failed"), ({"head.sql": "SELECT pg_sleep(60)"}, "canceled")])
def test_failures_and_cancels_are_told_too(hooked, files, status):
    with Receiver() as there:
        one = Job(hooked.client, files, webhooks=[{"url": there.url}])
        if status == "canceled":
            one.at("head_execution").cancel()
        one.ended(status)
        headers, text = there.wait()[0][1:]
        assert json.loads(text)["status"] == status and json.loads(text)["error"]["code"]
        assert "X-Mayfly-Signature" not in headers, "nothing to sign with"


def test_a_receiver_that_fails_is_asked_again(hooked):
    with Receiver(lambda n: 500 if n < 3 else 200) as there:
        job = ran(hooked.client, USERS, webhooks=[{"url": there.url}])
        told = [json.loads(text) for _, _, text in there.wait(3)[:3]]
        assert {(t["job_id"], t["status"]) for t in told} == {(job["job_id"], "completed")}
        until(lambda: delivered(hooked.client, job["job_id"])["state"] == "delivered", "the delivery to be recorded")
        assert len(delivered(hooked.client, job["job_id"])["deliveries"]) == 3


def test_a_receiver_that_always_fails_is_given_up(hooked):
    with Receiver(lambda n: 503) as there:
        job = ran(hooked.client, USERS, webhooks=[{"url": there.url}])
        until(lambda: delivered(hooked.client, job["job_id"])["state"] == "failed", "the delivery to be given up")
        assert len(there.taken) == 4


def test_redirects_are_not_followed(hooked):
    with Receiver(lambda n: 302) as there:
        job = ran(hooked.client, USERS, webhooks=[{"url": there.url}])
        until(lambda: delivered(hooked.client, job["job_id"])["state"] == "failed", "the delivery to be given up")
        assert {path for path, _, _ in there.taken} == {"/hook"}


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "169.254.169.254", "10.0.0.1", "0.0.0.0", "[::ffff:127.0.0.1]"])
def test_private_targets_are_refused(server, host):
    one = server(runner__webhooks__backoff_ms=1, runner__webhooks__attempts=1)
    with Receiver() as there:
        port = there.url.rsplit(":", 1)[1]
        a = post(one.client, USERS, webhooks=[{"url": f"http://{host}:{port}"}])
        if a.status == 400:
            problem(a, 400, "invalid_field")
            return
        assert a.status == 200, a
        until(lambda: delivered(one.client, a.json["job_id"])["state"] == "failed", "the delivery to be refused")
        assert there.taken == []


def test_a_receiver_that_hangs_holds_nothing_up(hooked):
    with Receiver(lambda n: "hang") as there:
        ran(hooked.client, USERS, webhooks=[{"url": there.url}])
        there.wait()
        assert ran(hooked.client, USERS)["snapshot"]["hit"] is True
        there.block.set()


def test_a_delivery_outlives_the_server(killable):
    settings = {"runner__webhooks__allow_private": "true", "runner__webhooks__backoff_ms": 100, "runner__webhooks__attempts": 20}
    ready = threading.Event()
    with Receiver(lambda n: 200 if ready.is_set() else 500) as there:
        one = killable.start(**settings)
        job = ran(one.client, USERS, webhooks=[{"url": there.url, "secret": "kept"}])
        there.wait()
        two = killable.kill(**settings)
        before = len(there.taken)
        ready.set()
        _, headers, text = there.wait(before + 1)[before]
        assert headers["X-Mayfly-Signature"] == "sha256=" + hmac.new(b"kept", text, hashlib.sha256).hexdigest()
        assert json.loads(text)["job_id"] == job["job_id"]
        until(lambda: delivered(two.client, job["job_id"])["state"] == "delivered", "the delivery to be recorded")
