/* wire.c - packets between the server and its workers: writing, reading, descriptors.
 *
 * Shared by both sides. Reading never trusts the sender: every length is
 * checked against what is there. Owns nothing; any thread.
 */
#include "engine/wire.h"
#include "engine/engine.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE, FDS_TAKEN = 4 };

/* --- writing --- */
static void put(struct buf *b, const void *p, size_t n)
{
	buf_add(b, str_from(p, n));
}

void wire_u8(struct buf *b, uint8_t v)
{
	put(b, &v, sizeof(v));
}

void wire_u32(struct buf *b, uint32_t v)
{
	put(b, &v, sizeof(v));
}

void wire_i64(struct buf *b, int64_t v)
{
	put(b, &v, sizeof(v));
}

void wire_text(struct buf *b, struct str s)
{
	INVARIANT(s.n <= UINT32_MAX);
	wire_u32(b, (uint32_t)s.n);
	buf_add(b, s);
}

size_t wire_begin_record(struct buf *b, enum wire_kind kind, uint64_t task)
{
	struct wire_head h = {.task = task, .kind = (uint8_t)kind};
	size_t at = b->n;

	put(b, &h, sizeof(h));
	return at;
}

void wire_end_record(struct buf *b, size_t at)
{
	size_t size = b->n - at - sizeof(struct wire_head);
	uint32_t field = (uint32_t)size;

	INVARIANT(size <= UINT32_MAX);
	memcpy(b->p + at + offsetof(struct wire_head, size), &field, sizeof(field));
}

/* --- reading --- */
static bool get(struct wire_in *in, void *to, size_t n)
{
	if (in->bad || (size_t)(in->end - in->p) < n) {
		in->bad = true;
		memset(to, 0, n);
		return false;
	}
	memcpy(to, in->p, n);
	in->p += n;
	return true;
}

uint8_t wire_get_u8(struct wire_in *in)
{
	uint8_t v;

	get(in, &v, sizeof(v));
	return v;
}

uint32_t wire_get_u32(struct wire_in *in)
{
	uint32_t v;

	get(in, &v, sizeof(v));
	return v;
}

int64_t wire_get_i64(struct wire_in *in)
{
	int64_t v;

	get(in, &v, sizeof(v));
	return v;
}

struct str wire_get_text(struct wire_in *in)
{
	uint32_t n = wire_get_u32(in);
	struct str s;

	if (in->bad || (size_t)(in->end - in->p) < n) {
		in->bad = true;
		return (struct str){NULL, 0};
	}
	s = str_from(in->p, n);
	in->p += n;
	return s;
}

bool wire_next(struct wire_in *in, struct wire_head *ret, struct str *ret_body)
{
	struct wire_head h;

	if (in->bad || in->p == in->end || !get(in, &h, sizeof(h)))
		return false;
	if ((size_t)(in->end - in->p) < h.size) {
		in->bad = true;
		return false;
	}
	*ret = h;
	*ret_body = str_from(in->p, h.size);
	in->p += h.size;
	return true;
}

/* --- catalogs --- */
void wire_put_usage(struct buf *b, const struct engine_usage *u)
{
	wire_i64(b, u->tables);
	wire_i64(b, u->rows);
	wire_i64(b, u->bytes);
}

struct engine_usage wire_get_usage(struct wire_in *in)
{
	struct engine_usage u = {.tables = wire_get_i64(in)};

	u.rows = wire_get_i64(in);
	u.bytes = wire_get_i64(in);
	return u;
}

void wire_put_catalog(struct buf *b, const struct wire_catalog *k)
{
	static const struct wire_catalog none = {0};

	k = k ? k : &none;
	wire_text(b, k->name);
	wire_u8(b, k->persistent);
	wire_put_usage(b, &k->max);
}

bool wire_get_catalog(struct wire_in *in, struct wire_catalog *ret)
{
	struct wire_catalog k = {.name = wire_get_text(in)};
	uint8_t persistent = wire_get_u8(in);

	k.persistent = persistent == 1;
	k.max = wire_get_usage(in);
	if (in->bad || persistent > 1 || (k.name.n && !(k.name.n == SQL_CATALOG_LEN && sql_is_catalog(k.name))))
		return false;
	*ret = k;
	return true;
}

void wire_put_ingest(struct buf *b, const struct wire_ingest *g)
{
	wire_put_catalog(b, &g->catalog);
	wire_text(b, g->table);
	wire_u8(b, (uint8_t)g->format);
}

