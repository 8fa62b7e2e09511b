/* helper_image.c - the helper catalog out of the program itself.
 *
 * Its macros take an eighth of a second to create, so the build does that once, and DuckDB reads the file that came of it
 * from memory that nobody can write: no tenant has a file of it, and none can change what it reads.
 */
#include "base/file.h"
#include "engine/worker/helper_image.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

static int sealed_memory(struct str content)
{
	int fd = memfd_create("helpers", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (file_write(fd, content) && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) == 0)
		return fd;
	file_close_quietly(fd);
	return -1;
}

bool helper_attach(struct call *c, duckdb_connection con)
{
	int fd = sealed_memory(str_from(helper_image, helper_image_size));
	bool ok;

	if (fd < 0)
		return fail(c, ERR_INTERNAL, "no memory for the helper catalog: %s", strerror(errno));
	ok = database_query(c, con, arena_fmt(c->arena, "ATTACH '/proc/self/fd/%d' AS _sf (READ_ONLY, HIDDEN)", fd).p);
	close(fd); /* DuckDB has opened its own */
	return ok;
}
