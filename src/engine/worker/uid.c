/* uid.c - from the server's root to a uid of the worker's own. */
#include "engine/worker/worker.h"

#include <fts.h>
#include <grp.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file with names elsewhere may be another's. */
static bool is_shared(const FTSENT *e)
{
	return e->fts_info != FTS_D && e->fts_statp->st_nlink > 1;
}

/* The folder becomes the uid's, links themselves and not what they point to. */
static bool own_folder(uid_t uid)
{
	char here[] = ".";
	char *const paths[] = {here, NULL};
	FTS *walk = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
	FTSENT *e;
	bool ok = walk != NULL;

	while (ok && (e = fts_read(walk)) != NULL)
		if (e->fts_info != FTS_DP && e->fts_statp->st_uid != uid && !is_shared(e))
			ok = lchown(e->fts_accpath, uid, (gid_t)uid) == 0;
	if (walk)
		fts_close(walk);
	return ok;
}

bool worker_become(uid_t uid)
{
	return own_folder(uid) && setgroups(0, NULL) == 0 && setresgid((gid_t)uid, (gid_t)uid, (gid_t)uid) == 0 &&
	       setresuid(uid, uid, uid) == 0;
}
