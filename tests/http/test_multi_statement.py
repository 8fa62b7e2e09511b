"""Requests with several statements: a parent, a handle for each statement, and one session between them (specification, 7 and 11.9)."""
import threading
import uuid

import pytest

from handles import LONG, failed_as, items, known, seen, without_request_ids
from mayfly import Client, until
from session import Session

ITEMS = "create or replace table items(id number(38,0) not null, name varchar, price number(10,2)); insert into items values (1, 'kettle', 24.90)"
SCRIPT_ERROR = ("JavaScript execution error: Uncaught Execution of multiple statements failed on statement \"{}\" (at line {}, position {}).\n{}"
                " in SYSTEM$MULTISTMT at '    throw `Execution of multiple statements failed on statement {{0}} (at line {{1}}, position {{2}}).`"
                ".replace('{{1}}', LINES[i])' position 4\nstackstrace: \nSYSTEM$MULTISTMT line: 10")


def batch(client, sql, count=0, query=None, **fields):
    parameters = {"MULTI_STATEMENT_COUNT": str(count), **fields.pop("parameters", {})}
    return client.submit(sql, query=query, parameters=parameters, **fields)


def children(answer):
    assert answer.status == 200, answer
    return answer.json["statementHandles"]


def results(client, answer):
    """The rows of every statement."""
    looks = [client.status(h) for h in children(answer)]
    assert all(a.status == 200 for a in looks), looks
    return [a.json["data"] for a in looks]


def refused(answer, code, state, status=422):
    assert answer.status == status and (answer.json["code"], answer.json.get("sqlState")) == (code, state), answer
    return answer.json["message"]


# --- the worked exchange ---

def test_a_transaction_in_one_request(fresh):
    batch(fresh, ITEMS)
    a = batch(fresh, "begin; update items set price = price * 2 where id = 1; select price from items where id = 1; commit;", 4)
    assert a.status == 200
    body = a.json
    assert body["resultSetMetaData"]["numRows"] == 1 and body["resultSetMetaData"]["format"] == "jsonv2"
    assert body["resultSetMetaData"]["partitionInfo"] == [{"rowCount": 1, "uncompressedSize": 46}]
    column = body["resultSetMetaData"]["rowType"]
    assert len(column) == 1 and column[0]["name"] == "multiple statement execution" and column[0]["type"] == "text"
    assert (column[0]["length"], column[0]["byteLength"], column[0]["nullable"]) == (134217728, 134217728, True)
    assert body["data"] == [["Multiple statements executed successfully."]]
    assert (body["code"], body["sqlState"], body["message"]) == ("090001", "00000", "Statement executed successfully.")
    assert len(body["statementHandles"]) == 4 and "stats" not in body
    looks = [fresh.status(h).json for h in body["statementHandles"]]
    assert looks[0]["data"] == looks[3]["data"] == [["Statement executed successfully."]]
    assert looks[1]["stats"] == {"numRowsInserted": 0, "numRowsDeleted": 0, "numRowsUpdated": 1, "numDmlDuplicates": 0}
    assert looks[2]["data"] == [["49.80"]] and looks[2]["resultSetMetaData"]["rowType"][0]["name"] == "PRICE"
    again = fresh.status(body["statementHandle"])
    assert without_request_ids(again)[2].replace("requestId=R", "") == without_request_ids(a)[2].replace("requestId=R", "")


def test_counts(fresh):
    message = refused(batch(fresh, "select 1; select 2; select 3; select 4", 3), "000008", "0A000")
    assert message == "Actual statement count 4 did not match the desired statement count 3."
    assert "count 2 did not match the desired statement count 1." in refused(fresh.submit("select 1; select 2"), "000008", "0A000")
    assert "count 1 did not match the desired statement count 2." in refused(batch(fresh, "select 1", 2), "000008", "0A000")
    assert len(children(batch(fresh, ";; select 1; -- one\n ; select 2;; /* two */ ;", 2))) == 2
    assert "invalid value" in refused(batch(fresh, "select 1; select 2", -1), "001008", "22023")
    many = batch(fresh, ";".join(["select 1"] * 10001))
    assert refused(many, "000008", "0A000").endswith("is larger than the maximum of 10000.")


def test_any_number_of_one_is_a_plain_result(fresh):
    a = batch(fresh, "select 41 + 1;", 0)
    assert a.status == 200 and a.json["data"] == [["42"]] and "statementHandles" not in a.json


def test_no_bindings(fresh):
    a = batch(fresh, "select ?; select 2", 2, bindings={"1": {"type": "FIXED", "value": "1"}})
    refused(a, "000002", "0A000")


# --- errors ---

