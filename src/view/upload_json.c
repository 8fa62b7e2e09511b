/* upload_json.c - is an uploaded JSON array whole, and is JSON nested so deep that its readers would run out of stack?
 *
 * DuckDB reads an array that breaks off between two objects as if it ended there. Looks at
 * brackets and strings only, while the bytes pass by: what stands between them is the worker's business.
 */
#include "view/upload_int.h"

static bool is_space(char ch)
{
	return ch == ' ' || ch == '\t' || ch == '\r' || ch == '\n';
}

/* Inside a string. */
static void step_text(struct json_whole *k, char ch)
{
	if (k->escaped)
		k->escaped = false;
	else if (ch == '\\')
		k->escaped = true;
	else if (ch == '"')
		k->text = false;
}

static void step(struct json_whole *k, char ch)
{
	if (k->text) {
		step_text(k, ch);
	} else if (ch == '"') {
		k->text = true;
	} else if (ch == '[' || ch == '{') {
		k->depth++;
	} else if (ch == ']' || ch == '}') {
		k->depth--;
		k->over = k->depth == 0;
	}
}

static bool shallow(struct call *c, const struct json_whole *k)
{
	return k->depth <= UPLOAD_DEPTH_MAX || fail(c, ERR_INVALID_JSON, "it is nested more than %d deep", UPLOAD_DEPTH_MAX);
}

bool json_whole_feed(struct call *c, struct json_whole *k, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		char ch = bytes.p[i];

		if (k->depth == 0 && is_space(ch))
			continue;
		if (k->over)
			return fail(c, ERR_INVALID_JSON, "something stands behind the end of the array");
		if (k->depth == 0 && ch != '[')
			return fail(c, ERR_INVALID_JSON, "the upload is no array of objects");
		k->some |= k->depth > 1 || (k->depth == 1 && !is_space(ch) && ch != ']');
		step(k, ch);
		if (!shallow(c, k))
			return false;
	}
	return true;
}

/* A line is a document; one that does not end begins no other. */
bool json_lines_feed(struct call *c, struct json_whole *k, struct str bytes)
{
	for (size_t i = 0; i < bytes.n; i++) {
		k->some |= !is_space(bytes.p[i]);
		if (bytes.p[i] == '\n')
			*k = (struct json_whole){.some = k->some};
		else
			step(k, bytes.p[i]);
		if (!shallow(c, k))
			return false;
	}
	return true;
}

bool json_whole_end(struct call *c, const struct json_whole *k)
{
	return k->over || fail(c, ERR_INVALID_JSON, "the array is not closed");
}
