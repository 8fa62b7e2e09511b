/* helper_image.c - when Mayfly is built: helper_image FILE.db FILE.c makes the helper catalog and prints it as C. */
#include "base/file.h"
#include "engine/worker/helper_image.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { IMAGE_MAX = 16 << 20 };

/* The library asks for them; what is built here is what they will be. */
const char helper_image[] = "";
const size_t helper_image_size = 0;

static bool is_zero(struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i])
			return false;
	return true;
}

static void put_line(struct buf *out, struct str s)
{
	buf_addc(out, '\t');
	for (size_t i = 0; i < s.n; i++)
		buf_fmt(out, "%d,", (signed char)s.p[i]);
	buf_addc(out, '\n');
}

/* A file of DuckDB's is mostly zeros, which C need not be told where a line is named by its place. */
static void print(struct buf *out, struct str image)
{
	enum { LINE = 64 };
	bool skipped = false;

	buf_fmt(out, "/* made by tools/helper_image */\n#include \"engine/worker/helper_image.h\"\n\nconst size_t helper_image_size = %zu;\n"
		"const char helper_image[%zu] = {\n", image.n, image.n);
	for (size_t at = 0; at < image.n; at += LINE) {
		struct str line = str_head(str_tail(image, at), LINE);
		bool zero = is_zero(line);

		if (!zero && skipped)
			buf_fmt(out, "\t[%zu] =\n", at);
		if (!zero)
			put_line(out, line);
		skipped = zero;
	}
	buf_lit(out, "};\n");
}

static bool read_all(const char *path, struct buf *ret)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok = fd >= 0 && file_read(fd, IMAGE_MAX, ret) && ret->n > 0;

	if (fd >= 0)
		file_close_quietly(fd);
	return ok;
}

static bool write_all(const char *path, struct str content)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
	bool ok = fd >= 0 && file_write(fd, content);

	return fd >= 0 && close(fd) == 0 && ok;
}

static bool make(struct call *c, const char *db, const char *source)
{
	OWNS(buf) image = {0}, out = {0};

	unlink(db);
	unlink(arena_fmt(c->arena, "%s.wal", db).p);
	if (!helper_build(c, db))
		return false;
	if (!read_all(db, &image))
		return fail(c, ERR_INTERNAL, "%s: %s", db, strerror(errno));
	print(&out, buf_str(&image));
	return write_all(source, buf_str(&out)) || fail(c, ERR_INTERNAL, "%s: %s", source, strerror(errno));
}

int main(int argc, char **argv)
{
	OWNS(arena) a = {0};
	struct call c;

	call_open(&c, &a);
	if (argc == 3 && make(&c, argv[1], argv[2]))
		return EXIT_SUCCESS;
	fprintf(stderr, "helper_image: %s\n", argc == 3 ? c.err.text : "FILE.db FILE.c");
	return EXIT_FAILURE;
}
