/*
 * Output as JSON (-j), through jansson: objects keep the order in which members were added,
 * and everything stands on one line.
 */
#ifndef TARN_CMD_JSON_H
#define TARN_CMD_JSON_H

#include <jansson.h>
#include "cmd/cmd.h"

/* { "output_version": { "command": …, "vers_major": 0, "vers_minor": 1 } } */
json_t *json_begin(const char *command);
/* Print and free. */
void json_end(json_t *root);
/* A number: as JSON integer if asked (--json-int), else as text. */
json_t *json_u64(uint64_t v, bool as_int);
/* { "value": v, "source": { "type": …, "data": … } } */
json_t *json_property(json_t *value, const char *source_type, const char *source_data);

#endif
