"""The wire: malformed requests, slow clients, odd but lawful HTTP, limits, TLS, unix sockets."""
import ast
import contextlib
import gzip
import json
import os
import re
import socket
import ssl
import subprocess
import tempfile

import pytest

from mayfly import MIB, PATIENCE, ROOT, SANITIZED, Client, Server, in_parallel, memory, until

HEAD = b"Host: localhost\r\nContent-Type: application/json\r\n"
SELECT = b'{"sql":"select 42"}'


def probes():
    """The rows of tests/http_probe/probes.def, which the unit tests share."""
    with open(os.path.join(ROOT, "tests", "http_probe", "probes.def"), encoding="ascii") as f:
        rows = re.findall(r'^PROBE\("([^"]+)", (\d+), ((?:\s*"(?:[^"\\]|\\.)*")+)\)$', f.read(), re.M)
    assert len(rows) > 80
    return [(name, int(status), ast.literal_eval("b" + re.sub(r'"\s+"', "", text))) for name, status, text in rows]


def read_all(s):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := s.recv(65536):
            data += piece
    return data


def exchange(server, data):
    """Sends the bytes; what comes until the server closes, as it must."""
    with server.socket() as s:
        with contextlib.suppress(ConnectionResetError, BrokenPipeError):
            s.sendall(data)
        return read_all(s)


def statuses(data):
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", data)]


