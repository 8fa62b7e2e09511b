/* parameters.c - ALTER SESSION: the parameters that there are, and what they change.
 *
 * What changes nothing here is taken as it is. What would change results, and
 * does not here, is taken only with the value that Mayfly works by; another one
 * is refused, never ignored.
 * Source: the specification, section 2.1, and Snowflake's list of session parameters.
 */
#include "statement/statement_int.h"

enum { QUERY_TAG_MAX = 2000, FORMAT_MAX = 256 };

enum effect { TIMEZONE, TAG, ROWS, FORMAT, NOTHING, FIXED };

static const struct parameter {
	const char *name;
	enum effect effect;
	int first, last;      /* of FORMAT: the types that it is for */
	const char *only;     /* of FIXED: the value that is fine */
} parameters[] = {
	{"TIMEZONE", TIMEZONE, 0, 0, NULL},
	{"QUERY_TAG", TAG, 0, 0, NULL},
	{"ROWS_PER_RESULTSET", ROWS, 0, 0, NULL},
	{"DATE_OUTPUT_FORMAT", FORMAT, ENGINE_FORMAT_DATE, ENGINE_FORMAT_DATE, NULL},
	{"TIME_OUTPUT_FORMAT", FORMAT, ENGINE_FORMAT_TIME, ENGINE_FORMAT_TIME, NULL},
	{"TIMESTAMP_OUTPUT_FORMAT", FORMAT, ENGINE_FORMAT_NTZ, ENGINE_FORMAT_TZ, NULL},
	{"TIMESTAMP_NTZ_OUTPUT_FORMAT", FORMAT, ENGINE_FORMAT_NTZ, ENGINE_FORMAT_NTZ, NULL},
	{"TIMESTAMP_LTZ_OUTPUT_FORMAT", FORMAT, ENGINE_FORMAT_LTZ, ENGINE_FORMAT_LTZ, NULL},
	{"TIMESTAMP_TZ_OUTPUT_FORMAT", FORMAT, ENGINE_FORMAT_TZ, ENGINE_FORMAT_TZ, NULL},
	{"BINARY_OUTPUT_FORMAT", FORMAT, ENGINE_FORMAT_BINARY, ENGINE_FORMAT_BINARY, NULL},
	{"AUTOCOMMIT", FIXED, 0, 0, "TRUE"},
	{"BINARY_INPUT_FORMAT", FIXED, 0, 0, "HEX"},
	{"DATE_INPUT_FORMAT", FIXED, 0, 0, "AUTO"},
	{"ERROR_ON_NONDETERMINISTIC_MERGE", FIXED, 0, 0, "TRUE"},
	{"ERROR_ON_NONDETERMINISTIC_UPDATE", FIXED, 0, 0, "FALSE"},
	{"JSON_INDENT", FIXED, 0, 0, "2"},
	{"QUOTED_IDENTIFIERS_IGNORE_CASE", FIXED, 0, 0, "FALSE"},
	{"STRICT_JSON_OUTPUT", FIXED, 0, 0, "FALSE"},
	{"TIME_INPUT_FORMAT", FIXED, 0, 0, "AUTO"},
	{"TIMESTAMP_INPUT_FORMAT", FIXED, 0, 0, "AUTO"},
	{"TIMESTAMP_TYPE_MAPPING", FIXED, 0, 0, "TIMESTAMP_NTZ"},
	{"TRANSACTION_ABORT_ON_ERROR", FIXED, 0, 0, "FALSE"},
	{"TWO_DIGIT_CENTURY_START", FIXED, 0, 0, "1970"},
	{"WEEK_OF_YEAR_POLICY", FIXED, 0, 0, "0"},
	{"WEEK_START", FIXED, 0, 0, "0"},
	{"ABORT_DETACHED_QUERY", NOTHING, 0, 0, NULL},
	{"CLIENT_MEMORY_LIMIT", NOTHING, 0, 0, NULL},
	{"CLIENT_METADATA_REQUEST_USE_CONNECTION_CTX", NOTHING, 0, 0, NULL},
	{"CLIENT_METADATA_USE_SESSION_DATABASE", NOTHING, 0, 0, NULL},
	{"CLIENT_PREFETCH_THREADS", NOTHING, 0, 0, NULL},
	{"CLIENT_RESULT_CHUNK_SIZE", NOTHING, 0, 0, NULL},
	{"CLIENT_RESULT_COLUMN_CASE_INSENSITIVE", NOTHING, 0, 0, NULL},
	{"CLIENT_SESSION_KEEP_ALIVE", NOTHING, 0, 0, NULL},
	{"CLIENT_SESSION_KEEP_ALIVE_HEARTBEAT_FREQUENCY", NOTHING, 0, 0, NULL},
	{"CLIENT_TIMESTAMP_TYPE_MAPPING", NOTHING, 0, 0, NULL},
	{"GEOGRAPHY_OUTPUT_FORMAT", NOTHING, 0, 0, NULL},
	{"GEOMETRY_OUTPUT_FORMAT", NOTHING, 0, 0, NULL},
	{"LOCK_TIMEOUT", NOTHING, 0, 0, NULL},
	{"LOG_LEVEL", NOTHING, 0, 0, NULL},
	{"MULTI_STATEMENT_COUNT", NOTHING, 0, 0, NULL},
	{"STATEMENT_QUEUED_TIMEOUT_IN_SECONDS", NOTHING, 0, 0, NULL},
	{"STATEMENT_TIMEOUT_IN_SECONDS", NOTHING, 0, 0, NULL},
	{"TRACE_LEVEL", NOTHING, 0, 0, NULL},
	{"TRANSACTION_DEFAULT_ISOLATION_LEVEL", NOTHING, 0, 0, NULL},
	{"USE_CACHED_RESULT", NOTHING, 0, 0, NULL},
};

