/* pg_jail_cgroup_test.c - cgroups of instances: found, taken or left alone, instances born in them, killed with them, removed.
 *
 * What holds memory and processes is the kernel's: it is not tried here, for few machines give a test controllers of version 2.
 * So: reading and deciding over folders that look like a cgroup; the rest in a real one below
 * the tests' own, as root, without controllers. Nothing of another's is touched, and none is left.
 */
#include "pg_jail_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <sys/xattr.h>

static const struct jail_cgroup_sight the_machines = {"/proc/self/cgroup", "/proc/self/mountinfo", "/run/systemd/system", false};

/* --- where it is --- */
static void the_own_cgroup_is_found(void **state)
{
	static const struct {
		const char *self, *mounts, *path;
	} v[] = {
		{"0::/system.slice/mayfly.service\n", "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n",
		 "/sys/fs/cgroup/system.slice/mayfly.service"},
		{"1:cpu:/a\n0::/\n", "23 1 8:1 / / rw - ext4 /dev/sda rw\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 none rw\n",
		 "/sys/fs/cgroup/unified"},
		{"0::/docker/ab/x\n", "30 23 0:26 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "/sys/fs/cgroup/x"},
		{"0::/docker/abc\n", "30 23 0:26 /docker/ab /other rw - cgroup2 cgroup rw\n31 23 0:26 / /a\\040b rw - cgroup2 cgroup rw\n",
		 "/a b/docker/abc"},
		{"0::/../other\n", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", ""}, /* above the namespace */
		{"4:memory:/a\n", "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", ""},
		{"0::/a\n", "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", ""},
		{"0::/a\n", "35 31 0:32 / /mnt/cgroup2 rw - ext4 cgroup2 rw\n- cgroup2\n -\n - cgroup2 \n\n", ""},
		{"0::", "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw", ""},
		{"", "", ""},
	};
	OWNS(arena) a = {0};
	struct call c;

	(void)state;
	call_open(&c, &a);
	for (size_t i = 0; i < COUNT_OF(v); i++)
		assert_string_equal(arena_cstr(&a, jail_cgroup_find(&c, str_of(v[i].self), str_of(v[i].mounts))), v[i].path);
}

/* --- a folder that looks like one --- */
static struct {
	char place[FOLDER_PATH_MAX], self[FOLDER_PATH_MAX + 16], mounts[FOLDER_PATH_MAX + 16], cgroup[FOLDER_PATH_MAX + 16];
} fake;

static void put(const char *folder, const char *name, const char *text)
{
	char path[FOLDER_PATH_MAX + 64];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "we");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static const char *text_of(const char *folder, const char *name)
{
	static char text[256];
	char path[FOLDER_PATH_MAX + 64];
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	f = fopen(path, "re");
	assert_non_null(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

static void fake_make(const char *own)
{
	char mounts[FOLDER_PATH_MAX + 64];

	folder_make(fake.place);
	snprintf(fake.self, sizeof(fake.self), "%s/self", fake.place);
	snprintf(fake.mounts, sizeof(fake.mounts), "%s/mounts", fake.place);
	snprintf(fake.cgroup, sizeof(fake.cgroup), "%s/own", fake.place);
	assert_int_equal(mkdir(fake.cgroup, 0755), 0);
	put(fake.place, "self", own);
	snprintf(mounts, sizeof(mounts), "30 23 0:26 / %s rw - cgroup2 cgroup2 rw\n", fake.place);
	put(fake.place, "mounts", mounts);
	put(fake.cgroup, "cgroup.controllers", "cpu memory pids\n");
	put(fake.cgroup, "cgroup.subtree_control", "");
	put(fake.cgroup, "cgroup.procs", "");
	jail_test_cgroup = (struct jail_cgroup_sight){.self = fake.self, .mounts = fake.mounts, .systemd = "/nowhere"};
}

static void fake_remove(void)
{
	jail_test_cgroup = the_machines;
	folder_remove(fake.place);
}

static int folders_in(const char *path)
{
	DIR *d = opendir(path);
	const struct dirent *e;
	int n = 0;

	assert_non_null(d);
	while ((e = readdir(d)))
		n += e->d_name[0] != '.' && e->d_type == DT_DIR;
	closedir(d);
	return n;
}

/* The words, and that instances work all the same. */
static void expect_words(const char *words)
{
	struct pg_suite *s;
	struct pg_report r;

	assert_int_equal(pg_suite_setup((void **)&s), 0);
	s->b->ops->report(s->b, &r);
	if (!strstr(r.missing, words) || !strstr(r.missing, "not by instance"))
		print_error("\"%s\", not \"%s\"\n", r.missing, words);
	assert_non_null(strstr(r.missing, words));
	assert_false(r.cgroup);
	pg_suite_expect(s, (struct str){NULL, 0}, "SELECT 1", "[1]");
	assert_int_equal(pg_suite_teardown((void **)&s), 0);
}

static void what_cannot_be_taken_is_left_and_said(void **state)
{
	char procs[64];

	(void)state;
	fake_make("0::/own\n");
	put(fake.cgroup, "cgroup.controllers", "cpu io\n");
	expect_words("no controller for memory");
	put(fake.cgroup, "cgroup.controllers", "memory\n");
	expect_words("no controller for pids");
	put(fake.cgroup, "cgroup.controllers", "hugetlb memory pids\n");
	snprintf(procs, sizeof(procs), "%d\n1\n", (int)getpid());
	put(fake.cgroup, "cgroup.procs", procs);
	expect_words("not the server's");
	assert_int_equal(folders_in(fake.cgroup), 0);
	assert_string_equal(text_of(fake.cgroup, "cgroup.subtree_control"), "");
	put(fake.place, "self", "0::/another\n");
	expect_words("cannot be opened");
	put(fake.place, "mounts", "");
	expect_words("there is no cgroup of version 2");
	fake_remove();
}

/* To root all are writable: systemd marks those that it gave away. */
static void root_leaves_what_systemd_did_not_give(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	fake_make("0::/own\n");
	jail_test_cgroup.systemd = fake.place;
	expect_words("not delegated");
	assert_int_equal(setxattr(fake.cgroup, "trusted.delegate", "1", 1, 0), 0);
	expect_words("cannot be limited"); /* taken: but what looks like one has no files for its children */
	fake_remove();
}

/* The server was moved before, by itself or by systemd's DelegateSubgroup. */
static void the_servers_own_leaf_stands_for_the_one_above(void **state)
{
	(void)state;
	fake_make("0::/own/mayfly-server\n");
	expect_words("cannot be limited");
	assert_string_equal(text_of(fake.cgroup, "cgroup.subtree_control"), "+memory +pids");
	assert_int_equal(folders_in(fake.cgroup), 0); /* the one for the trial is gone */
	fake_remove();
}

static void limits_are_written(void **state)
{
	int fd;

	(void)state;
	fake_make("0::/own\n");
	fd = open(fake.cgroup, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_false(jail_cgroup_limit(fd, 1 << 30, 64));
	put(fake.cgroup, "memory.max", "");
	put(fake.cgroup, "pids.max", "");
	assert_true(jail_cgroup_limit(fd, 1 << 30, 64)); /* without swap */
	assert_string_equal(text_of(fake.cgroup, "memory.max"), "1073741824");
	assert_string_equal(text_of(fake.cgroup, "pids.max"), "64");
	put(fake.cgroup, "memory.max", "");
	put(fake.cgroup, "pids.max", "");
	put(fake.cgroup, "memory.swap.max", "");
	put(fake.cgroup, "memory.oom.group", "");
	assert_true(jail_cgroup_limit(fd, -1, 0));
	assert_string_equal(text_of(fake.cgroup, "memory.max"), "max");
	assert_string_equal(text_of(fake.cgroup, "pids.max"), "max");
	assert_string_equal(text_of(fake.cgroup, "memory.swap.max"), "0");
	assert_string_equal(text_of(fake.cgroup, "memory.oom.group"), "1");
	assert_int_equal(jail_cgroup_memory(&(struct jail_cgroup){.fd = fd}), -1);
	put(fake.cgroup, "memory.current", "123456\n");
	assert_int_equal(jail_cgroup_memory(&(struct jail_cgroup){.fd = fd}), 123456);
	close(fd);
	fake_remove();
}

/* --- a real one: in a process of its own, which has no assertions: a failed one would go on with the tests behind --- */
static char real[PATH_MAX];

#define NEED(condition)                                                        \
	do {                                                                   \
		if (!(condition)) {                                            \
			print_error("line %d: %s\n", __LINE__, #condition);    \
			return 1;                                              \
		}                                                              \
	} while (0)

static bool move_to(const char *cgroup, pid_t pid)
{
	char path[PATH_MAX + 32];
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	f = fopen(path, "we");
	if (!f)
		return false;
	fprintf(f, "%d", (int)pid);
	return fclose(f) == 0;
}

static pid_t sleeper_in(const char *cgroup)
{
	pid_t pid = fork();

	if (pid == 0)
		for (;;)
			pause();
	return pid > 0 && move_to(cgroup, pid) ? pid : -1;
}

static bool was_killed(pid_t pid)
{
	int64_t until = clock_mono_ms() + JAIL_RIG_LEFT_MS;
	int status = 0;

	while (waitpid(pid, &status, WNOHANG) == 0)
		if (clock_mono_ms() > until) {
			kill(pid, SIGKILL);
			waitpid(pid, &status, 0);
			return false;
		}
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static bool goes(const char *path)
{
	int64_t until = clock_mono_ms() + JAIL_RIG_LEFT_MS;

	while (access(path, F_OK) == 0 && clock_mono_ms() < until)
		pg_rig_pause();
	return access(path, F_OK) != 0;
}

static bool is_in(pid_t pid, const char *name)
{
	char path[48], text[PATH_MAX] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/cgroup", (int)pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	(void)!fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	return strstr(text, name) != NULL;
}

static int residents(const char *cgroup)
{
	char path[PATH_MAX + 32];
	int n = 0, pid;
	FILE *f;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	f = fopen(path, "re");
	while (f && fscanf(f, "%d", &pid) == 1)
		n++;
	if (f)
		fclose(f);
	return n;
}

static bool opened(struct pg_suite *s, struct pg_report *ret)
{
	call_open(&s->c, &s->arena);
	if (!jail_rig_open(&s->c, &s->b)) {
		print_error("%s\n", s->c.err.text);
		return false;
	}
	s->b->ops->report(s->b, ret);
	if (!ret->cgroup)
		print_error("%s\n", ret->missing);
	return true;
}

static int use_one(struct pg_suite *s)
{
	struct pg_open_ask ask = {.use = PG_PRIVATE, .tenant = S("acme")};
	struct jail_instance *i;
	struct pg_instance *one;
	struct pg_instance_stats stats;
	char path[PATH_MAX + JAIL_NAME + 2];
	struct pg_conn *p;
	pid_t stray;

	NEED(s->b->ops->open(&s->c, s->b, &ask, &one) && one->ops->connect(&s->c, one, PG_OWNER, NULL, &p));
	NEED(str_eq(pg_rig_sql(&s->c, p, "SELECT 1"), S("[1]")));
	i = CONTAINER_OF(one, struct jail_instance, instance);
	snprintf(path, sizeof(path), "%s/%s", real, i->cgroup.name);
	NEED(is_in(i->child.pid, i->cgroup.name) && residents(path) >= 3); /* its children too */
	one->ops->stats(one, &stats);
	NEED(stats.memory_bytes > 0);
	stray = sleeper_in(path);
	NEED(stray > 0);
	pg_conn_close(p);
	one->ops->release(one);
	NEED(was_killed(stray)); /* it is in no namespace of the instance's: only the cgroup's end reaches it */
	NEED(goes(path));
	return 0;
}

static int serve(void)
{
	struct pg_suite s = {0}, again = {0};
	struct pg_report r;
	pid_t worker;

	NEED(move_to(real, getpid()));
	worker = sleeper_in(real);
	NEED(worker > 0 && opened(&s, &r) && r.cgroup);
	NEED(is_in(getpid(), "/mayfly-server") && is_in(worker, "/mayfly-server") && residents(real) == 0);
	kill(worker, SIGKILL);
	NEED(was_killed(worker) && use_one(&s) == 0);
	s.b->ops->close(s.b);
	NEED(opened(&again, &r) && r.cgroup); /* from its leaf */
	NEED(!is_in(getpid(), "/mayfly-server/mayfly-server"));
	NEED(use_one(&again) == 0);
	again.b->ops->close(again.b);
	return 0;
}

static int die_with_one(void)
{
	struct pg_open_ask ask = {.use = PG_PRIVATE, .tenant = S("acme")};
	struct pg_suite s = {0};
	struct pg_instance *one;
	struct pg_report r;

	NEED(move_to(real, getpid()));
	NEED(opened(&s, &r) && r.cgroup && s.b->ops->open(&s.c, s.b, &ask, &one));
	return 0;
}

/* What the dead server left goes with what is in it; a server of another folder's is not known to be dead. */
static int sweep(void)
{
	char path[PATH_MAX + 64], other[PATH_MAX + 64];
	struct pg_suite s = {0}, next = {0};
	struct pg_report r;
	struct stat st;
	pid_t stray;

	NEED(move_to(real, getpid()));
	NEED(opened(&s, &r) && r.cgroup);
	for (int64_t until = clock_mono_ms() + JAIL_RIG_LEFT_MS; folders_in(real) > 1 && clock_mono_ms() < until;)
		pg_rig_pause();
	NEED(folders_in(real) == 1); /* the server's leaf */
	NEED(fstat(jail_of(s.b)->root, &st) == 0);
	snprintf(path, sizeof(path), "%s/mayfly-%llx.%llx-0123456789ab-7", real, (unsigned long long)st.st_dev,
		 (unsigned long long)st.st_ino);
	snprintf(other, sizeof(other), "%s/mayfly-%llx.%llx-0123456789ab-7", real, (unsigned long long)st.st_dev + 1,
		 (unsigned long long)st.st_ino);
	NEED(mkdir(path, 0755) == 0 && mkdir(other, 0755) == 0);
	stray = sleeper_in(path);
	NEED(stray > 0);
	NEED(opened(&next, &r) && r.cgroup);
	NEED(was_killed(stray) && goes(path) && access(other, F_OK) == 0);
	NEED(rmdir(other) == 0);
	next.b->ops->close(next.b);
	s.b->ops->close(s.b);
	return 0;
}

static int meet_others(void)
{
	struct pg_suite s = {0};
	struct pg_report r;

	NEED(move_to(real, getpid()));
	NEED(opened(&s, &r) && !r.cgroup && strstr(r.missing, "not the server's"));
	NEED(!is_in(getpid(), "/mayfly-server") && residents(real) == 2);
	s.b->ops->close(s.b);
	return 0;
}

static bool real_make(void)
{
	OWNS(arena) a = {0};
	OWNS(buf) mounts = {0};
	struct call c;
	struct str root;
	int fd = open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC);

	call_open(&c, &a);
	assert_true(fd >= 0 && file_read(fd, 1 << 20, &mounts));
	close(fd);
	root = jail_cgroup_find(&c, str_of(text_of("/proc/self", "cgroup")), buf_str(&mounts));
	if (geteuid() != 0 || root.n == 0) {
		print_message("skipped: no cgroup of version 2 to make a child of\n");
		return false;
	}
	snprintf(real, sizeof(real), "%.*s/mayfly-test-%d", SARG(root), (int)getpid());
	if (mkdir(real, 0755) != 0) {
		print_message("skipped: %s cannot be made: %s\n", real, strerror(errno));
		return false;
	}
	return true;
}

static int in_a_process(int (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		jail_test_cgroup.bare = true;
		jail_test_cgroup.systemd = "/nowhere"; /* it has not given this one to anybody */
		_exit(fn());
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void remove_children(void)
{
	DIR *d = opendir(real);
	const struct dirent *e;

	while (d && (e = readdir(d)))
		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	if (d)
		closedir(d);
}

static void real_remove(void) /* also what a failed test leaves */
{
	int64_t until = clock_mono_ms() + JAIL_RIG_LEFT_MS;

	put(real, "cgroup.kill", "1");
	for (remove_children(); rmdir(real) != 0 && errno == EBUSY && clock_mono_ms() < until; remove_children())
		pg_rig_pause();
	assert_int_not_equal(access(real, F_OK), 0);
}

static void instances_live_in_cgroups_and_end_with_them(void **state)
{
	int code;

	(void)state;
	if (!real_make())
		skip();
	code = in_a_process(serve);
	real_remove();
	assert_int_equal(code, 0);
}

static void what_a_dead_server_left_is_removed(void **state)
{
	int died, code;

	(void)state;
	if (!real_make())
		skip();
	died = in_a_process(die_with_one);
	code = in_a_process(sweep);
	real_remove();
	assert_int_equal(died, 0);
	assert_int_equal(code, 0);
}

static void a_cgroup_with_others_is_left_alone(void **state)
{
	pid_t other;
	int code;

	(void)state;
	if (!real_make())
		skip();
	other = sleeper_in(real);
	code = other > 0 ? in_a_process(meet_others) : -1;
	if (other > 0) {
		kill(other, SIGKILL);
		waitpid(other, NULL, 0);
	}
	real_remove();
	assert_int_equal(code, 0);
}

int main(void)
{
	const struct CMUnitTest suite[] = {
		cmocka_unit_test(the_own_cgroup_is_found),
		cmocka_unit_test(limits_are_written),
		cmocka_unit_test(instances_live_in_cgroups_and_end_with_them), /* these fork: before there are threads */
		cmocka_unit_test(what_a_dead_server_left_is_removed),
		cmocka_unit_test(a_cgroup_with_others_is_left_alone),
		cmocka_unit_test(what_cannot_be_taken_is_left_and_said),
		cmocka_unit_test(root_leaves_what_systemd_did_not_give),
		cmocka_unit_test(the_servers_own_leaf_stands_for_the_one_above),
	};
	int failed;

	jail_rig_place();
	jail_rig_uid(); /* one for all processes */
	failed = cmocka_run_group_tests_name("jail cgroups", suite, NULL, NULL);
	jail_rig_remove();
	return failed;
}