def test_an_error_of_the_text_refuses_all_of_it(fresh):
    batch(fresh, ITEMS)
    for sql, code, state in (("delete from items; selec 2", "001003", "42000"), ("delete from items; select 'x", "001003", "42000"),
                             ("delete from items; put file:///tmp/x @s", "391911", "0A000"), ("delete from items; select $nix", "002211", "02000"),
                             ("delete from items; select * from read_csv('/etc/passwd')", "003001", "42501"),
                             ("delete from items; alter session set no_such_parameter = 1", "001003", "42000")):
        before = len(items(fresh))
        refused(batch(fresh, sql), code, state)
        assert len(items(fresh)) == before + 1, sql
    message = refused(batch(fresh, "select 1;\n  selec 2"), "001003", "42000")
    assert message == "SQL compilation error:\nsyntax error line 2 at position 2 unexpected 'selec'."
    assert fresh.cell("select count(*) from items") == "1"


def test_an_error_that_only_the_engines_parser_sees_refuses_all_of_it(fresh):
    for sql, line, position, token in (("create table a(i int); insert into a values (1,; select 1", 1, 47, ";"),
                                       ("create table a(i int);\n insert into a values (1,, 2); select 1", 2, 25, ","),
                                       ("create table a(i int);\nselect 'é' as \"ü\",\n iff(i > 1, i::varchar, 'x') from from a", 3, 34, "from")):
        before = len(items(fresh))
        message = refused(batch(fresh, sql), "001003", "42000")
        assert message == f"SQL compilation error:\nsyntax error line {line} at position {position} unexpected '{token}'.", sql
        assert len(items(fresh)) == before + 1
    assert refused(fresh.submit("select * from a"), "002003", "42S02")
    many = ["create table a(i int)"] + ["insert into a values (1)"] * 1200
    message = refused(batch(fresh, ";\n".join(many + ["select i from from a"])), "001003", "42000")
    assert message == "SQL compilation error:\nsyntax error line 1202 at position 14 unexpected 'from'."
    assert refused(fresh.submit("select * from a"), "002003", "42S02")


def test_a_failure_stops_it_and_what_was_done_stays(fresh):
    sql = ("create or replace table table1 (i int); insert into table1 (i) values (1); insert into table1 (i) values ('This is not a valid integer.');"
           " insert into table1 (i) values (2); select i from table1 order by i")
    a = batch(fresh, sql)
    assert refused(a, "100132", "P0000") == SCRIPT_ERROR.format(
        "insert into table1 (i) values ...", 1, 75, "Numeric value 'This is not a valid integer.' is not recognized")
    assert "statementHandles" not in a.json
    assert fresh.cells("select i from table1") == [["1"]]
    ran = [fresh.document(h).json for h in items(fresh)]
    texts = {d["sql"]: d["status"] for d in ran}
    assert texts["insert into table1 (i) values ('This is not a valid integer.')"] == "FAILED"
    assert "insert into table1 (i) values (2)" not in texts and texts["insert into table1 (i) values (1)"] == "SUCCEEDED"
    parent = fresh.document(a.json["statementHandle"]).json
    assert parent["status"] == "FAILED" and parent["sql_state"] == "P0000" and parent["error"]["position"] >= 76
    assert fresh.status(a.json["statementHandle"]).json["code"] == "100132"


def test_a_failure_rolls_an_open_transaction_back(fresh):
    batch(fresh, ITEMS)
    message = refused(batch(fresh, "begin; delete from items;\n select * from nope; commit"), "100132", "P0000")
    assert message == SCRIPT_ERROR.format("select * from nope", 2, 1,
                                          "SQL compilation error:\nObject 'NOPE' does not exist or not authorized.")
    assert fresh.cell("select count(*) from items") == "1"


def test_a_transaction_that_is_open_at_the_end_is_rolled_back(fresh):
    batch(fresh, ITEMS)
    children(batch(fresh, "begin; delete from items"))
    assert fresh.cell("select count(*) from items") == "1"
    assert results(fresh, batch(fresh, "begin; delete from items; rollback; select count(*) from items"))[3] == [["1"]]
    # neither a second BEGIN nor a COMMIT of nothing is an error
    assert results(fresh, batch(fresh, "commit; begin; begin; delete from items; commit; rollback; select count(*) from items"))[6] == [["0"]]


def test_definitions_commit(fresh):
    batch(fresh, ITEMS)
    children(batch(fresh, "begin; delete from items; create table other(a int); rollback"))
    assert fresh.cell("select count(*) from items") == "0"


# --- one session ---

