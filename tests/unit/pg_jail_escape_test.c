/* pg_jail_escape_test.c - what a user's SQL may not do in a jail, and what a PostgreSQL that was taken over finds there. */
#include "pg_jail_rig.h"

#include <dirent.h>
#include <errno.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

/* --- as the role app --- */
struct attempt {
	const char *sql, *sqlstate; /* NULL: any error */
};

static const struct attempt attempts[] = {
	/* files and programs of the server */
	{"COPY (SELECT 1) TO PROGRAM 'true'", "42501"},
	{"COPY pg_class FROM PROGRAM 'true'", NULL},
	{"CREATE TABLE c1 (a text); COPY c1 FROM '/etc/passwd'", NULL},
	{"COPY (SELECT 1) TO '/tmp/x'", "42501"},
	{"SELECT pg_read_file('postgresql.conf')", "42501"},
	{"SELECT pg_read_binary_file('/etc/passwd')", "42501"},
	{"SELECT * FROM pg_ls_dir('.')", "42501"},
	{"SELECT * FROM pg_stat_file('PG_VERSION')", "42501"},
	{"SELECT lo_import('/etc/passwd')", "42501"},
	{"SELECT lo_export(1, '/tmp/x')", "42501"},
	{"SELECT * FROM pg_hba_file_rules", "42501"},
	{"SELECT pg_rotate_logfile()", "42501"},
	{"SELECT pg_reload_conf()", "42501"},
	/* settings of the server */
	{"ALTER SYSTEM SET work_mem = '1GB'", "42501"},
	{"SET log_min_messages = debug5", "42501"},
	{"SET temp_file_limit = -1", "42501"},
	{"SET session_preload_libraries = 'x'", "42501"},
	{"ALTER DATABASE app SET log_statement = 'all'", "42501"},
	{"ALTER ROLE app SET dynamic_library_path = '/tmp'", "42501"},
	/* code */
	{"LOAD '/tmp/x.so'", "42501"},
	{"LOAD 'dblink'", "42501"},
	{"CREATE FUNCTION f() RETURNS int LANGUAGE c AS '/usr/lib/x86_64-linux-gnu/libc.so.6', 'getpid'", "42501"},
	{"CREATE FUNCTION f() RETURNS int LANGUAGE internal AS 'pg_read_file'", "42501"},
	{"CREATE LANGUAGE plpython3u", NULL},
	{"CREATE EXTENSION plperlu", NULL},
	{"CREATE EXTENSION dblink", "42501"},
	{"CREATE EXTENSION postgres_fdw", "42501"},
	{"CREATE EXTENSION file_fdw", "42501"},
	{"CREATE EXTENSION adminpack", "42501"},
	{"CREATE EVENT TRIGGER e ON ddl_command_start EXECUTE FUNCTION suppress_redundant_updates_trigger()", "42501"},
	/* other roles */
	{"SET SESSION AUTHORIZATION postgres", "42501"},
	{"SET ROLE postgres", "42501"},
	{"ALTER ROLE postgres LOGIN PASSWORD 'x'", "42501"},
	{"ALTER ROLE postgres RENAME TO p", "42501"},
	{"ALTER ROLE app SUPERUSER", "42501"},
	{"CREATE ROLE boss SUPERUSER", "42501"},
	{"CREATE ROLE copier REPLICATION", "42501"},
	{"CREATE ROLE past BYPASSRLS", "42501"},
	{"GRANT postgres TO app", "42501"},
	{"GRANT pg_execute_server_program TO app", "42704"},
	{"GRANT pg_read_server_files TO app", "42704"},
	{"GRANT pg_write_server_files TO app", "42704"},
	{"CREATE ROLE pg_read_server_files", "42939"},
	{"SELECT * FROM pg_authid", "42501"},
	{"SELECT * FROM pg_shadow", "42501"},
	{"UPDATE pg_roles SET rolsuper = true", NULL},
	{"UPDATE pg_authid SET rolsuper = true", "42501"},
	{"INSERT INTO pg_proc SELECT * FROM pg_proc LIMIT 1", "42501"},
	{"DROP ROLE postgres", NULL},
	/* the cluster */
	{"CREATE DATABASE other", "42501"},
	{"CREATE TABLESPACE s LOCATION '/tmp'", "42501"},
	{"SELECT pg_create_physical_replication_slot('s')", NULL},
	{"CREATE SUBSCRIPTION s CONNECTION 'host=1.1.1.1' PUBLICATION p", NULL},
	{"SELECT pg_switch_wal()", "42501"},
	{"DROP EXTENSION plpgsql", "42501"},
};

