/*
 * SHA-2 through OpenSSL's libcrypto. Only this file knows about it.
 *
 * The algorithms are fetched once per process (a fetch takes locks and walks the
 * providers). A digest context costs more than hashing a small block, so each
 * thread keeps one, which goes away with the thread.
 *
 * Nothing here may fail half-way: a checksum that is not computed would be written
 * or would condemn a good block. The only causes are memory and a libcrypto without
 * SHA-2; both end the process.
 */
#include <pthread.h>
#include <openssl/evp.h>
#include "codec/checksum_impl.h"
#include "spl/debug.h"

static pthread_once_t crypto_once = PTHREAD_ONCE_INIT;
static pthread_key_t crypto_ctx_key;
static EVP_MD *crypto_sha256, *crypto_sha512_256;

static void
crypto_ctx_free(void *ctx)
{
	EVP_MD_CTX_free(ctx);
}

static void
crypto_setup(void)
{
	crypto_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	crypto_sha512_256 = EVP_MD_fetch(NULL, "SHA512-256", NULL);
	if (crypto_sha256 == NULL || crypto_sha512_256 == NULL)
		panic("libcrypto offers no SHA-256 or no SHA-512/256");
	VERIFY0(pthread_key_create(&crypto_ctx_key, crypto_ctx_free));
}

static EVP_MD_CTX *
crypto_ctx(void)
{
	EVP_MD_CTX *ctx;

	pthread_once(&crypto_once, crypto_setup);
	ctx = pthread_getspecific(crypto_ctx_key);
	if (ctx == NULL) {
		ctx = EVP_MD_CTX_new();
		VERIFY(ctx != NULL);
		VERIFY0(pthread_setspecific(crypto_ctx_key, ctx));
	}
	return (ctx);
}

/* `md` is a pointer to the variable: it is only filled in by crypto_ctx(). */
static void
crypto_digest2(EVP_MD *const *md, const void *a, size_t alen, const void *b,
    size_t blen, uint8_t out[32])
{
	EVP_MD_CTX *const ctx = crypto_ctx();

	VERIFY(EVP_DigestInit_ex(ctx, *md, NULL) == 1 &&
	       EVP_DigestUpdate(ctx, a, alen) == 1 &&
	       EVP_DigestUpdate(ctx, b, blen) == 1 &&
	       EVP_DigestFinal_ex(ctx, out, NULL) == 1);
}

void
sha256_digest2(const void *a, size_t alen, const void *b, size_t blen, uint8_t out[32])
{
	crypto_digest2(&crypto_sha256, a, alen, b, blen, out);
}

void
sha256_digest(const void *data, size_t size, uint8_t out[32])
{
	crypto_digest2(&crypto_sha256, data, size, NULL, 0, out);
}

void
sha512_256_digest(const void *data, size_t size, uint8_t out[32])
{
	crypto_digest2(&crypto_sha512_256, data, size, NULL, 0, out);
}
