/*
 * Stories of whole pools: made, filled, killed, damaged, scrubbed, moved. OpenZFS's zdb
 * judges what was written wherever it is at hand.
 */
#include "pool_story.h"
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static void
an_empty_pool_is_clean(void **state)
{
	world_t *w = world_begin(1);

	(void)state;
	assert_int_equal(pool_export(world_create(w), POOL_STATE_EXPORTED), 0);
	world_zdb_clean(w);
	world_end(w);
}

static void
datasets_come_move_and_go(void **state)
{
	world_t *w = world_begin(1);
	spa_t *spa = world_create(w);
	dsl_pool_t *dp = spa->spa_dsl_pool;
	nvlist_t *props = nvlist_create();

	(void)state;
	make_fs(spa, "tank/a", NULL);
	make_fs(spa, "tank/a/b", NULL);
	assert_int_equal(dsl_dir_rename(dp, "tank/a", "tank/a/b/c"), EINVAL);
	assert_int_equal(dsl_dir_rename(dp, "tank/a/b", "tank/a"), EEXIST);
	assert_int_equal(dsl_dir_rename(dp, "tank/x", "tank/y"), ENOENT);
	assert_int_equal(dsl_dir_rename(dp, "tank/a/b", "tank/c"), 0);
	assert_int_equal(dsl_dataset_destroy(dp, "tank"), EINVAL);
	(void)write_object(spa, "tank/c", 131072, 100, 7);
	txg_wait_synced(spa, 0);
	/* A quota below what is used already is refused. */
	fnvlist_add_uint64(props, "quota", 1024);
	assert_int_equal(dsl_props_set(dp, "tank/c", props), ENOSPC);
	fnvlist_add_uint64(props, "quota", 100 << 20);
	assert_int_equal(dsl_props_set(dp, "tank/c", props), 0);
	assert_int_equal(dsl_dataset_destroy(dp, "tank/c"), 0);
	assert_int_equal(dsl_dataset_destroy(dp, "tank/c"), ENOENT);
	while (dsl_scan_active(dp))
		spl_delay(MSEC2NSEC(5));
	assert_int_equal(pool_export(spa, POOL_STATE_EXPORTED), 0);
	world_zdb_clean(w);
	nvlist_free(props);
	world_end(w);
}

static void
properties_are_inherited_and_remembered(void **state)
{
	world_t *w = world_begin(1);
	spa_t *spa = world_create(w);
	nvlist_t *props = nvlist_create();
	zprop_source_t src;
	char setpoint[ZFS_MAX_DATASET_NAME_LEN], str[64];
	dsl_dataset_t *ds;
	uint64_t v;

	(void)state;
	make_fs(spa, "tank/a", NULL);
	make_fs(spa, "tank/a/b", NULL);
	fnvlist_add_uint64(props, "compression", ZIO_COMPRESS_GZIP_6);
	fnvlist_add_string(props, "com.example:owner", "me");
	assert_int_equal(dsl_props_set(spa->spa_dsl_pool, "tank/a", props), 0);
	assert_int_equal(pool_export(spa, POOL_STATE_EXPORTED), 0);
	spa = world_import(w, 0);
	dsl_pool_config_enter(spa->spa_dsl_pool);
	assert_int_equal(dsl_dataset_hold(spa->spa_dsl_pool, "tank/a/b", &ds, &ds), 0);
	assert_int_equal(dsl_prop_get_int(ds, "compression", &v, &src, setpoint), 0);
	assert_int_equal(v, ZIO_COMPRESS_GZIP_6);
	assert_int_equal(src, ZPROP_SRC_INHERITED);
	assert_string_equal(setpoint, "tank/a");
	assert_int_equal(
	    dsl_prop_get_string(ds, "com.example:owner", str, sizeof (str), &src, setpoint), 0);
	assert_string_equal(str, "me");
	assert_int_equal(dsl_prop_get_int(ds, "copies", &v, &src, setpoint), 0);
	assert_int_equal(src, ZPROP_SRC_DEFAULT);
	dsl_dataset_rele(ds, &ds);
	dsl_pool_config_exit(spa->spa_dsl_pool);
	assert_int_equal(pool_export(spa, POOL_STATE_EXPORTED), 0);
	world_zdb_clean(w);
	nvlist_free(props);
	world_end(w);
}

static void
a_scrub_repairs_a_mirror(void **state)
{
	world_t *w = world_begin(2);
	spa_t *spa = world_create(w);
	pool_scan_stat_t ps;

	(void)state;
	uint64_t obj = write_object(spa, "tank", 131072, 300, 3);
	txg_wait_synced(spa, 0);
	/* All but the labels of one side. */
	world_noise(w, 1, 4ULL << 20, DISK_SIZE - (1ULL << 20));
	assert_int_equal(dsl_scan_start(spa->spa_dsl_pool, POOL_SCAN_SCRUB), 0);
	while (dsl_scan_active(spa->spa_dsl_pool))
		spl_delay(MSEC2NSEC(5));
	dsl_scan_stat(spa->spa_dsl_pool, &ps);
	assert_int_equal(ps.pss_state, DSS_FINISHED);
	assert_int_equal(ps.pss_errors, 0);
	assert_int_equal(pool_errors_count(spa), 0);
	vdev_t *bad = vdev_lookup_by_name(spa->spa_root_vdev, w->w_disk[1]);
	assert_non_null(bad);
	assert_true(bad->vdev_stat.vs_checksum_errors > 0);
	/* Now the other side may go: the repaired one is whole. */
	world_noise(w, 0, 4ULL << 20, DISK_SIZE - (1ULL << 20));
	arc_flush(spa);
	check_object(spa, "tank", obj, 131072, 300, 3);
	assert_int_equal(pool_export(spa, POOL_STATE_EXPORTED), 0);
	world_end(w);
}

