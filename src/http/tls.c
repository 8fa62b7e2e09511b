/* tls.c - TLS by OpenSSL between the socket and the connection, over memory.
 *
 * Cipher text that the socket does not take is kept in `wire`; nothing more is
 * encrypted until it is gone.
 */
#include "http/http_int.h"

#include <openssl/err.h>

enum { SLICE = 64 * 1024, PLAIN = 16 * 1024 };

struct http_tls_state {
	SSL *ssl;
	BIO *in, *out;
	struct buf wire;
	uv_write_t write;
	bool writing;
	bool pumping;   /* a request waits for the socket */
};

static const unsigned char alpn_http11[] = "\x08http/1.1";

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in,
		   unsigned inlen, void *arg)
{
	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, outlen, alpn_http11, sizeof(alpn_http11) - 1, in,
				  inlen) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	return SSL_TLSEXT_ERR_OK;
}

static bool load(struct call *c, SSL_CTX *ctx, const struct http_tls *o)
{
	char why[160];
	bool ok = SSL_CTX_use_certificate_chain_file(ctx, o->cert_file) == 1;
	const char *what = ok ? o->key_file : o->cert_file;

	ok = ok && SSL_CTX_use_PrivateKey_file(ctx, o->key_file, SSL_FILETYPE_PEM) == 1 &&
	     SSL_CTX_check_private_key(ctx) == 1;
	if (ok)
		return true;
	ERR_error_string_n(ERR_get_error(), why, sizeof(why));
	ERR_clear_error();
	return fail(c, ERR_INVALID_FIELD, "TLS: %s: %s", what, why);
}

bool http_tls_open(struct call *c, const struct http_tls *o, SSL_CTX **ret)
{
	SSL_CTX *ctx;

	if (!o->cert_file || !o->key_file)
		return fail(c, ERR_INVALID_FIELD, "TLS needs both a certificate and a key.");
	ctx = SSL_CTX_new(TLS_server_method());
	INVARIANT(ctx);
	SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
	if (!load(c, ctx, o)) {
		SSL_CTX_free(ctx);
		return false;
	}
	*ret = ctx;
	return true;
}

struct http_tls_state *http_tls_start(SSL_CTX *ctx)
{
	struct http_tls_state *t = base_zalloc(sizeof(*t));

	t->ssl = SSL_new(ctx);
	t->in = BIO_new(BIO_s_mem());
	t->out = BIO_new(BIO_s_mem());
	INVARIANT(t->ssl && t->in && t->out);
	SSL_set_bio(t->ssl, t->in, t->out);
	SSL_set_accept_state(t->ssl);
	return t;
}

void http_tls_close(struct http_tls_state *t)
{
	if (!t)
		return;
	SSL_free(t->ssl);
	buf_drop(&t->wire);
	free(t);
}

static void on_written(uv_write_t *w, int status);

/* Cipher text to the socket. False: it is full, or the connection was closed. */
static bool flush(struct http_conn *c)
{
	struct http_tls_state *t = c->tls;
	size_t n = BIO_ctrl_pending(t->out);
	uv_buf_t buf;
	int done;

	if (t->writing || c->closing)
		return false;
	if (n == 0)
		return true;
	buf_clear(&t->wire);
	INVARIANT(BIO_read(t->out, buf_room(&t->wire, n), (int)n) == (int)n);
	t->wire.n = n;
	buf = uv_buf_init(t->wire.p, (unsigned)n);
	done = uv_try_write(&c->uv.stream, &buf, 1);
	if (done == (int)n) {
		buf_drop(&t->wire);
		return true;
	}
	if (done > 0) {
		buf.base += done;
		buf.len -= (size_t)done;
	}
	t->write.data = c;
	t->writing = uv_write(&t->write, &c->uv.stream, &buf, 1, on_written) == 0;
	if (!t->writing)
		http_conn_close(c);
	return false;
}

static bool encrypt_slice(struct http_conn *c, struct http_req *r)
{
	uv_buf_t *b = &r->bufs[0];
	size_t n = b->len < SLICE ? b->len : SLICE;

	if (n > 0 && SSL_write(c->tls->ssl, b->base, (int)n) != (int)n) {
		ERR_clear_error();
		http_conn_close(c);
		return false;
	}
	b->base += n;
	b->len -= n;
	if (b->len == 0) {
		r->bufs[0] = r->bufs[1];
		r->bufs[1] = r->bufs[2];
		r->nbufs--;
	}
	return true;
}

bool http_tls_pump(struct http_conn *c)
{
	struct http_req *r = c->req;

	c->tls->pumping = true;
	while (!c->tls->writing) {
		if (r->nbufs == 0) {
			c->tls->pumping = false;
			return true;
		}
		if (!encrypt_slice(c, r))
			return false;
		flush(c);
		if (c->closing)
			return false;
	}
	http_clock_set(c, CLOCK_WRITE);
	return false;
}

static void on_written(uv_write_t *w, int status)
{
	struct http_conn *c = w->data;

	c->tls->writing = false;
	buf_drop(&c->tls->wire);
	if (status < 0 || c->closing) {
		http_conn_close(c);
		return;
	}
	if (flush(c) && c->tls->pumping && http_tls_pump(c))
		c->req->sent(c->req);
}

void http_tls_say(struct http_conn *c, struct str plain)
{
	if (SSL_write(c->tls->ssl, plain.p, (int)plain.n) != (int)plain.n) {
		ERR_clear_error();
		http_conn_close(c);
		return;
	}
	flush(c);
}

void http_tls_goodbye(struct http_conn *c)
{
	if (SSL_is_init_finished(c->tls->ssl))
		SSL_shutdown(c->tls->ssl);
	ERR_clear_error();
	flush(c);
}

/* False: TLS is over, in peace or by an error. */
static bool read_plain(struct http_conn *c)
{
	char plain[PLAIN];
	int n;

	while ((n = SSL_read(c->tls->ssl, plain, sizeof(plain))) > 0) {
		http_conn_bytes(c, str_from(plain, (size_t)n));
		if (c->closing)
			return true;
	}
	return SSL_get_error(c->tls->ssl, n) == SSL_ERROR_WANT_READ;
}

void http_tls_bytes(struct http_conn *c, struct str bytes)
{
	struct http_tls_state *t = c->tls;
	bool greeted = SSL_is_init_finished(t->ssl), ok;

	if (c->lingering)
		return;
	INVARIANT(BIO_write(t->in, bytes.p, (int)bytes.n) == (int)bytes.n);
	ok = read_plain(c);
	ERR_clear_error();
	if (c->closing)
		return;
	flush(c);
	if (!ok)
		http_conn_close(c);
	else if (!greeted && SSL_is_init_finished(t->ssl) && !c->req)
		http_clock_set(c, CLOCK_IDLE);
}
