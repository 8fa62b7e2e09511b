/* jail_find.c - PostgreSQL's programs: where they are, which they are. Owns nothing; any thread. */
#include "engine/pg/jail_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { WORDS_MAX = 8192, BINARY_MAX = 256 << 20 };

static const char debian[] = "/usr/lib/postgresql";

/* What a program of PostgreSQL's says of itself; false when there is no such program. */
static bool ask(const char *program, const char *option, struct buf *ret)
{
	char *const argv[] = {(char *)program, (char *)option, NULL};
	static char locale[] = "LC_ALL=C";
	char *const env[] = {locale, NULL};
	posix_spawn_file_actions_t to;
	int fds[2], status = -1;
	pid_t pid;
	bool ok;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return false;
	posix_spawn_file_actions_init(&to);
	posix_spawn_file_actions_adddup2(&to, fds[1], STDOUT_FILENO);
	ok = posix_spawn(&pid, program, &to, NULL, argv, env) == 0;
	posix_spawn_file_actions_destroy(&to);
	close(fds[1]);
	if (ok)
		ok = file_read(fds[0], WORDS_MAX, ret);
	close(fds[0]);
	if (ok)
		ok = waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	return ok;
}

static char *joined(const char *dir, const char *name)
{
	OWNS(buf) b = {0};

	buf_fmt(&b, "%s/%s", dir, name);
	return strdup(buf_cstr(&b));
}

static bool has(const char *dir, const char *name)
{
	char *path = joined(dir, name);
	bool ok = access(path, X_OK) == 0;

	free(path);
	return ok;
}

static char *resolved(const char *dir)
{
	char *real = dir && *dir ? realpath(dir, NULL) : NULL;

	if (real && has(real, "postgres") && has(real, "initdb"))
		return real;
	free(real);
	return NULL;
}

/* --- the places, one after the other --- */
static char *by_pg_config(void)
{
	OWNS(buf) said = {0};
	char *found = NULL, *line;

	if (ask("/usr/bin/pg_config", "--bindir", &said) && said.n > 1 && said.p[said.n - 1] == '\n') {
		line = strndup(said.p, said.n - 1);
		found = resolved(line);
		free(line);
	}
	return found;
}

static char *by_version(void)
{
	DIR *d = opendir(debian);
	const struct dirent *e;
	char *best = NULL, *at;
	int64_t highest = 0;

	while (d && (e = readdir(d))) {
		int64_t major;
		char place[PATH_MAX];

		if (!str_to_i64(str_of(e->d_name), &major))
			continue;

		snprintf(place, sizeof(place), "%s/%s/bin", debian, e->d_name);
		at = major > highest ? resolved(place) : NULL;
		if (!at)
			continue;
		free(best);
		best = at;
		highest = major;
	}
	if (d)
		closedir(d);
	return best;
}

static char *by_path(void)
{
	struct str all = str_of(getenv("PATH"));
	char *found = NULL;

	while (!found && all.n) {
		struct str dir = str_cut(&all, ':');
		char *z = strndup(dir.p, dir.n);

		found = resolved(z);
		free(z);
	}
	return found;
}

static char *bin_dir_of(struct call *c, struct str given)
{
	char *found;

	if (given.n) {
		found = resolved(arena_cstr(c->arena, given));
		if (!found)
			fail(c, ERR_ENGINE_UNREACHABLE, "there is no initdb and postgres in %.*s", SARG(given));
		return found;
	}
	found = by_pg_config();
	if (!found)
		found = by_version();
	if (!found)
		found = by_path();
	if (!found)
		fail(c, ERR_ENGINE_UNREACHABLE, "PostgreSQL's initdb and postgres are not installed (runner.postgres.bin_dir names their folder)");
	return found;
}

/* --- what they are --- */
static bool read_binary(struct call *c, struct jail_programs *p)
{
	char *path = joined(p->bin_dir, "postgres");
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	OWNS(buf) bytes = {0};
	bool ok = fd >= 0 && file_read(fd, BINARY_MAX, &bytes);

	if (!ok)
		fail(c, ERR_ENGINE_UNREACHABLE, "%s cannot be read: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	free(path);
	if (!ok)
		return false;
	hash_sha256(buf_str(&bytes), p->digest);
	p->notifies = str_search(buf_str(&bytes), S("libsystemd.so")) < bytes.n;
	return true;
}

static bool read_version(struct call *c, struct jail_programs *p)
{
	static const struct str words = S_INIT("postgres (PostgreSQL) ");
	char *path = joined(p->bin_dir, "postgres");
	OWNS(buf) said = {0};
	struct str v = {NULL, 0};
	int64_t major = 0;
	size_t digits = 0;

	if (ask(path, "--version", &said) && str_starts(buf_str(&said), words))
		v = str_trim(str_tail(buf_str(&said), words.n));
	free(path);
	snprintf(p->version, sizeof(p->version), "%.*s", SARG(v));
	while (digits < v.n && ascii_digit(v.p[digits])) /* "15.18 (Debian …)", "19beta1" */
		digits++;
	(void)!str_to_i64(str_head(v, digits), &major);
	p->major = (int)major;
	return p->major >= 12 || fail(c, ERR_ENGINE_UNREACHABLE, "PostgreSQL 12 or newer is needed, %s has \"%s\"", p->bin_dir, p->version);
}

/* Relative to its programs, as PostgreSQL finds it when it was moved; Debian's is elsewhere. */
static char *folder_of(const struct jail_programs *p, const char *option, const char *relative)
{
	char *config = joined(p->bin_dir, "pg_config"), *near = joined(p->bin_dir, relative), *found = NULL;
	OWNS(buf) said = {0};

	if (ask(config, option, &said) && said.n > 1) {
		said.p[said.n - 1] = '\0';
		found = realpath(said.p, NULL);
	}
	if (!found)
		found = realpath(near, NULL);
	free(config);
	free(near);
	return found;
}

static char *share_of(const struct jail_programs *p)
{
	char place[PATH_MAX], *found = folder_of(p, "--sharedir", "../share/postgresql");

	if (found && access(found, R_OK) == 0)
		return found;
	free(found);
	snprintf(place, sizeof(place), "/usr/share/postgresql/%d", p->major);
	found = realpath(place, NULL);
	return found ? found : folder_of(p, "--none", "../share");
}

bool jail_find(struct call *c, struct str bin_dir, struct jail_programs *ret)
{
	struct jail_programs p = {.bin_dir = bin_dir_of(c, bin_dir)};
	bool ok = p.bin_dir && read_version(c, &p) && read_binary(c, &p);

	if (ok) {
		p.share_dir = share_of(&p);
		p.lib_dir = folder_of(&p, "--pkglibdir", "../lib");
		ok = (p.share_dir && p.lib_dir) || fail(c, ERR_ENGINE_UNREACHABLE, "the libraries of %s/postgres are not found", p.bin_dir);
	}
	if (ok)
		*ret = p;
	else
		jail_programs_drop(&p);
	return ok;
}

void jail_programs_drop(struct jail_programs *p)
{
	free(p->bin_dir);
	free(p->share_dir);
	free(p->lib_dir);
	*p = (struct jail_programs){0};
}
