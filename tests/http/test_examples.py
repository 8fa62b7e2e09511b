"""Real chains: examples/shop with every head of its own, and pgbench's schema at scale 10, made by its own statements."""
import json
import os
import re

import pytest

from mayfly import ROOT, Server, mayfly

SHOP = os.path.join(ROOT, "examples", "shop")
ACCOUNTS = 1000000


def heads(folder):
    return sorted(f"{folder}/{name}" for name in os.listdir(os.path.join(SHOP, folder)))


@pytest.fixture(scope="module")
def chains():
    one = Server({"runner.layers.max_bytes": 2 << 30})
    yield one
    one.check_end()


def run(server, *args, code=0):
    """The document of the job."""
    done = mayfly("run", *args, "--format", "json", "--server", server.url(), timeout=300)
    assert done.returncode == code, done
    return json.loads(done.stdout)


def test_the_shop_is_a_chain_of_its_size():
    assert len(heads("migrations")) >= 30 and all(re.fullmatch(r"migrations/\d{3}_\w+\.sql", path) for path in heads("migrations"))


@pytest.mark.parametrize("head", heads("test"))
def test_every_check_of_the_shop_holds(chains, head):
    job = run(chains, SHOP, "--head", head)
    answers = [result for result in job["results"] if result["columns"]]
    assert len(answers) >= 3, job
    for result in answers:
        assert result["row_count"] >= 1, result
        for row in result["rows"]:
            assert row[-1] is True, row
    assert job["snapshot"]["steps_reused"] <= job["progress"]["steps_total"]


def test_the_heads_of_the_shop_share_a_layer_and_change_none(chains):
    first = run(chains, SHOP, "--head", "test/moves.sql")
    again = run(chains, SHOP, "--head", "test/moves.sql")
    other = run(chains, SHOP, "--head", "test/orders.sql")
    assert again["snapshot"]["hit"] and other["snapshot"]["hit"]
    assert first["snapshot"]["layer_id"] == again["snapshot"]["layer_id"] == other["snapshot"]["layer_id"]
    assert [r["rows"] for r in first["results"]] == [r["rows"] for r in again["results"]]


def test_a_variable_that_a_migration_uses_is_part_of_the_chain(chains):
    euros = run(chains, SHOP, "--head", "test/orders.sql")
    francs = run(chains, SHOP, "--head", "test/orders.sql", "--var", "currency=CHF")
    other = run(chains, SHOP, "--head", "test/orders.sql", "--var", "unused=1")
    assert francs["snapshot"]["tail_hash"] != euros["snapshot"]["tail_hash"] == other["snapshot"]["tail_hash"]
    assert francs["snapshot"]["steps_reused"] > 0  # what stands before that migration


@pytest.mark.parametrize("head", heads("bench"))
def test_the_bench_heads_of_the_shop(chains, head):
    job = run(chains, SHOP, "--head", head, "--chain", "init,seed,migrations", "--var", "words=heavy spade")
    rows = job["results"][-1]["rows"]
    assert len(rows) >= 5
    if head == "bench/find.sql":
        assert all("spade" in title for _, title in rows)
    if head == "bench/customer_value.sql":
        assert sum(row[2] for row in rows if row[1] is None) == 4200


PGBENCH = {
    "init/1_tables.sql": """
        create table pgbench_history(tid int,bid int,aid int,delta int,mtime timestamp,filler char(22));
        create table pgbench_tellers(tid int not null,bid int,tbalance int,filler char(84)) with (fillfactor=100);
        create table pgbench_accounts(aid int not null,bid int,abalance int,filler char(84)) with (fillfactor=100);
        create table pgbench_branches(bid int not null,bbalance int,filler char(88)) with (fillfactor=100);
        """,
    "seed/1_rows.sql": """
        insert into pgbench_branches(bid,bbalance) select bid, 0 from generate_series(1, :scale) as bid;
        insert into pgbench_tellers(tid,bid,tbalance) select tid, (tid - 1) / 10 + 1, 0 from generate_series(1, :scale * 10) as tid;
        insert into pgbench_accounts(aid,bid,abalance,filler)
            select aid, (aid - 1) / 100000 + 1, 0, '' from generate_series(1, :scale * 100000) as aid;
        vacuum analyze pgbench_branches; vacuum analyze pgbench_tellers; vacuum analyze pgbench_accounts;
        """,
    "keys/1_keys.sql": """
        alter table pgbench_branches add primary key (bid);
        alter table pgbench_tellers add primary key (tid);
        alter table pgbench_accounts add primary key (aid);
        """,
    "keys/2_foreign_keys.sql": """
        alter table pgbench_tellers add constraint pgbench_tellers_bid_fkey foreign key (bid) references pgbench_branches;
        alter table pgbench_accounts add constraint pgbench_accounts_bid_fkey foreign key (bid) references pgbench_branches;
        """,
    "test/read.sql": "SELECT abalance FROM pgbench_accounts WHERE aid = :aid;",
    "test/tpcb.sql": """
        \\set tid 42
        BEGIN;
        UPDATE pgbench_accounts SET abalance = abalance + :delta WHERE aid = :aid;
        SELECT abalance FROM pgbench_accounts WHERE aid = :aid;
        UPDATE pgbench_tellers SET tbalance = tbalance + :delta WHERE tid = :tid;
        UPDATE pgbench_branches SET bbalance = bbalance + :delta WHERE bid = 5;
        INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (:tid, 5, :aid, :delta, timestamp '2026-01-01');
        END;
        SELECT (SELECT sum(abalance) FROM pgbench_accounts), (SELECT sum(tbalance) FROM pgbench_tellers),
               (SELECT sum(bbalance) FROM pgbench_branches), (SELECT sum(delta) FROM pgbench_history), (SELECT count(*) FROM pgbench_accounts);
        """,
}


def test_pgbench_at_scale_10(chains, tmp_path):
    for path, text in PGBENCH.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)

    def head(path, *more):
        return run(chains, str(tmp_path), "--head", path, "--timeout", "240", "--var", "scale=10", "--var", "aid=314159", *more)

    first = head("test/read.sql")
    assert first["results"][-1]["rows"] == [[0]] and first["progress"]["steps_total"] == 4
    for delta in (7, -1000):
        job = head("test/tpcb.sql", "--var", f"delta={delta}")
        rows = [result["rows"] for result in job["results"] if result["columns"]]
        assert rows[0] == [[delta]]
        assert [int(value) for value in rows[1][0]] == [delta, delta, delta, delta, ACCOUNTS]
        assert job["snapshot"]["hit"] and job["snapshot"]["layer_id"] == first["snapshot"]["layer_id"]
    assert head("test/read.sql")["results"][-1]["rows"] == [[0]]
