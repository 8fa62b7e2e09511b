/* sql_saved_test.c - saved SQL: variables, orders, and what a SELECT over a space's tables may not do. */
#include "sql_rig.h"

/* --- {{name}} --- */
struct variables {
	const char *in, *out, *names; /* names with their offsets */
};
static const struct variables variables[] = {
	{"select 1", "select 1", ""},
	{"select {{x}}", "select $x", "x@7 "},
	{"{{ a }}{{\tb\n}}", "", NULL}, /* $a$b is another thing */
	{"{{ a }} {{\tb\n}}", "$a $b", "a@0 b@8 "},
	{"select {{ x }}, {{\n\ty_2 }} from t where a={{x}}", "select $x, $y_2 from t where a=$x", "x@7 y_2@16 x@42 "},
	{"select '{{x}}', \"{{y}}\", $${{z}}$$, e'{{x}}\\'' -- {{a}}\n /* {{b}} /* {{c}} */ */, {{d}}",
	 "select '{{x}}', \"{{y}}\", $${{z}}$$, e'{{x}}\\'' -- {{a}}\n /* {{b}} /* {{c}} */ */, $d", "d@82 "},
	{"select {'a': {'b': 1}}, { 'x': {{v}}}", "select {'a': {'b': 1}}, { 'x': $v}", "v@31 "},
	{"select map {{'a': 1}: 2}", "select map {{'a': 1}: 2}", ""},
	{"select map {{{k}}: 2}", "select map {$k: 2}", "k@12 "},
	{"select MAP { {{k}}: {{v}} }", "select MAP { $k: $v }", "k@13 v@20 "},
	{"select '\xC3\xA9', {{x}}::DATE", "select '\xC3\xA9', $x::DATE", "x@13 "},
	{"from t limit {{_n1}};", "from t limit $_n1;", "_n1@13 "},
};

static void names_of(const struct sql_variable_use *v, int n, struct buf *b)
{
	for (int i = 0; i < n; i++)
		buf_fmt(b, "%.*s@%zu ", SARG(v[i].name), v[i].at);
}

static void variables_are_found_outside_of_texts_and_comments(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(variables); i++) {
		const struct variables *v = &variables[i];
		struct sql_variable_use *uses;
		OWNS(arena) a = {0};
		OWNS(buf) names = {0};
		struct call c;
		struct str out;
		int n;

		call_open(&c, &a);
		if (!v->names) {
			if (sql_variables(&c, str_of(v->in), &out, &uses, &n))
				BROKEN("%s: %.*s", v->in, SARG(out));
			assert_int_equal(c.err.kind, ERR_SQL_INVALID);
			continue;
		}
		if (!sql_variables(&c, str_of(v->in), &out, &uses, &n))
			BROKEN("%s: %s", v->in, c.err.text);
		names_of(uses, n, &names);
		if (!str_eq(out, str_of(v->out)) || !str_eq(buf_str(&names), str_of(v->names)))
			BROKEN("%s: %.*s: %.*s", v->in, SARG(out), SARG(buf_str(&names)));
	}
}

struct place {
	const char *text;
	int position;
};

static void an_unfinished_variable_has_its_position(void **state)
{
	static const struct place places[] = {
		{"select {{}}", 8},	      {"select {{ }}", 8},	   {"select {{x}", 8},	       {"select {{x", 8},
		{"select {{x} }", 8},	      {"select {{1x}}", 8},	   {"select {{x y}}", 8},      {"select {{'x'}}", 8},
		{"select {{\"x\"}}", 8},      {"select {{x.y}}", 8},	   {"select {{ x /* */ }}", 8}, {"select {{ x -- }}\n }}", 8},
		{"select a{{x}}", 9},	      {"select {{x}}a", 8},	   {"select 1{{x}}", 9},       {"select {{x}}1", 8},
		{"select {{x}}{{y}}", 8},     {"select ${{x}}$", 0},	   {"select {{\xC3\xA9}}", 8}, {"select '{{x}}", 8},
		{"select {{x}}, {{", 15},     {"select {{a$b}}", 8},	   {"select {{x}}$", 13},       {"select {{{x}}}", 8},
		{"select 1, {{-x}}", 11},     {"select x}}", 9},	   {"select {{x}}}", 13},      {"select {{{{x}}}}", 8},
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(places); i++) {
		struct sql_variable_use *uses;
		OWNS(arena) a = {0};
		struct call c;
		struct str out;
		int n;

		call_open(&c, &a);
		if (sql_variables(&c, str_of(places[i].text), &out, &uses, &n)) {
			BROKEN("%s: %.*s", places[i].text, SARG(out));
		}
		assert_int_equal(c.err.kind, ERR_SQL_INVALID);
		if (places[i].position && c.err.position != places[i].position)
			BROKEN("%s: %d: %s", places[i].text, c.err.position, c.err.text);
	}
}

