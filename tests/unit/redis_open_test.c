/* redis_open_test.c - what redis_open() takes and what it refuses: URLs, passwords, TLS, and servers that are no Redis. */
#include "redis_rig.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>

struct fixture {
	struct redis_rig server;
	struct arena arena;
	struct call c;
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){.server = {.pid = 0}};
	call_open(&f->c, &f->arena);
	signal(SIGPIPE, SIG_IGN);
}

static void end(struct fixture *f)
{
	if (f->server.pid)
		redis_rig_close(&f->server);
	arena_close(&f->arena);
}

static struct redis_options options(struct str url)
{
	return (struct redis_options){.url = url, .connections = 2, .timeout_ms = SANITIZED ? 5000 : 2000};
}

static void refused(struct fixture *f, const struct redis_options *o, enum err_kind kind, const char *words)
{
	assert_null(redis_open(&f->c, o));
	if (!strstr(f->c.err.text, words) || f->c.err.kind != kind)
		print_message("not \"%s\" but %s: %s\n", words, err_code(f->c.err.kind), f->c.err.text);
	assert_non_null(strstr(f->c.err.text, words));
	assert_int_equal(f->c.err.kind, kind);
	assert_null(strstr(f->c.err.text, "secret"));
	call_forgive(&f->c);
}

/* It can be used: returns what GET k says. */
static struct str taken(struct fixture *f, const struct redis_options *o)
{
	struct redis *r = redis_rig_client(&f->c, o);
	struct redis_value v;

	assert_true(redis_one(&f->c, r, REDIS_COMMAND(S("GET"), S("k")), &v));
	redis_close(r);
	return v.text;
}

/* --- URLs --- */
static void urls_are_read_to_the_letter(void **state)
{
	static const char *const good[] = {
		"redis://h", "redis://h:1", "redis://h/0", "redis://h/", "redis://:pw@h:6379/15", "redis://user:p%40%2F%25@h", "rediss://h",
		"redis://[::1]:7/2", "redis://u:p@ss/w@[::1]", "unix:/tmp/s", "unix:/tmp/s?db=3",
		"unix:///tmp/s", "unix://:pw@/tmp/s?db=3", "unix://user:p%3F@/tmp/s", "unix:/tmp/a@b",
	};
	static const char *const bad[] = {
		"", "h:6379", "http://h", "redis:/h", "redis://", "redis://:1", "redis://h:", "redis://h:0", "redis://h:65536", "redis://h:x",
		"redis://h/x", "redis://h/-1", "redis://h/1/2", "redis://secret@h", "redis://u:@h", "redis://:secret%4@h", "redis://:secret%zz@h",
		"redis://[::1", "redis://[::1]x", "redis://h?x=1", "redis://a b", "unix:tmp/s", "unix:", "unix:/s?db=", "unix:/s?secret=1",
		"redis://h:1:2", "unix://tmp/s", "unix://secret@/tmp/s", "unix://@/tmp/s", "unix://:secret@tmp/s", "unix://:secret?@/s",
		"redis://99999999999/99999999999",
	};
	struct fixture f;

	(void)state;
	begin(&f);
	for (size_t i = 0; i < COUNT_OF(good); i++) {
		if (!redis_url_check(&f.c, str_of(good[i])))
			print_message("%s: %s\n", good[i], f.c.err.text);
		assert_int_equal(f.c.err.kind, ERR_NONE);
	}
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		bool ok = redis_url_check(&f.c, str_of(bad[i]));

		if (ok)
			print_message("taken: %s\n", bad[i]);
		assert_false(ok);
		assert_int_equal(f.c.err.kind, ERR_INVALID_FIELD);
		assert_null(strstr(f.c.err.text, "secret"));
		call_forgive(&f.c);
	}
	assert_false(redis_url_check(&f.c, S("redis://h\0.example")));
	end(&f);
}

