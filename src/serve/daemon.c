/*
 * The life of a daemon. `zpool create` and `zpool import` start one (daemon_start): it is the
 * same program executed anew as `tarnd`, in a session of its own, with a socket pair on
 * descriptor 0 for the one request that makes it what it is and for the answer:
 *
 *   op "create": name, vdevs, props, features, fsprops, altroot?, history, nomount: bool
 *   op "import": config, newname?, readonly, force, cached, missing_log: bool, txg?, props,
 *                nomount: bool, history
 *   both: cachefile string ("" default, "none")
 *
 * It ends when the pool is exported or destroyed, or on SIGTERM/SIGINT, when everything is
 * unmounted and written out but the pool stays imported in its labels and in the cache file.
 */
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include "serve/serve_impl.h"

const char *
serve_cachefile(void)
{
	static char buf[PATH_MAX];

	if (buf[0] == '\0') {
		if (geteuid() == 0 && getenv("TARN_STATE_DIR") == NULL)
			(void)snprintf(buf, sizeof (buf), "/etc/zfs/zpool.cache");
		else
			(void)snprintf(buf, sizeof (buf), "%s/zpool.cache", proto_state_dir());
	}
	return (buf);
}

/* ---- the command's side -------------------------------------------------------------------- */

int
daemon_start(const nvlist_t *request, nvlist_t **reply)
{
	int sp[2], err;

	if ((err = proto_make_dirs()) != 0)
		return (err);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, sp) != 0)
		return (errno);
	pid_t pid = fork();
	if (pid < 0) {
		err = errno;
		(void)close(sp[0]);
		(void)close(sp[1]);
		return (err);
	}
	if (pid == 0) {
		/* Twice, so that the daemon is nobody's child and of no terminal. */
		(void)close(sp[0]);
		if (setsid() < 0 || (pid = fork()) < 0)
			_exit(127);
		if (pid > 0)
			_exit(0);
		int null = open("/dev/null", O_RDWR);
		if (dup2(sp[1], 0) < 0 || null < 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
			_exit(127);
		for (int fd = 3; fd < 256; fd++)
			(void)close(fd);
		(void)execl("/proc/self/exe", "tarnd", (char *)NULL);
		_exit(127);
	}
	(void)close(sp[1]);
	while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	if ((err = proto_send(sp[0], request)) == 0)
		err = proto_recv(sp[0], reply);
	(void)close(sp[0]);
	return (err);
}

/* ---- the daemon's side ------------------------------------------------------------------------ */

/* A daemon that is about to end still holds its name for a moment. */
#define LOCK_TRIES 100
#define LOCK_PAUSE MSEC2NSEC(20)

static int name_lock = -1;

/* Does a daemon of that name answer? */
static bool
name_answers(const char *name)
{
	nvlist_t *req = nvlist_create(), *reply = NULL;

	fnvlist_add_string(req, "cmd", "ping");
	int err = proto_call(name, req, &reply);
	nvlist_free(req);
	nvlist_free(reply);
	return (err == 0);
}

/* The name is taken as long as the lock is held; it goes with the process. */
static int
lock_name(const char *name)
{
	char *path = kmem_asprintf("%s/%s.lock", proto_run_dir(), name);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600), err = 0;

	if (fd < 0)
		err = errno;
	for (int i = 0; err == 0 && flock(fd, LOCK_EX | LOCK_NB) != 0; i++) {
		if (errno != EWOULDBLOCK)
			err = errno;
		else if (i == LOCK_TRIES || name_answers(name))
			err = EEXIST;
		else
			spl_delay(LOCK_PAUSE);
	}
	if (err != 0 && fd >= 0)
		(void)close(fd);
	kmem_strfree(path);
	name_lock = err == 0 ? fd : -1;
	return (err);
}

