/* database_files.c - files of databases: their names, and how one comes into place.
 *
 * A database has a file of its own name and number: one that is dropped and made again never meets the log of the former, which
 * a statement that still had it may write. Owns nothing; any thread.
 */
#include "engine/worker/databases.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { NUMBER_DIGITS = 16 };

bool database_name_ok(struct str name)
{
	static const char *const reserved[] = {"mutable", "system", "temp", "memory", "_sf", OWN_DATABASE,
					       "information_schema", "pg_catalog", "main", OWN_SCHEMA};

	if (name.n == 0 || !str_is_utf8(name) || memchr(name.p, '\0', name.n) || str_istarts(name, S("__eph_")))
		return false;
	for (size_t i = 0; i < COUNT_OF(reserved); i++)
		if (str_ieq(name, str_of(reserved[i])))
			return false;
	return true;
}

static bool is_plain(char ch)
{
	return ascii_alpha(ch) || ascii_digit(ch) || ch == '_';
}

bool database_encode(struct str name, struct buf *out)
{
	for (size_t i = 0; i < name.n; i++) {
		if (is_plain(name.p[i]))
			buf_addc(out, name.p[i]);
		else
			buf_fmt(out, "%%%02X", (unsigned char)name.p[i]);
	}
	return out->n <= DATABASE_NAME_MAX;
}

static int hex_value(char ch)
{
	return ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'A' && ch <= 'F' ? ch - 'A' + 10 : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1;
}

static bool read_number(struct str s, uint64_t *ret)
{
	uint64_t n = 0;

	if (s.n != NUMBER_DIGITS)
		return false;
	for (size_t i = 0; i < s.n; i++) {
		if (hex_value(s.p[i]) < 0)
			return false;
		n = n << 4 | (unsigned)hex_value(s.p[i]);
	}
	*ret = n;
	return true;
}

static bool read_name(struct arena *a, struct str s, struct str *ret)
{
	char *to = arena_alloc(a, s.n + 1);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++) {
		bool coded = s.p[i] == '%' && i + 2 < s.n && hex_value(s.p[i + 1]) >= 0 && hex_value(s.p[i + 2]) >= 0;

		if (!coded && !is_plain(s.p[i]))
			return false;
		to[n++] = coded ? (char)(hex_value(s.p[i + 1]) << 4 | hex_value(s.p[i + 2])) : s.p[i];
		i += coded ? 2 : 0;
	}
	*ret = str_from(to, n);
	return database_name_ok(*ret);
}

bool database_decode(struct arena *a, struct str file, struct str *ret_name, uint64_t *ret_number)
{
	struct str rest = file, name = str_cut(&rest, '.'), number = str_cut(&rest, '.');

	return str_eq(rest, S("db")) && read_number(number, ret_number) && read_name(a, name, ret_name);
}

void database_path(struct str encoded, uint64_t number, const char *end, char ret[DATABASE_PATH])
{
	snprintf(ret, DATABASE_PATH, DATABASES "/%.*s.%016llx.%s", SARG(encoded), (unsigned long long)number, end);
}

void database_unlink(struct str encoded, uint64_t number)
{
	static const char *const ends[] = {"db", "db.wal", "new", "new.wal"};
	char path[DATABASE_PATH];

	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		database_path(encoded, number, ends[i], path);
		unlink(path);
	}
}

bool database_put_in_place(const char *from, const char *to)
{
	int fd = open(from, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && fsync(fd) == 0;

	if (fd >= 0)
		close(fd);
	return ok && rename(from, to) == 0 && file_sync_folder(DATABASES);
}
