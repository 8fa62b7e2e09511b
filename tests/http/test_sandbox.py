"""User SQL that tries the host's files, the network, other tenants and the engine itself.

Each attempt is made on both surfaces; the gate says 422, and what the attempt
wanted never appears, neither in an answer nor on the disk.
"""
import contextlib
import glob
import os
import re

import pytest

from mayfly import Server, unique, until

SECRET = "the-secret-of-the-host"


@pytest.fixture(scope="module")
def host():
    server = Server()
    server.client.run("create table kept as select 42 as a")
    server.as_tenant("victim").run("create table treasure as select 'the-treasure' as t")
    server.secret = os.path.join(server.folder, "secret.csv")
    with open(server.secret, "w", encoding="ascii") as f:
        f.write(f"a\n{SECRET}\n")
    os.chmod(server.secret, 0o644)
    yield server
    server.check_end()


def native_attempt(client, sql):
    a = client.native(sql)
    texts = [a.text]
    if a.status == 200:
        texts += [client.result(a.json["handle"]).text, client.result(a.json["handle"], "text/csv").text]
    return a, texts


REFUSED = [
    # files, by function
    "select * from read_csv('{secret}')",
    "select * from read_csv_auto('{secret}')",
    "select * from read_text('{secret}')",
    "select * from read_blob('{secret}')",
    "select * from read_json('{secret}')",
    "select * from read_json_auto('{secret}')",
    "select * from read_ndjson('{secret}')",
    "select * from read_ndjson_objects('{secret}')",
    "select * from read_parquet('{secret}')",
    "select * from parquet_scan('{secret}')",
    "select * from parquet_metadata('{secret}')",
    "select * from parquet_schema('{secret}')",
    "select * from parquet_file_metadata('{secret}')",
    "select * from parquet_kv_metadata('{secret}')",
    "select * from glob('/*')",
    "select * from glob('{folder}/*')",
    "select * from sniff_csv('{secret}')",
    "select * from read_text('/etc/passwd')",
    "select * from read_text('/proc/self/environ')",
    "select * from read_text('/proc/self/maps')",
    "select * from read_text('{data}/tokens')",
    "select * from READ_TEXT('{secret}')",
    "select * from \"read_text\"('{secret}')",
    "select * from main.read_text('{secret}')",
    "select * from system.main.read_text('{secret}')",
    "select * from /* c */ read_text /* d */ ('{secret}')",
    "select * from read_text(\n'{secret}')",
    "select (select content from read_text('{secret}'))",
    "with x as (select * from read_text('{secret}')) select * from x",
    "select 1 where exists (from read_text('{secret}'))",
    "from read_text('{secret}')",
    "select * from range(1) t(i), lateral read_text('{secret}')",
    "select * from range(1) union all by name select content from read_text('{secret}')",
    "create table stolen as select * from read_text('{secret}')",
    "create view stolen_view as select * from read_text('{secret}')",
    "create macro stolen_macro() as table select * from read_text('{secret}')",
    "insert into kept select 1 from read_text('{secret}')",
    "explain select * from read_text('{secret}')",
    "explain analyze select * from read_text('{secret}')",
    "describe select * from read_text('{secret}')",
    "summarize select * from read_text('{secret}')",
    "pivot (select * from read_text('{secret}')) on filename",
    # files, by name
    "select * from '{secret}'",
    "select * from \"{secret}\"",
    "select * from '/etc/passwd'",
    "from '{secret}'",
    "describe '{secret}'",
    "summarize '{secret}'",
    "select * from '{data}/tenants/*/*'",
    "select * from kept join '{secret}' on true",
    "select * from range(1), '{secret}'",
    # other tenants' and workers' folders
    "select * from glob('{data}/tenants/**')",
    "select * from read_blob('{data}/tenants/victim/*')",
    "select * from '{data}/tenants/default/../victim/main.db'",
    "select * from read_text('{data}/spool/*')",
    "copy (select 1) to '{data}/tenants/victim/tmp/x'",
    "copy (select 1) to '{data}/tenants/default/main.db' (use_tmp_file false)",
    "select * from glob('/proc/*/environ')",
    "select * from read_text('/proc/1/cmdline')",
    # writing
    "copy (select 1) to '{folder}/written.csv'",
    "copy kept to '{folder}/written.csv'",
    "copy kept to '{folder}/written.db' (use_tmp_file false)",
    "copy kept from '{secret}'",
    "copy from database memory to main",
    "export database '{folder}/exported'",
    "import database '{folder}/exported'",
    "prepare p as export database '{folder}/exported'",
    "prepare p as select * from read_text('{secret}')",
    "execute p",
    # other databases
    "attach '{folder}/attached.db' as other",
    "attach ':memory:' as other",
    "attach '{data}/tenants/victim/main.db' as victim (read_only)",
    "attach 'http://127.0.0.1:{port}/x.db'",
    "attach 'databases/OTHER.0000000000000001.db' as other",
    "create database other from 'databases/OTHER.0000000000000001.db'",
    "select * from glob('databases/*')",
    "select * from read_blob('databases/*')",
    "from 'databases/OTHER.0000000000000001.db'",
    "copy (select 1) to 'databases/OTHER.0000000000000001.db' (use_tmp_file false)",
    "detach main",
    "use other",
    "checkpoint",
    "force checkpoint",
    # extensions and the network
    "install httpfs",
    "install spatial from community",
    "load httpfs",
    "load '{folder}/evil.duckdb_extension'",
    "update extensions",
    "select * from read_csv('http://127.0.0.1:{port}/healthz')",
    "select * from 'http://127.0.0.1:{port}/healthz'",
    "select * from read_parquet('s3://bucket/x')",
    "create secret s (type s3, key_id 'x', secret 'y')",
    "create persistent secret s (type s3, key_id 'x', secret 'y')",
    "drop secret s",
    "select * from duckdb_secrets()",
    # settings
    "set global enable_external_access = true",
    "reset all",
    "reset memory_limit",
    "reset enable_external_access",
    "pragma database_list",
    "pragma enable_profiling",
    "pragma memory_limit = '100GB'",
    "pragma version",
    "pragma_version()",
    "select * from pragma_database_list()",
    "select * from duckdb_settings()",
    "select current_setting('temp_directory')",
    "select getenv('HOME')",
    "select * from duckdb_temporary_files()",
    "select * from duckdb_databases()",
    "select * from duckdb_extensions()",
    "select * from duckdb_memory()",
    "select * from pragma_user_agent()",
    "select * from pg_settings",
    "select * from pg_catalog.pg_settings",
    "select * from duckdb_logs",
    "select * from duckdb_external_file_cache()",
    # logging: aborts the process, or shows what others run
    "select * from enable_logging('QueryLog', storage='file', storage_path='{folder}/log')",
    "select * from enable_logging('QueryLog')",
    "call enable_logging('QueryLog')",
    "call disable_logging()",
    "call truncate_duckdb_logs()",
    "select message from duckdb_logs()",
    "select write_log('x')",
    "select * from enable_profiling('json')",
    # SQL in text
    "select * from query('select * from read_text(''{secret}'')')",
    "select * from query_table('kept')",
    "select * from query_table(['kept'])",
    "select * from json_execute_serialized_sql(json_serialize_sql('select 1'))",
    "pragma json_execute_serialized_sql('x')",
    "call query('select 1')",
    "from query('from kept')",
    # catalogs that are not the caller's
    "select * from victim.main.treasure",
    "create table victim.main.x(a int)",
    "create table system.main.x(a int)",
    "drop schema system.main",
    "insert into system.main.x values (1)",
    # and the rest
    "create user u",
    "grant select on kept to public",
    "vacuum full",
    "shutdown",
    "kill 1",
    "call pragma_version()",
    "select * from sql_auto_complete('sel')",
    "select * from seq_scan('kept')",
    "select * from arrow_scan(1, 2, 3)",
    "select * from test_all_types_scan()",
]


