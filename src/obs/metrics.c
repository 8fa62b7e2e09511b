/* metrics.c - counters, gauges and histograms, and their text exposition.
 *
 * One atomic a series; a histogram has one a bucket. Writers never lock. A
 * scrape reads without stopping them, so a histogram's count is the sum of the
 * buckets that were read.
 */
#include "obs/obs_int.h"

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <unistd.h>

#ifndef MAYFLY_VERSION
#define MAYFLY_VERSION "dev"
#endif

enum kind { COUNTER, GAUGE, SECONDS };

static const struct row {
	enum kind kind;
	const char *name, *label, *value, *help;
} rows[OBS_M_COUNT] = {
#define METRIC(id, kind, name, label, value, help) [OBS_M_##id] = {kind, name, label, value, help},
#include "obs/metrics.def"
#undef METRIC
};

static const char *const kind_names[] = {[COUNTER] = "counter", [GAUGE] = "gauge", [SECONDS] = "histogram"};

static const struct {
	int64_t ns;
	const char *text;
} bounds[] = {
	{500000, "0.0005"},    {1000000, "0.001"},     {2500000, "0.0025"},    {5000000, "0.005"},
	{10000000, "0.01"},    {25000000, "0.025"},    {50000000, "0.05"},     {100000000, "0.1"},
	{250000000, "0.25"},   {500000000, "0.5"},     {1000000000, "1"},      {2500000000, "2.5"},
	{5000000000, "5"},     {10000000000, "10"},    {30000000000, "30"},    {60000000000, "60"},
	{300000000000, "300"}, {INT64_MAX, "+Inf"},
};

static atomic_int_least64_t values[OBS_M_COUNT]; /* of a histogram: the sum, in ns */
static atomic_uint_least64_t buckets[OBS_M_COUNT][COUNT_OF(bounds)];

void obs_add(enum obs_metric m, int64_t delta)
{
	INVARIANT(m < OBS_M_COUNT && rows[m].kind != SECONDS && (delta >= 0 || rows[m].kind == GAUGE));
	atomic_fetch_add_explicit(&values[m], delta, memory_order_relaxed);
}

void obs_gauge_set(enum obs_metric m, int64_t v)
{
	INVARIANT(m < OBS_M_COUNT && rows[m].kind != SECONDS);
	atomic_store_explicit(&values[m], v, memory_order_relaxed);
}

void obs_observe(enum obs_metric m, int64_t ns)
{
	size_t i = 0;

	INVARIANT(m < OBS_M_COUNT && rows[m].kind == SECONDS);
	if (ns < 0)
		ns = 0;
	while (ns > bounds[i].ns)
		i++;
	atomic_fetch_add_explicit(&buckets[m][i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&values[m], ns, memory_order_relaxed);
}

int64_t obs_value(enum obs_metric m)
{
	uint64_t n = 0;

	INVARIANT(m < OBS_M_COUNT);
	if (rows[m].kind != SECONDS)
		return atomic_load_explicit(&values[m], memory_order_relaxed);
	for (size_t i = 0; i < COUNT_OF(bounds); i++)
		n += atomic_load_explicit(&buckets[m][i], memory_order_relaxed);
	return (int64_t)n;
}

/* --- sources --- */
static pthread_mutex_t sources_lock = PTHREAD_MUTEX_INITIALIZER;
static struct source {
	obs_source_fn *fn;
	void *arg;
} sources[OBS_MAX_SOURCES];
static int nsources;

void obs_source_add(obs_source_fn *fn, void *arg)
{
	pthread_mutex_lock(&sources_lock);
	INVARIANT(nsources < OBS_MAX_SOURCES);
	sources[nsources++] = (struct source){fn, arg};
	pthread_mutex_unlock(&sources_lock);
}

void obs_source_del(obs_source_fn *fn, void *arg)
{
	pthread_mutex_lock(&sources_lock);
	for (int i = 0; i < nsources; i++) {
		if (sources[i].fn == fn && sources[i].arg == arg) {
			sources[i] = sources[--nsources];
			break;
		}
	}
	pthread_mutex_unlock(&sources_lock);
}

static void ask_sources(void)
{
	struct source all[OBS_MAX_SOURCES];
	int n;

	pthread_mutex_lock(&sources_lock);
	n = nsources;
	memcpy(all, sources, sizeof(all));
	pthread_mutex_unlock(&sources_lock);
	for (int i = 0; i < n; i++)
		all[i].fn(all[i].arg);
}

/* --- the process itself --- */
/* The second number of /proc/self/statm is the resident pages. */
static int64_t resident_bytes(void)
{
	int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
	char text[128];
	struct str rest;
	int64_t pages;
	ssize_t n;

	if (fd < 0)
		return 0;
	n = read(fd, text, sizeof(text));
	close(fd);
	rest = str_from(text, n > 0 ? (size_t)n : 0);
	(void)str_cut(&rest, ' ');
	if (!str_to_i64(str_cut(&rest, ' '), &pages))
		return 0;
	return pages * sysconf(_SC_PAGESIZE);
}

static int64_t open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	int64_t n = -3; /* ".", ".." and the folder itself */

	if (!dir)
		return 0;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

static void measure_process(void)
{
	obs_gauge_set(OBS_M_BUILD_INFO, 1);
	obs_gauge_set(OBS_M_UPTIME, (clock_mono_ms() - obs_opened_ms()) / 1000);
	obs_gauge_set(OBS_M_RESIDENT_BYTES, resident_bytes());
	obs_gauge_set(OBS_M_OPEN_FDS, open_fds());
}

/* --- text --- */
static void print_histogram(enum obs_metric m, struct buf *out)
{
	int64_t sum = atomic_load_explicit(&values[m], memory_order_relaxed);
	const char *name = rows[m].name;
	uint64_t n = 0;

	for (size_t i = 0; i < COUNT_OF(bounds); i++) {
		n += atomic_load_explicit(&buckets[m][i], memory_order_relaxed);
		buf_fmt(out, "%s_bucket{le=\"%s\"} %" PRIu64 "\n", name, bounds[i].text, n);
	}
	buf_fmt(out, "%s_sum %" PRId64 ".%09" PRId64 "\n", name, sum / 1000000000, sum % 1000000000);
	buf_fmt(out, "%s_count %" PRIu64 "\n", name, n);
}

static void print_row(enum obs_metric m, struct buf *out)
{
	const struct row *row = &rows[m];

	if (row->kind == SECONDS) {
		print_histogram(m, out);
		return;
	}
	buf_add(out, str_of(row->name));
	if (row->label)
		buf_fmt(out, "{%s=\"%s\"}", row->label, row->value);
	buf_fmt(out, " %" PRId64 "\n", obs_value(m));
}

void obs_metrics_text(struct buf *out)
{
	const char *family = "";

	measure_process();
	ask_sources();
	for (int m = 0; m < OBS_M_COUNT; m++) {
		if (strcmp(family, rows[m].name) != 0) {
			family = rows[m].name;
			buf_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", family, rows[m].help, family,
				kind_names[rows[m].kind]);
		}
		print_row((enum obs_metric)m, out);
	}
}