/* --- a real server --- */
static void passwords_users_and_databases(void **state)
{
	const char *const args[] = {"--requirepass", "secret", "--databases", "4", NULL};
	struct redis_options o;
	struct redis_value v;
	struct redis *r;
	struct fixture f;
	int port;

	(void)state;
	REDIS_NEEDED();
	begin(&f);
	redis_rig_open(&f.server, args);
	port = f.server.port;
	o = options(str_of(f.server.url));
	refused(&f, &o, ERR_INVALID_FIELD, "wants a password, and the URL has none");
	o.url = arena_fmt(&f.arena, "redis://:secret2@127.0.0.1:%d", port);
	refused(&f, &o, ERR_INVALID_FIELD, "refuses the user or the password");
	o.url = arena_fmt(&f.arena, "redis://nobody:secret@127.0.0.1:%d", port);
	refused(&f, &o, ERR_INVALID_FIELD, "refuses the user or the password");
	o.url = arena_fmt(&f.arena, "redis://:secret@127.0.0.1:%d/4", port);
	refused(&f, &o, ERR_INVALID_FIELD, "database 4 cannot be had");
	o.url = arena_fmt(&f.arena, "redis://:secret@127.0.0.1:%d/3", port);
	r = redis_rig_client(&f.c, &o);
	assert_true(redis_one(&f.c, r, REDIS_COMMAND(S("SET"), S("k"), S("in 3")), &v));
	assert_true(redis_one(&f.c, r, REDIS_COMMAND(S("ACL"), S("SETUSER"), S("a/b"), S("on"), S(">p@ %"), S("~*"), S("+@all")), &v));
	redis_close(r);
	assert_str_equal(taken(&f, &o), "in 3");
	o.url = arena_fmt(&f.arena, "redis://a%%2Fb:p%%40%%20%%25@127.0.0.1:%d/3", port);
	assert_str_equal(taken(&f, &o), "in 3");
	o.url = arena_fmt(&f.arena, "redis://:secret@localhost:%d", port);
	assert_int_equal(taken(&f, &o).n, 0);
	o.url = arena_fmt(&f.arena, "unix://:secret@%s?db=3", f.server.socket);
	assert_str_equal(taken(&f, &o), "in 3");
	o.url = arena_fmt(&f.arena, "unix://a%%2Fb:p%%40%%20%%25@%s?db=3", f.server.socket);
	assert_str_equal(taken(&f, &o), "in 3");
	o.url = arena_fmt(&f.arena, "unix:%s?db=3", f.server.socket);
	refused(&f, &o, ERR_INVALID_FIELD, "wants a password, and the URL has none");
	end(&f);
}

static void unix_sockets(void **state)
{
	struct redis_options o;
	struct redis_stats stats;
	struct redis *r;
	struct redis_value v;
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin(&f);
	redis_rig_open(&f.server, NULL);
	o = options(arena_fmt(&f.arena, "unix:%s?db=2", f.server.socket));
	r = redis_rig_client(&f.c, &o);
	assert_true(redis_one(&f.c, r, REDIS_COMMAND(S("SET"), S("k"), S("v")), &v));
	redis_stats(r, &stats);
	assert_true(stats.version[0] >= '5');
	redis_close(r);
	o.url = arena_fmt(&f.arena, "%s/2", f.server.url);
	assert_str_equal(taken(&f, &o), "v");
	o.url = S("unix:/tmp/no/such/redis.sock");
	refused(&f, &o, ERR_UNAVAILABLE, "No such file");
	end(&f);
}

