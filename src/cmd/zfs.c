/* zfs: commands about datasets. */
#include "cmd/zfs.h"

static const cmd_entry_t commands[] = {
	{ "version", cmd_version,
	    "\tversion [-j]\n" },
	{ NULL, NULL, NULL },
	{ "create", zfs_do_create,
	    "\tcreate [-Pnpuv] [-o property=value] ... <filesystem>\n"
	    "\tcreate [-Pnpsv] [-b blocksize] [-o property=value] ... -V <size> <volume>\n" },
	{ "destroy", zfs_do_destroy,
	    "\tdestroy [-fnpRrv] <filesystem|volume>\n"
	    "\tdestroy [-dnpRrv] <filesystem|volume>@<snap>[%<snap>][,...]\n"
	    "\tdestroy <filesystem|volume>#<bookmark>\n" },
	{ NULL, NULL, NULL },
	{ "snapshot", NULL,
	    "\tsnapshot [-r] [-o property=value] ... <filesystem|volume>@<snap> ...\n" },
	{ "rollback", NULL,
	    "\trollback [-rRf] <snapshot>\n" },
	{ "clone", NULL,
	    "\tclone [-p] [-o property=value] ... <snapshot> <filesystem|volume>\n" },
	{ "promote", NULL,
	    "\tpromote <clone-filesystem>\n" },
	{ "rename", zfs_do_rename,
	    "\trename [-f] <filesystem|volume|snapshot> <filesystem|volume|snapshot>\n"
	    "\trename -p [-f] <filesystem|volume> <filesystem|volume>\n"
	    "\trename -u [-f] <filesystem> <filesystem>\n"
	    "\trename -r <snapshot> <snapshot>\n" },
	{ "bookmark", NULL,
	    "\tbookmark <snapshot|bookmark> <newbookmark>\n" },
	{ "program", NULL,
	    "\tprogram [-jn] [-t <instruction limit>] [-m <memory limit (b)>]\n"
	    "\t    <pool> <program file> [lua args...]\n" },
	{ NULL, NULL, NULL },
	{ "list", zfs_do_list,
	    "\tlist [-Hp] [-j [--json-int]] [-r|-d max] [-o property[,...]] [-s property]...\n"
	    "\t    [-S property]... [-t type[,...]] [filesystem|volume|snapshot] ...\n" },
	{ NULL, NULL, NULL },
	{ "set", zfs_do_set,
	    "\tset [-u] <property=value> ... <filesystem|volume|snapshot> ...\n" },
	{ "get", zfs_do_get,
	    "\tget [-rHp] [-j [--json-int]] [-d max] [-o \"all\" | field[,...]]\n"
	    "\t    [-t type[,...]] [-s source[,...]]\n"
	    "\t    <\"all\" | property[,...]> [filesystem|volume|snapshot|bookmark] ...\n" },
	{ "inherit", zfs_do_inherit,
	    "\tinherit [-rS] <property> <filesystem|volume|snapshot> ...\n" },
	{ "upgrade", zfs_do_upgrade,
	    "\tupgrade [-v]\n"
	    "\tupgrade [-r] [-V version] <-a | filesystem ...>\n" },
	{ NULL, NULL, NULL },
	{ "userspace", NULL,
	    "\tuserspace [-Hinp] [-o field[,...]] [-s field] ...\n"
	    "\t    [-S field] ... [-t type[,...]] <filesystem|snapshot|path>\n" },
	{ "groupspace", NULL,
	    "\tgroupspace [-Hinp] [-o field[,...]] [-s field] ...\n"
	    "\t    [-S field] ... [-t type[,...]] <filesystem|snapshot|path>\n" },
	{ "projectspace", NULL,
	    "\tprojectspace [-Hp] [-o field[,...]] [-s field] ... \n"
	    "\t    [-S field] ... <filesystem|snapshot|path>\n" },
	{ NULL, NULL, NULL },
	{ "project", NULL,
	    "\tproject [-d|-r] <directory|file ...>\n"
	    "\tproject -c [-0] [-d|-r] [-p id] <directory|file ...>\n"
	    "\tproject -C [-k] [-r] <directory ...>\n"
	    "\tproject [-p id] [-r] [-s] <directory ...>\n" },
	{ NULL, NULL, NULL },
	{ "mount", zfs_do_mount,
	    "\tmount [-j]\n"
	    "\tmount [-flvO] [-o opts] <-a|-R filesystem|filesystem>\n" },
	{ "unmount", zfs_do_unmount,
	    "\tunmount [-fu] <-a | filesystem|mountpoint>\n" },
	{ "share", NULL,
	    "\tshare [-l] <-a [nfs|smb] | filesystem>\n" },
	{ "unshare", NULL,
	    "\tunshare <-a [nfs|smb] | filesystem|mountpoint>\n" },
	{ NULL, NULL, NULL },
	{ "send", NULL,
	    "\tsend [-DLPbcehnpsVvw] [-i|-I snapshot]\n"
	    "\t     [-R [-X dataset[,dataset]...]]     <snapshot>\n"
	    "\tsend [-DnVvPLecw] [-i snapshot|bookmark] <filesystem|volume|snapshot>\n"
	    "\tsend [-DnPpVvLec] [-i bookmark|snapshot] --redact <bookmark> <snapshot>\n"
	    "\tsend [-nVvPe] -t <receive_resume_token>\n"
	    "\tsend [-PnVv] --saved filesystem\n" },
	{ "receive", NULL,
	    "\treceive [-vMnsFhu] [-o <property>=<value>] ... [-x <property>] ...\n"
	    "\t    <filesystem|volume|snapshot>\n"
	    "\treceive [-vMnsFhu] [-o <property>=<value>] ... [-x <property>] ... \n"
	    "\t    [-d | -e] <filesystem>\n"
	    "\treceive -A <filesystem|volume>\n" },
	{ NULL, NULL, NULL },
	{ "allow", NULL,
	    "\tallow <filesystem|volume>\n"
	    "\tallow [-ldug] <\"everyone\"|user|group>[,...] <perm|@setname>[,...]\n"
	    "\t    <filesystem|volume>\n"
	    "\tallow [-ld] -e <perm|@setname>[,...] <filesystem|volume>\n"
	    "\tallow -c <perm|@setname>[,...] <filesystem|volume>\n"
	    "\tallow -s @setname <perm|@setname>[,...] <filesystem|volume>\n" },
	{ NULL, NULL, NULL },
	{ "unallow", NULL,
	    "\tunallow [-rldug] <\"everyone\"|user|group>[,...]\n"
	    "\t    [<perm|@setname>[,...]] <filesystem|volume>\n"
	    "\tunallow [-rld] -e [<perm|@setname>[,...]] <filesystem|volume>\n"
	    "\tunallow [-r] -c [<perm|@setname>[,...]] <filesystem|volume>\n"
	    "\tunallow [-r] -s @setname [<perm|@setname>[,...]] <filesystem|volume>\n" },
	{ NULL, NULL, NULL },
	{ "hold", NULL,
	    "\thold [-r] <tag> <snapshot> ...\n" },
	{ "holds", NULL,
	    "\tholds [-rHp] <snapshot> ...\n" },
	{ "release", NULL,
	    "\trelease [-r] <tag> <snapshot> ...\n" },
	{ "diff", NULL,
	    "\tdiff [-FHth] <snapshot> [snapshot|filesystem]\n" },
	{ "load-key", NULL,
	    "\tload-key [-rn] [-L <keylocation>] <-a | filesystem|volume>\n" },
	{ "unload-key", NULL,
	    "\tunload-key [-r] <-a | filesystem|volume>\n" },
	{ "change-key", NULL,
	    "\tchange-key [-l] [-o keyformat=<value>]\n"
	    "\t    [-o keylocation=<value>] [-o pbkdf2iters=<value>]\n"
	    "\t    <filesystem|volume>\n"
	    "\tchange-key -i [-l] <filesystem|volume>\n" },
	{ "redact", NULL,
	    "\tredact <snapshot> <bookmark> <redaction_snapshot> ...\n" },
	{ "wait", NULL,
	    "\twait [-t <activity>] <filesystem>\n" },
	{ "zone", NULL,
	    "\tzone <nsfile> <filesystem>\n" },
	{ "unzone", NULL,
	    "\tunzone <nsfile> <filesystem>\n" },
	{ NULL, NULL, NULL },
};

static void
usage_tail(FILE *fp, const cmd_entry_t *cmd)
{
	static const char *const with_props[] = { "set", "get", "inherit", "list" };

	for (size_t i = 0; cmd != NULL && i < ARRAY_SIZE(with_props); i++) {
		if (strcmp(cmd->ce_name, with_props[i]) == 0) {
			zfs_prop_usage(fp);
			return;
		}
	}
	if (cmd == NULL)
		(void)fprintf(fp,
		    "\nEach dataset is of the form: pool/[dataset/]*dataset[@name]\n");
	(void)fprintf(fp,
	    "\nFor the property list, run: zfs set|get\n"
	    "\nFor the delegated permission list, run: zfs allow|unallow\n"
	    "\nFor further help on a command or topic, run: zfs help [<topic>]\n");
}

int
zfs_main(int argc, char **argv)
{
	static const char *const alias[][2] = { { "snap", "snapshot" }, { "recv", "receive" },
		{ "umount", "unmount" }, { NULL, NULL } };
	static const cmd_set_t set = { "zfs", commands, ARRAY_SIZE(commands), alias, usage_tail };

	return (cmd_dispatch(&set, argc, argv));
}