/* The child writes and reports what is on disk; it is killed in the middle of more. */
static void
killed_child(world_t *w, int out)
{
	pool_init();
	spa_t *spa = world_create(w);
	make_fs(spa, "tank/fs", NULL);
	uint64_t obj = write_object(spa, "tank/fs", 65536, 200, 11);
	txg_wait_synced(spa, 0);
	(void)!write(out, &obj, sizeof (obj));
	for (uint32_t seed = 12;; seed++)
		(void)write_object(spa, "tank/fs", 8192, 500, seed);
}

static void
a_killed_pool_keeps_what_was_synced(void **state)
{
	for (int round = 0; round < 3; round++) {
		world_t *w = world_begin(2);
		uint64_t obj;
		int fds[2];

		(void)state;
		assert_int_equal(pipe(fds), 0);
		pid_t pid = fork();
		if (pid == 0) {
			killed_child(w, fds[1]);
			_exit(0);
		}
		assert_int_equal(read(fds[0], &obj, sizeof (obj)), sizeof (obj));
		spl_delay(MSEC2NSEC(100 + 150 * round));
		assert_int_equal(kill(pid, SIGKILL), 0);
		(void)waitpid(pid, NULL, 0);
		(void)close(fds[0]);
		(void)close(fds[1]);
		world_zdb_clean(w);
		pool_init();
		spa_t *spa = world_import(w, 0);
		check_object(spa, "tank/fs", obj, 65536, 200, 11);
		overwrite_object(spa, "tank/fs", obj, 65536, 200, 99);
		check_object(spa, "tank/fs", obj, 65536, 200, 99);
		assert_int_equal(pool_export(spa, POOL_STATE_EXPORTED), 0);
		pool_fini();
		world_zdb_clean(w);
		world_end(w);
	}
}

static void
a_read_only_import_writes_nothing(void **state)
{
	world_t *w = world_begin(2);
	spa_t *spa = world_create(w);

	(void)state;
	uint64_t obj = write_object(spa, "tank", 4096, 100, 5);
	assert_int_equal(pool_export(spa, POOL_STATE_EXPORTED), 0);
	/* Also a damaged one must not be repaired. */
	world_noise(w, 1, 4ULL << 20, 5ULL << 20);
	uint64_t h0 = world_hash(w, 0), h1 = world_hash(w, 1);
	spa = world_import(w, POOL_IMPORT_READONLY);
	check_object(spa, "tank", obj, 4096, 100, 5);
	assert_int_equal(dsl_dataset_destroy(spa->spa_dsl_pool, "tank/x"), EROFS);
	assert_int_equal(pool_export(spa, POOL_STATE_EXPORTED), 0);
	assert_true(world_hash(w, 0) == h0);
	assert_true(world_hash(w, 1) == h1);
	world_end(w);
}

static void
history_remembers_commands(void **state)
{
	world_t *w = world_begin(1);
	spa_t *spa = world_create(w);
	nvlist_t *records, *rec;
	const char *cmd;
	int found = 0;

	(void)state;
	assert_int_equal(pool_history_command(spa, "zpool create tank d0", 0), 0);
	assert_int_equal(pool_history_command(spa, "zfs create tank/a", 1000), 0);
	assert_int_equal(pool_export(spa, POOL_STATE_EXPORTED), 0);
	spa = world_import(w, 0);
	assert_int_equal(pool_history_get(spa, &records), 0);
	for (nvpair_t *nvp = nvlist_next_nvpair(records, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(records, nvp)) {
		assert_int_equal(nvpair_value_nvlist(nvp, &rec), 0);
		if (nvlist_lookup_string(rec, "history command", &cmd) == 0)
			assert_string_equal(
			    cmd, found++ == 0 ? "zpool create tank d0" : "zfs create tank/a");
	}
	assert_int_equal(found, 2);
	nvlist_free(records);
	assert_int_equal(pool_export(spa, POOL_STATE_EXPORTED), 0);
	world_end(w);
}

static int
setup(void **state)
{
	(void)state;
	pool_init();
	return (0);
}

static int
teardown(void **state)
{
	(void)state;
	pool_fini();
	return (0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		/* First: it forks, so the process must be without threads. */
		cmocka_unit_test(a_killed_pool_keeps_what_was_synced),
		cmocka_unit_test_setup_teardown(an_empty_pool_is_clean, setup, teardown),
		cmocka_unit_test_setup_teardown(datasets_come_move_and_go, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    properties_are_inherited_and_remembered, setup, teardown),
		cmocka_unit_test_setup_teardown(a_scrub_repairs_a_mirror, setup, teardown),
		cmocka_unit_test_setup_teardown(
		    a_read_only_import_writes_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(history_remembers_commands, setup, teardown),
	};

	return (cmocka_run_group_tests(tests, NULL, NULL));
}