static void a_replica_is_refused_and_a_master_that_becomes_one_is_left(void **state)
{
	struct redis_options o;
	struct redis_stats stats;
	struct redis_value v;
	struct redis *r, *other;
	struct fixture f;

	(void)state;
	REDIS_NEEDED();
	begin(&f);
	redis_rig_open(&f.server, NULL);
	o = options(str_of(f.server.url));
	r = redis_rig_client(&f.c, &o);
	other = redis_rig_client(&f.c, &o);
	assert_true(redis_one(&f.c, r, REDIS_COMMAND(S("REPLICAOF"), S("127.0.0.1"), S("1")), &v));
	refused(&f, &o, ERR_UNAVAILABLE, "is a replica");
	assert_false(redis_one(&f.c, r, REDIS_COMMAND(S("SET"), S("k"), S("v")), &v));
	assert_int_equal(f.c.err.kind, ERR_UNAVAILABLE);
	call_forgive(&f.c);
	REDIS_UNTIL((redis_stats(r, &stats), strstr(stats.why, "replica")) || redis_one(&f.c, r, REDIS_COMMAND(S("SET"), S("k"), S("v")), &v));
	call_forgive(&f.c);
	assert_true(redis_one(&f.c, other, REDIS_COMMAND(S("REPLICAOF"), S("NO"), S("ONE")), &v));
	REDIS_UNTIL(redis_up(r) && redis_one(&f.c, r, REDIS_COMMAND(S("SET"), S("k"), S("v")), &v));
	redis_close(other);
	redis_close(r);
	end(&f);
}

/* --- TLS --- */
static void write_pem(const char *path, EVP_PKEY *key, X509 *cert)
{
	FILE *to = fopen(path, "w");

	assert_non_null(to);
	if (cert)
		PEM_write_X509(to, cert);
	else
		PEM_write_PrivateKey(to, key, NULL, NULL, 0, NULL, NULL);
	fclose(to);
}

