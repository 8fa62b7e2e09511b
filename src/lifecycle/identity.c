/* identity.c - who this server is: an id and a secret key, in `<data>/server.json`.
 *
 * The id names the server's streams of events and owns its sessions; the key
 * authenticates the heads of the streams. Made once, readable by its owner only.
 */
#include "json/json.h"
#include "lifecycle/lifecycle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { KEY_BYTES = 32, FILE_MAX = 4096 };

static bool parse(struct call *c, struct str text, const char *path, struct server_identity *ret)
{
	struct str id = {0}, key = {0};
	OWNS(buf) raw = {0};
	const json_node *o;

	if (!json_read_object(c, text, &o) || !json_want_text(c, o, "id", &id) || !json_want_text(c, o, "key", &key)) {
		call_forgive(c);
		return fail(c, ERR_STORAGE, "%s is not the identity of a server", path);
	}
	if (!id_valid(id) || !hash_unhex(key, &raw) || raw.n != KEY_BYTES)
		return fail(c, ERR_STORAGE, "%s: id must be a UUID and key %d bytes in hexadecimal", path, KEY_BYTES);
	*ret = (struct server_identity){arena_dup(c->arena, id), arena_dup(c->arena, buf_str(&raw))};
	return true;
}

static bool read_file(struct call *c, const char *path, int fd, struct server_identity *ret)
{
	OWNS(buf) text = {0};

	if (!file_read(fd, FILE_MAX, &text))
		return fail(c, ERR_STORAGE, "cannot read %s: %s", path, strerror(errno));
	return parse(c, buf_str(&text), path, ret);
}

static void write_text(struct buf *b)
{
	unsigned char key[KEY_BYTES];
	struct id id = id_v4();
	OWNS(buf) hex = {0};

	id_random(key, sizeof(key));
	hash_hex(str_from((const char *)key, sizeof(key)), &hex);
	buf_fmt(b, "{\"id\":\"%s\",\"key\":\"%.*s\"}\n", id.text, SARG(buf_str(&hex)));
}

/* Written whole under another name first: a crash leaves no half of it. */
static bool make_file(struct call *c, const char *dir, const char *path)
{
	const char *building = arena_fmt(c->arena, "%s.new", path).p;
	int fd = open(building, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	OWNS(buf) text = {0};
	bool ok;

	write_text(&text);
	ok = fd >= 0 && file_write(fd, buf_str(&text)) && fsync(fd) == 0 && rename(building, path) == 0 && file_sync_folder(dir);
	if (fd >= 0)
		close(fd);
	return ok || fail(c, ERR_STORAGE, "cannot write %s: %s", path, strerror(errno));
}

bool server_identity(struct call *c, struct str data_dir, bool make, struct server_identity *ret)
{
	const char *dir = arena_cstr(c->arena, data_dir), *path = arena_fmt(c->arena, "%s/server.json", dir).p;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0 && errno == ENOENT && make) {
		if (!make_file(c, dir, path))
			return false;
		fd = open(path, O_RDONLY | O_CLOEXEC);
	}
	if (fd < 0)
		return fail(c, ERR_STORAGE, "cannot read %s: %s", path, strerror(errno));
	ok = read_file(c, path, fd, ret);
	close(fd);
	return ok;
}