bool wire_get_ingest(struct call *c, struct str body, struct wire_ingest *ret)
{
	struct wire_in in = wire_in(body);
	struct wire_ingest g;
	uint8_t format;

	if (!wire_get_catalog(&in, &g.catalog) || g.catalog.name.n == 0)
		return fail(c, ERR_BAD_REQUEST, "an ingest on the wire is not well-formed");
	g.table = wire_get_text(&in);
	format = wire_get_u8(&in);
	if (in.bad || in.p != in.end || format > ENGINE_ROWS_PARQUET)
		return fail(c, ERR_BAD_REQUEST, "an ingest on the wire is not well-formed");
	g.format = (enum engine_rows_format)format;
	*ret = g;
	return true;
}

/* --- engine_ask --- */
enum ask_flag {
	ASK_NULL_TEXT = 1, ASK_SESSION_STATE = 2, ASK_HELPERS = 4, ASK_NAMED = 8, ASK_WRITES = 16, ASK_OUTLIVES = 32, ASK_BARE = 64,
	ASK_JUDGE = 128, ASK_SET_BASED = 256, ASK_IF_EXISTS = 512, ASK_IF_NOT_EXISTS = 1024, ASK_OR_REPLACE = 2048,
	ASK_CREATE_MISSING = 4096, ASK_SCRIPT_BEGINS = 8192, ASK_COMMITS_BEFORE = 16384, ASK_FLAGS = 32767
};

static uint32_t ask_flags(const struct engine_ask *ask)
{
	unsigned flags = 0;

	flags |= ask->null_text ? ASK_NULL_TEXT : 0U;
	flags |= ask->session_state ? ASK_SESSION_STATE : 0U;
	flags |= ask->helpers ? ASK_HELPERS : 0U;
	flags |= ask->bind_names ? ASK_NAMED : 0U;
	flags |= ask->writes ? ASK_WRITES : 0U;
	flags |= ask->outlives ? ASK_OUTLIVES : 0U;
	flags |= ask->bare ? ASK_BARE : 0U;
	flags |= ask->judge ? ASK_JUDGE : 0U;
	flags |= ask->set_based ? ASK_SET_BASED : 0U;
	flags |= ask->if_exists ? ASK_IF_EXISTS : 0U;
	flags |= ask->if_not_exists ? ASK_IF_NOT_EXISTS : 0U;
	flags |= ask->or_replace ? ASK_OR_REPLACE : 0U;
	flags |= ask->context.create_missing ? ASK_CREATE_MISSING : 0U;
	flags |= ask->script_begins ? ASK_SCRIPT_BEGINS : 0U;
	flags |= ask->commits_before ? ASK_COMMITS_BEFORE : 0U;
	return flags;
}

static void put_bind(struct buf *b, const struct engine_bind *v, int64_t batch)
{
	wire_u8(b, (uint8_t)v->type);
	wire_u8(b, v->values != NULL);
	if (!v->values) {
		wire_text(b, v->value);
		return;
	}
	for (int64_t i = 0; i < batch; i++) {
		wire_u8(b, v->values[i].p != NULL);
		if (v->values[i].p)
			wire_text(b, v->values[i]);
	}
}

void wire_put_ask(struct buf *b, const struct engine_ask *ask, const struct wire_catalog *k)
{
	wire_put_catalog(b, k);
	wire_u8(b, (uint8_t)ask->form);
	wire_u8(b, (uint8_t)ask->counts);
	wire_u8(b, (uint8_t)ask->verb);
	wire_u32(b, ask_flags(ask));
	wire_i64(b, ask->max_result_bytes);
	wire_i64(b, ask->max_part_rows);
	wire_i64(b, ask->first_part_bytes);
	wire_u8(b, ask->first_part_whole);
	wire_i64(b, ask->max_rows);
	wire_text(b, ask->timezone);
	wire_text(b, ask->context.database);
	wire_text(b, ask->context.schema);
	for (int i = 0; i < ENGINE_FORMATS; i++)
		wire_text(b, ask->formats[i]);
	wire_i64(b, (int64_t)ask->script);
	wire_text(b, ask->sql);
	wire_u32(b, (uint32_t)ask->nsteps);
	for (int i = 0; i < ask->nsteps; i++) {
		wire_u8(b, (uint8_t)ask->steps[i].counts);
		wire_text(b, ask->steps[i].sql);
	}
	wire_i64(b, ask->batch);
	wire_u32(b, (uint32_t)ask->nbinds);
	for (int i = 0; i < ask->nbinds; i++) {
		put_bind(b, &ask->binds[i], ask->batch);
		if (ask->bind_names)
			wire_text(b, ask->bind_names[i]);
	}
}