/* --- orders --- */
static const struct str columns[] = {S_INIT("id"), S_INIT("Amount"), S_INIT("unit price"), S_INIT("price desc"), S_INIT("say \"hi\""),
				     S_INIT("X"),  S_INIT("x"),	     S_INIT("desc"),	   S_INIT("a nulls"),	 S_INIT("first")};

struct item {
	const char *in, *column; /* NULL: refused */
	bool desc, nulls_first;
};
static const struct item items[] = {
	{"id", "id", false, false},
	{"ID", "id", false, false},
	{" id ", "id", false, false},
	{"id asc", "id", false, false},
	{"id ASC NULLS LAST", "id", false, false},
	{"id desc", "id", true, false},
	{"id\tDESC", "id", true, false},
	{"id nulls first", "id", false, true},
	{"id desc  nulls\nfirst", "id", true, true},
	{"amount desc", "Amount", true, false},
	{"\"Amount\" desc", "Amount", true, false},
	{"\"Amount\"desc", "Amount", true, false},
	{"unit price", "unit price", false, false},
	{"\"unit price\" desc nulls last", "unit price", true, false},
	{"unit price desc", "unit price", true, false},
	{"price desc", "price desc", false, false},
	{"PRICE DESC", "price desc", false, false},
	{"price desc desc", "price desc", true, false},
	{"\"price desc\"", "price desc", false, false},
	{"\"say \"\"hi\"\"\" desc", "say \"hi\"", true, false},
	{"say \"hi\"", "say \"hi\"", false, false},
	{"x", "x", false, false},
	{"X desc", "X", true, false},
	{"desc", "desc", false, false},
	{"desc desc", "desc", true, false},
	{"a nulls first", NULL, false, false}, /* a column `a` is not there */
	{"a nulls nulls first", "a nulls", false, true},
	{"first", "first", false, false},
	{"first nulls last", "first", false, false},
	{"nope", NULL, false, false},
	{"", NULL, false, false},
	{" ", NULL, false, false},
	{"id desc asc", NULL, false, false},
	{"id nulls", NULL, false, false},
	{"id first", NULL, false, false},
	{"iddesc", NULL, false, false},
	{"id, amount", NULL, false, false},
	{"id + 1", NULL, false, false},
	{"1", NULL, false, false},
	{"t.id", NULL, false, false},
	{"\"id", NULL, false, false},
	{"\"id\" \"x\"", NULL, false, false},
	{"id; drop table t", NULL, false, false},
	{"$position", NULL, false, false},
};

static void an_item_names_a_column(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(items); i++) {
		const struct item *it = &items[i];
		struct sql_order o;
		OWNS(arena) a = {0};
		struct call c;
		bool ok;

		call_open(&c, &a);
		ok = sql_order_item(&c, str_of(it->in), columns, (int)COUNT_OF(columns), &o);
		if (ok != (it->column != NULL))
			BROKEN("[%s] %d", it->in, ok);
		if (!ok) {
			assert_int_equal(c.err.kind, ERR_INVALID_FIELD);
			assert_non_null(strstr(c.err.text, it->in));
			continue;
		}
		if (!str_eq(o.column, str_of(it->column)) || o.desc != it->desc || o.nulls_first != it->nulls_first)
			BROKEN("[%s]: %.*s %d %d", it->in, SARG(o.column), o.desc, o.nulls_first);
	}
}

