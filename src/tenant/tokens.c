/* tokens.c - the token file: read, changed under a lock file, replaced as a
 * whole (temporary file, fsync, rename), so that a reader sees the old or the
 * new one. Holds SHA-256 sums, never tokens.
 */
#include "tenant/tenant_int.h"

#include "json/json.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TOKEN_RANDOM = 32, TOKEN_ID_RANDOM = 6, TOKENS_MAX = 100000 };

struct lock_file {
	int fd;
};

static void lock_file_drop(struct lock_file *l)
{
	if (l->fd >= 0)
		close(l->fd);
}

static const char *path_in(struct call *c, struct str data_dir, const char *name)
{
	return arena_fmt(c->arena, "%.*s/%s", SARG(data_dir), name).p;
}

static bool bad_line(struct call *c, size_t line, const char *what)
{
	call_forgive(c);
	return fail(c, ERR_UNAVAILABLE, "the token file is damaged in line %zu: %s", line, what);
}

static bool read_time(struct call *c, const json_node *o, const char *key, int64_t *ret_ms)
{
	struct str text = {0};

	*ret_ms = 0;
	if (!json_want_text(c, o, key, &text))
		return false;
	return text.n == 0 || clock_parse_rfc3339(text, ret_ms);
}

static bool read_digest(struct str hex, unsigned char ret[SHA256_LEN])
{
	OWNS(buf) bytes = {0};

	if (!hash_unhex(hex, &bytes) || bytes.n != SHA256_LEN)
		return false;
	memcpy(ret, bytes.p, SHA256_LEN);
	return true;
}

static bool read_texts(struct call *c, const json_node *o, struct token *ret)
{
	struct str hex = {0}, role = {0};

	return json_want_text(c, o, "id", &ret->t.id) && json_want_text(c, o, "sha256", &hex) &&
	       json_want_text(c, o, "tenant", &ret->t.tenant) && json_want_text(c, o, "role", &role) &&
	       json_want_text(c, o, "principal", &ret->t.principal) && ret->t.id.n > 0 &&
	       tenant_name_valid(ret->t.tenant) && tenant_principal_valid(ret->t.principal) &&
	       tenant_role(role, &ret->t.role) && read_digest(hex, ret->sha256);
}

static bool read_line(struct call *c, struct str line, size_t number, struct token *ret)
{
	const json_node *o;

	if (!json_read_object(c, line, &o))
		return bad_line(c, number, "not a JSON object");
	if (!read_texts(c, o, ret) || !json_want_bool(c, o, "revoked", &ret->t.revoked))
		return bad_line(c, number, "a field is missing or wrong");
	if (!read_time(c, o, "created_at", &ret->t.created_ms) || !read_time(c, o, "expires_at", &ret->t.expires_ms))
		return bad_line(c, number, "a time is wrong");
	return true;
}

static size_t count_lines(struct str text)
{
	size_t n = 1;

	for (size_t i = 0; i < text.n; i++)
		n += text.p[i] == '\n';
	return n;
}

bool token_file_read(struct call *c, struct str data_dir, struct token_list *ret)
{
	struct token_list list = {0};
	struct str text = {0};

	if (!tenant_read_file(c, path_in(c, data_dir, "tokens"), &text)) {
		if (c->err.kind != ERR_NOT_FOUND)
			return false;
		call_forgive(c);
	}
	list.v = ARENA_ARRAY(c->arena, struct token, count_lines(text) + 1); /* room for one more */
	for (size_t number = 1; text.n; number++) {
		struct str line = str_cut(&text, '\n');

		if (line.n && !read_line(c, line, number, &list.v[list.n++]))
			return false;
	}
	*ret = list;
	return true;
}

static void put_time(struct json_out *o, struct str key, int64_t ms)
{
	if (!ms)
		return;
	json_key(o, key);
	json_put_time(o, ms);
}

static void put_line(struct buf *b, const struct token *t)
{
	struct json_out o = json_out(b);
	OWNS(buf) hex = {0};

	hash_hex(str_from((const char *)t->sha256, SHA256_LEN), &hex);
	json_begin_object(&o);
	JSON_FIELD_TEXT(&o, "id", t->t.id);
	JSON_FIELD_TEXT(&o, "sha256", buf_str(&hex));
	JSON_FIELD_TEXT(&o, "tenant", t->t.tenant);
	JSON_FIELD_TEXT(&o, "role", t->t.role == ROLE_ADMIN ? S("admin") : S("user"));
	JSON_FIELD_TEXT(&o, "principal", t->t.principal);
	put_time(&o, S("created_at"), t->t.created_ms);
	put_time(&o, S("expires_at"), t->t.expires_ms);
	JSON_FIELD_BOOL(&o, "revoked", t->t.revoked);
	json_end_object(&o);
	buf_addc(b, '\n');
}

/* A token made with sudo must stay readable to the server that owns the folder. */
static bool give_to_owner(int fd, const char *dir)
{
	struct stat st;

	return geteuid() != 0 || (stat(dir, &st) == 0 && fchown(fd, st.st_uid, st.st_gid) == 0);
}

