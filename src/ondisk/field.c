/*
 * What follows from a field table: decode, encode, swap, print. See field.h.
 */
#include "ondisk/field.h"

#include <stdio.h>
#include <time.h>

/* ---- numbers at any address ---- */

uint16_t
ondisk_get16(const void *p, bool swap)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return (swap ? BSWAP_16(v) : v);
}

uint32_t
ondisk_get32(const void *p, bool swap)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return (swap ? BSWAP_32(v) : v);
}

uint64_t
ondisk_get64(const void *p, bool swap)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return (swap ? BSWAP_64(v) : v);
}

uint64_t
ondisk_get64_be(const void *p)
{
	return (ondisk_get64(p, ZFS_HOST_BYTEORDER == 1));
}

uint64_t
ondisk_get64_le(const void *p)
{
	return (ondisk_get64(p, ZFS_HOST_BYTEORDER == 0));
}

void
ondisk_put64_be(void *p, uint64_t v)
{
	const uint64_t w = (ZFS_HOST_BYTEORDER == 1 ? BSWAP_64(v) : v);

	memcpy(p, &w, sizeof(w));
}

void
ondisk_put64_le(void *p, uint64_t v)
{
	const uint64_t w = (ZFS_HOST_BYTEORDER == 0 ? BSWAP_64(v) : v);

	memcpy(p, &w, sizeof(w));
}

/* ---- swapping ---- */

void
ondisk_byteswap_u16(void *buf, size_t size)
{
	uint8_t *p = buf;

	for (size_t i = 0; i + 2 <= size; i += 2) {
		const uint16_t v = ondisk_get16(p + i, true);
		memcpy(p + i, &v, sizeof(v));
	}
}

void
ondisk_byteswap_u32(void *buf, size_t size)
{
	uint8_t *p = buf;

	for (size_t i = 0; i + 4 <= size; i += 4) {
		const uint32_t v = ondisk_get32(p + i, true);
		memcpy(p + i, &v, sizeof(v));
	}
}

void
ondisk_byteswap_u64(void *buf, size_t size)
{
	uint8_t *p = buf;

	for (size_t i = 0; i + 8 <= size; i += 8) {
		const uint64_t v = ondisk_get64(p + i, true);
		memcpy(p + i, &v, sizeof(v));
	}
}

void
ondisk_byteswap(const ondisk_table_t *t, void *buf)
{
	for (uint32_t i = 0; i < t->ot_nfields; i++) {
		const ondisk_field_t *f = &t->ot_fields[i];
		uint8_t *p = (uint8_t *)buf + f->of_offset;
		const size_t bytes = (size_t)f->of_width * f->of_count;

		if (f->of_kind == OD_STRUCT) {
			for (uint32_t k = 0; k < f->of_count; k++)
				ondisk_byteswap(f->of_sub, p + (size_t)k * f->of_width);
		} else if (f->of_width == 8) {
			ondisk_byteswap_u64(p, bytes);
		} else if (f->of_width == 4) {
			ondisk_byteswap_u32(p, bytes);
		} else if (f->of_width == 2) {
			ondisk_byteswap_u16(p, bytes);
		}
	}
}

/* ---- bytes to structure and back ---- */

int
ondisk_decode(
    const ondisk_table_t *t, const void *src, size_t len, bool swap, void *dst)
{
	return (ondisk_decode_short(t, src, len, t->ot_size, swap, dst));
}

int
ondisk_decode_short(const ondisk_table_t *t, const void *src, size_t len, size_t minlen,
    bool swap, void *dst)
{
	if (len < minlen)
		return (EINVAL);
	if (len > t->ot_size)
		len = t->ot_size;
	if (len != 0)
		memcpy(dst, src, len);
	memset((uint8_t *)dst + len, 0, t->ot_size - len);
	if (swap)
		ondisk_byteswap(t, dst);
	return (0);
}

int
ondisk_encode(
    const ondisk_table_t *t, const void *host, void *dst, size_t len, bool swap)
{
	if (len < t->ot_size)
		return (EINVAL);
	memcpy(dst, host, t->ot_size);
	if (swap)
		ondisk_byteswap(t, dst);
	return (0);
}

/* ---- printing ---- */

