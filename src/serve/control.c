/*
 * The control socket: accepts connections, one request each (or several one after the other),
 * finds the operation, checks who asks, runs it, replies.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "serve/serve_impl.h"

#define MAX_CONNECTIONS 256

typedef struct conn {
	serve_t *cn_serve;
	int cn_fd;
} conn_t;

const char *
call_string(call_t *c, const char *name)
{
	const char *v = NULL;

	(void)nvlist_lookup_string(c->c_req, name, &v);
	return (v);
}

bool
call_bool(call_t *c, const char *name)
{
	bool v = false;

	(void)nvlist_lookup_boolean_value(c->c_req, name, &v);
	return (v);
}

int
call_fail(call_t *c, int err, const char *fmt, ...)
{
	char buf[1024];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(buf, sizeof (buf), fmt, ap);
	va_end(ap);
	kmem_strfree(c->c_why);
	c->c_why = kmem_strdup(buf);
	return (err);
}

static const op_t *
find_op(const char *cmd)
{
	for (const op_t *op = pool_ops; op->op_cmd != NULL; op++)
		if (strcmp(op->op_cmd, cmd) == 0)
			return (op);
	for (const op_t *op = dataset_ops; op->op_cmd != NULL; op++)
		if (strcmp(op->op_cmd, cmd) == 0)
			return (op);
	return (NULL);
}

static int
handle(serve_t *sv, const nvlist_t *req, uid_t uid, nvlist_t *reply)
{
	call_t c = { .c_sv = sv, .c_req = req, .c_uid = uid, .c_out = nvlist_create() };
	const char *cmd = call_string(&c, "cmd"), *history = call_string(&c, "history");
	const op_t *op = cmd != NULL ? find_op(cmd) : NULL;
	int err;

	if (op == NULL) {
		err = ENOTSUP;
	} else if (op->op_changes && uid != 0 && uid != sv->sv_uid) {
		err = call_fail(&c, EPERM, "permission denied");
	} else {
		err = op->op_func(&c);
		if (err == 0 && op->op_changes && history != NULL && !sv->sv_closed &&
		    spa_writeable(sv->sv_spa))
			(void)pool_history_command(sv->sv_spa, history, uid);
	}
	fnvlist_add_int64(reply, "errno", err);
	if (c.c_why != NULL)
		fnvlist_add_string(reply, "why", c.c_why);
	fnvlist_add_nvlist(reply, "out", c.c_out);
	kmem_strfree(c.c_why);
	nvlist_free(c.c_out);
	return (err);
}

static void
conn_thread(void *arg)
{
	conn_t *cn = arg;
	serve_t *sv = cn->cn_serve;
	struct ucred cred;
	socklen_t len = sizeof (cred);
	nvlist_t *req;

	if (getsockopt(cn->cn_fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
		while (proto_recv(cn->cn_fd, &req) == 0) {
			nvlist_t *reply = nvlist_create();
			mutex_enter(&sv->sv_lock);
			bool ending = sv->sv_ending;
			mutex_exit(&sv->sv_lock);
			if (ending)
				fnvlist_add_int64(reply, "errno", ENOENT);
			else
				(void)handle(sv, req, cred.uid, reply);
			int err = proto_send(cn->cn_fd, reply);
			nvlist_free(req);
			nvlist_free(reply);
			if (err != 0 || ending)
				break;
		}
	}
	(void)close(cn->cn_fd);
	mutex_enter(&sv->sv_lock);
	sv->sv_connections--;
	cv_broadcast(&sv->sv_cv);
	mutex_exit(&sv->sv_lock);
	kmem_free(cn, sizeof (*cn));
}

int
control_start(serve_t *sv)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int n = snprintf(
	    sun.sun_path, sizeof (sun.sun_path), "%s/%s.sock", proto_run_dir(), sv->sv_name);

	if (n < 0 || (size_t)n >= sizeof (sun.sun_path))
		return (ENAMETOOLONG);
	if (pipe2(sv->sv_wake, O_CLOEXEC) != 0)
		return (errno);
	sv->sv_listen = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (sv->sv_listen < 0)
		return (errno);
	/* The caller holds the lock of this name: a socket that is there is a dead daemon's. */
	(void)unlink(sun.sun_path);
	mode_t old = umask(0);
	int err = bind(sv->sv_listen, (struct sockaddr *)&sun, sizeof (sun)) != 0 ? errno : 0;
	(void)umask(old);
	if (err == 0 && listen(sv->sv_listen, 64) != 0)
		err = errno;
	return (err);
}

static void
accept_one(serve_t *sv)
{
	int fd = accept4(sv->sv_listen, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return;
	mutex_enter(&sv->sv_lock);
	bool room = sv->sv_connections < MAX_CONNECTIONS && !sv->sv_ending;
	sv->sv_connections += room;
	mutex_exit(&sv->sv_lock);
	if (!room) {
		(void)close(fd);
		return;
	}
	conn_t *cn = kmem_zalloc(sizeof (*cn), KM_SLEEP);
	cn->cn_serve = sv;
	cn->cn_fd = fd;
	thread_create_detached("control", conn_thread, cn);
}

void
control_loop(serve_t *sv)
{
	struct pollfd pfd[2] = { { .fd = sv->sv_listen, .events = POLLIN },
		{ .fd = sv->sv_wake[0], .events = POLLIN } };

	for (;;) {
		if (poll(pfd, 2, -1) < 0 && errno != EINTR)
			break;
		if (pfd[1].revents != 0)
			break;
		if (pfd[0].revents & POLLIN)
			accept_one(sv);
	}
	/* Replies that are still under way are sent. */
	mutex_enter(&sv->sv_lock);
	hrtime_t deadline = gethrtime() + SEC2NSEC(5);
	while (sv->sv_connections > 0 &&
	    cv_timedwait_hires(&sv->sv_cv, &sv->sv_lock, deadline))
		continue;
	mutex_exit(&sv->sv_lock);
}

void
control_stop(serve_t *sv)
{
	(void)close(sv->sv_listen);
	(void)close(sv->sv_wake[0]);
	(void)close(sv->sv_wake[1]);
}
