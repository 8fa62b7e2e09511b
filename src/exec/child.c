/* child.c - child processes of the server, reaped by their loop. */
#include "exec/exec_int.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

struct exec_child {
	uv_process_t uv;
	exec_child_fn *on_exit;
	void *arg;
	bool exited, closing;
};

static void free_child(uv_handle_t *h)
{
	free(h->data);
}

static void on_exit_cb(uv_process_t *p, int64_t status, int signo)
{
	struct exec_child *ch = p->data;
	bool closed_before = ch->closing;

	ch->exited = true;
	if (ch->on_exit)
		ch->on_exit(ch->arg, signo ? -1 : (int)status, signo);
	if (closed_before)
		uv_close((uv_handle_t *)&ch->uv, free_child);
}

static void set_stdio(uv_stdio_container_t *to, int fd, int null)
{
	to->flags = UV_INHERIT_FD;
	to->data.fd = fd >= 0 ? fd : null;
}

struct exec_child *exec_child_open(struct call *c, struct exec_loop *l, const struct exec_child_spec *spec,
				   exec_child_fn *on_exit, void *arg)
{
	static char locale[] = "LANG=C.UTF-8";
	static char *const bare[] = {locale, NULL};
	struct exec_child *ch = base_zalloc(sizeof(*ch));
	uv_stdio_container_t stdio[EXEC_CHILD_FDS];
	uv_process_options_t o = {.exit_cb = on_exit_cb, .file = spec->file, .args = (char **)spec->argv,
				  .env = (char **)(spec->env ? spec->env : bare), .stdio = stdio, .stdio_count = spec->nfds};
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int rc;

	INVARIANT(spec->nfds <= EXEC_CHILD_FDS);
	for (int i = 0; i < spec->nfds; i++)
		set_stdio(&stdio[i], spec->fds[i], null);
	ch->on_exit = on_exit;
	ch->arg = arg;
	ch->uv.data = ch;
	rc = uv_spawn(&l->uv, &ch->uv, &o);
	close(null);
	if (rc != 0) {
		uv_close((uv_handle_t *)&ch->uv, free_child);
		fail(c, ERR_UNAVAILABLE, "cannot start %s: %s", spec->file, uv_strerror(rc));
		return NULL;
	}
	return ch;
}

void exec_child_kill(struct exec_child *ch, int signo)
{
	if (!ch->exited)
		uv_process_kill(&ch->uv, signo);
}

/* A child that still runs stays with the loop until it is reaped. */
void exec_child_close(struct exec_child *ch)
{
	if (!ch || ch->closing)
		return;
	ch->closing = true;
	ch->on_exit = NULL;
	if (ch->exited)
		uv_close((uv_handle_t *)&ch->uv, free_child);
}