# Natively a setting of DuckDB's; on Snowflake's surface a variable of the script.
SETTINGS = [
    "set enable_external_access = true",
    "set memory_limit = '100GB'",
    "set threads = 64",
    "set temp_directory = '{folder}'",
    "set allowed_directories = ['/']",
    "set lock_configuration = false",
    "set home_directory = '/'",
    "set search_path = 'system'",
    "set schema = 'system'",
    "set log_query_path = '{folder}/log'",
    "set profiling_output = '{folder}/log'",
    "set enable_profiling = 'json'",
    "set progress_bar_time = 1",
    "set logging_storage = 'file'",
]


def written(host):
    known = {"data", "log", "secret.csv"}
    return [name for name in os.listdir(host.folder) if name not in known]


@pytest.mark.parametrize("sql", REFUSED, ids=lambda sql: sql[:60])
def test_an_attempt_is_refused_on_both_surfaces(host, sql):
    text = sql.format(secret=host.secret, folder=host.folder, data=host.data, port=host.port)
    a, texts = native_attempt(host.client, text)
    b = host.client.submit(text)
    for one in texts + [b.text]:
        assert SECRET not in one.replace(text, "") and "root:" not in one and "the-treasure" not in one
    assert written(host) == []
    assert b.status == 422 and re.fullmatch(r"\d{6}", b.json["code"]) and b.json["sqlState"], b
    if a.status == 200:  # what the gate leaves to the engine fails there
        assert a.json["status"] == "FAILED", a
    else:
        assert a.status == 422 and a.json["code"] == "not_allowed", a