def test_state_lasts_as_long_as_the_request(fresh):
    rows = results(fresh, batch(fresh, "set x = 5; set y = 'five'; select $x + 1, $y; unset x; create temp table tt(a int); insert into tt values (1), (2);"
                                       " select count(*) from tt; alter session set rows_per_resultset = 1; select * from tt order by a;"
                                       " alter session unset rows_per_resultset; select * from tt order by a"))
    assert rows[2] == [["6", "five"]] and rows[6] == [["2"]] and rows[8] == [["1"]] and rows[10] == [["1"], ["2"]]
    assert refused(fresh.submit("select $x"), "002211", "02000")
    assert refused(fresh.submit("select * from tt"), "002003", "42S02")


def test_output_formats_last_as_long_as_the_request(fresh):
    rows = results(fresh, batch(fresh, "alter session set date_output_format = 'DD.MM.YYYY'; select date '2024-02-29';"
                                       " alter session unset date_output_format; select date '2024-02-29'"))
    assert rows[1] == [["29.02.2024"]] and rows[3] == [["19782"]]


def test_use_and_new_databases(fresh):
    rows = results(fresh, batch(fresh, "create database shop; create schema s1; select current_database(), current_schema(); create table t1(a int);"
                                       " use schema public; select current_schema(); insert into shop.s1.t1 values (7); use database mayfly;"
                                       " select current_database(), current_schema(); use schema shop.s1; select a from t1"))
    assert rows[0] == [["Database SHOP successfully created."]] and rows[1] == [["Schema S1 successfully created."]]
    assert rows[2] == [["SHOP", "S1"]] and rows[5] == [["PUBLIC"]] and rows[8] == [["MAYFLY", "PUBLIC"]] and rows[10] == [["7"]]
    assert fresh.cell("select a from t1", database="SHOP", schema="S1") == "7"
    rows = results(fresh, batch(fresh, "create database if not exists shop; drop database shop; drop database if exists shop"))
    assert [r[0][0] for r in rows] == ["SHOP already exists, statement succeeded.", "SHOP successfully dropped.",
                                       "Drop statement executed successfully (SHOP already dropped)."]


def test_tags_are_in_history(fresh):
    a = batch(fresh, "select 1; alter session set query_tag = 'second'; select 2", parameters={"QUERY_TAG": "first"})
    handles = children(a)
    assert [fresh.document(h).json["query_tag"] for h in handles] == ["first", "first", "second"]
    assert fresh.document(a.json["statementHandle"]).json["query_tag"] == "first"
    assert "query_tag" not in fresh.document(fresh.submit("select 1").json["statementHandle"]).json


def test_a_single_statement_has_no_lasting_state(fresh):
    for sql in ("alter session set timezone = 'Europe/Berlin'", "set x = 1"):
        assert fresh.cells(sql) == [["Statement executed successfully."]]
    for sql, name in (("begin", "TRANSACTION_BEGIN"), ("commit", "COMMIT"), ("rollback", "ROLLBACK"), ("use database x", "USE")):
        assert refused(fresh.submit(sql), "391911", "0A000") == "Command not supported by SQL API: " + name


def test_inside_a_named_session(fresh):
    session = Session(fresh)
    headers = {"X-Mayfly-Session": session.id}
    a = batch(fresh, "create table mine(a int); insert into mine values (1); select a from mine", headers=headers)
    assert results(fresh, a)[2] == [["1"]]
    assert {a.json["statementHandle"], *children(a)} == set(items(fresh, session_id=session.id))
    assert fresh.submit("select * from mine").status == 422


# --- ending ---

def running_child(client, parent):
    """The handle of the statement of a script that runs now."""
    def find():
        for handle in items(client, status="RUNNING"):
            if handle != parent and client.document(handle).json["sql"] == LONG:
                return handle
        return None
    return until(find, "the long statement to run")


@pytest.mark.parametrize("which", ["parent", "child"])
def test_a_cancel_ends_all_of_it(fresh, which):
    a = batch(fresh, f"select 1; {LONG}; create table never(a int)", query={"async": "true"})
    assert a.status == 202 and a.json["code"] == "333334"
    parent = a.json["statementHandle"]
    child = running_child(fresh, parent)
    assert fresh.status(parent).status == 202
    assert fresh.cancel(parent if which == "parent" else child).status == 200
    for handle in (parent, child):
        assert refused(fresh.poll(handle), "000604", "57014") == "SQL execution canceled"
    assert refused(fresh.submit("select * from never"), "002003", "42S02")
    until(lambda: not items(fresh, status="RUNNING"), "all to end")


def test_a_timeout_covers_all_of_it(fresh):
    fresh.run("select 1")  # its worker has started
    a = batch(fresh, f"select 1; {LONG}; select 3", timeout=6)
    text = "Statement reached its statement or warehouse timeout of 6 second(s) and was canceled."
    assert refused(a, "000630", "57014", 408) == text
    child = [h for h in items(fresh) if fresh.document(h).json["sql"] == LONG]
    assert refused(fresh.poll(child[0]), "000630", "57014", 408) == text


