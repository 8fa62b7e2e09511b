/* server.c - the server: opened, listening, drained, closed. */
#include "http/http_int.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

/* A unix socket that we made. */
struct path {
	struct list link;
	char name[sizeof(((struct sockaddr_un *)0)->sun_path)];
};

struct http_server *http_open(struct call *c, const struct http_options *o)
{
	struct http_server *s = base_zalloc(sizeof(*s));

	INVARIANT(o->nloops > 0 && o->pool && o->surface.routes && o->limits.max_connections > 0);
	s->limits = o->limits;
	s->surface = o->surface;
	s->pool = o->pool;
	list_init(&s->paths);
	if ((o->tls.cert_file || o->tls.key_file) && !http_tls_open(c, &o->tls, &s->tls)) {
		free(s);
		return NULL;
	}
	s->routes = http_routes_open(o->surface.routes);
	s->nloops = o->nloops;
	s->loops = base_zalloc(sizeof(*s->loops) * (size_t)o->nloops);
	for (int i = 0; i < o->nloops; i++)
		http_loop_open(&s->loops[i], s, o->loops[i]);
	return s;
}

/* --- listening --- */

static bool errno_fails(struct call *c, const char *address, const char *what)
{
	return fail(c, ERR_UNAVAILABLE, "Cannot listen on %s: %s: %s.", address, what, strerror(errno));
}

static bool drop_stale(struct call *c, const char *address, const struct sockaddr_un *sa)
{
	struct stat st;
	int fd, rc;

	if (lstat(sa->sun_path, &st) != 0)
		return true;
	if (!S_ISSOCK(st.st_mode))
		return fail(c, ERR_UNAVAILABLE, "Cannot listen on %s: a file that is no socket is there.", address);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	rc = fd < 0 ? 0 : connect(fd, (const struct sockaddr *)sa, sizeof(*sa));
	if (fd >= 0)
		close(fd);
	if (rc == 0)
		return fail(c, ERR_UNAVAILABLE, "Cannot listen on %s: somebody else does.", address);
	return unlink(sa->sun_path) == 0 || errno_fails(c, address, "unlink");
}

static bool bind_unix(struct call *c, struct http_server *s, const char *address, int *ret)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct str name = str_of(address + sizeof("unix:") - 1);
	struct path *p;
	int fd = -1;

	if (name.n == 0 || name.n >= sizeof(sa.sun_path))
		return fail(c, ERR_INVALID_FIELD, "Cannot listen on %s: the path is empty or too long.", address);
	memcpy(sa.sun_path, name.p, name.n);
	if (!drop_stale(c, address, &sa))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || bind(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0 || chmod(sa.sun_path, 0660) != 0) {
		errno_fails(c, address, "bind");
		if (fd >= 0)
			close(fd);
		return false;
	}
	p = base_zalloc(sizeof(*p));
	memcpy(p->name, name.p, name.n);
	list_add_tail(&s->paths, &p->link);
	*ret = fd;
	return true;
}

/* "host:port" or "[host]:port" into two terminated texts. */
static bool split_address(struct call *c, const char *address, char **host, char **port)
{
	char *text = arena_cstr(c->arena, str_of(address));
	char *colon = strrchr(text, ':');

	if (!colon || colon == text || colon[1] == '\0')
		return fail(c, ERR_INVALID_FIELD, "Cannot listen on %s: not host:port, unix:/path or fd:N.", address);
	*colon = '\0';
	*port = colon + 1;
	*host = text;
	if (text[0] == '[' && colon[-1] == ']') {
		colon[-1] = '\0';
		*host = text + 1;
	}
	return true;
}

static int bind_info(const struct addrinfo *ai)
{
	int fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;

	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, ai->ai_addr, ai->ai_addrlen) == 0)
		return fd;
	close(fd);
	return -1;
}

static bool bind_tcp(struct call *c, const char *address, int *ret)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV}, *ai;
	char *host = NULL, *port = NULL;
	int rc;

	if (!split_address(c, address, &host, &port))
		return false;
	rc = getaddrinfo(host, port, &hints, &ai);
	if (rc != 0)
		return fail(c, ERR_INVALID_FIELD, "Cannot listen on %s: %s.", address, gai_strerror(rc));
	*ret = bind_info(ai);
	freeaddrinfo(ai);
	return *ret >= 0 || errno_fails(c, address, "bind");
}

static bool take_fd(struct call *c, const char *address, int *ret)
{
	int64_t fd = -1;
	int listening = 0;
	socklen_t len = sizeof(listening);

	if (!str_to_i64(str_of(address + sizeof("fd:") - 1), &fd) || fd < 0 || fd > INT32_MAX ||
	    getsockopt((int)fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0)
		return fail(c, ERR_INVALID_FIELD, "Cannot listen on %s: no such socket.", address);
	*ret = (int)fd;
	return true;
}

static void say_address(int fd, const char *address, struct buf *out)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	char host[NI_MAXHOST], port[NI_MAXSERV];

	if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0 || sa.ss_family == AF_UNIX ||
	    getnameinfo((struct sockaddr *)&sa, len, host, sizeof(host), port, sizeof(port),
			NI_NUMERICHOST | NI_NUMERICSERV) != 0)
		buf_add(out, str_of(address));
	else
		buf_fmt(out, sa.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static bool is_unix(int fd)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	return getsockname(fd, (struct sockaddr *)&sa, &len) == 0 && sa.ss_family == AF_UNIX;
}

