/* folder.h - temporary folders of a test: gone when it removes them, and at the latest when its program ends. */
#ifndef MAYFLY_TEST_FOLDER_H
#define MAYFLY_TEST_FOLDER_H

#include "test.h"

#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_PATH_MAX = 64, FOLDERS_MAX = 64 };

/* What a failed test left behind; the oldest are forgotten first. */
static struct {
	char path[FOLDERS_MAX][FOLDER_PATH_MAX];
	size_t made;
	pid_t owner;
} folders_made;

static inline int folder_remove_one(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

static inline void folder_sweep(void)
{
	if (getpid() != folders_made.owner) /* a fork that ended */
		return;
	for (size_t i = 0; i < FOLDERS_MAX; i++)
		if (folders_made.path[i][0])
			nftw(folders_made.path[i], folder_remove_one, 32, FTW_DEPTH | FTW_PHYS);
}

static inline void folder_make(char path[FOLDER_PATH_MAX])
{
	strcpy(path, "/tmp/mayfly-test-XXXXXX");
	assert_non_null(mkdtemp(path));
	if (folders_made.owner != getpid()) {
		folders_made.owner = getpid();
		folders_made.made = 0;
		memset(folders_made.path, 0, sizeof(folders_made.path));
		atexit(folder_sweep);
	}
	strcpy(folders_made.path[folders_made.made++ % FOLDERS_MAX], path);
}

static inline void folder_remove(const char *path)
{
	assert_int_equal(nftw(path, folder_remove_one, 32, FTW_DEPTH | FTW_PHYS), 0);
	for (size_t i = 0; i < FOLDERS_MAX; i++)
		if (strcmp(folders_made.path[i], path) == 0)
			folders_made.path[i][0] = '\0';
}

#endif
