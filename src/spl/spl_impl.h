/* What the files of the spl room share. */
#ifndef TARN_SPL_IMPL_H
#define TARN_SPL_IMPL_H

/* Make panic ready: afterwards a stack trace needs no allocation. */
void spl_debug_init(void);

#endif