static void on_connection(uv_stream_t *st, int status)
{
	if (status == 0)
		http_conn_accept(st->data);
}

/* The loop's own descriptor of the listening socket. */
static bool loop_listens(struct http_loop *l, int fd)
{
	struct http_listener *li = base_zalloc(sizeof(*li));
	int own = fcntl(fd, F_DUPFD_CLOEXEC, 3), rc;

	li->loop = l;
	li->local = is_unix(fd);
	list_init(&li->link);
	INVARIANT((li->local ? uv_pipe_init(l->uv, &li->uv.pipe, 0) : uv_tcp_init(l->uv, &li->uv.tcp)) == 0);
	li->uv.handle.data = li;
	l->handles++;
	list_add_tail(&l->listeners, &li->link);
	if (own < 0)
		return false;
	rc = li->local ? uv_pipe_open(&li->uv.pipe, own) : uv_tcp_open(&li->uv.tcp, own);
	if (rc != 0) {
		close(own);
		return false;
	}
	return uv_listen(&li->uv.stream, BACKLOG, on_connection) == 0;
}

bool http_listen(struct call *c, struct http_server *s, const char *address, struct buf *ret_address)
{
	struct str text = str_of(address);
	bool ok = true;
	int fd = -1;

	if (str_starts(text, S("unix:")))
		ok = bind_unix(c, s, address, &fd);
	else if (str_starts(text, S("fd:")))
		ok = take_fd(c, address, &fd);
	else
		ok = bind_tcp(c, address, &fd);
	if (!ok)
		return false;
	for (int i = 0; ok && i < s->nloops; i++)
		ok = loop_listens(&s->loops[i], fd);
	if (ok)
		say_address(fd, address, ret_address);
	else
		errno_fails(c, address, "listen");
	close(fd);
	return ok;
}

/* --- figures --- */

struct http_stats http_server_stats(struct http_server *s)
{
	struct http_stats st = {0};

	for (int i = 0; i < s->nloops; i++) {
		struct http_loop *l = &s->loops[i];

		st.connections_open += atomic_load(&l->connections);
		st.connections_total += atomic_load(&l->accepted);
		st.requests_total += atomic_load(&l->requests);
		st.refused_total += atomic_load(&l->refused);
		st.parked += atomic_load(&l->parked);
		st.bytes_in += atomic_load(&l->in);
		st.bytes_out += atomic_load(&l->out);
	}
	return st;
}

/* --- the end --- */

static void tell(void *arg)
{
	struct http_server *s = arg;

	exec_timer_close(s->grace);
	s->grace = NULL;
	if (s->on_drained)
		s->on_drained(s->on_drained_arg);
}

static void tell_once(struct http_server *s)
{
	if (!atomic_exchange(&s->told, true))
		exec_post(s->loops[0].exec, tell, s);
}

void http_server_left(struct http_server *s)
{
	if (atomic_fetch_sub(&s->open, 1) == 1 && atomic_load(&s->draining))
		tell_once(s);
}

static void cut_loop(void *arg)
{
	http_loop_cut(arg);
}

static void on_grace_over(void *arg)
{
	struct http_server *s = arg;

	for (int i = 0; i < s->nloops; i++)
		exec_post(s->loops[i].exec, cut_loop, &s->loops[i]);
}

static void drain_loop(void *arg)
{
	struct http_loop *l = arg;

	http_listeners_close(l);
	while (!list_empty(&l->clocks[CLOCK_IDLE]))
		http_conn_close(LIST_ITEM(l->clocks[CLOCK_IDLE].next, struct http_conn, link));
}

static void begin_grace(void *arg)
{
	struct http_server *s = arg;

	s->grace = exec_timer_open(s->loops[0].exec, on_grace_over, s);
	exec_timer_set(s->grace, s->grace_ms, 0);
	if (atomic_load(&s->open) == 0)
		tell_once(s);
}

void http_drain(struct http_server *s, int64_t grace_ms, exec_fn *told, void *arg)
{
	if (atomic_exchange(&s->draining, true))
		return;
	s->on_drained = told;
	s->on_drained_arg = arg;
	s->grace_ms = grace_ms;
	for (int i = 0; i < s->nloops; i++)
		exec_post(s->loops[i].exec, drain_loop, &s->loops[i]);
	exec_post(s->loops[0].exec, begin_grace, s);
}

bool http_draining(const struct http_server *s)
{
	return atomic_load(&s->draining);
}

void http_close(struct http_server *s)
{
	atomic_store(&s->told, true);
	for (int i = 0; i < s->nloops; i++)
		http_loop_close(&s->loops[i]);
	exec_timer_close(s->grace);
	while (!list_empty(&s->paths)) {
		struct path *p = LIST_ITEM(list_pop(&s->paths), struct path, link);

		unlink(p->name);
		free(p);
	}
	http_routes_close(s->routes);
	SSL_CTX_free(s->tls);
	free(s->loops);
	free(s);
}