/* The pool is closed: its name and its socket are free before anybody is told so. */
void
daemon_release_name(serve_t *sv)
{
	char *path = kmem_asprintf("%s/%s.sock", proto_run_dir(), sv->sv_name);

	(void)unlink(path);
	kmem_strfree(path);
	if (name_lock >= 0)
		(void)close(name_lock);
	name_lock = -1;
}

static bool
req_bool(const nvlist_t *req, const char *name)
{
	bool v = false;

	(void)nvlist_lookup_boolean_value(req, name, &v);
	return (v);
}

static nvlist_t *
req_list(const nvlist_t *req, const char *name)
{
	nvlist_t *v = NULL;

	(void)nvlist_lookup_nvlist(req, name, &v);
	return (v);
}

static const char *
req_string(const nvlist_t *req, const char *name)
{
	const char *v = NULL;

	(void)nvlist_lookup_string(req, name, &v);
	return (v);
}

static int
open_pool(const nvlist_t *req, const char *name, spa_t **spap, nvlist_t *reply)
{
	const char *op = req_string(req, "op"), *why = NULL;
	nvlist_t *unsup = NULL;
	uint64_t txg = 0;
	uint32_t flags = 0;
	int err;

	if (op != NULL && strcmp(op, "create") == 0) {
		err = pool_create(name, req_list(req, "vdevs"), req_list(req, "props"),
		    req_list(req, "features"), req_list(req, "fsprops"), spap, &why);
	} else {
		if (req_list(req, "config") == NULL)
			return (EINVAL);
		flags |= req_bool(req, "readonly") ? POOL_IMPORT_READONLY : 0;
		flags |= req_bool(req, "force") ? POOL_IMPORT_FORCE : 0;
		flags |= req_bool(req, "cached") ? POOL_IMPORT_CACHED : 0;
		flags |= req_bool(req, "missing_log") ? POOL_IMPORT_MISSING_LOG : 0;
		(void)nvlist_lookup_uint64(req, "txg", &txg);
		err = pool_import(req_list(req, "config"), name, flags, txg,
		    req_list(req, "props"), spap, &unsup);
	}
	if (unsup != NULL) {
		fnvlist_add_nvlist(reply, "unsup", unsup);
		nvlist_free(unsup);
	}
	if (why != NULL)
		fnvlist_add_string(reply, "why", why);
	return (err);
}

/* Where the pool is remembered for the next start of the system. */
static const char *
cachefile_of(spa_t *spa)
{
	if (spa->spa_cachefile == NULL || spa->spa_cachefile[0] == '\0')
		return (spa->spa_altroot != NULL ? NULL : serve_cachefile());
	return (strcmp(spa->spa_cachefile, "none") == 0 ? NULL : spa->spa_cachefile);
}

static void
cache_pool(serve_t *sv, bool present)
{
	const char *path = cachefile_of(sv->sv_spa);
	nvlist_t *config = NULL;

	if (path == NULL || !spa_writeable(sv->sv_spa))
		return;
	if (present) {
		mutex_enter(&sv->sv_spa->spa_props_lock);
		if (sv->sv_spa->spa_config != NULL)
			config = nvlist_dup(sv->sv_spa->spa_config);
		mutex_exit(&sv->sv_spa->spa_props_lock);
	}
	if (strcmp(path, "/etc/zfs/zpool.cache") == 0)
		(void)mkdir("/etc/zfs", 0755);
	int err = pool_cachefile_update(path, sv->sv_name, config);
	if (err != 0)
		spl_log(LOG_WARNING, "cache file %s: %s", path, strerror(err));
	nvlist_free(config);
}

void
serve_cache(serve_t *sv)
{
	cache_pool(sv, true);
}

void
serve_uncache(serve_t *sv)
{
	cache_pool(sv, false);
}

static serve_t *the_serve;

static void
prop_changed(dsl_pool_t *dp, const char *dsname)
{
	(void)dp;
	if (the_serve != NULL)
		mounts_refresh(the_serve, dsname);
}

