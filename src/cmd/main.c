/* One binary, many names: which one was asked for? */
#include "cmd/cmd.h"

static const struct {
	const char *name;
	int (*func)(int argc, char **argv);
} applets[] = {
	{ "zpool", zpool_main },
	{ "zfs", zfs_main },
	{ "zgenhostid", zgenhostid_main },
#ifdef TARN_ZDB
	{ "zdb", zdb_main },
#endif
};

static int
usage(FILE *fp)
{
	(void)fprintf(fp,
	    "usage: tarn <command> [args ...]\n\n"
	    "commands:\n"
	    "\tzpool, zfs          as from OpenZFS; links to tarn with these names work, too\n"
	    "\tkmem stat [pool]    memory of the daemons, cache by cache\n"
	    "\tversion             version of this program\n");
	return (fp == stdout ? 0 : EXIT_USAGE);
}

int
main(int argc, char **argv)
{
	const char *name = argc > 0 ? argv[0] : "tarn";

	if (strrchr(name, '/') != NULL)
		name = strrchr(name, '/') + 1;
	if (strcmp(name, "tarnd") == 0)
		return (daemon_main());
	spl_init();
	if (strcmp(name, "tarn") == 0) {
		argc--;
		argv++;
		if (argc == 0)
			return (usage(stderr));
		name = argv[0];
	}
	for (size_t i = 0; i < ARRAY_SIZE(applets); i++) {
		if (strcmp(name, applets[i].name) == 0) {
			argv[0] = (char *)applets[i].name;
			cmd_history_set(argc, argv);
			serve_cleanup_dead();
			return (applets[i].func(argc, argv));
		}
	}
	return (tarn_main(argc, argv));
}

/* tarn kmem stat [pool …]: what the daemons' allocators know. */
static int
kmem_stat(int argc, char **argv)
{
	char **names = argv;
	size_t n = (size_t)argc;
	int ret = 0;

	if (argc == 0)
		cmd_pools(&names, &n);
	for (size_t i = 0; i < n; i++) {
		nvlist_t *out = NULL;
		int err = cmd_call(names[i], cmd_request("kmem_stat"), &out, NULL);
		if (err != 0)
			ret = cmd_error("cannot open '%s': %s", names[i],
			    err == ENOENT ? "no such pool" : cmd_strerror(err));
		else
			(void)printf("%s:\n%s", names[i], cmd_str(out, "text"));
		nvlist_free(out);
	}
	if (argc == 0)
		proto_free_names(names, n);
	return (ret);
}

int
tarn_main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[0], "kmem") == 0 && strcmp(argv[1], "stat") == 0)
		return (kmem_stat(argc - 2, argv + 2));

	if (argc > 0 && (strcmp(argv[0], "version") == 0 || strcmp(argv[0], "--version") == 0)) {
		(void)printf("tarn-%s\n", TARN_VERSION);
		return (0);
	}
	if (argc > 0 && (strcmp(argv[0], "help") == 0 || strcmp(argv[0], "--help") == 0))
		return (usage(stdout));
	(void)fprintf(stderr, "tarn: unrecognized command '%s'\n", argc > 0 ? argv[0] : "");
	return (usage(stderr));
}
