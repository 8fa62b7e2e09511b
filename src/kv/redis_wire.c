/* redis_wire.c - bytes between a socket and a connection's buffers, plain or through OpenSSL.
 *
 * Nothing here waits. Plain bytes are written by any thread that holds the
 * connection's lock; an SSL is the loop's alone. Not here: when to read and write.
 */
#include "kv/redis_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <unistd.h>

enum { TLS_SLICE = 64 * 1024 };

static enum wire_outcome of_errno(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK ? WIRE_FULL : WIRE_BROKEN;
}

static enum wire_outcome of_ssl(struct redis_conn *k, int rc)
{
	switch (SSL_get_error(k->ssl, rc)) {
	case SSL_ERROR_WANT_READ:
		return WIRE_FULL;
	case SSL_ERROR_WANT_WRITE:
		k->wants_write = true;
		return WIRE_FULL;
	case SSL_ERROR_ZERO_RETURN:
		return WIRE_ENDED;
	default:
		return WIRE_BROKEN;
	}
}

enum wire_outcome redis_wire_read(struct redis_conn *k, char *to, size_t room, size_t *ret_n)
{
	ssize_t n;

	if (k->ssl) {
		ERR_clear_error();
		errno = 0;
		n = SSL_read(k->ssl, to, (int)room);
		if (n <= 0)
			return of_ssl(k, (int)n);
	} else {
		do
			n = recv(k->fd, to, room, 0);
		while (n < 0 && errno == EINTR);
		if (n <= 0)
			return n == 0 ? WIRE_ENDED : of_errno();
	}
	*ret_n = (size_t)n;
	return WIRE_SOME;
}

enum wire_outcome redis_wire_write(struct redis_conn *k, struct str bytes, size_t *ret_n)
{
	ssize_t n;

	if (k->ssl) {
		ERR_clear_error();
		errno = 0;
		n = SSL_write(k->ssl, bytes.p, bytes.n < TLS_SLICE ? (int)bytes.n : TLS_SLICE);
		if (n <= 0)
			return of_ssl(k, (int)n);
	} else {
		do
			n = send(k->fd, bytes.p, bytes.n, MSG_NOSIGNAL);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return of_errno();
	}
	*ret_n = (size_t)n;
	return WIRE_SOME;
}

bool redis_wire_refused(const struct redis_conn *k)
{
	unsigned long e = ERR_peek_last_error();

	if (SSL_get_verify_result(k->ssl) != X509_V_OK)
		return true;
	return ERR_GET_LIB(e) == ERR_LIB_SSL && ERR_GET_REASON(e) == SSL_R_WRONG_VERSION_NUMBER;
}

const char *redis_wire_why(struct redis_conn *k, char to[REDIS_WHY_MAX])
{
	unsigned long e = k->ssl ? ERR_peek_last_error() : 0;
	long verified = k->ssl ? SSL_get_verify_result(k->ssl) : X509_V_OK;

	if (verified != X509_V_OK)
		snprintf(to, REDIS_WHY_MAX, "its certificate is not accepted: %s", X509_verify_cert_error_string(verified));
	else if (e)
		snprintf(to, REDIS_WHY_MAX, "TLS failed: %s", ERR_reason_error_string(e) ? ERR_reason_error_string(e) : "unknown reason");
	else if (errno == 0)
		snprintf(to, REDIS_WHY_MAX, "it closed the connection");
	else
		snprintf(to, REDIS_WHY_MAX, "%s", strerror(errno));
	ERR_clear_error();
	return to;
}

/* --- TLS --- */
bool redis_wire_tls_open(struct call *c, struct redis *r)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	const char *ca = arena_cstr(c->arena, r->o.ca_file);
	bool ok;

	INVARIANT(ctx);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	ok = r->o.ca_file.n ? SSL_CTX_load_verify_locations(ctx, ca, NULL) == 1 : SSL_CTX_set_default_verify_paths(ctx) == 1;
	ERR_clear_error();
	if (!ok) {
		SSL_CTX_free(ctx);
		return fail(c, ERR_INVALID_FIELD, "no certificates of authorities can be read from %s", *ca ? ca : "the system");
	}
	r->tls = ctx;
	return true;
}

/* The name that the URL has must be in the certificate: an address as an address. */
bool redis_wire_tls_start(struct redis_conn *k)
{
	const char *host = k->r->url.host.p;
	unsigned char address[sizeof(struct in6_addr)];
	bool numeric = inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
	bool ok;

	k->ssl = SSL_new(k->r->tls);
	INVARIANT(k->ssl);
	ok = SSL_set_fd(k->ssl, k->fd) == 1;
	if (numeric)
		ok = ok && X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(k->ssl), host) == 1;
	else
		ok = ok && SSL_set1_host(k->ssl, host) == 1 && SSL_set_tlsext_host_name(k->ssl, host) == 1;
	SSL_set_connect_state(k->ssl);
	return ok;
}

enum wire_outcome redis_wire_tls_handshake(struct redis_conn *k)
{
	int rc;

	ERR_clear_error();
	k->wants_write = false;
	errno = 0;
	rc = SSL_do_handshake(k->ssl);
	return rc == 1 ? WIRE_SOME : of_ssl(k, rc);
}

void redis_wire_close(struct redis_conn *k)
{
	if (k->ssl && SSL_is_init_finished(k->ssl))
		SSL_shutdown(k->ssl);
	ERR_clear_error();
	SSL_free(k->ssl);
	k->ssl = NULL;
	if (k->fd >= 0)
		close(k->fd);
	k->fd = -1;
}