static void try_one(struct pg_suite *s, struct pg_conn *p, const struct attempt *a)
{
	struct str left = str_of(a->sql);
	struct pg_answer got;
	bool refused = false;

	/* the last of the statements is the one that counts */
	while (left.n) {
		struct str one = str_cut(&left, ';');

		pg_run(&s->c, p, &(struct pg_ask){.sql = str_trim(one), .caps = {100, 10000}}, 250, &got);
		refused = got.outcome == PG_FAILED;
		if (left.n == 0 && (!refused || (a->sqlstate && strcmp(got.error.sqlstate, a->sqlstate) != 0))) {
			print_error("%s: outcome %d, %s %.*s\n", a->sql, got.outcome, got.error.sqlstate, SARG(got.error.message));
			assert_true(refused && false);
		}
		pg_answer_drop(&got);
	}
	assert_true(refused);
}

static void sql_does_not_leave_the_database(void **state)
{
	struct pg_suite *s = *state;
	struct pg_instance *i = pg_suite_boot(s, (struct str){NULL, 0}, PG_PRIVATE);
	struct pg_conn *p = pg_suite_connect(s, i);

	for (size_t k = 0; k < COUNT_OF(attempts); k++)
		try_one(s, p, &attempts[k]);
	/* Members of what is left of the dangerous roles: nobody can be. */
	pg_rig_sql(&s->c, p, "CREATE ROLE helper LOGIN");
	pg_rig_sql(&s->c, p, "GRANT pg_read_all_data, pg_write_all_data TO helper");
	pg_rig_sql(&s->c, p, "GRANT helper TO app");
	pg_rig_sql(&s->c, p, "SET ROLE helper");
	try_one(s, p, &(struct attempt){"UPDATE pg_catalog.pg_authid SET rolsuper = true", "42501"});
	try_one(s, p, &(struct attempt){"COPY (SELECT 1) TO PROGRAM 'true'", "42501"});
	try_one(s, p, &(struct attempt){"SELECT pg_read_file('/etc/passwd')", "42501"});
	pg_rig_sql(&s->c, p, "RESET ROLE");
	assert_true(i->ops->alive(i));
	pg_conn_close(p);
	s->b->ops->release(i);
}

/* What an administrator allowed reaches nothing that the jail does not have. */
static void extensions_of_the_administrator_do_not_help(void **state)
{
	static const struct attempt calls[] = {
		{"SELECT * FROM dblink('host=/tmp/s user=postgres dbname=app', 'SELECT 1') AS t (a int)", "2F003"},
		{"SELECT dblink_connect_u('host=/tmp/s user=postgres dbname=app')", "42501"},
		{"SELECT * FROM dblink('host=127.0.0.1 user=postgres password=x dbname=app', 'SELECT 1') AS t (a int)", NULL},
		{"SELECT * FROM dblink('host=/tmp/s user=postgres password=x dbname=app', 'SELECT 1') AS t (a int)", "2F003"},
		{"CREATE SERVER r FOREIGN DATA WRAPPER postgres_fdw", "42501"},
	};
	struct pg_suite *s;
	struct pg_instance *i;
	struct pg_conn *p;

	(void)state;
	jail_rig.extensions[0] = S("dblink");
	jail_rig.extensions[1] = S("postgres_fdw");
	jail_rig.nextensions = 2;
	assert_int_equal(pg_suite_setup((void **)&s), 0);
	i = pg_suite_boot(s, (struct str){NULL, 0}, PG_PRIVATE);
	p = pg_suite_connect(s, i);
	for (size_t k = 0; k < COUNT_OF(calls); k++)
		try_one(s, p, &calls[k]);
	assert_str_equal(pg_rig_sql(&s->c, p, "SELECT count(*) FROM pg_extension WHERE extname IN ('dblink', 'postgres_fdw')"), "[2]");
	pg_conn_close(p);
	s->b->ops->release(i);
	jail_rig.nextensions = 0;
	assert_int_equal(pg_suite_teardown((void **)&s), 0);
}

