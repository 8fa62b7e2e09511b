/* identity_test.c - the server's id and key. */
#include "lifecycle/lifecycle.h"

#include "folder.h"
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
	struct arena arena;
	struct call call;
	char dir[FOLDER_PATH_MAX];
	struct str path;
};

static int set_up(void **state)
{
	struct place *p = base_zalloc(sizeof(*p));

	call_open(&p->call, &p->arena);
	folder_make(p->dir);
	p->path = arena_fmt(&p->arena, "%s/server.json", p->dir);
	*state = p;
	return 0;
}

static int tear_down(void **state)
{
	struct place *p = *state;

	folder_remove(p->dir);
	arena_close(&p->arena);
	free(p);
	return 0;
}

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void it_is_made_once_and_kept(void **state)
{
	struct place *p = *state;
	struct server_identity first, again;
	struct stat st;

	assert_false(server_identity(&p->call, str_of(p->dir), false, &first));
	assert_int_equal(p->call.err.kind, ERR_STORAGE);
	call_forgive(&p->call);
	assert_true(server_identity(&p->call, str_of(p->dir), true, &first));
	assert_true(server_identity(&p->call, str_of(p->dir), true, &again));
	assert_true(str_eq(first.id, again.id) && str_eq(first.key, again.key));
	assert_true(id_valid(first.id));
	assert_int_equal(first.key.n, 32);
	assert_int_equal(stat(p->path.p, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void what_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
		"", "{", "[]", "{}", "{\"id\":\"x\",\"key\":\"00\"}", "{\"id\":7}",
		"{\"id\":\"00000000-0000-4000-8000-000000000000\",\"key\":\"zz\"}",
		"{\"id\":\"00000000-0000-4000-8000-000000000000\",\"key\":\"00ff\"}",
	};
	struct place *p = *state;
	struct server_identity got;

	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		write_file(p->path.p, bad[i]);
		assert_false(server_identity(&p->call, str_of(p->dir), true, &got));
		assert_int_equal(p->call.err.kind, ERR_STORAGE);
		call_forgive(&p->call);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(it_is_made_once_and_kept, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_none_is_refused, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