@pytest.mark.parametrize("sql", SETTINGS)
def test_a_setting_is_refused_natively_and_a_variable_on_the_other_surface(host, sql):
    text = sql.format(secret=host.secret, folder=host.folder, data=host.data, port=host.port)
    name, value = re.fullmatch(r"set (\w+) = (.*)", text).groups()
    a, _ = native_attempt(host.client, text)
    assert a.status == 422 and a.json["code"] == "not_allowed", a
    b = host.client.submit(f"{text}; select $1 is null, ${name}::varchar from values (null); select count(*) from kept",
                           parameters={"MULTI_STATEMENT_COUNT": "0"})
    assert b.status == 200, b
    looks = [host.client.status(h).json["data"] for h in b.json["statementHandles"]]
    assert looks[1:] == [[["true", {"['/']": '["/"]'}.get(value, value.strip("'"))]], [["1"]]]
    for attempt in (f"{text}; select * from read_text('{host.secret}')", f"{text}; select current_setting('{name}')",
                    f"{text}; attach '{host.folder}/x.db' as other"):
        refused = host.client.submit(attempt, parameters={"MULTI_STATEMENT_COUNT": "0"})
        assert refused.status == 422 and SECRET not in refused.text, attempt
    assert written(host) == []


def test_the_gate_answers_what_was_refused_and_where(host):
    a = host.client.native("select *\nfrom read_text('/etc/passwd')")
    assert a.status == 422 and a.json["code"] == "not_allowed" and "read_text" in a.json["detail"]
    assert a.json["position"] == 15


def test_words_of_the_gate_in_text_and_comments_are_harmless(host):
    for sql in ("select 'copy kept to ''/tmp/x''' as a", "select 1 -- read_text('/etc/passwd')", "select 1 /* attach ':memory:' */",
                "select \"read_text\" from (select 1 as read_text)", "select 1 as install", "select 'pragma' || 'set'"):
        a = host.client.native(sql)
        assert a.status == 200 and a.json["status"] == "SUCCEEDED", a
        assert host.client.submit(sql).status == 200, sql


def test_ordinary_statements_pass_the_gate(host):
    name = unique("plain")
    for sql in (f"create table {name}(a int, b varchar)", f"insert into {name} values (1, 'x')", f"update {name} set b = 'y'",
                f"select * from {name} join kept on true", f"with x as (select 1 as a) select * from x, {name}",
                f"alter table {name} add column c int", f"create view {name}_v as from {name}", f"summarize {name}",
                f"describe {name}", "show tables", f"create index {name}_i on {name}(a)", f"delete from {name}",
                "select * from range(3), generate_series(1, 2)", "select unnest([1, 2])", "values (1), (2)",
                f"explain select * from {name}", f"drop table {name} cascade",
                "select * from information_schema.tables", "select count(*) from information_schema.columns"):
        a = host.client.native(sql)
        assert a.status == 200 and a.json["status"] == "SUCCEEDED", (sql, a)


def test_metadata_shows_no_paths_and_no_other_tenant(host):
    for sql in ("select * from information_schema.tables", "select * from information_schema.schemata", "show all tables",
                "show databases", "select * from duckdb_tables()", "select * from duckdb_views()", "select * from duckdb_schemas()",
                "select * from duckdb_columns()", "select * from pg_catalog.pg_database", "select * from sqlite_master",
                "select * from pg_catalog.pg_class", "select * from duckdb_functions()"):
        _, texts = native_attempt(host.client, sql)
        for text in texts:
            assert host.folder not in text and "treasure" not in text and "/main.db" not in text, sql


def test_errors_show_no_paths_of_the_server(host):
    for sql in ("select * from nope", "insert into kept values ('x')", "select error('x')", "select 'x'::int", "create table kept(a int)"):
        for text in (host.client.native(sql).text, host.client.submit(sql).text):
            assert host.folder not in text, text