def one_answer(s):
    """Reads one answer with a Content-Length from a socket's file."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = s.readline()
        assert line, f"closed after {head!r}"
        head += line
    length = int(re.search(rb"content-length: (\d+)", head.lower()).group(1))
    return int(head.split()[1]), head, s.read(length)


# --- what no server may understand ---

@pytest.mark.parametrize("name, data", [(name, data) for name, status, data in probes() if status == 400], ids=lambda v: v if isinstance(v, str) else "")
def test_a_malformed_request_is_refused_and_the_connection_closed(shared, name, data):
    data = data.replace(b"POST / ", b"POST /v1/statements ").replace(b"Host: x\r", b"Host: localhost\r")
    # a second request, smuggled behind, must never be answered
    answer = exchange(shared, data + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert statuses(answer) == [400], answer[:300]
    assert b'{"status":"ok"}' not in answer


@pytest.mark.parametrize("name, data", [(name, data) for name, status, data in probes() if status == 200 and data.lstrip().startswith(b"GET")],
                         ids=lambda v: v if isinstance(v, str) else "")
def test_an_odd_but_lawful_request_is_answered(shared, name, data):
    answer = exchange(shared, data.replace(b"HTTP/1.1\r\n", b"HTTP/1.1\r\nConnection: close\r\n"))
    assert statuses(answer) == [200], answer[:300]


def test_a_malformed_request_is_told_as_a_problem(shared):
    answer = exchange(shared, b"GET /v1/statements HTTP/1.1\r\n\r\n")
    head, body = answer.split(b"\r\n\r\n", 1)
    assert b"application/problem+json" in head and b"Connection: close" in head
    problem = json.loads(body)
    assert problem["status"] == 400 and problem["code"] == "bad_request" and problem["request_id"]


@pytest.mark.parametrize("data, status, code", [
    (b"GET /api/v2/statements/%00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "390142"),
    (b"GET /api/v2/statements/%ff HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "390142"),
    (b"GET /api/v2/statements/1?partition=%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "390142"),
    (b"GET /api/v2/statements/1#a HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "390142"),
    (b"GET /api/v2/statements/1 HTTP/1.1\r\n\r\n", 400, "390142"),
    (b"POST /api/v2/statements?async=true HTTP/1.1\r\nHost : localhost\r\n\r\n", 400, "390142"),
    (b"POST /api/v2/statements HTTP/1.1\r\nHost: localhost\r\nContent-Encoding: br\r\n\r\n", 415, "391903"),
    (b"POST /api/v2/statements HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999\r\n\r\n", 413, "390142"),
    (b"POST /api/v2/statements HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 1000 + b"\r\n", 431, "390142"),
    (b"GET /api/v2/nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", 404, "000709"),
], ids=lambda v: str(v)[:60])
def test_what_is_refused_before_a_route_is_chosen_is_told_as_its_surface_tells_it(shared, data, status, code):
    head, body = exchange(shared, data).split(b"\r\n\r\n", 1)
    assert int(head.split()[1]) == status, head
    assert b"Content-Type: application/json\r\n" in head + b"\r\n", head
    answer = json.loads(body)
    assert answer["code"] == code and answer["message"] and "title" not in answer, answer


def test_a_head_over_the_limit_is_a_431(server):
    one = server(server__max_head_bytes=2048)
    for data in (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 3000 + b"\r\n\r\n",
                 b"GET /" + b"x" * 3000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
                 b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 500 + b"\r\n",
                 b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 100000):
        answer = exchange(one, data)
        assert statuses(answer) in ([431], []), answer[:200]
    assert one.client.get("/healthz").status == 200


def test_garbage_of_any_kind_does_no_harm(shared):
    for data in (b"\x00" * 5000, b"\r\n" * 5000, os.urandom(5000), b"GET" * 3000, b"\x16\x03\x01" + os.urandom(500), b"\n", b" "):
        with shared.socket() as s:
            with contextlib.suppress(OSError):
                s.sendall(data)
                s.shutdown(socket.SHUT_WR)
                read_all(s)
    assert shared.client.get("/healthz").status == 200


def test_a_client_that_leaves_at_any_byte_does_no_harm(shared):
    request = b"POST /v1/statements HTTP/1.1\r\n" + HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(SELECT), SELECT)
    for n in range(0, len(request), 3):
        with shared.socket() as s:
            s.sendall(request[:n])
    assert shared.client.get("/healthz").status == 200


# --- slow clients ---

def dribble(server, first, byte):
    """Sends a byte every tenth of a second until the server hangs up."""
    with server.socket(timeout=0.1) as s, contextlib.suppress(ConnectionResetError, BrokenPipeError):
        s.sendall(first)

        def over():
            s.sendall(byte)
            with contextlib.suppress(socket.timeout):
                return not s.recv(65536)
            return False
        until(over, f"the server to hang up after {first!r}")


@pytest.fixture(scope="module")
def strict():
    server = Server({"server.head_seconds": 1, "server.body_seconds": 1, "server.idle_seconds": 1, "server.write_stall_seconds": 1})
    yield server
    server.check_end()


def test_slow_clients_are_dropped_at_their_deadlines(strict):
    post = b"POST /v1/statements HTTP/1.1\r\n" + HEAD + b"Content-Length: 100000\r\n\r\n"
    in_parallel(
        lambda: dribble(strict, b"GET / HTTP/1.1\r\n", b"A"),  # in the head
        lambda: dribble(strict, b"G", b"E"),
        lambda: dribble(strict, post, b" "),  # in the body
        lambda: dribble(strict, post[:-4] + b"\r\nTransfer-Encoding: chunked\r\n\r\n", b"1"),
        lambda: dribble(strict, b"", b""),  # silent from the start
        lambda: dribble(strict, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", b""),  # silent after an answer
    )


def test_a_reader_that_stops_is_dropped(strict):
    client = Client(strict)
    handle = client.run("select repeat('x', 1000) as a from range(30000) t(i)")["handle"]
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.connect(("127.0.0.1", strict.port))
    with s:
        s.settimeout(PATIENCE)
        s.sendall(f"GET /v1/statements/{handle}/result HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        assert s.recv(100).startswith(b"HTTP/1.1 200")
        until(lambda: open_connections(client) <= 1, "the stalled connection to go")


def open_connections(client):
    return int(re.search(r"^mayfly_http_connections(?:_open)? (\d+)", client.get("/metrics").text, re.M).group(1))


def test_a_waiting_request_outlives_the_idle_clock(strict):
    a = Client(strict).submit("call system$wait(2)")
    assert a.status == 200 and a.json["data"] == [["waited 2 seconds"]]


def test_an_expired_head_is_told_as_a_408(strict):
    with strict.socket() as s:
        s.sendall(b"GET / HTTP/1.1\r\n")
        answer = read_all(s)
    assert statuses(answer) in ([408], []), answer


# --- bodies ---

def test_a_chunked_body_is_read(shared):
    def pieces():
        for i in range(0, len(SELECT), 5):
            yield SELECT[i:i + 5]
    with contextlib.closing(shared.connection()) as c:
        c.request("POST", "/v1/statements", pieces(), {"Content-Type": "application/json", "Prefer": "wait=99"}, encode_chunked=True)
        assert c.getresponse().status == 200


@pytest.mark.parametrize("path, body", [("/v1/statements", {"sql": "select 42"}), ("/api/v2/statements", {"statement": "select 42"})])
def test_a_gzipped_body_is_read(client, path, body):
    a = client.request("POST", path, gzip.compress(json.dumps(body).encode()), {"Content-Encoding": "gzip", "Prefer": "wait=99"})
    assert a.status == 200, a


def test_a_body_that_is_no_gzip_is_a_400(client):
    for data in (b"x", SELECT, gzip.compress(SELECT)[:-4], gzip.compress(SELECT) + b"tail", b"\x1f\x8b\x08"):
        assert client.request("POST", "/v1/statements", data, {"Content-Encoding": "gzip"}).status == 400, data


def test_an_unknown_encoding_is_a_415(client):
    assert client.request("POST", "/v1/statements", SELECT, {"Content-Encoding": "br"}).status == 415


@pytest.fixture(scope="module")
def small():
    server = Server({"server.max_body_bytes": 2048})
    yield server
    server.check_end()


def test_a_body_over_the_limit_is_a_413(small):
    large = json.dumps({"sql": "select '" + "x" * 3000 + "'"}).encode()
    client = Client(small)
    for data, headers in ((large, {}), (gzip.compress(large), {"Content-Encoding": "gzip"})):
        a = client.request("POST", "/v1/statements", data, headers)
        assert a.status == 413 and a.json["code"] == "body_too_large", a
    with contextlib.closing(small.connection()) as c:
        c.request("POST", "/v1/statements", iter([large]), {"Content-Type": "application/json"}, encode_chunked=True)
        assert c.getresponse().status == 413
    assert client.request("POST", "/api/v2/statements", large).status == 413


def test_a_gzip_bomb_is_a_413_and_costs_little(small):
    bomb = gzip.compress(b" " * 50_000_000)
    answer = exchange(small, b"POST /v1/statements HTTP/1.1\r\n" + HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s"
                      % (len(bomb), bomb))
    assert statuses(answer) in ([413], [])
    assert Client(small).get("/healthz").status == 200


def test_a_body_too_large_is_refused_before_it_is_sent(small):
    answer = exchange(small, b"POST /v1/statements HTTP/1.1\r\n" + HEAD + b"Expect: 100-continue\r\nContent-Length: 99999999\r\n\r\n")
    assert statuses(answer) == [413]


def test_a_large_statement_is_taken(client):
    text = "x" * 3_000_000
    a = client.native(f"select length('{text}') as n")
    assert a.status == 200 and client.result(a.json["handle"]).json["rows"] == [[3_000_000]]


def test_expect_100_continue_is_answered_before_the_body(shared):
    with shared.socket() as s, s.makefile("rb") as f:
        s.sendall(b"POST /v1/statements HTTP/1.1\r\n" + HEAD + b"Expect: 100-continue\r\nPrefer: wait=99\r\nContent-Length: %d\r\n\r\n" % len(SELECT))
        assert f.readline() == b"HTTP/1.1 100 Continue\r\n" and f.readline() == b"\r\n"
        s.sendall(SELECT)
        assert one_answer(f)[0] == 200


def test_an_unknown_expectation_is_a_417(shared):
    answer = exchange(shared, b"POST /v1/statements HTTP/1.1\r\n" + HEAD + b"Expect: tea\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}")
    assert statuses(answer)[:1] == [417]


# --- connections ---

def test_a_connection_is_kept_and_used_again(shared):
    with contextlib.closing(shared.connection()) as c:
        for _ in range(20):
            c.request("GET", "/healthz")
            response = c.getresponse()
            assert response.read() == b'{"status":"ok"}'
            port = c.sock.getsockname()
        assert c.sock.getsockname() == port


def test_an_error_keeps_the_connection(shared):
    with shared.socket() as s, s.makefile("rb") as f:
        for path, status in ((b"/nope", 404), (b"/v1/statements?limit=x", 400), (b"/healthz", 200)):
            s.sendall(b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert one_answer(f)[0] == status


def test_connection_close_and_http_10_close(shared):
    for data in (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", b"GET /healthz HTTP/1.0\r\n\r\n"):
        assert statuses(exchange(shared, data)) == [200]


def test_pipelined_requests_are_answered_in_order(shared):
    n = 30
    with shared.socket() as s, s.makefile("rb") as f:
        data = b""
        for i in range(n):
            body = b'{"statement":"select %d"}' % i
            data += b"POST /api/v2/statements HTTP/1.1\r\n" + HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(body), body)
        s.sendall(data)
        for i in range(n):
            status, _, body = one_answer(f)
            assert status == 200 and json.loads(body)["data"] == [[str(i)]]


def test_a_pipelined_request_waits_for_the_one_before(shared):
    slow = b'{"statement":"call system$wait(1)"}'
    with shared.socket() as s, s.makefile("rb") as f:
        s.sendall(b"POST /api/v2/statements HTTP/1.1\r\n" + HEAD + b"Content-Length: %d\r\n\r\n%s" % (len(slow), slow)
                  + b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"waited 1 seconds" in one_answer(f)[2]
        assert one_answer(f)[2] == b'{"status":"ok"}'


def test_a_request_may_come_byte_by_byte(shared):
    request = b"POST /v1/statements HTTP/1.1\r\n" + HEAD + b"Prefer: wait=99\r\nTransfer-Encoding: chunked\r\n\r\n"
    request += b"%x\r\n%s\r\n0\r\n\r\n" % (len(SELECT), SELECT)
    with shared.socket() as s, s.makefile("rb") as f:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i in range(len(request)):
            s.sendall(request[i:i + 1])
        assert one_answer(f)[0] == 200


@pytest.mark.parametrize("path", ["/healthz", "/version", "/openapi.json", "/", "/v1/statements", "/nope"])
def test_head_answers_the_headers_of_get_without_a_body(client, path):
    get, head = client.get(path), client.request("HEAD", path)
    assert head.status == get.status and head.raw == b""
    assert head.type == get.type
    if path != "/v1/statements":
        assert head.headers["Content-Length"] == get.headers["Content-Length"]


def test_connections_beyond_the_limit_are_refused_and_the_rest_served(server):
    one = server(server__max_connections=20)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(one.socket()) for _ in range(20)]
        assert statuses(exchange(one, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")) in ([503], [])
        held[0].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert held[0].recv(1000).startswith(b"HTTP/1.1 200")
    until(one.healthy, "room for a connection")


def test_many_idle_connections_disturb_nobody(shared):
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(shared.socket())
        assert Client(shared).submit("select 1").status == 200


def test_many_clients_at_once_are_all_answered(shared):
    answers = in_parallel(*[lambda i=i: Client(shared).cell(f"select {i}") for i in range(40)])
    assert answers == [str(i) for i in range(40)]


# --- numbers, paths and encodings out of range ---

@pytest.mark.parametrize("path", ["/v1/statements?" + "a=b&" * 2000, "/v1/statements?limit=1&limit=2", "/v1/statements?=&&=x",
                                  "/v1/statements?limit=99999999999999999999999", "/v1/statements?limit=-9223372036854775809",
                                  "/v1/statements?limit=%31", "/v1/statements?since=9999999-01-01T00:00:00Z",
                                  "/v1/statements/%2f%2f", "/v1/statements/..", "/v1/./statements", "/" + "a/" * 2000,
                                  "/api/v2/statements/x?partition=1&partition=2", "/v1/statements/x/result?format=exe"])
def test_no_path_or_query_is_a_500(client, path):
    assert client.get(path).status < 500


@pytest.mark.parametrize("value", ["", "x", "-1", "99999999999999999999", "1e3", "0x10", " 1", "1 ", "+1", "\xff", "NaN", "1.0"])
def test_no_value_of_a_header_is_a_500(client, value):
    for name in ("Prefer", "X-Mayfly-Result-TTL", "X-Request-Id", "traceparent", "Accept", "Accept-Encoding", "Content-Type", "Origin",
                 "X-Mayfly-Session", "X-Mayfly-Tenant", "User-Agent", "If-None-Match", "Range"):
        text = f"wait={value}" if name == "Prefer" else value
        for call in (lambda h: client.native("select 1", wait=0, headers=h), lambda h: client.submit("select 1", headers=h)):
            assert call({name: text}).status < 500, (name, value)


JUNK = [None, True, False, 0, -1, 1.5, 1e308, 2**63, -2**63, 10**30, "", "x", "\x00", "\U0001f426" * 100, [], [[]], {}, {"": ""},
        {"a": {"b": {"c": []}}}, "9" * 400]


@pytest.mark.parametrize("junk", JUNK, ids=lambda v: repr(v)[:20])
def test_no_value_of_a_field_is_a_500(client, junk):
    for field in ("sql", "params", "timeout_seconds", "ttl_seconds", "session_id", "unknown"):
        a = client.request("POST", "/v1/statements", {"sql": "select 1", field: junk})
        assert a.status < 500, (field, a)
        if a.status >= 400:
            assert a.json["code"] and a.json["status"] == a.status
    for field in ("statement", "timeout", "bindings", "parameters", "database", "schema", "warehouse", "role", "unknown"):
        a = client.request("POST", "/api/v2/statements", {"statement": "select 1", field: junk})
        assert a.status < 500, (field, a)
        if a.status >= 400:
            assert a.json["code"] and a.json["message"]
    a = client.submit("select ?", {"1": {"type": junk, "value": junk}})
    assert a.status < 500, a


# --- TLS and unix sockets ---

@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tls")
    key, cert = folder / "key.pem", folder / "cert.pem"
    try:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
                        "-keyout", str(key), "-out", str(cert), "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"],
                       check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no openssl program")
    return str(cert), str(key)


@pytest.fixture(scope="module")
def encrypted(certificate):
    server = Server({"server.tls_cert": certificate[0], "server.tls_key": certificate[1]}, scheme="https")
    yield server
    server.check_end()


def test_everything_works_over_tls(encrypted, certificate):
    client = Client(encrypted)
    assert client.cell("select 42") == "42"
    rows = client.result(client.run("select i, repeat('x', 100) as a from range(20000) t(i)")["handle"]).json["rows"]
    assert len(rows) == 20000
    context = ssl.create_default_context(cafile=certificate[0])
    with socket.create_connection(("127.0.0.1", encrypted.port)) as raw, context.wrap_socket(raw, server_hostname="localhost") as s:
        assert s.version() in ("TLSv1.2", "TLSv1.3")


def test_plain_http_on_a_tls_port_is_refused(encrypted):
    answer = exchange(encrypted, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b'{"status":"ok"}' not in answer
    assert Client(encrypted).get("/healthz").status == 200


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_old_tls_is_refused(encrypted):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", encrypted.port)) as raw, pytest.raises(OSError):
        context.wrap_socket(raw, server_hostname="localhost")


def test_a_handshake_that_never_ends_is_dropped(server, certificate):
    one = server({"scheme": "https"}, server__tls_cert=certificate[0], server__tls_key=certificate[1], server__head_seconds=1,
                 server__idle_seconds=1)
    with one.socket() as s:
        s.sendall(b"\x16\x03\x01\x02\x00\x01")
        read_all(s)


def test_a_unix_socket_serves_too():
    with tempfile.TemporaryDirectory(prefix="mayfly-unix-") as folder:
        path = os.path.join(folder, "socket")
        server = Server(listen="unix:" + path)
        try:
            assert Client(server).cell("select 42") == "42"
            assert Client(server).rows("select 7") == [[7]]
        finally:
            server.check_end()
        assert not os.path.exists(path)


def test_a_server_listens_on_several_addresses(server):
    with tempfile.TemporaryDirectory(prefix="mayfly-unix-") as folder:
        path = os.path.join(folder, "socket")
        one = server({"listen": "127.0.0.1:{port},unix:" + path})
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            s.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert s.recv(1000).startswith(b"HTTP/1.1 200")
        assert one.client.get("/healthz").status == 200
        assert one.stop() == 0


def test_a_body_of_many_small_values_takes_little_memory(server):
    """A value of two bytes is some eighty in a tree: one body would take gigabytes of what all tenants share."""
    one = server()
    before = memory(one.process.pid, "VmHWM")
    a = one.client.request("POST", "/v1/sessions", b'{"labels":[' + b"0," * 20_000_000 + b"0]}")
    assert a.status == 400 and a.json["code"] == "invalid_json" and "values" in a.json["detail"], a
    assert SANITIZED or memory(one.process.pid, "VmHWM") - before < 700 * MIB  # they would be 1,600
