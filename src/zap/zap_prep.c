#include "zap/zap_prep.h"
#include "codec/unicode.h"

int
zap_prep(const char *name, size_t len, uint32_t flags, char *out, size_t size,
    size_t *outlen)
{
	size_t room = size - 1;
	const int err = u8_textprep(name, len, (int)flags, out, &room);
	if (err != 0)
		return (ENOTSUP);
	out[room] = '\0';
	*outlen = room;
	return (0);
}
