"""Handles as several servers show them, and callers that all servers know by one key."""
import base64
import hashlib
import hmac
import json
import re
import time

from mayfly import PATIENCE, Client, until

LONG = "select count(*) from range(1000000000000) t(i) where i % 7 = 3"
PARTS = "select i as a, 'row ' || i as b, case when i % 3 = 0 then null else i * 1.5 end as c from range(20000) t(i)"
MIXED = ("select 1 as a, 'x\"y' as b, null as c, timestamp '1969-12-31 23:59:59.5' as d, true as e, 1.50::decimal(10,2) as f,"
         " date '1969-12-31' as g, 'nan'::double as h")
UUID = re.compile(r"requestId=[0-9a-f-]{36}")
UNAVAILABLE = 503


def through(client, server):
    """The same caller at another server."""
    return Client(server, headers=client.headers)


def start_long(client, **fields):
    return client.running(client.native(LONG, wait=0, **fields).json["handle"])


def known(client, handle):
    """Its document once this server knows it as ended."""
    def ended():
        a = client.document(handle)
        assert a.status in (200, UNAVAILABLE), a
        return a.json if a.status == 200 and a.json["completed_at"] else None
    return until(ended, f"the end of {handle} at {client.server.port}")


def without_request_ids(answer):
    """What an answer of /api/v2 says, but for what is made anew for each call."""
    body = re.sub(UUID, "requestId=R", answer.body.decode())
    if answer.body.startswith(b"{"):
        said = json.loads(body)
        said.pop("requestId", None)
        body = json.dumps(said)
    return answer.status, answer.encoding, body, re.sub(UUID, "requestId=R", answer.headers.get("Link", ""))


def seen(client, handle):
    """All that a caller sees of an ended handle on both surfaces; partitions after the first as the bytes of the wire."""
    document = client.document(handle)
    if document.status != 200 or document.json["status"] != "SUCCEEDED":
        return document.status, document.json if document.status == 200 else document.json["code"], without_request_ids(client.status(handle))
    pages = [client.status(handle, partition=i) for i in range(document.json["partition_count"])]
    assert all(p.status == 200 for p in pages), pages
    natively = [client.result(handle, accept) for accept in ("application/json", "application/x-ndjson", "text/csv")]
    return (document.json, without_request_ids(client.status(handle)), [without_request_ids(p) for p in pages],
            [p.raw for p in pages[1:]], [(a.status, a.type, a.body) for a in natively])


def raw_parts(client, handle):
    """The partitions after the first as the bytes of the wire."""
    return [client.status(handle, partition=i).raw for i in range(1, client.document(handle).json["partition_count"])]


def rows_of(client, handle):
    """All rows, partition after partition, as /api/v2 sends them."""
    return [row for i in range(client.document(handle).json["partition_count"]) for row in client.status(handle, partition=i).json["data"]]


def items(client, **query):
    """The handles of a list, newest first, page by page."""
    found, after = [], None
    while True:
        asked = {"limit": 1000, **query, **({"after": after} if after else {})}
        a = client.get("/v1/statements?" + "&".join(f"{k}={v}" for k, v in asked.items()))
        assert a.status == 200, a
        found += [i["handle"] for i in a.json["items"]]
        after = a.json["next"]
        if not after:
            return found


def gone(client, handle):
    """Neither surface knows it, or both know that it is over."""
    document, status = client.document(handle), client.status(handle)
    assert (document.status, status.status) in ((404, 400), (410, 400)), (document, status)
    assert status.json["code"] == {404: "000709", 410: "000710"}[document.status], status
    return True


def refused_for_now(native, snowflake):
    """503 in the form of each surface, and when to come again."""
    assert native.status == snowflake.status == UNAVAILABLE, (native, snowflake)
    assert native.json["code"] == "unavailable" and native.type == "application/problem+json", native
    assert set(snowflake.json) >= {"code", "message"} and re.fullmatch("[0-9]{6}", snowflake.json["code"]), snowflake
    for a in (native, snowflake):
        assert int(a.headers["Retry-After"]) >= 1, a
        assert "redis://" not in a.text


def failed_as(client, handle, code, seconds=PATIENCE):
    """Waits until a server shows the handle as FAILED with this code; its document."""
    def ended():
        a = client.document(handle)
        assert a.status in (200, UNAVAILABLE), a
        return a.json if a.status == 200 and a.json["completed_at"] else None
    document = until(ended, f"{handle} to fail", seconds)
    assert document["status"] == "FAILED" and document["error"]["code"] == code, document
    a = client.status(handle)
    assert a.status == 422 and a.json["code"] == "000603" and a.json["statementHandle"] == handle, a
    assert document["result_bytes"] == document["partition_count"] == 0
    return document


def before_all_ends(call, over):
    """Runs the call, then tells the other threads, also when it fails."""
    try:
        call()
    finally:
        over.set()


# --- what a server says of its store ---

def store(server):
    a = server.client.get("/readyz")
    return a.status, a.json["statement_store"]


def up(server):
    """Waits until the server has its Redis, and owes it nothing."""
    def back():
        said = store(server)[1]
        return said["status"] == "ok" and not said["owed"]
    until(back, "the server to have Redis again")


def down(server):
    until(lambda: store(server)[1]["status"] != "ok", "the server to miss Redis")


def metric(server, name):
    return float(re.search(rf"^{name} ([0-9.e+]+)$", server.client.get("/metrics").text, re.M).group(1))


# --- callers with a name, at any server ---

SECRET = b"0123456789abcdef0123456789abcdef"


def keys(folder):
    """Settings of servers that believe signed()."""
    path = folder / "keys.json"
    path.write_text(json.dumps({"keys": [{"alg": "HS256", "secret": base64.b64encode(SECRET).decode()}]}))
    return {"auth__mode": "jwt", "auth__jwt_keys": str(path)}


def signed(server, principal, tenant="acme"):
    """A caller by a signed claim."""
    said = {"sub": principal, "tenant": tenant, "exp": int(time.time()) + 600}
    text = ".".join(base64url(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, said))
    return server.with_token(text + "." + base64url(hmac.new(SECRET, text.encode(), hashlib.sha256).digest()))


def base64url(text):
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def grant(client, handle, principal):
    return client.request("POST", f"/v1/statements/{handle}/grants", {"principal": principal})


def take_back(client, handle, principal):
    return client.request("DELETE", f"/v1/statements/{handle}/grants/{principal}")