static bool write_new(const char *path, const char *dir, struct str text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool written;

	if (fd < 0)
		return false;
	written = give_to_owner(fd, dir) && file_write(fd, text) && fsync(fd) == 0;
	return close(fd) == 0 && written;
}

static bool token_file_write(struct call *c, struct str data_dir, const struct token_list *list)
{
	const char *dir = arena_cstr(c->arena, data_dir);
	const char *fresh = path_in(c, data_dir, "tokens.new");
	const char *path = path_in(c, data_dir, "tokens");
	OWNS(buf) text = {0};

	for (size_t i = 0; i < list->n; i++)
		put_line(&text, &list->v[i]);
	if (!write_new(fresh, dir, buf_str(&text)) || rename(fresh, path) < 0 || !file_sync_folder(dir))
		return fail(c, ERR_UNAVAILABLE, "cannot write %s: %s", path, strerror(errno));
	return true;
}

static bool lock_tokens(struct call *c, struct str data_dir, struct lock_file *ret)
{
	const char *path = path_in(c, data_dir, "tokens.lock");

	ret->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (ret->fd < 0 || !give_to_owner(ret->fd, arena_cstr(c->arena, data_dir)) || flock(ret->fd, LOCK_EX) < 0)
		return fail(c, ERR_UNAVAILABLE, "cannot lock %s: %s", path, strerror(errno));
	return true;
}

static struct str make_id(struct arena *a)
{
	unsigned char random[TOKEN_ID_RANDOM];
	OWNS(buf) hex = {0};

	id_random(random, sizeof(random));
	hash_hex(str_from((const char *)random, sizeof(random)), &hex);
	return arena_dup(a, buf_str(&hex));
}

static struct str make_text(struct arena *a)
{
	unsigned char random[TOKEN_RANDOM];
	OWNS(buf) text = {0};

	id_random(random, sizeof(random));
	buf_lit(&text, "mft_");
	hash_base64url(str_from((const char *)random, sizeof(random)), &text);
	return arena_dup(a, buf_str(&text));
}

static bool check_want(struct call *c, const struct tenant_token *want)
{
	if (!tenant_name_valid(want->tenant))
		return fail(c, ERR_INVALID_TENANT, "a tenant's name is 1 to %d of a-z, 0-9, _ and -, and begins with a letter or digit",
		            TENANT_NAME_MAX);
	if (want->principal.n && !tenant_principal_valid(want->principal))
		return fail(c, ERR_INVALID_FIELD, "a principal is 1 to %d bytes of UTF-8 without control characters",
		            TENANT_PRINCIPAL_MAX);
	return true;
}

bool tenant_token_create(struct call *c, struct str data_dir, const struct tenant_token *want, struct str *ret_id,
			 struct str *ret_text)
{
	__attribute__((cleanup(lock_file_drop))) struct lock_file lock = {-1};
	struct str text = make_text(c->arena);
	struct token fresh = {.t = *want};
	struct token_list list;

	if (!check_want(c, want))
		return false;
	if (!file_make_folder(arena_cstr(c->arena, data_dir), 0700))
		return fail(c, ERR_UNAVAILABLE, "cannot make %.*s: %s", SARG(data_dir), strerror(errno));
	if (!lock_tokens(c, data_dir, &lock) || !token_file_read(c, data_dir, &list))
		return false;
	if (list.n >= TOKENS_MAX)
		return fail(c, ERR_TOO_MANY, "the token file holds %d tokens already", TOKENS_MAX);
	fresh.t.id = make_id(c->arena);
	fresh.t.created_ms = clock_wall_ms();
	if (!want->principal.n)
		fresh.t.principal = fresh.t.id;
	hash_sha256(text, fresh.sha256);
	list.v[list.n++] = fresh;
	if (!token_file_write(c, data_dir, &list))
		return false;
	*ret_id = fresh.t.id;
	*ret_text = text;
	return true;
}

bool tenant_token_list(struct call *c, struct str data_dir, struct tenant_token **ret, size_t *ret_n)
{
	struct token_list list;
	struct tenant_token *v;

	if (!token_file_read(c, data_dir, &list))
		return false;
	v = ARENA_ARRAY(c->arena, struct tenant_token, list.n + 1);
	for (size_t i = 0; i < list.n; i++)
		v[i] = list.v[i].t;
	*ret = v;
	*ret_n = list.n;
	return true;
}

bool tenant_token_revoke(struct call *c, struct str data_dir, struct str id)
{
	__attribute__((cleanup(lock_file_drop))) struct lock_file lock = {-1};
	struct token_list list;

	if (!lock_tokens(c, data_dir, &lock) || !token_file_read(c, data_dir, &list))
		return false;
	for (size_t i = 0; i < list.n; i++) {
		if (!str_eq(list.v[i].t.id, id))
			continue;
		list.v[i].t.revoked = true;
		return token_file_write(c, data_dir, &list);
	}
	return fail(c, ERR_NOT_FOUND, "no token has the id %.*s", SARG(id));
}
