/* http_rig_tls.h - for the tests of http/ that need a folder or TLS. */
#ifndef MAYFLY_TEST_HTTP_RIG_TLS_H
#define MAYFLY_TEST_HTTP_RIG_TLS_H

#include "folder.h"
#include "http_rig.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>

static char scratch[FOLDER_PATH_MAX];

UNUSED static const char *scratch_file(const char *name)
{
	static char path[100];

	snprintf(path, sizeof(path), "%s/%s", scratch, name);
	return path;
}

UNUSED static int make_scratch(void **state)
{
	folder_make(scratch);
	return make(state);
}

UNUSED static int close_scratch(void **state)
{
	close_server(state);
	unlink(scratch_file("cert.pem"));
	unlink(scratch_file("key.pem"));
	return rmdir(scratch); /* so every socket is unlinked */
}

UNUSED static void write_pem(EVP_PKEY *key, X509 *cert)
{
	FILE *f = fopen(scratch_file("cert.pem"), "w");

	PEM_write_X509(f, cert);
	fclose(f);
	f = fopen(scratch_file("key.pem"), "w");
	PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	fclose(f);
}

UNUSED static void make_certificate(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -60);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1,
				   -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	assert_int_not_equal(X509_sign(cert, key, EVP_sha256()), 0);
	write_pem(key, cert);
	X509_free(cert);
	EVP_PKEY_free(key);
}

UNUSED static void start_tls(void)
{
	struct http_options o = options();
	char cert[128];

	make_certificate();
	snprintf(cert, sizeof(cert), "%s", scratch_file("cert.pem"));
	o.tls = (struct http_tls){cert, scratch_file("key.pem")};
	start(&o, "127.0.0.1:0");
}

UNUSED static SSL *tls_dial(SSL_CTX *ctx, int fd)
{
	SSL *ssl = SSL_new(ctx);

	SSL_set_fd(ssl, fd);
	SSL_set_alpn_protos(ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12);
	assert_int_equal(SSL_connect(ssl), 1);
	return ssl;
}

#define SCRATCH_TEST(name) cmocka_unit_test_setup_teardown(name, make_scratch, close_scratch)

#endif
