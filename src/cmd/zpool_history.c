/* zpool history. */
#include <getopt.h>
#include <pwd.h>
#include <time.h>
#include "cmd/zpool.h"

typedef struct history_opts {
	bool ho_internal, ho_long;
} history_opts_t;

static void
print_time(uint64_t t)
{
	time_t clock = (time_t)t;
	struct tm tm;
	char buf[64] = "";

	if (localtime_r(&clock, &tm) != NULL)
		(void)strftime(buf, sizeof (buf), "%F.%T", &tm);
	(void)printf("%s", buf);
}

/* Input and output of an ioctl, indented as a tree. */
static void
print_tree(const nvlist_t *nvl, int indent)
{
	for (nvpair_t *nvp = nvlist_next_nvpair(nvl, NULL); nvp != NULL;
	     nvp = nvlist_next_nvpair(nvl, nvp)) {
		const char *str;
		nvlist_t *sub;
		uint64_t v;
		if (nvpair_value_nvlist(nvp, &sub) == 0) {
			(void)printf("%*s%s:\n", indent, "", nvpair_name(nvp));
			print_tree(sub, indent + 4);
		} else if (nvpair_value_string(nvp, &str) == 0) {
			(void)printf("%*s%s: '%s'\n", indent, "", nvpair_name(nvp), str);
		} else if (nvpair_value_uint64(nvp, &v) == 0) {
			(void)printf("%*s%s: %" PRIu64 "\n", indent, "", nvpair_name(nvp), v);
		} else {
			int32_t i32 = 0;
			if (nvlist_lookup_int32(nvl, nvpair_name(nvp), &i32) == 0)
				(void)printf("%*s%s: %d\n", indent, "", nvpair_name(nvp), i32);
			else
				(void)printf("%*s%s\n", indent, "", nvpair_name(nvp));
		}
	}
}

/* False: a record of a kind that was not asked for. */
static bool
print_record(const nvlist_t *rec, const history_opts_t *ho)
{
	const char *cmd = cmd_str(rec, "history command"), *name = cmd_str(rec, "internal_name");
	const char *str = cmd_str(rec, "history internal str"), *ds = cmd_str(rec, "dsname");
	const char *ioctl = cmd_str(rec, "ioctl");

	if (cmd == NULL && !ho->ho_internal)
		return (false);
	if (cmd != NULL) {
		print_time(cmd_u64(rec, "history time"));
		(void)printf(" %s", cmd);
	} else if (name != NULL) {
		print_time(cmd_u64(rec, "history time"));
		(void)printf(" [txg:%" PRIu64 "] %s", cmd_u64(rec, "history txg"), name);
		if (ds != NULL)
			(void)printf(" %s (%" PRIu64 ")", ds, cmd_u64(rec, "dsid"));
		(void)printf(" %s", str != NULL ? str : "");
	} else if (ioctl != NULL) {
		print_time(cmd_u64(rec, "history time"));
		(void)printf(" (%" PRIu64 "ms) ioctl %s\n", cmd_u64(rec, "elapsed_ns") / 1000000, ioctl);
		if (cmd_list(rec, "in_nvl") != NULL) {
			(void)printf("    input:\n");
			print_tree(cmd_list(rec, "in_nvl"), 8);
		}
		if (cmd_list(rec, "out_nvl") != NULL) {
			(void)printf("    output:\n");
			print_tree(cmd_list(rec, "out_nvl"), 8);
		}
		if (nvlist_exists(rec, "errno")) {
			int64_t e = 0;
			(void)nvlist_lookup_int64(rec, "errno", &e);
			(void)printf("    errno: %" PRId64 "\n", e);
		}
	} else {
		return (false);
	}
	return (true);
}

static void
print_who(const nvlist_t *rec)
{
	const char *host = cmd_str(rec, "history hostname"), *zone = cmd_str(rec, "history zone");

	(void)printf(" [");
	if (nvlist_exists(rec, "history who")) {
		uint64_t uid = cmd_u64(rec, "history who");
		struct passwd *pw = getpwuid((uid_t)uid);
		(void)printf("user %" PRIu64 " ", uid);
		if (pw != NULL)
			(void)printf("(%s) ", pw->pw_name);
	}
	if (host != NULL)
		(void)printf("on %s", host);
	if (nvlist_exists(rec, "history who"))
		(void)printf(":%s", zone != NULL ? zone : "linux");
	(void)printf("]");
}

static int
history_one(const char *pool, nvlist_t *status, void *arg)
{
	const history_opts_t *ho = arg;
	nvlist_t *out = NULL, *rec;
	char key[24];

	(void)status;
	(void)printf("History for '%s':\n", pool);
	int err = cmd_call(pool, cmd_request("pool_history"), &out, NULL);
	if (err != 0) {
		nvlist_free(out);
		return (cmd_error("cannot show history for pool '%s': %s", pool,
		    cmd_strerror(err)));
	}
	for (uint64_t i = 0;; i++) {
		(void)snprintf(key, sizeof (key), "%" PRIu64, i);
		if ((rec = cmd_list(out, key)) == NULL)
			break;
		if (!print_record(rec, ho))
			continue;
		if (ho->ho_long)
			print_who(rec);
		(void)putchar('\n');
	}
	(void)putchar('\n');
	nvlist_free(out);
	return (0);
}

int
zpool_do_history(int argc, char **argv)
{
	history_opts_t ho = { 0 };
	int c, found = 0;

	while ((c = getopt(argc, argv, ":li")) != -1) {
		switch (c) {
		case 'l':
			ho.ho_long = true;
			break;
		case 'i':
			ho.ho_internal = true;
			break;
		default:
			return (cmd_bad_option(c));
		}
	}
	argc -= optind;
	argv += optind;
	int ret = zpool_foreach(argc, argv, history_one, &ho, &found);
	if (argc == 0 && found == 0)
		(void)fprintf(stderr, "no pools available\n");
	return (ret);
}