/* Each value is at least a byte: what cannot be there is not allocated. */
static bool get_values(struct call *c, struct wire_in *in, int64_t n, const struct str **ret)
{
	struct str *v;

	if (n < 1 || n > in->end - in->p)
		return false;
	v = ARENA_ARRAY(c->arena, struct str, (size_t)n);
	for (int64_t i = 0; i < n && !in->bad; i++)
		v[i] = wire_get_u8(in) ? wire_get_text(in) : (struct str){0};
	*ret = v;
	return !in->bad;
}

static bool get_bind(struct call *c, struct wire_in *in, int64_t batch, struct engine_bind *ret)
{
	uint8_t type = wire_get_u8(in);
	bool many = wire_get_u8(in) != 0;

	if (in->bad || type >= ENGINE_B_COUNT)
		return false;
	*ret = (struct engine_bind){.type = (enum engine_bind_type)type};
	if (many)
		return get_values(c, in, batch, &ret->values);
	ret->value = wire_get_text(in);
	return !in->bad;
}

static bool get_binds(struct call *c, struct wire_in *in, bool named, struct engine_ask *ask)
{
	uint32_t n = wire_get_u32(in);
	struct engine_bind *binds;
	struct str *names;

	/* A bind is at least three bytes: what cannot be there is not allocated. */
	if (in->bad || n > (size_t)(in->end - in->p) / 3)
		return false;
	binds = ARENA_ARRAY(c->arena, struct engine_bind, n);
	names = named ? ARENA_ARRAY(c->arena, struct str, n) : NULL;
	for (uint32_t i = 0; i < n; i++) {
		if (!get_bind(c, in, ask->batch, &binds[i]))
			return false;
		if (named)
			names[i] = wire_get_text(in);
	}
	ask->binds = binds;
	ask->bind_names = names;
	ask->nbinds = (int)n;
	return !in->bad;
}

static bool get_steps(struct call *c, struct wire_in *in, struct engine_ask *ask)
{
	uint32_t n = wire_get_u32(in);
	struct engine_sql *steps;

	if (in->bad || n > ENGINE_STEPS_MAX || n > (size_t)(in->end - in->p) / 5)
		return false;
	steps = ARENA_ARRAY(c->arena, struct engine_sql, n);
	for (uint32_t i = 0; i < n; i++) {
		uint8_t counts = wire_get_u8(in);

		if (counts > ENGINE_STATUS)
			return false;
		steps[i] = (struct engine_sql){.counts = (enum engine_counts)counts, .sql = wire_get_text(in)};
	}
	ask->steps = steps;
	ask->nsteps = (int)n;
	return !in->bad;
}

static void get_flags(uint32_t flags, struct engine_ask *ask)
{
	ask->null_text = flags & ASK_NULL_TEXT;
	ask->session_state = flags & ASK_SESSION_STATE;
	ask->helpers = flags & ASK_HELPERS;
	ask->writes = flags & ASK_WRITES;
	ask->outlives = flags & ASK_OUTLIVES;
	ask->bare = flags & ASK_BARE;
	ask->judge = flags & ASK_JUDGE;
	ask->set_based = flags & ASK_SET_BASED;
	ask->if_exists = flags & ASK_IF_EXISTS;
	ask->if_not_exists = flags & ASK_IF_NOT_EXISTS;
	ask->or_replace = flags & ASK_OR_REPLACE;
	ask->context.create_missing = flags & ASK_CREATE_MISSING;
	ask->script_begins = flags & ASK_SCRIPT_BEGINS;
	ask->commits_before = flags & ASK_COMMITS_BEFORE;
}

static bool get_ask(struct call *c, struct wire_in *in, struct engine_ask *ask)
{
	uint8_t form = wire_get_u8(in), counts = wire_get_u8(in), verb = wire_get_u8(in);
	uint32_t flags = wire_get_u32(in);

	if (form > ENGINE_NATIVE || counts > ENGINE_STATUS || verb > ENGINE_PARSE || flags > ASK_FLAGS)
		return false;
	*ask = (struct engine_ask){.form = (enum engine_form)form, .counts = (enum engine_counts)counts, .verb = (enum engine_verb)verb};
	get_flags(flags, ask);
	ask->max_result_bytes = wire_get_i64(in);
	ask->max_part_rows = wire_get_i64(in);
	ask->first_part_bytes = wire_get_i64(in);
	ask->first_part_whole = wire_get_u8(in) != 0;
	ask->max_rows = wire_get_i64(in);
	ask->timezone = wire_get_text(in);
	ask->context.database = wire_get_text(in);
	ask->context.schema = wire_get_text(in);
	for (int i = 0; i < ENGINE_FORMATS; i++)
		ask->formats[i] = wire_get_text(in);
	ask->script = (uint64_t)wire_get_i64(in);
	ask->sql = wire_get_text(in);
	if (!get_steps(c, in, ask))
		return false;
	ask->batch = wire_get_i64(in);
	return ask->batch >= 0 && get_binds(c, in, flags & ASK_NAMED, ask) && in->p == in->end;
}