/* NAME.pem and NAME.key, signed by itself. */
static void make_certificate(const struct fixture *f, const char *name, const char *hosts)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();
	X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, hosts);
	char path[128];

	X509_set_version(cert, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509_add_ext(cert, names, -1);
	assert_int_not_equal(X509_sign(cert, key, EVP_sha256()), 0);
	snprintf(path, sizeof(path), "%s/%s.pem", f->server.place, name);
	write_pem(path, key, cert);
	snprintf(path, sizeof(path), "%s/%s.key", f->server.place, name);
	write_pem(path, key, NULL);
	X509_EXTENSION_free(names);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static const char *in_place(struct fixture *f, const char *name)
{
	return arena_fmt(&f->arena, "%s/%s", f->server.place, name).p;
}

/* Starts it again with TLS by the certificate NAME; returns the port. */
static int speak_tls(struct fixture *f, const char *name)
{
	int port = redis_rig_free_port();
	const char *args[] = {
		"--tls-port", arena_fmt(&f->arena, "%d", port).p, "--tls-auth-clients", "no",
		"--tls-cert-file", in_place(f, arena_fmt(&f->arena, "%s.pem", name).p),
		"--tls-key-file", in_place(f, arena_fmt(&f->arena, "%s.key", name).p),
		"--tls-ca-cert-file", in_place(f, "good.pem"), NULL,
	};

	redis_rig_kill(&f->server);
	memcpy(f->server.args, args, sizeof(args));
	redis_rig_start(&f->server);
	return port;
}

enum { LARGE = 20 << 20 };

static void large_values_pass(struct fixture *f, struct redis *r)
{
	char *bytes = base_alloc(LARGE);
	struct redis_value v[2];

	id_random(bytes, LARGE);
	assert_true(redis_ask(&f->c, r, (struct redis_command[]){REDIS_COMMAND(S("SET"), S("large"), str_from(bytes, LARGE)),
								 REDIS_COMMAND(S("GET"), S("large"))}, 2, v));
	assert_int_equal(v[1].text.n, LARGE);
	assert_memory_equal(v[1].text.p, bytes, LARGE);
	free(bytes);
}

static void tls_is_verified(void **state)
{
	struct redis_options o = options(S(""));
	struct redis_value v;
	struct fixture f;
	struct redis *r;
	int port;

	(void)state;
	REDIS_NEEDED();
	begin(&f);
	redis_rig_open(&f.server, NULL);
	make_certificate(&f, "good", "DNS:localhost,IP:127.0.0.1");
	make_certificate(&f, "elsewhere", "DNS:elsewhere.example");
	port = speak_tls(&f, "good");
	o.ca_file = str_of(in_place(&f, "good.pem"));
	o.timeout_ms = 20000;
	for (int i = 0; i < 2; i++) {
		o.url = arena_fmt(&f.arena, "rediss://%s:%d", i ? "localhost" : "127.0.0.1", port);
		r = redis_rig_client(&f.c, &o);
		large_values_pass(&f, r);
		if (i) {
			redis_rig_kill(&f.server);
			redis_rig_start(&f.server);
			REDIS_UNTIL(redis_up(r) && redis_one(&f.c, r, REDIS_COMMAND(S("SET"), S("k"), S("v")), &v));
			call_forgive(&f.c);
		}
		redis_close(r);
	}
	o.ca_file = str_of(in_place(&f, "elsewhere.pem"));
	refused(&f, &o, ERR_INVALID_FIELD, "its certificate is not accepted");
	o.ca_file = (struct str){0};
	refused(&f, &o, ERR_INVALID_FIELD, "its certificate is not accepted");
	o.ca_file = S("/no/such/file.pem");
	refused(&f, &o, ERR_INVALID_FIELD, "no certificates of authorities can be read from /no/such/file.pem");
	o.ca_file = str_of(in_place(&f, "good.pem"));
	o.url = arena_fmt(&f.arena, "redis://127.0.0.1:%d", port);
	assert_null(redis_open(&f.c, &o)); /* plain words to a port of TLS */
	call_forgive(&f.c);
	o.url = arena_fmt(&f.arena, "rediss://127.0.0.1:%d", f.server.port);
	o.timeout_ms = 500;
	refused(&f, &o, ERR_UNAVAILABLE, "no TLS within 500 ms"); /* and the other way: it waits for the end of a line */
	o.timeout_ms = 20000;
	port = speak_tls(&f, "elsewhere");
	o.ca_file = str_of(in_place(&f, "elsewhere.pem"));
	o.url = arena_fmt(&f.arena, "rediss://localhost:%d", port);
	refused(&f, &o, ERR_INVALID_FIELD, "its certificate is not accepted: hostname mismatch");
	o.url = arena_fmt(&f.arena, "rediss://127.0.0.1:%d", port);
	refused(&f, &o, ERR_INVALID_FIELD, "its certificate is not accepted: IP address mismatch");
	end(&f);
}

/* --- servers that are none --- */
struct fake {
	pthread_t thread;
	int listener, port;
	struct str greeting;     /* said after the first words of a client */
	struct str after;        /* and after the second */
	bool stays;              /* else it closes then */
	bool in_bytes;           /* one at a time */
};

static bool say(const struct fake *k, int fd, struct str s)
{
	size_t at = 0;

	while (at < s.n) {
		ssize_t n = write(fd, s.p + at, k->in_bytes ? 1 : s.n - at);

		if (n <= 0)
			return false;
		at += (size_t)n;
	}
	return true;
}

static void serve(const struct fake *k, int fd)
{
	char words[4096];

	if (read(fd, words, sizeof(words)) <= 0 || !say(k, fd, k->greeting))
		return;
	if (k->after.p && (read(fd, words, sizeof(words)) <= 0 || !say(k, fd, k->after)))
		return;
	while (k->stays && read(fd, words, sizeof(words)) > 0)
		;
}

static void *fake_main(void *arg)
{
	struct fake *k = arg;
	int fd;

	while ((fd = accept(k->listener, NULL, NULL)) >= 0) {
		serve(k, fd);
		close(fd);
	}
	return NULL;
}

static void fake_open(struct fake *k)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof(sa);

	k->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(k->listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(getsockname(k->listener, (struct sockaddr *)&sa, &size), 0);
	assert_int_equal(listen(k->listener, 16), 0);
	k->port = ntohs(sa.sin_port);
	assert_int_equal(pthread_create(&k->thread, NULL, fake_main, k), 0);
}

static void fake_close(struct fake *k)
{
	shutdown(k->listener, SHUT_RDWR);
	pthread_join(k->thread, NULL);
	close(k->listener);
}

static struct str info_of(struct fixture *f, const char *ping, const char *server, const char *replication)
{
	return arena_fmt(&f->arena, "+OK\r\n%s\r\n$%zu\r\n%s\r\n$%zu\r\n%s\r\n", ping, strlen(server), server, strlen(replication), replication);
}

static void fake_refused(struct fixture *f, struct fake k, enum err_kind kind, const char *words)
{
	struct redis_options o;

	fake_open(&k);
	o = options(arena_fmt(&f->arena, "redis://127.0.0.1:%d", k.port));
	o.timeout_ms = strstr(words, "within 500 ms") ? 500 : 20000;
	refused(f, &o, kind, words);
	fake_close(&k);
}

static const char master[] = "# Replication\r\nrole:master\r\n", seven[] = "# Server\r\nredis_version:7.2.4\r\nredis_mode:standalone\r\n";

static void who_answers_is_looked_at(void **state)
{
	struct redis_options o;
	struct fixture f;

	(void)state;
	begin(&f);
	fake_refused(&f, (struct fake){.greeting = S("HTTP/1.1 400 Bad Request\r\n\r\n")}, ERR_INVALID_FIELD, "no Redis answers there");
	fake_refused(&f, (struct fake){.greeting = S("220 mail.example ESMTP\r\n"), .stays = true}, ERR_INVALID_FIELD, "no Redis answers there");
	fake_refused(&f, (struct fake){.greeting = S("+OK\r\n+OK\r\n+OK\r\n+OK\r\n"), .stays = true}, ERR_INVALID_FIELD, "no Redis answers");
	fake_refused(&f, (struct fake){.greeting = S("")}, ERR_UNAVAILABLE, "it closed the connection");
	fake_refused(&f, (struct fake){.greeting = S(""), .stays = true}, ERR_UNAVAILABLE, "no answer within 500 ms");
	fake_refused(&f, (struct fake){.greeting = S("-ERR max number of clients reached\r\n")}, ERR_UNAVAILABLE, "max number of clients");
	fake_refused(&f, (struct fake){.greeting = info_of(&f, "-LOADING Redis is loading the dataset in memory", seven, master), .stays = true},
		     ERR_UNAVAILABLE, "LOADING Redis is loading");
	fake_refused(&f, (struct fake){.greeting = info_of(&f, "+PONG", "redis_version:4.0.9\r\n", master), .stays = true}, ERR_INVALID_FIELD,
		     "it is Redis 4; 5 is the oldest");
	fake_refused(&f, (struct fake){.greeting = info_of(&f, "+PONG", "redis_version:7.0.0\r\nredis_mode:cluster\r\n", master), .stays = true},
		     ERR_INVALID_FIELD, "a Redis Cluster");
	fake_refused(&f, (struct fake){.greeting = info_of(&f, "+PONG", "redis_version:7.0.0\r\nredis_mode:sentinel\r\n", master), .stays = true},
		     ERR_INVALID_FIELD, "a Redis Sentinel");
	fake_refused(&f, (struct fake){.greeting = info_of(&f, "+PONG", "nothing", master), .stays = true}, ERR_INVALID_FIELD, "no Redis answers");
	o = options(arena_fmt(&f.arena, "redis://127.0.0.1:%d", redis_rig_free_port()));
	refused(&f, &o, ERR_UNAVAILABLE, "Connection refused");
	end(&f);
}

/* Greets well, and then says this. */
static void given_up(struct fixture *f, struct str after, const char *words)
{
	struct fake k = {.greeting = info_of(f, "+PONG", seven, master), .after = after, .stays = true};
	struct redis_options o;
	struct redis_value v;
	struct redis *r;

	fake_open(&k);
	o = options(arena_fmt(&f->arena, "redis://127.0.0.1:%d", k.port));
	o.connections = 1;
	r = redis_rig_client(&f->c, &o);
	assert_false(redis_one(&f->c, r, REDIS_COMMAND(S("GET"), S("k")), &v));
	if (!strstr(f->c.err.text, words))
		print_message("not \"%s\" but: %s\n", words, f->c.err.text);
	assert_non_null(strstr(f->c.err.text, words));
	assert_int_equal(f->c.err.kind, ERR_UNAVAILABLE);
	call_forgive(&f->c);
	redis_close(r);
	fake_close(&k);
}

static void answers_without_bounds_are_given_up(void **state)
{
	char *line = base_alloc(100000);
	struct fixture f;

	(void)state;
	begin(&f);
	memset(line, 'a', 100000);
	line[0] = '+';
	given_up(&f, S("$600000000\r\nabc"), "larger than 512 MB");
	given_up(&f, S("$9999999999999999999999\r\n"), "cannot be read");
	given_up(&f, S("*100000000\r\n"), "larger than 512 MB");
	given_up(&f, S("*11000000\r\n*11000000\r\n"), "larger than 512 MB");
	given_up(&f, S("*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n"), "cannot be read");
	given_up(&f, str_from(line, 100000), "larger than 512 MB");
	given_up(&f, S("garbage\r\n"), "cannot be read");
	free(line);
	end(&f);
}

static void an_answer_that_nobody_asked_for_ends_the_connection(void **state)
{
	struct fake k = {.after = S("+fine\r\n+more than that\r\n"), .stays = true};
	struct redis_options o;
	struct redis_stats stats;
	struct redis_value v;
	struct fixture f;
	struct redis *r;

	(void)state;
	begin(&f);
	k.greeting = info_of(&f, "+PONG", seven, master);
	fake_open(&k);
	o = options(arena_fmt(&f.arena, "redis://127.0.0.1:%d", k.port));
	o.connections = 1;
	r = redis_rig_client(&f.c, &o);
	assert_true(redis_one(&f.c, r, REDIS_COMMAND(S("GET"), S("k")), &v));
	assert_str_equal(v.text, "fine");
	REDIS_UNTIL((redis_stats(r, &stats), stats.reconnects == 1));
	redis_close(r);
	fake_close(&k);
	end(&f);
}

static void answers_come_in_any_pieces(void **state)
{
	struct fixture f;
	struct fake k = {.after = S("*3\r\n$5\r\nabc\r\n\r\n:-42\r\n*2\r\n$-1\r\n-ERR no\r\n"), .stays = true, .in_bytes = true};
	struct redis_options o;
	struct redis_value v;
	struct redis *r;

	(void)state;
	begin(&f);
	k.greeting = info_of(&f, "+PONG", seven, master);
	fake_open(&k);
	o = options(arena_fmt(&f.arena, "redis://127.0.0.1:%d", k.port));
	o.connections = 1;
	r = redis_rig_client(&f.c, &o);
	assert_true(redis_one(&f.c, r, REDIS_COMMAND(S("GET"), S("k")), &v));
	assert_true(v.kind == REDIS_ARRAY && v.n == 3 && v.items[2].n == 2);
	assert_str_equal(v.items[0].text, "abc\r\n");
	assert_int_equal(v.items[1].integer, -42);
	assert_int_equal(v.items[2].items[0].kind, REDIS_NIL);
	assert_str_equal(v.items[2].items[1].text, "ERR no");
	redis_close(r);
	fake_close(&k);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(urls_are_read_to_the_letter),
		cmocka_unit_test(passwords_users_and_databases),
		cmocka_unit_test(unix_sockets),
		cmocka_unit_test(a_replica_is_refused_and_a_master_that_becomes_one_is_left),
		cmocka_unit_test(tls_is_verified),
		cmocka_unit_test(who_answers_is_looked_at),
		cmocka_unit_test(answers_without_bounds_are_given_up),
		cmocka_unit_test(an_answer_that_nobody_asked_for_ends_the_connection),
		cmocka_unit_test(answers_come_in_any_pieces),
	};

	return cmocka_run_group_tests_name("redis_open", tests, NULL, NULL);
}
