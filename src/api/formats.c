/* formats.c - the forms that rows come and go in: one table of media types. */
#include "api/api_int.h"

static const struct {
	const char *name;           /* of ?format= */
	const char *media;          /* as it is sent */
	const char *aliases[2];     /* that are taken as well */
	enum engine_rows_format upload;
} formats[API_FORMATS] = {
	[API_JSON] = {"json", "application/json", {NULL}, ENGINE_ROWS_JSON},
	[API_NDJSON] = {"ndjson", "application/x-ndjson", {"application/ndjson", "application/jsonl"}, ENGINE_ROWS_NDJSON},
	[API_CSV] = {"csv", "text/csv", {NULL}, ENGINE_ROWS_CSV},
	[API_PARQUET] = {"parquet", "application/vnd.apache.parquet", {NULL}, ENGINE_ROWS_PARQUET},
};

#define ALL_FORMATS "application/json, application/x-ndjson, text/csv or application/vnd.apache.parquet"

static bool is_media(int f, struct str media)
{
	if (str_ieq(media, str_of(formats[f].media)))
		return true;
	for (size_t i = 0; i < COUNT_OF(formats[f].aliases); i++)
		if (formats[f].aliases[i] && str_ieq(media, str_of(formats[f].aliases[i])))
			return true;
	return false;
}

bool api_format_of_body(struct call *c, const struct http_req *in, enum engine_rows_format *ret)
{
	struct str rest = http_header(in, "Content-Type"), media = str_trim(str_cut(&rest, ';'));

	for (int f = 0; f < API_FORMATS; f++) {
		if (media.n && !is_media(f, media))
			continue;
		*ret = formats[f].upload;
		return true;
	}
	return fail(c, ERR_UNSUPPORTED_MEDIA, "rows are " ALL_FORMATS);
}

bool api_format_of_answer(struct call *c, const struct http_req *in, enum api_format *ret)
{
	const char *offers[API_FORMATS + 1] = {NULL}, *wanted = NULL;
	struct str name;
	bool named = http_query(c, in, "format", &name);

	for (int f = 0; f < API_FORMATS; f++)
		offers[f] = formats[f].media;
	if (!named)
		wanted = http_accept(in, offers);
	for (int f = 0; f < API_FORMATS; f++) {
		if (named ? !str_ieq(name, str_of(formats[f].name)) : wanted != formats[f].media)
			continue;
		*ret = f;
		return true;
	}
	return fail(c, ERR_NOT_ACCEPTABLE, "results are " ALL_FORMATS);
}

void api_set_format(struct http_res *out, enum api_format f)
{
	http_status(out, 200);
	http_set(out, "Content-Type", str_of(formats[f].media));
}
