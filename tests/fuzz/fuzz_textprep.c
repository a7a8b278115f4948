/*
 * Text preparation of names: any bytes, any flags, any room. Input: flags, room, name.
 */
#include <stdlib.h>
#include "codec/unicode.h"
#include "spl/debug.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 2 || size > 4096)
		return (0);
	const int flags = data[0];
	const size_t room = (size_t)data[1] * 16;
	const char *const name = (const char *)data + 2;
	char *const out = malloc(room + 1);
	size_t len = room;

	VERIFY(out != NULL);
	out[room] = 0x5a;
	const int valid = u8_validate(name, size - 2);
	const int error = u8_textprep(name, size - 2, flags, out, &len);
	VERIFY(out[room] == 0x5a);
	VERIFY(error == 0 || error == E2BIG || error == EILSEQ);
	VERIFY(error == 0 ? len <= room : len == room);
	/* UTF-8 in, UTF-8 out. */
	if (error == 0 && valid == 0)
		VERIFY0(u8_validate(out, len));
	if (valid == 0)
		VERIFY(error != EILSEQ);
	free(out);
	return (0);
}
