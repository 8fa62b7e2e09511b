/* obs_test.c - log lines as they are written, metrics as they are scraped. */
#include "obs/obs.h"

#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* --- stderr, caught --- */
static int saved = -1, caught = -1;

static void catch_stderr(void)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	saved = dup(STDERR_FILENO);
	dup2(fds[1], STDERR_FILENO);
	close(fds[1]);
	caught = fds[0];
}

/* Everything that was written since, terminated. */
static void release_stderr(char *to, size_t cap)
{
	size_t n = 0;
	ssize_t got;

	dup2(saved, STDERR_FILENO);
	close(saved);
	while (n + 1 < cap && (got = read(caught, to + n, cap - 1 - n)) > 0)
		n += (size_t)got;
	close(caught);
	to[n] = '\0';
}

static char text[65536];

static void a_json_line_is_one_object_with_escapes(void **state)
{
	(void)state;
	obs_log_open(OBS_INFO, true);
	catch_stderr();
	obs_log(OBS_WARN, "http", "he said \"%s\"\n\x01\\ z\xC3\xAB", "no");
	release_stderr(text, sizeof(text));
	assert_non_null(strstr(text, "\"level\":\"warn\",\"room\":\"http\",\"message\":"
				     "\"he said \\\"no\\\"\\n\\u0001\\\\ z\xC3\xAB\"}\n"));
	assert_int_equal(strncmp(text, "{\"time\":\"20", 11), 0);
	assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

static void bytes_that_are_not_utf8_never_reach_the_line(void **state)
{
	(void)state;
	obs_log_open(OBS_INFO, true);
	catch_stderr();
	obs_log(OBS_INFO, "http", "a\xFFz\xC3");
	release_stderr(text, sizeof(text));
	assert_true(str_is_utf8(str_of(text)));
	assert_non_null(strstr(text, "a\\u00ffz\\u00c3"));
}

static void a_line_carries_its_call(void **state)
{
	struct arena a = {0};
	struct call c;

	(void)state;
	call_open(&c, &a);
	c.request_id = S("r-1\n");
	c.tenant = S("acme");
	obs_log_open(OBS_INFO, true);
	catch_stderr();
	obs_log_call(&c, OBS_ERROR, "api", "failed");
	obs_log_open(OBS_INFO, false);
	obs_log_call(&c, OBS_ERROR, "api", "failed \"x\"");
	release_stderr(text, sizeof(text));
	assert_non_null(strstr(text, "\"request_id\":\"r-1\\n\",\"tenant\":\"acme\",\"message\":\"failed\"}\n"));
	assert_non_null(strstr(text, " ERROR api: request_id=r-1\\n tenant=acme failed \"x\"\n"));
	assert_null(strstr(text, "traceparent"));
	arena_close(&a);
}

static void lines_below_the_level_are_not_written(void **state)
{
	enum obs_level level = OBS_INFO;

	(void)state;
	assert_true(obs_level_of(S("error"), &level));
	assert_int_equal(level, OBS_ERROR);
	assert_false(obs_level_of(S("loud"), &level));
	obs_log_open(level, true);
	catch_stderr();
	obs_log(OBS_WARN, "http", "quiet");
	obs_log(OBS_ERROR, "http", "loud");
	release_stderr(text, sizeof(text));
	assert_null(strstr(text, "quiet"));
	assert_non_null(strstr(text, "loud"));
}

/* The longest texts of one to four bytes a character, and of escapes. */
static void a_long_line_is_cut_and_stays_well_formed(void **state)
{
	static const char *const fills[] = {"x", "\xC3\xAB", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\x01", "\"", "\xFF"};
	static char long_text[3 * OBS_LINE_MAX];

	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(fills); i++) {
		const char *fill = fills[i / 2];
		size_t n = 0;

		while (n + 4 < sizeof(long_text) - (i % 2 ? 2 * OBS_LINE_MAX + 100 : 0))
			n += (size_t)sprintf(long_text + n, "%s", fill);
		long_text[n] = '\0';
		obs_log_open(OBS_INFO, i % 2 == 0);
		catch_stderr();
		obs_log(OBS_INFO, "http", "%s", long_text);
		release_stderr(text, sizeof(text));
		assert_true(strlen(text) <= OBS_LINE_MAX);
		assert_true(strlen(text) > OBS_LINE_MAX / 2);
		assert_true(str_is_utf8(str_of(text)));
		assert_true(str_ends(str_of(text), i % 2 == 0 ? S("\"}\n") : S("\n")));
	}
}

enum { LOGGERS = 4, LINES = 100 };

static void *log_many(void *arg)
{
	for (int i = 0; i < LINES; i++) {
		obs_log(OBS_INFO, "test", "%s", (const char *)arg);
		obs_add(OBS_M_STATEMENTS_LIVE, i % 2 ? -1 : 1);
		obs_observe(OBS_M_SWEEPER_LAG, i * 1000000);
	}
	return NULL;
}

static void threads_do_not_tear_each_others_lines(void **state)
{
	static const char *const texts[LOGGERS] = {"aaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbb", "cccccccccccccccccccccccc", "d"};
	pthread_t threads[LOGGERS];
	int64_t before = obs_value(OBS_M_SWEEPER_LAG);
	int lines = 0;
	struct str rest;

	(void)state;
	obs_log_open(OBS_INFO, true);
	catch_stderr();
	fcntl(STDERR_FILENO, F_SETPIPE_SZ, 256 * 1024);
	for (int i = 0; i < LOGGERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_many, (void *)texts[i]), 0);
	for (int i = 0; i < LOGGERS; i++)
		pthread_join(threads[i], NULL);
	release_stderr(text, sizeof(text));
	for (rest = str_of(text); rest.n; lines++) {
		struct str line = str_cut(&rest, '\n');

		assert_true(str_starts(line, S("{\"time\"")) && str_ends(line, S("\"}")));
	}
	assert_int_equal(lines, LOGGERS * LINES);
	assert_int_equal(obs_value(OBS_M_STATEMENTS_LIVE), 0);
	assert_int_equal(obs_value(OBS_M_SWEEPER_LAG) - before, LOGGERS * LINES);
}

