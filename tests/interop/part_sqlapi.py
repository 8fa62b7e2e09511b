"""Results of /api/v2/statements read by npm's HTTP clients and by Python's own: gzip, Link and partitions."""
import gzip
import http.client
import json
import os
import re
import subprocess
import sys
import urllib.request

import needs

sys.path.insert(0, os.path.join(needs.ROOT, "tests", "http"))
from mayfly import Server  # noqa: E402

FOLDER = os.path.join(needs.HERE, "sqlapi")
ROWS = 50000
STATEMENT = f"select i as n, 'row \u00e4\u20ac\U0001f426 ' || i as s, case when i % 3 = 0 then null else i / 3 end as q from range({ROWS}) t(i) order by i"
LINK = re.compile(r'<([^>]+)>; *rel="(\w+)"')


def by_http_client(server, method, path, body=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=300)
    connection.request(method, path, body, {"Content-Type": "application/json", "Accept-Encoding": "gzip"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    return answer.status, answer.headers, text


def by_urllib(server, method, path, body=None):
    request = urllib.request.Request(server.url() + path, body, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=300) as answer:
        return answer.status, answer.headers, answer.read()


def walk(server, ask):
    """All rows, page by page along Link; how many pages came compressed."""
    compressed = []

    def read(method, path, body=None):
        status, headers, text = ask(server, method, path, body)
        assert status == 200 and headers["Content-Type"] == "application/json", (status, text[:300])
        compressed.append(headers.get("Content-Encoding") == "gzip")
        links = {rel: url for url, rel in LINK.findall(headers["Link"])}
        return json.loads(gzip.decompress(text) if compressed[-1] else text), links

    first, links = read("POST", "/api/v2/statements", json.dumps({"statement": STATEMENT}).encode())
    rows = list(first["data"])
    while "next" in links:
        page, links = read("GET", links["next"])
        assert list(page) == ["data"]
        rows += page["data"]
    info = first["resultSetMetaData"]["partitionInfo"]
    assert len(compressed) == len(info) >= 4 and all(compressed[1:])
    assert first["resultSetMetaData"]["numRows"] == len(rows) == ROWS == sum(p["rowCount"] for p in info)
    return rows, compressed[0]


def main():
    program = needs.node(20)
    needs.node_modules(FOLDER)
    server = Server()
    try:
        rows, compressed = walk(server, by_http_client)
        assert compressed and rows[:2] == [["0", "row \u00e4\u20ac\U0001f426 0", None], ["1", rows[1][1], rows[1][2]]]
        other, compressed = walk(server, by_urllib)
        assert not compressed and other == rows
        for client in ("http", "fetch", "undici", "axios", "got"):
            done = subprocess.run([program, "walk.mjs", server.url(), client, STATEMENT], cwd=FOLDER, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, timeout=300, check=False)
            assert done.returncode == 0, (client, done.stdout)
            said = json.loads(done.stdout)
            assert said["rows"] == ROWS and said["pages"] == said["partitions"] >= 4, said
            assert said["first"] == rows[0] and said["last"] == rows[-1], said
    finally:
        server.check_end()


if __name__ == "__main__":
    main()
