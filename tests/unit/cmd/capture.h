/* What a function prints: both streams into files, read back as strings. */
#ifndef TARN_TEST_CMD_CAPTURE_H
#define TARN_TEST_CMD_CAPTURE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct capture {
	int saved[2];
	FILE *file[2];
	char text[2][65536]; /* [0] stdout, [1] stderr */
} capture_t;

static inline void
capture_begin(capture_t *c)
{
	for (int i = 0; i < 2; i++) {
		(void)fflush(i == 0 ? stdout : stderr);
		c->saved[i] = dup(i + 1);
		c->file[i] = tmpfile();
		(void)dup2(fileno(c->file[i]), i + 1);
	}
}

static inline void
capture_end(capture_t *c)
{
	for (int i = 0; i < 2; i++) {
		(void)fflush(i == 0 ? stdout : stderr);
		(void)dup2(c->saved[i], i + 1);
		(void)close(c->saved[i]);
		rewind(c->file[i]);
		size_t n = fread(c->text[i], 1, sizeof (c->text[i]) - 1, c->file[i]);
		c->text[i][n] = '\0';
		(void)fclose(c->file[i]);
	}
}

#endif
