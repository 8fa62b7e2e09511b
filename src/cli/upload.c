/* upload.c - rows from a file or a pipe, sent as they are read. */
#include "cli/cli_int.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SHOW_EVERY_MS = 200 };

static const struct rows_format {
	const char *name;
	const char *endings[3];
	const char *type;
} formats[] = {
	{"csv", {".csv"}, "text/csv"},
	{"json", {".json"}, "application/json"},
	{"ndjson", {".ndjson", ".jsonl"}, "application/x-ndjson"},
	{"parquet", {".parquet"}, "application/vnd.apache.parquet"},
};

static bool ends_in(struct str file, const struct rows_format *f)
{
	for (size_t i = 0; i < COUNT_OF(f->endings) && f->endings[i]; i++)
		if (str_ends(file, str_of(f->endings[i])))
			return true;
	return false;
}

const char *cli_rows_type(struct str format, struct str file)
{
	for (size_t i = 0; i < COUNT_OF(formats); i++)
		if (format.n ? str_eq(str_of(formats[i].name), format) : ends_in(file, &formats[i]))
			return formats[i].type;
	return NULL;
}

/* A file on its way. */
struct upload {
	int fd;
	int64_t size;     /* -1 = not known */
	int64_t sent, started_ms, shown_ms;
	bool watched;     /* stderr is a terminal */
	int error;        /* errno of a read */
};

static void show(struct upload *u)
{
	int64_t now = clock_mono_ms(), ms = now - u->started_ms;
	double mb = (double)u->sent / 1e6;

	if (!u->watched || now - u->shown_ms < SHOW_EVERY_MS)
		return;
	u->shown_ms = now;
	fprintf(stderr, "\r\033[K%.1f MB", mb);
	if (u->size > 0)
		fprintf(stderr, " of %.1f MB  %.0f %%", (double)u->size / 1e6, 100.0 * (double)u->sent / (double)u->size);
	if (ms >= 1000)
		fprintf(stderr, "  %.1f MB/s", mb * 1000 / (double)ms);
	fflush(stderr);
}

static int64_t read_some(void *arg, char *to, size_t n)
{
	struct upload *u = arg;
	ssize_t got;

	do
		got = read(u->fd, to, n);
	while (got < 0 && errno == EINTR);
	if (got < 0) {
		u->error = errno;
		return -1;
	}
	u->sent += got;
	show(u);
	return got;
}

static bool open_file(struct call *c, struct str file, struct upload *u)
{
	struct stat st;

	*u = (struct upload){.size = -1, .started_ms = clock_mono_ms(), .watched = isatty(STDERR_FILENO)};
	u->fd = str_eq(file, S("-")) ? STDIN_FILENO : open(arena_cstr(c->arena, file), O_RDONLY | O_CLOEXEC);
	if (u->fd < 0 || fstat(u->fd, &st) != 0)
		return fail(c, ERR_INVALID_FIELD, "cannot open %.*s: %s", SARG(file), strerror(errno));
	if (S_ISDIR(st.st_mode))
		return fail(c, ERR_INVALID_FIELD, "%.*s is a folder", SARG(file));
	if (S_ISREG(st.st_mode) && u->fd != STDIN_FILENO) /* standard input may stand anywhere in a file */
		u->size = st.st_size;
	return true;
}

static bool send_file(struct call *c, const struct remote *r, const struct cli_upload *a, struct upload *u, const json_node **ret)
{
	const struct out_header gzip = {S("Content-Encoding"), S("gzip")};
	struct remote_ask q = {.method = a->method, .path = a->path, .type = a->type, .more = &gzip, .source = read_some,
			       .source_bytes = u->size, .arg = u};

	q.nmore = str_ends(a->file, S(".gz")) ? 1 : 0;
	return remote_json(c, r, &q, ret);
}

bool cli_upload_type(struct call *c, struct cli_upload *a, struct str format)
{
	struct str file = a->file;

	a->type = cli_rows_type(format, str_ends(file, S(".gz")) ? str_head(file, file.n - 3) : file);
	if (!a->type && format.n)
		return fail(c, ERR_INVALID_FIELD, "there is no format %.*s for rows", SARG(format));
	return a->type || fail(c, ERR_INVALID_FIELD, "what is in %.*s? --format csv, json, ndjson or parquet", SARG(file));
}

int cli_upload(struct call *c, const struct cli_verb *v, const struct remote *r, const struct cli_upload *a, const json_node **ret)
{
	struct upload u;
	bool sent;

	if (!open_file(c, a->file, &u))
		return cli_usage(v, "%s", c->err.text);
	cli_catch_interrupt(c);
	sent = send_file(c, r, a, &u, ret);
	if (u.watched)
		fputs("\r\033[K", stderr);
	if (u.fd != STDIN_FILENO)
		close(u.fd);
	if (u.error) {
		fprintf(stderr, "mayfly: cannot read %.*s: %s\n", SARG(a->file), strerror(u.error));
		return CLI_FAILED;
	}
	return sent ? CLI_OK : cli_end(c);
}
