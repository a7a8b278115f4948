/* What zpool's JSON outputs have in common. */
#include "cmd/zpool.h"

json_t *
zpool_json_pool(const nvlist_t *status, bool type, bool as_int)
{
	json_t *pool = json_object();

	(void)json_object_set_new(pool, "name", json_string(cmd_str(status, "name")));
	if (type)
		(void)json_object_set_new(pool, "type", json_string("POOL"));
	(void)json_object_set_new(pool, "state", json_string(zpool_health(status)));
	(void)json_object_set_new(
	    pool, "pool_guid", json_u64(cmd_u64(status, "pool_guid"), as_int));
	(void)json_object_set_new(pool, "txg", json_u64(cmd_u64(status, "txg"), as_int));
	(void)json_object_set_new(
	    pool, "spa_version", json_u64(cmd_u64(status, "version"), as_int));
	(void)json_object_set_new(pool, "zpl_version", json_u64(5, as_int));
	return (pool);
}

const char *
zpool_json_source(const char *source)
{
	return (strcmp(source, "default") == 0 ? "DEFAULT" :
		strcmp(source, "local") == 0   ? "LOCAL" :
						 "NONE");
}

json_t *
zpool_json_props(const nvlist_t *status, zprop_wants_t *zws, bool literal, bool as_int)
{
	json_t *props = json_object();
	char buf[8192], *end;
	const char *source;

	for (zprop_want_t *zw = list_head(&zws->zws_list); zw != NULL;
	     zw = list_next(&zws->zws_list, zw)) {
		if (strcmp(zw->zw_name, "name") == 0)
			continue;
		zpool_prop_value(status, zw, literal, buf, sizeof (buf), &source);
		uint64_t num = strtoull(buf, &end, 10);
		bool number = as_int && end != buf && *end == '\0' && buf[0] != '-';
		(void)json_object_set_new(props, zw->zw_name,
		    json_property(number ? json_u64(num, true) : json_string(buf),
			zpool_json_source(source), "-"));
	}
	return (props);
}