def test_a_resend_finds_the_parent(fresh):
    query = {"requestId": str(uuid.uuid4()), "retry": "true"}
    a = batch(fresh, "create table once(a int); insert into once values (1)", query=query)
    b = batch(fresh, "create table once(a int); insert into once values (1)", query=query)
    assert a.status == b.status == 200 and a.json["statementHandle"] == b.json["statementHandle"] and children(a) == children(b)


def test_forgetting_the_parent_leaves_the_statements(fresh):
    a = batch(fresh, "select 1; select 2")
    assert fresh.forget(a.json["statementHandle"]).status == 204
    assert fresh.status(a.json["statementHandle"]).json["code"] == "000709"
    assert [fresh.status(h).json["data"] for h in children(a)] == [[["1"]], [["2"]]]


def test_places_are_there_for_all_of_it_or_it_does_not_begin(server):
    one = server(tenants__max_statements=10)
    client = Client(one)
    assert batch(client, ";".join(["select 1"] * 10)).status == 429
    assert items(client) == []
    assert len(children(batch(client, ";".join(["select 1"] * 9)))) == 9
    assert batch(client, "select 1; select 2").status == 429


def test_ten_thousand_statements(fresh):
    fresh.submit("create table many(a int)")
    done = threading.Event()
    slow = []

    def others():
        while not done.is_set():
            slow.append(fresh.submit("select 1").status)

    thread = threading.Thread(target=others)
    thread.start()
    a = batch(fresh, "begin;" + ";".join(f"insert into many values ({i})" for i in range(9998)) + ";commit", 10000)
    if a.status == 202:
        a = fresh.poll(a.json["statementHandle"])
    done.set()
    thread.join()
    assert len(children(a)) == 10000 and set(slow) == {200}
    assert fresh.cells("select count(*), sum(a) from many") == [["9998", str(sum(range(9998)))]]


# --- stores ---

def test_children_survive_a_kill_and_what_ran_failed(killable):
    settings = {"snowflake_api__default_session": "persistent"}
    a = killable.start(**settings)
    finished = batch(a.client, "create table t(a int); insert into t values (1), (2); select a from t order by a", parameters={"QUERY_TAG": "tag"})
    handles = [finished.json["statementHandle"], *children(finished)]
    broken = batch(a.client, f"insert into t values (3); {LONG}; insert into t values (4)", query={"async": "true"}).json["statementHandle"]
    child = running_child(a.client, broken)
    before = [(seen(a.client, h), without_request_ids(a.client.status(h))) for h in handles]
    b = killable.kill(**settings)
    assert [(seen(b.client, h), without_request_ids(b.client.status(h))) for h in handles] == before
    assert b.client.status(handles[0]).json["statementHandles"] == handles[1:]
    assert b.client.document(handles[2]).json["query_tag"] == "tag"
    for handle in (broken, child):
        failed_as(b.client, handle, "server_restarted")
    assert b.client.cells("select a from t order by a") == [["1"], ["2"], ["3"]]
    texts = [b.client.document(h).json["sql"] for h in items(b.client)]
    assert "insert into t values (3)" in texts and "insert into t values (4)" not in texts


@pytest.mark.parametrize("kind", ["redis", "hybrid"])
def test_another_server_answers_for_parent_and_children(fleet, kind):
    servers = fleet(kind)
    a, b = servers.start(), servers.start()
    one = batch(a.client, "create table t(a int); insert into t values (1), (2); select a from t order by a")
    handles = [one.json["statementHandle"], *children(one)]
    looks = [without_request_ids(b.client.status(h)) for h in handles]
    assert looks == [without_request_ids(a.client.status(h)) for h in handles]
    assert b.client.status(handles[0]).json["statementHandles"] == handles[1:]
    parent = batch(a.client, f"select 1; {LONG}; select 3", query={"async": "true"}).json["statementHandle"]
    child = running_child(a.client, parent)
    assert b.client.cancel(parent).status == 200
    for handle in (parent, child):
        assert known(b.client, handle)["status"] == "CANCELED"


def test_a_server_that_dies_in_a_script(fleet):
    servers = fleet("redis")
    a, b = servers.start(), servers.start()
    parent = batch(a.client, f"select 1; {LONG}; select 3", query={"async": "true"}).json["statementHandle"]
    child = running_child(a.client, parent)
    first = next(h for h in items(a.client) if a.client.document(h).json["sql"] == "select 1")
    servers.kill(a)
    for handle in (parent, child):
        assert known(b.client, handle)["status"] == "FAILED"
    assert b.client.status(first).json["data"] == [["1"]]