static uint64_t
field_number(const uint8_t *p, uint32_t width)
{
	switch (width) {
	case 1:
		return (*p);
	case 2:
		return (ondisk_get16(p, false));
	case 4:
		return (ondisk_get32(p, false));
	default:
		return (ondisk_get64(p, false));
	}
}

/* Members carry the prefix of their structure ("ub_txg"); zdb prints without. */
static const char *
field_label(const ondisk_field_t *f)
{
	const char *underscore = strchr(f->of_name, '_');

	return (
	    underscore != NULL && underscore[1] != '\0' ? underscore + 1 : f->of_name);
}

static void
print_number(FILE *fp, const ondisk_field_t *f, const uint8_t *p)
{
	const uint64_t v = field_number(p, f->of_width);
	char when[64];
	time_t t;
	struct tm tm;

	switch (f->of_kind) {
	case OD_HEX:
		fprintf(fp, "0x%" PRIx64, v);
		break;
	case OD_SDEC:
		fprintf(fp, "%" PRId64, (int64_t)v);
		break;
	case OD_TIME:
		fprintf(fp, "%" PRIu64, v);
		t = (time_t)v;
		if (localtime_r(&t, &tm) != NULL &&
		    strftime(when, sizeof(when), "%a %b %e %H:%M:%S %Y", &tm) != 0)
			fprintf(fp, " (%s)", when);
		break;
	default:
		fprintf(fp, "%" PRIu64, v);
		break;
	}
}

static void
print_bytes(FILE *fp, const ondisk_field_t *f, const uint8_t *p)
{
	const size_t n = (size_t)f->of_width * f->of_count;

	if (f->of_kind == OD_STRING) {
		fprintf(fp, "%.*s", (int)strnlen((const char *)p, n), (const char *)p);
		return;
	}
	for (size_t i = 0; i < n; i++)
		fprintf(fp, "%02x", p[i]);
}

static void
print_indent(FILE *fp, int indent)
{
	while (indent-- > 0)
		fputc('\t', fp);
}

static void
print_struct(
    FILE *fp, const ondisk_field_t *f, const uint8_t *p, uint32_t k, int indent)
{
	char line[512];

	print_indent(fp, indent);
	fputs(field_label(f), fp);
	if (f->of_count > 1)
		fprintf(fp, "[%u]", k);
	if (f->of_sub->ot_print != NULL) {
		(void)f->of_sub->ot_print(line, sizeof(line), p);
		fprintf(fp, " = %s\n", line);
		return;
	}
	fputs(":\n", fp);
	ondisk_print(fp, f->of_sub, p, indent + 1);
}

void
ondisk_print(FILE *fp, const ondisk_table_t *t, const void *host, int indent)
{
	for (uint32_t i = 0; i < t->ot_nfields; i++) {
		const ondisk_field_t *f = &t->ot_fields[i];
		const uint8_t *p = (const uint8_t *)host + f->of_offset;

		if (f->of_kind == OD_PAD)
			continue;
		if (f->of_kind == OD_STRUCT) {
			for (uint32_t k = 0; k < f->of_count; k++)
				print_struct(
				    fp, f, p + (size_t)k * f->of_width, k, indent);
			continue;
		}
		print_indent(fp, indent);
		fprintf(fp, "%s = ", field_label(f));
		if (f->of_kind == OD_BYTES || f->of_kind == OD_STRING) {
			print_bytes(fp, f, p);
		} else {
			for (uint32_t k = 0; k < f->of_count; k++) {
				if (k != 0)
					fputc(' ', fp);
				print_number(fp, f, p + (size_t)k * f->of_width);
			}
		}
		fputc('\n', fp);
	}
}

const char *
ondisk_table_check(const ondisk_table_t *t)
{
	uint64_t next = 0;

	for (uint32_t i = 0; i < t->ot_nfields; i++) {
		const ondisk_field_t *f = &t->ot_fields[i];

		if (f->of_offset != next || f->of_count == 0)
			return (f->of_name);
		if (f->of_kind == OD_STRUCT) {
			if (f->of_sub == NULL || f->of_sub->ot_size != f->of_width)
				return (f->of_name);
		} else if (f->of_width != 1 && f->of_width != 2 && f->of_width != 4 &&
			   f->of_width != 8) {
			return (f->of_name);
		}
		next += (uint64_t)f->of_width * f->of_count;
	}
	return (next == t->ot_size ? NULL : "(end)");
}
