/*
 * Text preparation as the ZAP needs it (format/04 §3.4): the only door to Unicode here.
 */
#ifndef TARN_ZAP_PREP_H
#define TARN_ZAP_PREP_H

#include "spl/types.h"

/*
 * Prepare len bytes of name into out (size bytes; the result plus NUL must fit).
 * ENOTSUP: it does not fit or is not text.
 */
int zap_prep(const char *name, size_t len, uint32_t flags, char *out, size_t size,
    size_t *outlen);

#endif