static void a_trusted_language_reaches_no_more(void **state)
{
	struct pg_suite *s = *state;
	struct pg_instance *i = pg_suite_boot(s, (struct str){NULL, 0}, PG_PRIVATE);
	struct pg_conn *p = pg_suite_connect(s, i);
	struct pg_answer a;

	pg_rig_sql(&s->c, p, "CREATE FUNCTION f() RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN RETURN pg_read_file('/etc/passwd'); END $$");
	try_one(s, p, &(struct attempt){"SELECT f()", "42501"});
	pg_rig_sql(&s->c, p, "CREATE EXTENSION pgcrypto"); /* a trusted one */
	pg_run(&s->c, p, &(struct pg_ask){.sql = S("CREATE EXTENSION plperl")}, 250, &a);
	if (a.outcome == PG_OK) /* where it is installed */
		try_one(s, p, &(struct attempt){"DO $$ open(my $f, '<', '/etc/passwd') $$ LANGUAGE plperl", NULL});
	pg_answer_drop(&a);
	pg_conn_close(p);
	s->b->ops->release(i);
}

/* --- as a PostgreSQL that was taken over: this runs in its place --- */
struct found {
	int talk;
};

#define NEVER(cond) \
	do { \
		if (cond) { \
			dprintf(2, "possible: %s\n", #cond); \
			bad++; \
		} \
	} while (0)

static bool can_write(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool can_read(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int interfaces_up(void)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM, 0), n = 0;

	for (int i = 1; i < 8; i++) {
		struct ifreq r = {.ifr_ifindex = i};

		if (ioctl(fd, 0x8910 /* SIOCGIFNAME */, &r) == 0 && ioctl(fd, 0x8913 /* SIOCGIFFLAGS */, &r) == 0)
			n += (r.ifr_flags & IFF_UP) != 0;
	}
	close(fd);
	return n;
}

static bool can_execute(const char *path)
{
	static const char program[] = "#!/d/none\n";
	char *const argv[] = {(char *)path, NULL};
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);

	if (fd < 0 || write(fd, program, sizeof(program) - 1) < 0)
		return false;
	close(fd);
	execve(path, argv, argv + 1);
	return errno != EACCES;
}