/* Waits for SIGTERM and friends; all threads have them blocked. */
static void
signal_thread(void *arg)
{
	serve_t *sv = arg;
	sigset_t set;
	int sig;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	do {
		if (sigwait(&set, &sig) != 0)
			return;
	} while (sig == SIGHUP);
	mutex_enter(&sv->sv_lock);
	sv->sv_ending = true;
	mutex_exit(&sv->sv_lock);
	(void)!write(sv->sv_wake[1], "t", 1);
}

static void
block_signals(void)
{
	sigset_t set;

	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)pthread_sigmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
}

static void
open_log(const char *name)
{
	char *path = kmem_asprintf("%s/%s.log", proto_state_dir(), name);

	(void)spl_log_open(path);
	/* Panics and sanitizer reports are written to stderr: keep them, too. */
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0644);
	if (fd >= 0) {
		(void)dup2(fd, 2);
		if (fd > 2)
			(void)close(fd);
	}
	kmem_strfree(path);
}

static void
serve_pool(spa_t *spa, const char *name, const nvlist_t *req, nvlist_t *reply)
{
	serve_t *sv = kmem_zalloc(sizeof (*sv), KM_SLEEP);
	const char *history = req_string(req, "history");
	char *why = NULL;
	int err;

	sv->sv_spa = spa;
	sv->sv_name = kmem_strdup(name);
	sv->sv_uid = geteuid();
	mutex_init(&sv->sv_lock);
	cv_init(&sv->sv_cv);
	mounts_init(sv);
	the_serve = sv;
	dsl_prop_changed = prop_changed;
	if (history != NULL && spa_writeable(spa))
		(void)pool_history_command(spa, history, getuid());
	serve_cache(sv);
	sv->sv_cached = true;
	sv->sv_start = gethrtime();
	err = control_start(sv);
	fnvlist_add_int64(reply, "errno", err);
	if (err == 0 && !req_bool(req, "nomount")) {
		int e = mounts_mount_all(sv, NULL, &why);
		if (e != 0) {
			fnvlist_add_int64(reply, "mount_errno", e);
			if (why != NULL)
				fnvlist_add_string(reply, "mount_why", why);
		}
		kmem_strfree(why);
	}
	thread_create_detached("signals", signal_thread, sv);
	(void)proto_send(0, reply);
	(void)shutdown(0, SHUT_RDWR);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	(void)dup2(null, 0);
	(void)close(null);
	if (err == 0)
		control_loop(sv);
	/* Ended by a signal: everything is written out, the pool stays imported. */
	if (!sv->sv_closed) {
		(void)mounts_unmount_below(sv, NULL, true, NULL);
		(void)pool_export(spa, POOL_STATE_ACTIVE);
	}
	the_serve = NULL;
	mounts_fini(sv);
	daemon_release_name(sv);
	control_stop(sv);
}

int
daemon_main(void)
{
	nvlist_t *req, *reply = nvlist_create();
	const char *name;
	spa_t *spa;
	int err;

	(void)prctl(PR_SET_NAME, "tarnd");
	(void)umask(022);
	(void)chdir("/");
	struct rlimit nofile = { 65536, 65536 };
	(void)setrlimit(RLIMIT_NOFILE, &nofile);
	block_signals();
	if (proto_recv(0, &req) != 0)
		return (2);
	if ((name = req_string(req, "name")) == NULL) {
		fnvlist_add_int64(reply, "errno", EINVAL);
		(void)proto_send(0, reply);
		return (2);
	}
	if (proto_make_dirs() == 0)
		open_log(name);
	if ((err = lock_name(name)) == 0) {
		pool_init();
		err = open_pool(req, name, &spa, reply);
	}
	if (err != 0) {
		fnvlist_add_int64(reply, "errno", err);
		(void)proto_send(0, reply);
		return (1);
	}
	serve_pool(spa, name, req, reply);
	pool_fini();
	nvlist_free(req);
	nvlist_free(reply);
	return (0);
}