static void set_connections(void *arg)
{
	obs_gauge_set(OBS_M_HTTP_CONNECTIONS, *(int *)arg);
}

static void a_scrape_has_what_was_counted(void **state)
{
	OWNS(buf) out = {0};
	int connections = 42;

	(void)state;
	obs_count(OBS_M_HTTP_2XX);
	obs_count(OBS_M_HTTP_2XX);
	obs_observe(OBS_M_HTTP_SECONDS, 700000);
	obs_observe(OBS_M_HTTP_SECONDS, 1500000000);
	obs_observe(OBS_M_HTTP_SECONDS, INT64_C(3600000000000));
	obs_observe(OBS_M_HTTP_SECONDS, -5);
	obs_source_add(set_connections, &connections);
	obs_metrics_text(&out);
	obs_source_del(set_connections, &connections);
	buf_cstr(&out);
	assert_non_null(strstr(out.p, "\nmayfly_http_requests_total{status=\"2xx\"} 2\n"));
	assert_non_null(strstr(out.p, "\nmayfly_http_requests_total{status=\"5xx\"} 0\n"));
	assert_non_null(strstr(out.p, "\nmayfly_http_connections_open 42\n"));
	assert_non_null(strstr(out.p, "\nmayfly_http_request_seconds_bucket{le=\"0.0005\"} 1\n"));
	assert_non_null(strstr(out.p, "\nmayfly_http_request_seconds_bucket{le=\"0.001\"} 2\n"));
	assert_non_null(strstr(out.p, "\nmayfly_http_request_seconds_bucket{le=\"2.5\"} 3\n"));
	assert_non_null(strstr(out.p, "\nmayfly_http_request_seconds_bucket{le=\"+Inf\"} 4\n"));
	assert_non_null(strstr(out.p, "\nmayfly_http_request_seconds_sum 3601.500700000\n"));
	assert_non_null(strstr(out.p, "\nmayfly_http_request_seconds_count 4\n"));
	connections = 7;
	buf_clear(&out);
	obs_metrics_text(&out);
	assert_non_null(strstr(buf_cstr(&out), "\nmayfly_http_connections_open 42\n"));
}

/* Each family is announced once, with a help text, before its series. */
static void families_are_whole(void **state)
{
	OWNS(buf) out = {0};
	struct str rest, family = S("");
	int families = 0, help = 0;

	(void)state;
	obs_metrics_text(&out);
	for (rest = buf_str(&out); rest.n;) {
		struct str line = str_cut(&rest, '\n');

		if (str_starts(line, S("# HELP "))) {
			help++;
			assert_true(str_search(line, S("(null)")) == line.n);
		} else if (str_starts(line, S("# TYPE "))) {
			struct str words = str_tail(line, 7);

			family = str_cut(&words, ' ');
			families++;
			for (struct str after = rest; after.n;) {
				struct str other = str_tail(str_cut(&after, '\n'), 7);

				assert_false(str_eq(str_head(other, str_find(other, ' ')), family) &&
					     str_starts(str_from(other.p - 7, 7), S("# TYPE ")));
			}
		} else {
			assert_true(str_starts(line, family));
		}
	}
	assert_true(families > 10);
	assert_int_equal(families, help);
}

static void the_process_measures_itself(void **state)
{
	OWNS(buf) out = {0};

	(void)state;
	obs_log_open(OBS_INFO, true);
	clock_advance(90000);
	obs_metrics_text(&out);
	assert_true(obs_value(OBS_M_RESIDENT_BYTES) > 500000);
	assert_true(obs_value(OBS_M_OPEN_FDS) >= 3);
	assert_true(obs_value(OBS_M_UPTIME) >= 90);
	assert_true(obs_value(OBS_M_UPTIME) < 200);
}

static void systemd_is_told_where_it_listens(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	char name[64], got[64];
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int n = snprintf(name, sizeof(name), "@mayfly-obs-test-%d", (int)getpid());

	(void)state;
	memcpy(at.sun_path + 1, name + 1, (size_t)n - 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)), 0);
	unsetenv("NOTIFY_SOCKET");
	obs_sd_notify("READY=1");
	setenv("NOTIFY_SOCKET", "relative/path", 1);
	obs_sd_notify("READY=1");
	assert_true(recv(fd, got, sizeof(got), MSG_DONTWAIT) < 0);
	setenv("NOTIFY_SOCKET", name, 1);
	obs_sd_notify("READY=1");
	assert_int_equal(recv(fd, got, sizeof(got), MSG_DONTWAIT), 7);
	assert_memory_equal(got, "READY=1", 7);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_json_line_is_one_object_with_escapes),
		cmocka_unit_test(bytes_that_are_not_utf8_never_reach_the_line),
		cmocka_unit_test(a_line_carries_its_call),
		cmocka_unit_test(lines_below_the_level_are_not_written),
		cmocka_unit_test(a_long_line_is_cut_and_stays_well_formed),
		cmocka_unit_test(threads_do_not_tear_each_others_lines),
		cmocka_unit_test(a_scrape_has_what_was_counted),
		cmocka_unit_test(families_are_whole),
		cmocka_unit_test(the_process_measures_itself),
		cmocka_unit_test(systemd_is_told_where_it_listens),
	};

	return cmocka_run_group_tests_name("obs", tests, NULL, NULL);
}