static int look_around(void *arg)
{
	int bad = 0;

	(void)arg;
	NEVER(getuid() == 0 || geteuid() == 0 || getgid() == 0 || getgroups(0, NULL) != 0);
	NEVER(setuid(0) == 0 || setgid(0) == 0);
	NEVER(getpid() != 1);
	NEVER(kill(-1, 0) == 0);
	NEVER(access("/proc", F_OK) == 0 || access("/sys", F_OK) == 0 || access("/root", F_OK) == 0 || access("/home", F_OK) == 0);
	NEVER(access("/bin/sh", F_OK) == 0 || access("/usr/bin", F_OK) == 0);
	NEVER(access("/etc/shadow", F_OK) == 0 || access("/etc/ssl", F_OK) == 0 || access("/var", F_OK) == 0);
	NEVER(access("/mnt", F_OK) == 0 || access("/layers", F_OK) == 0 || access("/run", F_OK) == 0);
	NEVER(can_write("/x") || can_write("/usr/lib/x") || can_write("/etc/passwd") || can_write("/dev/x"));
	NEVER(!can_write("/d/written") || !can_write("/tmp/written") || !can_read("/d/PG_VERSION"));
	NEVER(can_execute("/d/program") || can_execute("/tmp/program"));
	NEVER(socket(AF_INET, SOCK_STREAM, 0) >= 0 || socket(AF_INET6, SOCK_DGRAM, 0) >= 0 || socket(AF_NETLINK, SOCK_RAW, 0) >= 0 ||
	      socket(AF_PACKET, SOCK_RAW, 0) >= 0);
	NEVER(interfaces_up() != 0);
	NEVER(mount("none", "/tmp", "tmpfs", 0, NULL) == 0 || umount2("/d", MNT_DETACH) == 0 || chroot("/tmp") == 0);
	NEVER(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND, NULL) == 0);
	NEVER(unshare(CLONE_NEWUSER) == 0 || unshare(CLONE_NEWNS) == 0);
	NEVER(syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0) >= 0);
	NEVER(syscall(SYS_ptrace, 0, 0, 0, 0) == 0 || syscall(SYS_bpf, 0, 0, 0) >= 0 || syscall(SYS_keyctl, 0, 0) >= 0);
	NEVER(mknod("/tmp/disk", S_IFBLK | 0600, 0x801) == 0 || mknod("/tmp/null", S_IFCHR | 0600, 0x103) == 0);
	NEVER(syscall(SYS_io_uring_setup, 1, NULL) >= 0 || syscall(SYS_userfaultfd, 0) >= 0);
	return bad;
}

static void run_in_place(struct pg_suite *s, enum jail_level level)
{
	struct jail *j = jail_of(s->b);
	struct jail_room room;
	struct jail_layer base;
	struct jail_plan *p = arena_alloc(s->c.arena, sizeof(*p));
	struct jail_child ch;
	struct pg_limits l = {.deadline_ms = clock_mono_ms() + 30000};
	OWNS(buf) said = {0};
	int words[2], code = -1;

	assert_int_equal(j->level, level);
	pg_suite_ok(&s->c, jail_layer_read(&s->c, j, j->base, &base));
	pg_suite_ok(&s->c, jail_room_make(&s->c, j, PG_PRIVATE, str_of(j->base), &base, &room));
	jail_plan(&s->c, j, JAIL_POSTGRES, &room.mount, p);
	assert_int_equal(pipe2(words, O_CLOEXEC), 0);
	p->out = words[1];
	p->instead = look_around;
	pg_suite_ok(&s->c, jail_spawn(&s->c, j, p, &ch));
	close(words[1]);
	pg_suite_ok(&s->c, jail_started(&s->c, p, &ch, &l, NULL));
	assert_true(jail_reap(&ch, 30000, &code));
	assert_true(file_read(words[0], 65536, &said));
	close(words[0]);
	if (code != 0)
		print_error("%.*s", (int)said.n, said.p);
	assert_int_equal(code, 0);
	jail_room_drop(j, &room);
}

static void who_takes_over_postgres_finds_nothing(void **state)
{
	run_in_place(*state, JAIL_USERNS);
}

static void nor_in_a_jail_that_root_made(void **state)
{
	struct pg_suite *s;

	(void)state;
	if (geteuid() != 0)
		skip();
	jail_test_level = JAIL_ROOT;
	assert_int_equal(pg_suite_setup((void **)&s), 0);
	run_in_place(s, JAIL_ROOT);
	jail_test_level = JAIL_USERNS;
	assert_int_equal(pg_suite_teardown((void **)&s), 0);
}

int main(void)
{
	const struct CMUnitTest suite[] = {
		PG_SUITE_TEST(sql_does_not_leave_the_database),
		cmocka_unit_test(extensions_of_the_administrator_do_not_help),
		PG_SUITE_TEST(a_trusted_language_reaches_no_more),
		PG_SUITE_TEST(who_takes_over_postgres_finds_nothing),
		cmocka_unit_test(nor_in_a_jail_that_root_made),
	};
	int failed;

	jail_rig_place();
	failed = cmocka_run_group_tests_name("jail, escapes", suite, NULL, NULL);
	jail_rig_remove();
	return failed;
}