static const struct pair orders[] = {
	{"select a from t", ""},
	{"select a from t order by a", "a"},
	{"select a from t order by a desc, B asc nulls first, \"c d\" nulls last", "a desc|B nulls first|\"c d\""},
	{"select a from t order by \"A\" desc limit 5", "A desc"},
	{"select a from t order by a limit 5 offset 3;", "a"},
	{"select a from t order by a fetch first 3 rows only", "a"},
	{"select a from t order by a, b + 1, c", "a"},
	{"select a from t order by b + 1, a", ""},
	{"select a from t order by 1", ""},
	{"select a from t order by all", ""},
	{"select a from t order by all desc", ""},
	{"select a from t order by t.a", ""},
	{"select a from t order by a collate nocase", ""},
	{"select a from t order by lower(a)", ""},
	{"select a from t order by -a", ""},
	{"select a from t order by 'a'", ""},
	{"select a from t order by null", ""},
	{"select a from t order by $x", ""},
	{"(select a from t order by a)", ""},
	{"select * from (select a from t order by a)", ""},
	{"select a, sum(b) over (order by c) from t", ""},
	{"select a, sum(b) over (order by c) from t order by a", "a"},
	{"select array_agg(a order by b) from t", ""},
	{"with x as (select a from t order by a) from x", ""},
	{"select a from t union select b from s order by a desc", "a desc"},
	{"(select a from t order by a) union (select b from s order by b)", ""},
	{"from t order by a -- desc\n", "a"},
	{"from t order /* */ by a /* , b */ , c", "a|c"},
	{"select x.order by from t", ""},
	{"select 'order by a'", ""},
	{"select 1 as \"order by a\"", ""},
	{"from t order by a desc nulls first, b", "a desc nulls first|b"},
	{"from t order by a b", ""},
	{"from t order by", ""},
	{"", ""},
};

static void the_order_of_a_text_is_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(orders); i++) {
		OWNS(arena) a = {0};
		OWNS(buf) b = {0};
		struct call c;
		struct str *v;
		int n;

		call_open(&c, &a);
		if (!sql_order_of(&c, str_of(orders[i].in), &v, &n))
			BROKEN("%s: %s", orders[i].in, c.err.text);
		for (int k = 0; k < n; k++)
			buf_fmt(&b, "%s%.*s", k ? "|" : "", SARG(v[k]));
		if (!str_eq(buf_str(&b), str_of(orders[i].out)))
			BROKEN("%s: %.*s", orders[i].in, SARG(buf_str(&b)));
	}
}

/* --- the gate for a space's SELECT --- */
static bool passes(struct bench *b, const char *text)
{
	const struct sql_gate g = {.select_only = true};
	bool ok = cut(b, SQL_DUCKDB, text);

	for (int i = 0; ok && i < b->n; i++)
		ok = sql_gate(&b->c, &b->t, b->s[i], &g);
	return ok;
}

