/*
 * Lists as text, the way zdb shows configurations.
 */
#include "nvpair/nvpair_impl.h"

#include <stdio.h>

#define STEP 4 /* spaces per level */

static void
print_number(FILE *fp, const nvpair_t *nvp, const nv_type_t *t, const void *p)
{
	const uint64_t v = nv_load(p, t->nt_width, t->nt_signed);
	double d;

	if (nvp->nvp_type == DATA_TYPE_DOUBLE) {
		memcpy(&d, p, sizeof(d));
		fprintf(fp, "%f", d);
	} else if (t->nt_bool) {
		fputs(v ? "true" : "false", fp);
	} else if (t->nt_signed) {
		fprintf(fp, "%" PRId64, (int64_t)v);
	} else {
		fprintf(fp, "%" PRIu64, v);
	}
}

static void
print_element(FILE *fp, const nvpair_t *nvp, const nv_type_t *t, uint32_t i, int indent)
{
	const union nv_value *v = &nvp->nvp_value;

	switch (t->nt_class) {
	case NV_LIST_ARRAY:
		fputc('\n', fp);
		nvlist_print_zdb(fp, v->v_lists[i], indent + STEP);
		return;
	case NV_STRING_ARRAY:
		fprintf(fp, " '%s'\n", v->v_strings[i]);
		return;
	default:
		fputc(' ', fp);
		print_number(fp, nvp, t, (const uint8_t *)v->v_array + i * t->nt_width);
		fputc('\n', fp);
		return;
	}
}

static void
print_pair(FILE *fp, const nvpair_t *nvp, int indent)
{
	const nv_type_t *t = nv_type_of(nvp->nvp_type);
	const union nv_value *v = &nvp->nvp_value;

	switch (t->nt_class) {
	case NV_PRESENCE:
		fprintf(fp, "%*s%s\n", indent, "", nvp->nvp_name);
		return;
	case NV_STRING:
		fprintf(fp, "%*s%s: '%s'\n", indent, "", nvp->nvp_name, v->v_string);
		return;
	case NV_SCALAR:
		fprintf(fp, "%*s%s: ", indent, "", nvp->nvp_name);
		print_number(fp, nvp, t, v->v_scalar);
		fputc('\n', fp);
		return;
	case NV_LIST:
		fprintf(fp, "%*s%s:\n", indent, "", nvp->nvp_name);
		nvlist_print_zdb(fp, v->v_list, indent + STEP);
		return;
	default:
		for (uint32_t i = 0; i < nvp->nvp_nelem; i++) {
			fprintf(fp, "%*s%s[%u]:", indent, "", nvp->nvp_name, i);
			print_element(fp, nvp, t, i, indent);
		}
		return;
	}
}

void
nvlist_print_zdb(FILE *fp, const nvlist_t *nvl, int indent)
{
	for (const nvpair_t *nvp = nvl->nvl_first; nvp != NULL; nvp = nvp->nvp_next)
		print_pair(fp, nvp, indent);
}