bool wire_get_ask(struct call *c, struct str body, struct engine_ask *ret, struct wire_catalog *ret_k)
{
	struct wire_in in = wire_in(body);
	struct wire_catalog k;
	struct engine_ask ask;

	if (!wire_get_catalog(&in, &k) || !get_ask(c, &in, &ask) || (ask.bare && (k.name.n || ask.helpers || ask.writes)))
		return fail(c, ERR_BAD_REQUEST, "a statement on the wire is not well-formed");
	*ret = ask;
	*ret_k = k;
	return true;
}

/* --- engine_end --- */
/* What is possible, or nothing (-1). */
static bool usage_ok(const struct engine_usage *u)
{
	const int64_t max = 1LL << 60;

	return u->tables == -1 || (u->tables >= 0 && u->tables <= max && u->rows >= 0 && u->rows <= max && u->bytes >= 0 &&
				   u->bytes <= max);
}

static bool get_counts(struct arena *a, struct wire_in *in, struct engine_end *end)
{
	int64_t *rows;
	uint32_t n;

	end->inserted = wire_get_i64(in);
	end->updated = wire_get_i64(in);
	end->deleted = wire_get_i64(in);
	end->nowhere = wire_get_u8(in) != 0;
	n = wire_get_u32(in);
	if (in->bad || n > ENGINE_STEPS_MAX || end->inserted < 0 || end->updated < 0 || end->deleted < 0)
		return false;
	rows = n ? ARENA_ARRAY(a, int64_t, n) : NULL;
	for (uint32_t i = 0; i < n; i++)
		rows[i] = wire_get_i64(in);
	end->step_rows = rows;
	end->nsteps = (int)n;
	return !in->bad && in->p == in->end;
}

bool wire_get_end(struct arena *a, struct str body, struct engine_end *ret, struct engine_usage *ret_usage)
{
	struct wire_in in = wire_in(body);
	unsigned outcome = wire_get_u8(&in);
	struct engine_end end = {.rows = wire_get_i64(&in)};
	struct engine_usage usage;

	end.position = wire_get_i64(&in);
	end.class = wire_get_text(&in);
	end.text = wire_get_text(&in);
	end.bad_bind = wire_get_text(&in);
	end.row = wire_get_i64(&in);
	end.column = wire_get_text(&in);
	usage = wire_get_usage(&in);
	if (!get_counts(a, &in, &end) || outcome > ENGINE_FULL || end.row < 0 || !usage_ok(&usage))
		return false;
	end.outcome = (enum engine_outcome)outcome;
	*ret = end;
	*ret_usage = usage;
	return true;
}

/* --- engine_export --- */
void wire_put_export(struct buf *b, const struct engine_export *x)
{
	const struct engine_ask ask = {.sql = x->sql, .binds = x->binds, .bind_names = x->bind_names, .nbinds = x->nbinds, .bare = true};
	OWNS(buf) packed = {0};

	wire_put_ask(&packed, &ask, NULL);
	wire_text(b, buf_str(&packed));
	wire_text(b, x->field_ids);
	wire_i64(b, x->file_bytes);
	wire_i64(b, x->max_bytes);
}

bool wire_get_export(struct call *c, struct str body, struct engine_export *ret, struct engine_ask *ret_ask)
{
	struct wire_in in = wire_in(body);
	struct wire_catalog none;
	struct engine_export x;

	if (!wire_get_ask(c, wire_get_text(&in), ret_ask, &none) || !ret_ask->bare)
		return fail(c, ERR_BAD_REQUEST, "an export on the wire is not well-formed");
	x = (struct engine_export){.sql = ret_ask->sql, .binds = ret_ask->binds, .bind_names = ret_ask->bind_names,
				   .nbinds = ret_ask->nbinds, .field_ids = wire_get_text(&in)};
	x.file_bytes = wire_get_i64(&in);
	x.max_bytes = wire_get_i64(&in);
	if (in.bad || in.p != in.end || x.file_bytes < 0 || x.max_bytes < 0)
		return fail(c, ERR_BAD_REQUEST, "an export on the wire is not well-formed");
	*ret = x;
	return true;
}