static const struct parameter *find(struct str name)
{
	for (size_t i = 0; i < COUNT_OF(parameters); i++)
		if (str_ieq(name, str_of(parameters[i].name)))
			return &parameters[i];
	return NULL;
}

static bool bad_value(struct call *c, const struct sql_setting *s)
{
	fail(c, ERR_SQL, "SQL compilation error:\ninvalid value [%.*s] for parameter '%.*s'", SARG(str_head(s->value, 64)),
	     SARG(str_head(s->name, 64)));
	return fail_state(c, "22023", "001008");
}

static bool is_fine(const struct parameter *p, struct str value)
{
	int64_t rows;

	switch (p->effect) {
	case TAG:
		return value.n <= QUERY_TAG_MAX;
	case ROWS:
		return str_to_i64(value, &rows) && rows >= 0;
	case FORMAT:
		if (p->first == ENGINE_FORMAT_BINARY)
			return format_is_binary(value);
		return value.n <= FORMAT_MAX && format_is_one(value);
	case TIMEZONE:
		return value.n > 0;
	case NOTHING:
	case FIXED:
		break;
	}
	return true;
}

static bool check(struct call *c, const struct sql_setting *s)
{
	const struct parameter *p = find(s->name);

	if (!p) {
		fail(c, ERR_SQL, "SQL compilation error:\ninvalid parameter '%.*s'", SARG(str_head(s->name, 64)));
		return fail_state(c, "42000", "001003");
	}
	if (!s->value.p) /* UNSET */
		return true;
	if (p->effect == FIXED && !str_ieq(s->value, str_of(p->only))) {
		fail(c, ERR_SQL, "Unsupported feature '%s = %.*s'.", p->name, SARG(str_head(s->value, 64)));
		return fail_state(c, "0A000", "000002");
	}
	return is_fine(p, s->value) || bad_value(c, s);
}

bool stmt_parameters_check(struct call *c, const struct sql_snowflake *sf)
{
	for (int i = 0; i < sf->nsettings; i++)
		if (!check(c, &sf->settings[i]))
			return false;
	return true;
}

static void set_formats(struct stmt_parameters *v, const struct parameter *p, struct str value)
{
	for (int k = p->first; k <= p->last; k++)
		v->formats[k] = value;
}

void stmt_parameters_apply(struct arena *a, const struct sql_snowflake *sf, const struct stmt_parameters *usual,
			   struct stmt_parameters *v)
{
	for (int i = 0; i < sf->nsettings; i++) {
		const struct parameter *p = find(sf->settings[i].name);
		bool unset = !sf->settings[i].value.p;
		struct str value = unset ? S("") : arena_dup(a, sf->settings[i].value);

		if (!p)
			continue;
		if (p->effect == TIMEZONE)
			v->timezone = unset ? usual->timezone : value;
		if (p->effect == TAG)
			v->query_tag = unset ? usual->query_tag : value;
		if (p->effect == FORMAT)
			set_formats(v, p, value);
		if (p->effect == ROWS && (unset || !str_to_i64(value, &v->rows_per_resultset)))
			v->rows_per_resultset = usual->rows_per_resultset;
	}
}
