/* Which command of a tool was asked for, and what is said when it was asked wrongly. */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <unistd.h>
#include "cmd/cmd.h"
#include "cmd/json.h"

static const cmd_set_t *the_set;
static const cmd_entry_t *the_cmd;

static const cmd_entry_t *
find(const cmd_set_t *set, const char *name)
{
	for (size_t i = 0; set->cs_alias != NULL && set->cs_alias[i][0] != NULL; i++)
		if (strcmp(name, set->cs_alias[i][0]) == 0)
			name = set->cs_alias[i][1];
	for (size_t i = 0; i < set->cs_count; i++)
		if (set->cs_cmds[i].ce_name != NULL &&
		    strcmp(set->cs_cmds[i].ce_name, name) == 0)
			return (&set->cs_cmds[i]);
	return (NULL);
}

void
cmd_print_usage_only(FILE *fp)
{
	if (the_cmd != NULL) {
		(void)fprintf(fp, "usage:\n%s", the_cmd->ce_usage);
	} else {
		(void)fprintf(fp,
		    "usage: %s command args ...\n"
		    "where 'command' is one of the following:\n\n",
		    the_set->cs_tool);
		for (size_t i = 0; i < the_set->cs_count; i++)
			(void)fputs(the_set->cs_cmds[i].ce_name != NULL ?
				the_set->cs_cmds[i].ce_usage :
				"\n",
			    fp);
	}
}

void
cmd_print_usage(FILE *fp)
{
	cmd_print_usage_only(fp);
	the_set->cs_tail(fp, the_cmd);
}

int
cmd_usage(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	cmd_print_usage(stderr);
	return (EXIT_USAGE);
}

int
cmd_bad_option(int c)
{
	if (c == ':')
		return (cmd_usage("missing argument for '%c' option", optopt));
	return (cmd_usage("invalid option '%c'", optopt));
}

int
cmd_error(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputc('\n', stderr);
	return (1);
}

int
cmd_unsupported(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	(void)vfprintf(stderr, fmt, ap);
	va_end(ap);
	(void)fputs(": not supported yet\n", stderr);
	return (1);
}

/* The manual has the long answer. */
static int
help(const cmd_set_t *set, const char *topic)
{
	char page[128];

	if (topic == NULL)
		(void)snprintf(page, sizeof (page), "%s", set->cs_tool);
	else if (find(set, topic) != NULL)
		(void)snprintf(page, sizeof (page), "%s-%s", set->cs_tool, topic);
	else
		(void)snprintf(page, sizeof (page), "%s%s",
		    strcmp(topic, "props") == 0 ? set->cs_tool : "", topic);
	(void)execlp("man", "man", page, (char *)NULL);
	(void)fprintf(stderr, "couldn't run man program: %s", strerror(errno));
	return (EXIT_MINUS_ONE);
}

int
cmd_version(int argc, char **argv)
{
	static const struct option longopts[] = { { "json", no_argument, NULL, 'j' },
		{ NULL, 0, NULL, 0 } };
	bool json = false;
	int c;

	while ((c = getopt_long(argc, argv, ":j", longopts, NULL)) != -1) {
		if (c != 'j')
			return (cmd_bad_option(c));
		json = true;
	}
	if (json) {
		char command[32];
		(void)snprintf(command, sizeof (command), "%s version", the_set->cs_tool);
		json_t *root = json_begin(command), *v = json_object();
		(void)json_object_set_new(v, "userland", json_string("zfs-2.3.2-tarn" TARN_VERSION));
		(void)json_object_set_new(
		    v, "kernel", json_string("zfs-kmod-2.3.2-tarn" TARN_VERSION));
		(void)json_object_set_new(root, "zfs_version", v);
		json_end(root);
		return (0);
	}
	(void)printf("zfs-2.3.2-tarn%s\nzfs-kmod-2.3.2-tarn%s\n", TARN_VERSION, TARN_VERSION);
	return (0);
}

int
cmd_dispatch(const cmd_set_t *set, int argc, char **argv)
{
	the_set = set;
	opterr = 0;
	if (argc < 2)
		return (cmd_usage("missing command"));
	const char *name = argv[1];
	if (strcmp(name, "-?") == 0 || strcmp(name, "--help") == 0) {
		cmd_print_usage(stdout);
		return (0);
	}
	if (strcmp(name, "help") == 0)
		return (help(set, argc > 2 ? argv[2] : NULL));
	if (strcmp(name, "-V") == 0 || strcmp(name, "--version") == 0)
		name = "version";
	const cmd_entry_t *cmd = find(set, name);
	if (cmd == NULL)
		return (cmd_usage("unrecognized command '%s'", name));
	the_cmd = cmd;
	if (cmd->ce_func == NULL)
		return (cmd_unsupported("%s %s", set->cs_tool, cmd->ce_name));
	return (cmd->ce_func(argc - 1, argv + 1));
}