/* --- descriptors --- */
int wire_memfd(struct str bytes)
{
	int fd = memfd_create("mayfly", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (!file_write(fd, bytes) || fcntl(fd, F_ADD_SEALS, SEALS) != 0) {
		file_close_quietly(fd);
		return -1;
	}
	return fd;
}

size_t wire_fd_size(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size > 0 ? (size_t)st.st_size : 0;
}

static bool take(struct call *c, int fd, size_t size, void **ret, bool *ret_mapped)
{
	int seals = fcntl(fd, F_GET_SEALS); /* before the size: a file without them may still shrink */
	void *p;

	if (size == 0 || size > WIRE_BODY_MAX || wire_fd_size(fd) < size)
		return fail(c, ERR_BAD_REQUEST, "a descriptor on the wire does not hold the %zu bytes promised", size);
	/* Bytes that would have fitted a packet take no mapping: a process has only so many. */
	if (size > WIRE_INLINE && seals >= 0 && (seals & SEALS) == SEALS) {
		p = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
		if (p == MAP_FAILED)
			return fail(c, ERR_INTERNAL, "mapping %zu bytes: %s", size, strerror(errno));
		*ret = p;
		*ret_mapped = true;
		return true;
	}
	p = malloc(size);
	if (!p || !file_fill_at(fd, 0, p, size)) {
		free(p);
		return fail(c, ERR_BAD_REQUEST, "reading %zu bytes of an unsealed descriptor failed", size);
	}
	*ret = p;
	*ret_mapped = false;
	return true;
}

bool wire_take_memfd(struct call *c, int fd, size_t size, void **ret, bool *ret_mapped)
{
	bool ok = take(c, fd, size, ret, ret_mapped);

	close(fd);
	return ok;
}

union control {
	struct cmsghdr align;
	char room[CMSG_SPACE(sizeof(int) * FDS_TAKEN)];
};

int wire_send(int sock, struct str packet, int fd)
{
	struct iovec iov = {(void *)(uintptr_t)packet.p, packet.n};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
	union control control;
	ssize_t n;

	if (fd >= 0) {
		struct cmsghdr *h;

		memset(&control, 0, sizeof(control));
		m.msg_control = control.room;
		m.msg_controllen = CMSG_SPACE(sizeof(int));
		h = CMSG_FIRSTHDR(&m);
		h->cmsg_level = SOL_SOCKET;
		h->cmsg_type = SCM_RIGHTS;
		h->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(h), &fd, sizeof(int));
	}
	do
		n = sendmsg(sock, &m, MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	return n < 0 ? -1 : 0;
}

/* The first descriptor that came along; others are closed. */
static int received_fd(struct msghdr *m)
{
	int kept = -1;

	for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h)) {
		size_t n = (h->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (h->cmsg_level != SOL_SOCKET || h->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(h) + i * sizeof(int), sizeof(int));
			if (kept < 0)
				kept = fd;
			else
				close(fd);
		}
	}
	return kept;
}

ssize_t wire_recv(int sock, char *to, size_t cap, int *ret_fd, int flags)
{
	struct iovec iov = {to, cap};
	union control control;
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof(control.room)};
	ssize_t n;
	int fd;

	*ret_fd = -1;
	do
		n = recvmsg(sock, &m, flags | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -1;
	fd = received_fd(&m);
	if (m.msg_flags & MSG_TRUNC) { /* longer than any packet of ours */
		if (fd >= 0)
			close(fd);
		errno = EMSGSIZE;
		return -1;
	}
	*ret_fd = fd;
	return n;
}

/* --- sockets --- */
bool wire_sockets(struct call *c, int jobs[2], int control[2])
{
	const int size = 4 * 1024 * 1024; /* bytes on their way in one direction */

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, jobs) != 0)
		return fail(c, ERR_UNAVAILABLE, "no socket for a worker: %s", strerror(errno));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) != 0) {
		close(jobs[0]);
		close(jobs[1]);
		return fail(c, ERR_UNAVAILABLE, "no socket for a worker: %s", strerror(errno));
	}
	for (int i = 0; i < 2; i++)
		setsockopt(jobs[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	return true;
}
