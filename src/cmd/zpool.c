/* zpool: commands about pools as a whole. */
#include "cmd/zpool.h"

static const cmd_entry_t commands[] = {
	{ "version", cmd_version,
	    "\tversion [-j]\n" },
	{ NULL, NULL, NULL },
	{ "create", zpool_do_create,
	    "\tcreate [-fnd] [-o property=value] ... \n"
	    "\t    [-O file-system-property=value] ... \n"
	    "\t    [-m mountpoint] [-R root] <pool> <vdev> ...\n" },
	{ "destroy", zpool_do_destroy,
	    "\tdestroy [-f] <pool>\n" },
	{ NULL, NULL, NULL },
	{ "add", NULL,
	    "\tadd [-afgLnP] [-o property=value] <pool> <vdev> ...\n" },
	{ "remove", NULL,
	    "\tremove [-npsw] <pool> <device> ...\n" },
	{ NULL, NULL, NULL },
	{ "labelclear", zpool_do_labelclear,
	    "\tlabelclear [-f] <vdev>\n" },
	{ NULL, NULL, NULL },
	{ "checkpoint", NULL,
	    "\tcheckpoint [-d [-w]] <pool> ...\n" },
	{ "prefetch", NULL,
	    "\tprefetch -t <type> [<type opts>] <pool>\n"
	    "\t    -t ddt <pool>\n" },
	{ NULL, NULL, NULL },
	{ "list", zpool_do_list,
	    "\tlist [-gHLpPv] [-o property[,...]] [-j [--json-int, --json-pool-key-guid]] ...\n"
	    "\t    [-T d|u] [pool] [interval [count]]\n" },
	{ "iostat", zpool_do_iostat,
	    "\tiostat [[[-c [script1,script2,...][-lq]]|[-rw]] [-T d | u] [-ghHLpPvy]\n"
	    "\t    [[pool ...]|[pool vdev ...]|[vdev ...]] [[-n] interval [count]]\n" },
	{ "status", zpool_do_status,
	    "\tstatus [--power] [-j [--json-int, --json-flat-vdevs, ...\n"
	    "\t    --json-pool-key-guid]] [-c [script1,script2,...]] [-dDegiLpPstvx] ...\n"
	    "\t    [-T d|u] [pool] [interval [count]]\n" },
	{ NULL, NULL, NULL },
	{ "online", NULL,
	    "\tonline [--power][-e] <pool> <device> ...\n" },
	{ "offline", NULL,
	    "\toffline [--power]|[[-f][-t]] <pool> <device> ...\n" },
	{ "clear", zpool_do_clear,
	    "\tclear [[--power]|[-nF]] <pool> [device]\n" },
	{ "reopen", NULL,
	    "\treopen [-n] <pool>\n" },
	{ NULL, NULL, NULL },
	{ "attach", NULL,
	    "\tattach [-fsw] [-o property=value] <pool> <device> <new-device>\n" },
	{ "detach", NULL,
	    "\tdetach <pool> <device>\n" },
	{ "replace", NULL,
	    "\treplace [-fsw] [-o property=value] <pool> <device> [new-device]\n" },
	{ "split", NULL,
	    "\tsplit [-gLnPl] [-R altroot] [-o mntopts]\n"
	    "\t    [-o property=value] <pool> <newpool> [<device> ...]\n" },
	{ NULL, NULL, NULL },
	{ "initialize", NULL,
	    "\tinitialize [-c | -s | -u] [-w] <pool> [<device> ...]\n" },
	{ "resilver", NULL,
	    "\tresilver <pool> ...\n" },
	{ "scrub", zpool_do_scrub,
	    "\tscrub [-e | -s | -p | -C] [-w] <pool> ...\n" },
	{ "trim", NULL,
	    "\ttrim [-dw] [-r <rate>] [-c | -s] <pool> [<device> ...]\n" },
	{ NULL, NULL, NULL },
	{ "import", zpool_do_import,
	    "\timport [-d dir] [-D]\n"
	    "\timport [-o mntopts] [-o property=value] ... \n"
	    "\t    [-d dir | -c cachefile] [-D] [-l] [-f] [-m] [-N] [-R root] [-F [-n]] -a\n"
	    "\timport [-o mntopts] [-o property=value] ... \n"
	    "\t    [-d dir | -c cachefile] [-D] [-l] [-f] [-m] [-N] [-R root] [-F [-n]]\n"
	    "\t    [--rewind-to-checkpoint] <pool | id> [newpool]\n" },
	{ "export", zpool_do_export,
	    "\texport [-af] <pool> ...\n" },
	{ "upgrade", zpool_do_upgrade,
	    "\tupgrade\n"
	    "\tupgrade -v\n"
	    "\tupgrade [-V version] <-a | pool ...>\n" },
	{ "reguid", NULL,
	    "\treguid [-g guid] <pool>\n" },
	{ NULL, NULL, NULL },
	{ "history", zpool_do_history,
	    "\thistory [-il] [<pool>] ...\n" },
	{ "events", NULL,
	    "\tevents [-vHf [pool] | -c]\n" },
	{ NULL, NULL, NULL },
	{ "get", zpool_do_get,
	    "\tget [-Hp] [-j [--json-int, --json-pool-key-guid]] ...\n"
	    "\t    [-o \"all\" | field[,...]] <\"all\" | property[,...]> <pool> ...\n" },
	{ "set", zpool_do_set,
	    "\tset <property=value> <pool>\n"
	    "\tset <vdev_property=value> <pool> <vdev>\n" },
	{ "sync", zpool_do_sync,
	    "\tsync [pool] ...\n" },
	{ NULL, NULL, NULL },
	{ "wait", zpool_do_wait,
	    "\twait [-Hp] [-T d|u] [-t <activity>[,...]] <pool> [interval]\n" },
	{ NULL, NULL, NULL },
	{ "ddtprune", NULL,
	    "\tddtprune -d|-p <amount> <pool>\n" },
	{ NULL, NULL, NULL },
};

/* Some commands explain the properties, too. */
static void
usage_tail(FILE *fp, const cmd_entry_t *cmd)
{
	if (cmd == NULL)
		(void)fprintf(fp,
		    "For further help on a command or topic, run: zpool help [<topic>]\n");
	else if (strcmp(cmd->ce_name, "get") == 0 || strcmp(cmd->ce_name, "set") == 0 ||
	    strcmp(cmd->ce_name, "list") == 0)
		zpool_prop_usage(fp);
}

int
zpool_main(int argc, char **argv)
{
	static const char *const alias[][2] = { { NULL, NULL } };
	static const cmd_set_t set = { "zpool", commands, ARRAY_SIZE(commands), alias,
		usage_tail };

	return (cmd_dispatch(&set, argc, argv));
}
