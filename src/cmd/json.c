/* See json.h. */
#include "cmd/json.h"

json_t *
json_begin(const char *command)
{
	json_t *root = json_object(), *version = json_object();

	(void)json_object_set_new(version, "command", json_string(command));
	(void)json_object_set_new(version, "vers_major", json_integer(0));
	(void)json_object_set_new(version, "vers_minor", json_integer(1));
	(void)json_object_set_new(root, "output_version", version);
	return (root);
}

/*
 * jansson's integers end at 2^63, guids do not: larger numbers travel as strings between two
 * control characters, which are cut out of the finished text.
 */
#define BIG "\\u0001"

void
json_end(json_t *root)
{
	char *text = json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER);
	char *p = text;

	for (char *big; p != NULL && (big = strstr(p, "\"" BIG)) != NULL;) {
		char *number = big + strlen("\"" BIG), *end = strstr(number, BIG "\"");
		if (end == NULL)
			break;
		(void)printf("%.*s%.*s", (int)(big - p), p, (int)(end - number), number);
		p = end + strlen(BIG "\"");
	}
	(void)printf("%s\n", p != NULL ? p : "");
	free(text);
	json_decref(root);
}

json_t *
json_u64(uint64_t v, bool as_int)
{
	char buf[32];

	if (as_int && v <= INT64_MAX)
		return (json_integer((json_int_t)v));
	(void)snprintf(buf, sizeof (buf), as_int ? "\001%" PRIu64 "\001" : "%" PRIu64, v);
	return (json_string(buf));
}

json_t *
json_property(json_t *value, const char *source_type, const char *source_data)
{
	json_t *prop = json_object(), *source = json_object();

	(void)json_object_set_new(prop, "value", value);
	(void)json_object_set_new(source, "type", json_string(source_type));
	(void)json_object_set_new(source, "data", json_string(source_data));
	(void)json_object_set_new(prop, "source", source);
	return (prop);
}
