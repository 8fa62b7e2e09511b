/* pg_jail_disk_test.c - the contract of layers on btrfs and xfs: file systems in images, as root, where their tools are installed. */
#include "pg_jail_rig.h"

#include <errno.h>

enum { IMAGE_BYTES = 1 << 30 };
#define TOOLS "PATH=$PATH:/sbin:/usr/sbin; "

static char image[FOLDER_PATH_MAX + 16], mounted[FOLDER_PATH_MAX + 16];

static bool run(const char *command)
{
	int status = system(command);

	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool mount_image(const char *type, const char *options)
{
	char command[512];

	snprintf(command, sizeof(command), TOOLS "command -v mkfs.%s >/dev/null", type);
	if (geteuid() != 0 || !run(command)) {
		print_message("skipped: %s\n", geteuid() != 0 ? "not root" : "mkfs is not installed");
		return false;
	}
	snprintf(mounted, sizeof(mounted), "%s/mounted", jail_rig.home);
	snprintf(image, sizeof(image), "%s/image", jail_rig.home);
	assert_int_equal(mkdir(mounted, 0700), 0);
	snprintf(command, sizeof(command), TOOLS "truncate -s %d %s && mkfs.%s -q %s %s >/dev/null 2>&1 && mount -o loop %s %s", IMAGE_BYTES,
		 image, type, options, image, image, mounted);
	if (!run(command)) {
		print_message("skipped: no image of %s can be mounted\n", type);
		rmdir(mounted);
		unlink(image);
		return false;
	}
	snprintf(jail_rig.dir, sizeof(jail_rig.dir), "%s", mounted);
	return true;
}

/* The kernel gives the mounts of instances that are just gone back a little later. */
static void unmount_image(void)
{
	int64_t until = clock_mono_ms() + JAIL_RIG_LEFT_MS;

	while (umount2(mounted, 0) != 0 && errno == EBUSY && clock_mono_ms() < until)
		pg_rig_pause();
	assert_int_equal(rmdir(mounted), 0);
	assert_int_equal(unlink(image), 0);
	jail_rig_back();
	jail_rig.driver = NULL;
}

static void whole_suite(const char *driver)
{
	const struct CMUnitTest suite[] = {PG_BACKEND_TESTS};
	struct pg_suite *s;
	struct pg_report r;

	jail_rig.driver = driver;
	assert_int_equal(pg_suite_setup((void **)&s), 0);
	s->b->ops->report(s->b, &r);
	if (driver)
		assert_string_equal(r.driver, driver);
	for (size_t i = 0; i < COUNT_OF(suite); i++) {
		void *state = s;

		suite[i].test_func(&state);
	}
	jail_rig_smoke(s);
	assert_int_equal(pg_suite_teardown((void **)&s), 0);
}

static void chosen_is(const char *driver)
{
	struct pg_suite *s;
	struct pg_report r;

	jail_rig.driver = NULL;
	assert_int_equal(pg_suite_setup((void **)&s), 0);
	s->b->ops->report(s->b, &r);
	assert_string_equal(r.driver, driver);
	assert_true(r.missing[0] == '\0' || strncmp(r.missing, "memory is limited", 17) == 0); /* cgroups are the machine's, not the driver's */
	assert_int_equal(pg_suite_teardown((void **)&s), 0);
}

static void btrfs_takes_snapshots(void **state)
{
	(void)state;
	if (!mount_image("btrfs", ""))
		skip();
	chosen_is("btrfs");
	whole_suite("btrfs");
	unmount_image();
}

static void xfs_shares_blocks_under_an_overlay(void **state)
{
	(void)state;
	if (!mount_image("xfs", "-m reflink=1"))
		skip();
	chosen_is("overlay");
	whole_suite("overlay");
	unmount_image();
}

static void xfs_shares_blocks_of_copies(void **state)
{
	struct pg_suite *s;

	(void)state;
	if (!mount_image("xfs", "-m reflink=1"))
		skip();
	jail_rig.driver = "reflink";
	assert_int_equal(pg_suite_setup((void **)&s), 0);
	jail_rig_smoke(s);
	assert_int_equal(pg_suite_teardown((void **)&s), 0);
	unmount_image();
}

int main(void)
{
	const struct CMUnitTest suite[] = {
		cmocka_unit_test(btrfs_takes_snapshots),
		cmocka_unit_test(xfs_shares_blocks_under_an_overlay),
		cmocka_unit_test(xfs_shares_blocks_of_copies),
	};
	int failed;

	jail_rig_place();
	failed = cmocka_run_group_tests_name("jail, file systems", suite, NULL, NULL);
	jail_rig_remove();
	return failed;
}