def test_another_tenants_statements_are_not_seen_through_sql(host):
    victim = host.as_tenant("victim")
    handle = victim.running(victim.native("select count(*), 'victims-own-text' from range(1000000000000) t(i) where i % 7 = 3",
                                          wait=0).json["handle"])
    for sql in ("select * from duckdb_logs()", "select * from duckdb_prepared_statements()", "select current_query()",
                "select * from duckdb_connection_count()"):
        _, texts = native_attempt(host.client, sql)
        assert all("victims-own-text" not in text for text in texts), sql
    victim.forget(handle)


def test_after_all_attempts_the_engine_still_works(host):
    assert host.client.rows("select a from kept") == [[42]]
    assert host.as_tenant("victim").rows("select t from treasure") == [["the-treasure"]]
    assert host.client.get("/metrics").status == 200


# --- the process ---

def status_of(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
        return dict(line.rstrip("\n").split(":", 1) for line in status if ":" in line)


def workers_of(host):
    for tenant in ("default", "victim"):
        host.as_tenant(tenant).run("select 1")
    return until(lambda: len(host.workers()) >= 2 and host.workers(), "two workers")


def test_a_worker_is_confined_by_seccomp_and_can_gain_nothing(host):
    report = host.client.get("/readyz").json["engine"]["sandbox"]
    for pid in workers_of(host):
        status = status_of(pid)
        assert status["NoNewPrivs"].strip() == "1"
        assert status["Seccomp"].strip() == ("2" if report["seccomp"] else "0")
        assert int(status["CapEff"], 16) == 0 and int(status["CapPrm"], 16) == 0 or os.getuid() != 0


def test_workers_run_under_uids_of_their_own_when_the_server_is_root(host):
    if os.getuid() != 0:
        pytest.skip("the server is not root")
    if not host.client.get("/readyz").json["engine"]["sandbox"]["own_uid"]:
        pytest.skip("/readyz says that workers have no uids of their own")
    uids = [set(status_of(pid)["Uid"].split()) for pid in workers_of(host)]
    assert all(len(ids) == 1 and "0" not in ids for ids in uids)
    assert len({tuple(ids) for ids in uids}) == len(uids)
    assert all(set(status_of(pid)["Gid"].split()) != {"0"} for pid in workers_of(host))


def held_by(pid):
    """What its descriptors stand for; one may go meanwhile."""
    found = []
    for fd in glob.glob(f"/proc/{pid}/fd/*"):
        with contextlib.suppress(FileNotFoundError):
            found.append(os.readlink(fd))
    return found


def test_a_worker_has_limits_and_holds_few_files(host):
    for pid in workers_of(host):
        with open(f"/proc/{pid}/limits", encoding="ascii") as limits:
            text = limits.read()
        assert re.search(r"Max core file size\s+0\s", text)
        names = held_by(pid)
        assert not [n for n in names if "TCP" in n or n.endswith("/tokens") or "/spool/" in n or n.endswith("/log")], names


def test_a_worker_holds_no_socket_but_its_own(host):
    """Neither the listener nor clients' connections may be inherited."""
    with open(f"/proc/{host.process.pid}/net/tcp", encoding="ascii") as tcp:
        inodes = {line.split()[9] for line in tcp.readlines()[1:]}
    for pid in workers_of(host):
        held = {m.group(1) for name in held_by(pid) if (m := re.match(r"socket:\[(\d+)\]", name))}
        assert not held & inodes


def test_folders_of_tenants_are_closed_to_one_another(host):
    workers_of(host)
    owners = {}
    for folder in glob.glob(os.path.join(host.data, "tenants", "*")):
        status = os.stat(folder)
        assert status.st_mode & 0o077 == 0, folder
        owners[folder] = status.st_uid
    assert len(owners) >= 2
    if os.getuid() == 0 and host.client.get("/readyz").json["engine"]["sandbox"]["own_uid"]:
        assert len(set(owners.values())) == len(owners) and 0 not in owners.values()


def test_the_servers_environment_does_not_reach_workers(server):
    one = server({"env": {"MY_SECRET_TOKEN": SECRET}})
    one.client.run("select 1")
    for pid in one.workers():
        with open(f"/proc/{pid}/environ", "rb") as environ:
            assert SECRET.encode() not in environ.read()


def test_a_program_that_aborts_the_engine_costs_only_its_statement(host):
    deep = "select " + "(" * 5000 + "1" + ")" * 5000
    wide = "select " + " + ".join(["1"] * 20000)
    for sql in (deep, wide, "select " + "-" * 3000 + "1", "select [" * 2000 + "1" + "]" * 2000):
        for a in (host.client.native(sql), host.client.submit(sql)):
            assert a.status < 500, (sql[:40], a)
    assert host.client.rows("select a from kept") == [[42]]