static const char *const evasions[] = {
	/* other statements */
	"insert into t values (1)", "update t set a = 1", "delete from t", "merge into t using s on true when matched then delete",
	"truncate t", "create table x (a int)", "create view v as select 1", "create macro f(a) as a", "drop table t", "alter table t add b int",
	"comment on table t is 'x'", "begin", "commit", "use memory", "set threads = 1", "reset threads", "call pragma_version()",
	"copy t to 'x'", "copy (select 1) to 'x'", "attach 'x' as y", "detach y", "export database 'x'", "import database 'x'",
	"install httpfs", "load httpfs", "checkpoint", "pragma database_list", "vacuum", "analyze", "prepare p as select 1", "execute p",
	"deallocate p", "show tables", "describe t", "desc t", "summarize t", "explain select 1", "explain analyze select 1",
	"set variable x = 1", "with a as (select 1) delete from t", "with a as (select 1) insert into t from a",
	"with a as (select 1) update t set a = 1", "show all tables", "show databases", "grant select on t to x",
	/* statements inside of a SELECT */
	"from (show tables)", "from (describe t)", "from (desc t)", "from (summarize t)", "from (show databases)", "from (show all tables)",
	"select * from t, (describe select 1)", "with a as (describe t) from a", "with a as (show tables) from a", "from (desc select 1)",
	"select (select count(*) from (summarize t))", "from (DESCRIBE/**/t)", "from ((show tables))",
	/* files as functions */
	"from read_csv('x')", "from read_csv_auto('x')", "from read_parquet('x')", "from parquet_scan('x')", "from read_json('x')",
	"from read_json_auto('x')", "from read_json_objects('x')", "from read_ndjson('x')", "from read_text('x')", "from read_blob('x')",
	"from read_duckdb('x')", "from glob('*')", "from sniff_csv('x')", "from parquet_metadata('x')", "from parquet_schema('x')",
	"from parquet_file_metadata('x')", "from parquet_kv_metadata('x')", "from parquet_bloom_probe('x', 'a', 1)",
	"from \"read_csv\"('x')", "from READ_CSV('x')", "from main.read_csv('x')", "from system.main.read_csv('x')",
	"from system.\"main\".\"Read_Parquet\"('x')", "from read_csv /* */ ('x')", "from read_csv\n('x')", "select read_text('x')",
	"select 'x'.read_text()", "from t, lateral read_csv(t.a)", "from t join read_csv('x') on true", "select * from t where exists (from read_csv('x'))",
	"select (from read_blob('x'))", "with a as (from read_csv('x')) from a", "with a as materialized (select * from glob('*')) from a",
	"from t union all from read_csv('x')", "(from read_csv('x'))", "from ((read_csv('x')))", "pivot read_csv('x') on a using sum(b)",
	"select * from t pivot (sum(b) for a in ('x')), read_csv('x')", "pivot (from read_csv('x')) on a using sum(b)",
	"pivot (read_csv('x')) on a using sum(b)", "select * from t pivot ((select max(b) from read_csv('x')) for a in ('x'))",
	"unpivot read_csv('x') on a", "from t semi join read_csv('x') using (a)", "from t positional join read_csv('x')",
	"from t asof join read_csv('x') s on t.a >= s.a", "from x : read_csv('x')", "from t, x: read_csv('x')",
	"values ((select count(*) from read_csv('x')))", "select * from t order by (from read_csv('x'))", "from t limit (select 1 from read_csv('x'))",
	"select list_transform([1], x -> (select 1 from read_text('x')))", "from iceberg_scan('x')", "from delta_scan('x')", "from sqlite_scan('x', 'y')",
	"from postgres_scan('x', 'y', 'z')", "from mysql_query('x', 'y')", "from st_read('x')", "from seq_scan('t')", "from arrow_scan(1, 2, 3)",
	/* files as tables */
	"from 'x.csv'", "from 'x.parquet'", "from \"x.csv\"", "from \"x.parquet\"", "from \"/etc/passwd\"", "from \"s3://b/x\"",
	"from \"https://x/y\"", "from \"*.json\"", "from t, 'x.csv'", "from t join 'x.csv' on true", "select * from (from 'x')", "from \"x.CSV\"",
	"from x.csv", "from x.\"csv\"", "from \"x\".\"y.parquet\"", "from e'x.csv'", "from $$x.csv$$", "table 'x.csv'", "from \"x.csv.gz\"",
	"from \"file:x.csv\"", "from \"a?.parquet\"", "pivot 'x.csv' on a", "with a as (table \"x.csv\") from a",
	/* SQL in text */
	"from query('select 1')", "from query_table('t')", "from query_table(['t'])", "select query('select 1')", "from main.query('x')",
	"from json_execute_serialized_sql('x')", "select json_serialize_plan('select 1')", "select json_serialize_sql('select 1')",
	"select json_deserialize_sql('x')", "from histogram('t', a)", "from histogram_values('t', a)", "from \"query\"('select 1')",
	/* catalogs and schemas */
	"from information_schema.tables", "from information_schema.columns", "from \"information_schema\".\"tables\"",
	"from INFORMATION_SCHEMA.schemata", "from system.information_schema.tables", "from main.t", "from public.t", "from mayfly.public.t",
	"from MAYFLY.PUBLIC.t", "from memory.main.t", "from memory.t", "from temp.t", "from system.main.duckdb_tables", "from pg_catalog.pg_class",
	"from t join other.t s on true", "select * from t, other.main.t", "select (select a from other.t)", "with a as (from other.t) from a",
	"from t where a in (from other.t)", "from mutable.public.t", "from _sf.main.x", "from __eph_00000000000000000000000000000000.public.t",
	"from \"__eph_00000000000000000000000000000000\".public.t", "from __eph_00000000000000000000000000000000_t", "table other.t",
	"pivot other.t on a", "from (other.t)", "from (t join other.t using (a))", "select other.t.a from other.t", "from /* */ other /* */ . /* */ t",
	/* views of the engine */
	"from duckdb_tables", "from duckdb_columns", "from duckdb_views", "from duckdb_schemas", "from duckdb_databases", "from duckdb_types",
	"from duckdb_logs", "from duckdb_indexes", "from duckdb_constraints", "from pragma_database_list", "from sqlite_master", "from sqlite_schema",
	"from sqlite_temp_master", "from pg_class", "from pg_tables", "from pg_views", "from pg_settings", "from pg_attribute", "from pg_proc",
	"from pg_namespace", "from pg_type", "from pg_database", "from \"pg_class\"", "from PG_CLASS", "from t, sqlite_master",
	/* functions of the engine, as tables and as values */
	"from duckdb_tables()", "from duckdb_columns()", "from duckdb_views()", "from duckdb_functions()", "from duckdb_settings()",
	"from duckdb_databases()", "from duckdb_secrets()", "from duckdb_extensions()", "from duckdb_variables()", "from duckdb_memory()",
	"from duckdb_temporary_files()", "from duckdb_external_file_cache()", "from duckdb_prepared_statements()", "from duckdb_keywords()",
	"from duckdb_optimizers()", "from duckdb_types()", "from duckdb_sequences()", "from duckdb_dependencies()", "from duckdb_logs()",
	"from pragma_table_info('t')", "from pragma_storage_info('t')", "from pragma_show('t')", "from pragma_version()", "from pragma_user_agent()",
	"from pragma_database_size()", "from pragma_collations()", "from test_all_types()", "from test_vector_types(1)", "from which_secret('x', 's3')",
	"from repeat_row(1, num_rows = 3)", "from summary(t)", "from sql_auto_complete('x')", "from check_peg_parser('x')", "from pg_timezone_names()",
	"from icu_calendar_names()", "from json_each('[1]')", "from json_tree('[1]')", "from mayfly_tables()", "from \"duckdb_tables\"()",
	"from main.duckdb_tables()", "select * from t, duckdb_tables() d", "from t join duckdb_tables() d on true", "from my_macro(1)",
	"from show_tables()", "from database_list()", "from table_info('t')", "from enable_logging()", "from disable_optimizer()",
	"from truncate_duckdb_logs()", "from copy_database('a', 'b')", "from force_checkpoint()",
	"select current_setting('TimeZone')", "select current_setting('memory_limit')", "select getvariable('x')", "select getenv('HOME')",
	"select nextval('s')", "select currval('s')", "select setseed(0.5)", "select current_database()", "select current_schema()",
	"select current_schemas(true)", "select current_catalog()", "select in_search_path('a', 'b')", "select current_query()",
	"select current_connection_id()", "select current_transaction_id()", "select txid_current()", "select pg_get_viewdef(1)",
	"select pg_table_is_visible(1)", "select has_table_privilege('t', 'select')", "select col_description(1, 1)", "select obj_description(1, 'x')",
	"select inet_client_addr()", "select version()", "select write_log('x')", "select sleep_ms(1000)", "select pg_sleep(10)",
	"select \"SYSTEM$WAIT\"(10)", "select __internal_decompress_string(1::hugeint)", "select get_block_size('x')",
	"select add_parquet_key('a', 'b')", "select \"getvariable\"('x')", "select GetVariable('x')", "select main.getvariable('x')",
	"select system.main.getvariable('x')", "select system.main.abs(1)", "select temp.main.f(1)", "select 'x'.getvariable()",
	"select make_type(a) from t", "select from_json(a, b) from t", "select json_transform(a, b) from t",
	"select list_transform([1], x -> getvariable('y'))", "select * from t where getvariable('x') = 1", "select a from t group by getvariable('x')",
	"select a from t order by getvariable('x')", "select sum(a) filter (where getvariable('x')) from t", "select sum(a) over (order by nextval('s')) from t",
	"from range(getvariable('x'))", "from unnest((from query('x')))", "select case when true then current_setting('x') end",
	"values (getvariable('x'))", "select {'a': getvariable('x')}", "select [getvariable('x')]", "select a.b(getvariable('x')) from t",
};

static void a_selects_way_out_of_its_space_is_closed(void **state)
{
	size_t n = COUNT_OF(evasions);

	(void)state;
	assert_true(n >= 150);
	for (size_t i = 0; i < n; i++) {
		struct bench b;

		if (passes(&b, evasions[i]))
			BROKEN("passed: %s", evasions[i]);
		if (b.c.err.kind != ERR_NOT_ALLOWED && b.c.err.kind != ERR_READ_ONLY && b.c.err.kind != ERR_SQL)
			BROKEN("%s: kind %d", evasions[i], b.c.err.kind);
		if (b.c.err.position <= 0)
			BROKEN("no position: %s", evasions[i]);
		done(&b);
	}
}

static const char *const honest[] = {
	"select 1", "from t", "table t", "values (1), (2)", "select a, b from t where a > 1 order by a desc limit 5", "from t select a",
	"select t.a, s.b from t join s on t.id = s.id", "select * from t join s using (id)", "select * from t, s where t.a = s.a",
	"with x as (select 1 as a) from x", "with recursive r as (select 1 as n union all select n + 1 from r where n < 5) from r",
	"select a, sum(b) filter (where c > 0) from t group by all having sum(b) > 1", "select row_number() over (partition by a order by b desc) from t",
	"from range(10)", "from generate_series(1, 3) g(i)", "from t, unnest(t.l) u(x)", "select unnest([1, 2])", "from t left join unnest(t.l) on true",
	"select * from t pivot (sum(b) for a in ('x', 'y'))", "select * from t unpivot (v for n in (a, b)) where v > 1",
	"pivot t on a using sum(b)", "pivot t on a using sum(b), count(*) group by c", "unpivot t on a, b into name n value v",
	"from t using sample reservoir(10 rows)", "from t tablesample reservoir(10)", "select * exclude (a) replace (b + 1 as b) from t",
	"select columns('a.*') from t", "select extract(year from d), trim(both 'x' from s), substring(s from 2 for 3) from t",
	"select a is distinct from b from t", "select list_transform(l, x -> x + 1), struct_pack(a := 1), {'show': a}, map {'k': 1} from t",
	"select s.show, s.describe as \"desc\" from t", "select a as show from t", "select array_agg(a order by b desc) from t", "select now(), random(), uuid()",
	"select upper(a), a.lower(), strftime(d, '%Y'), regexp_matches(a, 'x') from t", "select histogram(a) from t", "select typeof(a), pg_typeof(a) from t",
	"select (select max(a) from s) from t", "select * from t where exists (from s where s.a = t.a)", "from t asof join s on t.a >= s.a",
	"select \"a.csv\" from t", "select 'x.csv'", "from \"My Table\"", "from \"t\" as \"x\"(a, b)", "from (values (1, 'a')) v(n, s)",
	"select j->>'$.a', json_extract(j, '$.b') from t", "select * from t qualify row_number() over (order by a) = 1", "select $x + 1 from t where a = $y",
	"from t select a, sum(b) over w window w as (order by c desc, lower(a))", "select a from t order by a desc, lower(b), s.c desc nulls last",
	"select current_date, current_timestamp", "from pg_orders", "from t intersect from s", "select grouping(a) from t group by rollup (a)",
	"select * from t where (a, b) in (from s select a, b)", "select cast(a as decimal(10, 2)), try_cast(b as date), c::varchar from t",
};

static void an_honest_select_passes(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(honest); i++) {
		struct bench b;

		if (!passes(&b, honest[i]))
			BROKEN("%s: %s", honest[i], b.c.err.text);
		done(&b);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(variables_are_found_outside_of_texts_and_comments),
		cmocka_unit_test(an_unfinished_variable_has_its_position),
		cmocka_unit_test(an_item_names_a_column),
		cmocka_unit_test(the_order_of_a_text_is_found),
		cmocka_unit_test(a_selects_way_out_of_its_space_is_closed),
		cmocka_unit_test(an_honest_select_passes),
	};

	return cmocka_run_group_tests_name("saved sql", tests, NULL, NULL);
}
