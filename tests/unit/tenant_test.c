/* tenant_test.c - who gets in, and everybody who must not. */
#include "tenant/tenant.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "folder.h"
#include "test.h"

/* --- a call, a folder, keys --- */
struct bench {
	struct arena arena;
	struct call c;
	char dir[FOLDER_PATH_MAX];
	struct tenants *t;
	EVP_PKEY *rsa, *ec, *other_rsa;
};

static const char SECRET[] = "0123456789abcdef0123456789abcdef"; /* 32 bytes */

static int open_bench(void **state)
{
	struct bench *b = base_zalloc(sizeof(*b));

	call_open(&b->c, &b->arena);
	folder_make(b->dir);
	*state = b;
	return 0;
}

static int close_bench(void **state)
{
	struct bench *b = *state;

	tenant_close(b->t);
	folder_remove(b->dir);
	EVP_PKEY_free(b->rsa);
	EVP_PKEY_free(b->other_rsa);
	EVP_PKEY_free(b->ec);
	arena_close(&b->arena);
	free(b);
	return 0;
}

static void start(struct bench *b, struct tenant_options o)
{
	o.data_dir = str_of(b->dir);
	b->t = tenant_open(&b->c, &o);
	if (!b->t)
		print_error("%s\n", b->c.err.text);
	assert_non_null(b->t);
}

static void accepted(struct bench *b, struct tenant_claim_in in, const char *tenant, const char *principal,
		     enum call_role role)
{
	if (!tenant_identify(&b->c, b->t, &in)) {
		print_error("%s\n", b->c.err.text);
		assert_true(false);
	}
	assert_str_equal(b->c.tenant, tenant);
	assert_str_equal(b->c.principal, principal);
	assert_int_equal(b->c.role, role);
	b->c.tenant = b->c.principal = (struct str){0};
}

static void refused(struct bench *b, struct tenant_claim_in in, enum err_kind kind, const char *native, const char *words)
{
	assert_false(tenant_identify(&b->c, b->t, &in));
	assert_int_equal(b->c.err.kind, kind);
	assert_string_equal(b->c.err.native, native);
	if (!strstr(b->c.err.text, words))
		print_error("%s\n", b->c.err.text);
	assert_non_null(strstr(b->c.err.text, words));
	assert_int_equal(b->c.tenant.n, 0);
	call_forgive(&b->c);
}

/* --- mode none --- */
static struct tenant_claim_in local(const char *host, const char *origin, const char *tenant)
{
	return (struct tenant_claim_in){.host = str_of(host), .origin = str_of(origin), .tenant = str_of(tenant)};
}

static void names_have_their_alphabet(void **state)
{
	char longest[TENANT_NAME_MAX + 1];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	assert_true(tenant_name_valid(S("a")) && tenant_name_valid(S("0-_z")));
	assert_true(tenant_name_valid(str_from(longest, TENANT_NAME_MAX)));
	assert_false(tenant_name_valid(str_from(longest, TENANT_NAME_MAX + 1)));
	assert_false(tenant_name_valid(S("")) || tenant_name_valid(S("-a")) || tenant_name_valid(S("_a")));
	assert_false(tenant_name_valid(S("A")) || tenant_name_valid(S("a.b")) || tenant_name_valid(S("a/b")));
	assert_false(tenant_name_valid(S("a\0b")) || tenant_name_valid(S("\xC3\xA4")));
}

static void a_local_client_names_its_tenant_or_gets_the_default(void **state)
{
	struct bench *b = *state;

	start(b, (struct tenant_options){.mode = TENANT_NONE});
	accepted(b, local("127.0.0.1:8484", NULL, NULL), "default", "", ROLE_ADMIN);
	accepted(b, local("localhost", NULL, "acme"), "acme", "", ROLE_ADMIN);
	accepted(b, local(NULL, NULL, "acme"), "acme", "", ROLE_ADMIN);
	refused(b, local("localhost", NULL, "Acme"), ERR_INVALID_TENANT, "", "X-Mayfly-Tenant");
	refused(b, local("localhost", NULL, ""), ERR_INVALID_TENANT, "", "X-Mayfly-Tenant");
}

static void a_tenant_can_be_required(void **state)
{
	struct bench *b = *state;

	start(b, (struct tenant_options){.mode = TENANT_NONE, .require_tenant = true});
	refused(b, local("localhost", NULL, NULL), ERR_NO_TENANT_BINDING, "", "required");
	accepted(b, local("localhost", NULL, "acme"), "acme", "", ROLE_ADMIN);
}

static void strange_hosts_are_forbidden(void **state)
{
	static const char *const strange[] = {"evil.example", "localhost.evil.example", "127.0.0.1.evil.example", "10.0.0.1",
	                                      "", ":80", "localhost:80x", "[::1", "[::2]", "localhost@evil", "0.0.0.0"};
	static const char *const good[] = {"LOCALHOST:1", "127.9.9.9", "[::1]:8484", "[::1]", "db.internal:8484", "DB.internal"};
	struct str names[] = {S("db.internal")};
	struct bench *b = *state;

	start(b, (struct tenant_options){.mode = TENANT_NONE, .hosts = {names, 1}});
	for (size_t i = 0; i < COUNT_OF(strange); i++)
		refused(b, local(strange[i], NULL, NULL), ERR_FORBIDDEN, "", "Host");
	for (size_t i = 0; i < COUNT_OF(good); i++)
		accepted(b, local(good[i], NULL, NULL), "default", "", ROLE_ADMIN);
}

static void foreign_origins_are_forbidden(void **state)
{
	static const char *const foreign[] = {"https://evil.example", "null", "", "http://localhost:80@evil.example",
	                                      "http://localhost.evil.example", "http://", "http://10.0.0.1:8484"};
	struct str names[] = {S("db.internal")};
	struct bench *b = *state;

	start(b, (struct tenant_options){.mode = TENANT_NONE, .hosts = {names, 1}});
	for (size_t i = 0; i < COUNT_OF(foreign); i++)
		refused(b, local("127.0.0.1:8484", foreign[i], NULL), ERR_FORBIDDEN, "", "Origin");
	refused(b, local("127.0.0.1:8484", "http://db.internal", NULL), ERR_FORBIDDEN, "", "Origin");
	accepted(b, local("127.0.0.1:8484", "http://localhost:3000", NULL), "default", "", ROLE_ADMIN);
	accepted(b, local("127.0.0.1:8484", "http://[::1]:8484", NULL), "default", "", ROLE_ADMIN);
	accepted(b, local("db.internal:8484", "https://DB.internal", NULL), "default", "", ROLE_ADMIN);
}

/* --- mode token --- */
static struct tenant_claim_in with_token(struct bench *b, struct str token)
{
	return (struct tenant_claim_in){.authorization = arena_fmt(&b->arena, "Bearer %.*s", SARG(token)),
	                                .host = S("evil.example"),
	                                .tenant = S("somebody-else")};
}

static struct str create(struct bench *b, struct tenant_token want, struct str *ret_id)
{
	struct str text;

	assert_true(tenant_token_create(&b->c, str_of(b->dir), &want, ret_id, &text));
	return text;
}

static void a_token_is_made_used_and_revoked(void **state)
{
	struct bench *b = *state;
	struct str id, later_id, text, later;

	text = create(b, (struct tenant_token){.tenant = S("acme"), .principal = S("ada"), .role = ROLE_ADMIN}, &id);
	assert_int_equal(text.n, 47);
	assert_true(str_starts(text, S("mft_")));
	start(b, (struct tenant_options){.mode = TENANT_TOKEN});
	accepted(b, with_token(b, text), "acme", "ada", ROLE_ADMIN);

	later = create(b, (struct tenant_token){.tenant = S("beta")}, &later_id);
	refused(b, with_token(b, later), ERR_UNAUTHENTICATED, "390303", "not known"); /* the second is not over */
	clock_advance(1000);
	accepted(b, with_token(b, later), "beta", arena_cstr(&b->arena, later_id), ROLE_USER);

	assert_true(tenant_token_revoke(&b->c, str_of(b->dir), id));
	clock_advance(1000);
	refused(b, with_token(b, text), ERR_UNAUTHENTICATED, "390303", "revoked");
	accepted(b, with_token(b, later), "beta", arena_cstr(&b->arena, later_id), ROLE_USER);
	assert_false(tenant_token_revoke(&b->c, str_of(b->dir), S("nobody")));
	assert_int_equal(b->c.err.kind, ERR_NOT_FOUND);
}

static void a_token_ends_with_its_time(void **state)
{
	struct bench *b = *state;
	struct tenant_claim_in in;
	struct str id, text;

	text = create(b, (struct tenant_token){.tenant = S("acme"), .expires_ms = clock_wall_ms() + 10000}, &id);
	start(b, (struct tenant_options){.mode = TENANT_TOKEN});
	accepted(b, with_token(b, text), "acme", arena_cstr(&b->arena, id), ROLE_USER);
	clock_advance(10000);
	refused(b, with_token(b, text), ERR_UNAUTHENTICATED, "390318", "expired");
	in = with_token(b, text);
	in.token_type = S("PROGRAMMATIC_ACCESS_TOKEN");
	refused(b, in, ERR_UNAUTHENTICATED, "394400", "expired");
}

static void what_is_no_token_gets_the_code_of_its_kind(void **state)
{
	struct bench *b = *state;
	struct tenant_claim_in in = {0};
	char *big = arena_zalloc(&b->arena, TENANT_TOKEN_MAX + 2);

	start(b, (struct tenant_options){.mode = TENANT_TOKEN});
	refused(b, in, ERR_UNAUTHENTICATED, "390146", "required");
	in.authorization = S("Basic abc");
	refused(b, in, ERR_UNAUTHENTICATED, "390146", "required");
	in.authorization = S("Bearer  ");
	refused(b, in, ERR_UNAUTHENTICATED, "390146", "required");
	in = with_token(b, S("eyJhbGciOiJub25lIn0.e30."));
	refused(b, in, ERR_UNAUTHENTICATED, "390144", "not known");
	in.token_type = S("OAUTH");
	refused(b, in, ERR_UNAUTHENTICATED, "390303", "not known");
	in.token_type = S("PROGRAMMATIC_ACCESS_TOKEN");
	refused(b, in, ERR_UNAUTHENTICATED, "394400", "not known");
	in = with_token(b, S("WIF.AWS.abc"));
	refused(b, in, ERR_UNAUTHENTICATED, "390100", "workload identity");
	memset(big, 'x', TENANT_TOKEN_MAX + 1);
	refused(b, with_token(b, str_of(big)), ERR_UNAUTHENTICATED, "390303", "too long");
}

static void the_token_file_holds_no_token_and_is_private(void **state)
{
	struct bench *b = *state;
	struct str id, text = create(b, (struct tenant_token){.tenant = S("acme")}, &id);
	char path[128], content[1024] = {0};
	struct tenant_token *v;
	struct stat st;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tokens", b->dir);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	f = fopen(path, "r");
	assert_non_null(f);
	assert_true(fread(content, 1, sizeof(content) - 1, f) > 0);
	fclose(f);
	assert_null(strstr(content, arena_cstr(&b->arena, str_tail(text, 4))));
	assert_true(tenant_token_list(&b->c, str_of(b->dir), &v, &n));
	assert_int_equal(n, 1);
	assert_true(str_eq(v[0].id, id) && !v[0].revoked && v[0].expires_ms == 0);
}

static void write_file(struct bench *b, const char *name, const char *text)
{
	char path[128];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", b->dir, name);
	f = fopen(path, "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static void a_damaged_token_file_lets_nobody_in(void **state)
{
	struct bench *b = *state;
	struct tenant_options o = {.mode = TENANT_TOKEN, .data_dir = str_of(b->dir)};
	struct str id, text = create(b, (struct tenant_token){.tenant = S("acme")}, &id);

	start(b, o);
	write_file(b, "tokens", "{\"id\":\"x\"}\n");
	clock_advance(1000);
	refused(b, with_token(b, text), ERR_UNAVAILABLE, "", "line 1");
	assert_null(tenant_open(&b->c, &o));
	assert_int_equal(b->c.err.kind, ERR_UNAVAILABLE);
	call_forgive(&b->c);
	write_file(b, "tokens", "");
	clock_advance(1000);
	refused(b, with_token(b, text), ERR_UNAUTHENTICATED, "390303", "not known");
}

static void a_token_wants_a_proper_tenant_and_principal(void **state)
{
	struct bench *b = *state;
	struct str id, text;

	assert_false(tenant_token_create(&b->c, str_of(b->dir), &(struct tenant_token){.tenant = S("A")}, &id, &text));
	assert_int_equal(b->c.err.kind, ERR_INVALID_TENANT);
	call_forgive(&b->c);
	assert_false(tenant_token_create(&b->c, str_of(b->dir),
	                                 &(struct tenant_token){.tenant = S("a"), .principal = S("a\nb")}, &id, &text));
	assert_int_equal(b->c.err.kind, ERR_INVALID_FIELD);
}

struct caller {
	struct bench *b;
	struct tenant_claim_in in;
	int refused;
};

static void *call_often(void *arg)
{
	struct caller *k = arg;

	for (int i = 0; i < 3000; i++) {
		struct arena arena = {0};
		struct call c;

		call_open(&c, &arena);
		k->refused += !tenant_identify(&c, k->b->t, &k->in) || !str_eq(c.tenant, S("acme"));
		arena_close(&arena);
	}
	return NULL;
}

static void callers_pass_while_the_file_changes_under_them(void **state)
{
	struct bench *b = *state;
	struct caller callers[3];
	pthread_t threads[COUNT_OF(callers)];
	struct str id, text = create(b, (struct tenant_token){.tenant = S("acme")}, &id);

	start(b, (struct tenant_options){.mode = TENANT_TOKEN});
	for (size_t i = 0; i < COUNT_OF(callers); i++) {
		callers[i] = (struct caller){b, with_token(b, text), 0};
		assert_int_equal(pthread_create(&threads[i], NULL, call_often, &callers[i]), 0);
	}
	for (int i = 0; i < 20; i++) {
		create(b, (struct tenant_token){.tenant = S("beta")}, &id);
		clock_advance(1000);
	}
	for (size_t i = 0; i < COUNT_OF(callers); i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(callers[i].refused, 0);
	}
}

/* --- mode jwt --- */
static struct str pem_of(struct bench *b, EVP_PKEY *key)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct str text;
	char *p;

	assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
	text.n = (size_t)BIO_get_mem_data(bio, &p);
	text.p = p;
	text = arena_dup(&b->arena, text);
	BIO_free(bio);
	return text;
}

/* The text as it stands in a JSON string. */
static const char *escaped(struct bench *b, struct str pem)
{
	OWNS(buf) out = {0};

	for (size_t i = 0; i < pem.n; i++) {
		if (pem.p[i] == '\n')
			buf_lit(&out, "\\n");
		else
			buf_addc(&out, pem.p[i]);
	}
	return arena_cstr(&b->arena, buf_str(&out));
}

static const char *secret_base64(struct bench *b)
{
	OWNS(buf) out = {0};

	hash_base64(S("0123456789abcdef0123456789abcdef"), &out);
	return arena_cstr(&b->arena, buf_str(&out));
}

static struct tenant_options jwt_options(struct bench *b)
{
	return (struct tenant_options){.mode = TENANT_JWT,
	                               .data_dir = str_of(b->dir),
	                               .jwt_keys = arena_fmt(&b->arena, "%s/keys.json", b->dir),
	                               .tenant_claim = S("tenant")};
}

static void start_jwt(struct bench *b)
{
	struct str rsa;

	b->rsa = EVP_RSA_gen(2048);
	b->other_rsa = EVP_RSA_gen(2048);
	b->ec = EVP_EC_gen("P-256");
	rsa = pem_of(b, b->rsa);
	write_file(b, "key.pem", pem_of(b, b->ec).p);
	write_file(b, "keys.json",
	           arena_fmt(&b->arena,
	                     "{\"keys\":[{\"kid\":\"h\",\"alg\":\"HS256\",\"secret\":\"%s\"},"
	                     "{\"kid\":\"r\",\"alg\":\"RS256\",\"public_key\":\"%s\",\"role\":\"admin\"},"
	                     "{\"kid\":\"e\",\"alg\":\"ES256\",\"public_key\":\"key.pem\",\"tenant\":\"acme\"}],"
	                     "\"users\":[{\"account\":\"xy12345.eu-central-1\",\"user\":\"ada\",\"public_key\":\"%s\","
	                     "\"tenant\":\"acme\"}]}",
	                     secret_base64(b), escaped(b, rsa), escaped(b, rsa))
	                   .p);
	start(b, jwt_options(b));
}

static void sign_public(EVP_PKEY *key, struct str text, struct buf *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char sig[512];
	size_t n = sizeof(sig);

	assert_int_equal(EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key), 1);
	assert_int_equal(EVP_DigestSign(ctx, sig, &n, (const unsigned char *)text.p, text.n), 1);
	EVP_MD_CTX_free(ctx);
	buf_add(out, str_from((char *)sig, n));
}

static void der_to_raw(struct buf *sig)
{
	const unsigned char *p = (const unsigned char *)sig->p;
	ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &p, (long)sig->n);
	unsigned char raw[64];

	assert_non_null(parsed);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(parsed), raw, 32), 32);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(parsed), raw + 32, 32), 32);
	ECDSA_SIG_free(parsed);
	buf_clear(sig);
	buf_add(sig, str_from((char *)raw, sizeof(raw)));
}

/* key NULL: HMAC with `secret`. */
static struct str make_jwt(struct bench *b, const char *header, const char *claims, EVP_PKEY *key, struct str secret)
{
	OWNS(buf) text = {0};
	OWNS(buf) sig = {0};
	unsigned char mac[SHA256_LEN];

	hash_base64url(str_of(header), &text);
	buf_addc(&text, '.');
	hash_base64url(str_of(claims), &text);
	if (key) {
		sign_public(key, buf_str(&text), &sig);
		if (EVP_PKEY_is_a(key, "EC"))
			der_to_raw(&sig);
	} else {
		hash_hmac_sha256(secret, buf_str(&text), mac);
		buf_add(&sig, str_from((char *)mac, SHA256_LEN));
	}
	buf_addc(&text, '.');
	hash_base64url(buf_str(&sig), &text);
	return arena_dup(&b->arena, buf_str(&text));
}

static long long now_s(void)
{
	return clock_wall_ms() / 1000;
}

/* Claims of ada at acme, with `more` at the end. */
static const char *claims(struct bench *b, long long exp, const char *more)
{
	return arena_fmt(&b->arena, "{\"sub\":\"ada\",\"tenant\":\"acme\",\"exp\":%lld%s}", exp, more).p;
}

static struct str hs(struct bench *b, const char *text)
{
	return make_jwt(b, "{\"alg\":\"HS256\",\"kid\":\"h\"}", text, NULL, str_of(SECRET));
}

static void each_algorithm_lets_its_signer_in(void **state)
{
	struct bench *b = *state;
	const char *good;

	start_jwt(b);
	good = claims(b, now_s() + 60, "");
	accepted(b, with_token(b, hs(b, good)), "acme", "ada", ROLE_USER);
	accepted(b, with_token(b, make_jwt(b, "{\"alg\":\"HS256\"}", good, NULL, str_of(SECRET))), "acme", "ada", ROLE_USER);
	accepted(b, with_token(b, make_jwt(b, "{\"alg\":\"RS256\",\"kid\":\"r\"}", good, b->rsa, S(""))), "acme", "ada", ROLE_ADMIN);
	accepted(b, with_token(b, make_jwt(b, "{\"alg\":\"ES256\",\"kid\":\"e\"}", good, b->ec, S(""))), "acme", "ada", ROLE_USER);
	accepted(b, with_token(b, make_jwt(b, "{\"alg\":\"ES256\"}", "{\"sub\":\"x\",\"exp\":99999999999}", b->ec, S(""))),
	         "acme", "x", ROLE_USER);
}

static void bad_jwt(struct bench *b, struct str token, const char *words)
{
	refused(b, with_token(b, token), ERR_UNAUTHENTICATED, "390144", words);
}

static void the_key_decides_the_algorithm(void **state)
{
	struct bench *b = *state;
	const char *good;
	struct str pem;

	start_jwt(b);
	good = claims(b, now_s() + 60, "");
	pem = pem_of(b, b->rsa);
	bad_jwt(b, make_jwt(b, "{\"alg\":\"HS256\",\"kid\":\"r\"}", good, NULL, pem), "no key");
	bad_jwt(b, make_jwt(b, "{\"alg\":\"HS256\"}", good, NULL, pem), "signature");
	bad_jwt(b, make_jwt(b, "{\"alg\":\"none\",\"kid\":\"h\"}", good, NULL, str_of(SECRET)), "not supported");
	bad_jwt(b, make_jwt(b, "{\"alg\":\"RS256\",\"kid\":\"e\"}", good, b->rsa, S("")), "no key");
	bad_jwt(b, make_jwt(b, "{\"alg\":\"HS256\",\"kid\":\"unknown\"}", good, NULL, str_of(SECRET)), "no key");
	bad_jwt(b, make_jwt(b, "{\"alg\":\"RS256\",\"kid\":\"r\"}", good, b->other_rsa, S("")), "signature");
	bad_jwt(b, make_jwt(b, "{\"alg\":\"HS256\",\"kid\":\"h\",\"crit\":[\"x\"]}", good, NULL, str_of(SECRET)), "extensions");
}

static void a_changed_byte_breaks_the_signature(void **state)
{
	struct bench *b = *state;
	struct str good, first, second;
	size_t dot;

	start_jwt(b);
	first = hs(b, claims(b, now_s() + 60, ""));
	second = hs(b, claims(b, now_s() + 61, ""));
	dot = str_find(first, '.') + 1;
	dot += str_find(str_tail(first, dot), '.');
	good = arena_fmt(&b->arena, "%.*s%.*s", SARG(str_head(first, dot)), SARG(str_tail(second, dot)));
	bad_jwt(b, good, "signature");
	bad_jwt(b, str_head(first, dot + 1), "signature");
	bad_jwt(b, str_head(first, dot), "three parts");
	bad_jwt(b, arena_fmt(&b->arena, "%.*s.x", SARG(first)), "three parts");
	bad_jwt(b, S("eyJ.!!.x"), "cannot be read");
	bad_jwt(b, S("eyJ"), "three parts");
}

static void times_are_checked(void **state)
{
	struct bench *b = *state;
	long long now;

	start_jwt(b);
	now = now_s();
	bad_jwt(b, hs(b, claims(b, now, "")), "expired");
	bad_jwt(b, hs(b, "{\"sub\":\"ada\",\"tenant\":\"acme\"}"), "no exp");
	bad_jwt(b, hs(b, "{\"sub\":\"ada\",\"tenant\":\"acme\",\"exp\":\"2099\"}"), "time");
	bad_jwt(b, hs(b, "{\"sub\":\"ada\",\"tenant\":\"acme\",\"exp\":-1}"), "time");
	bad_jwt(b, hs(b, "{\"sub\":\"ada\",\"tenant\":\"acme\",\"exp\":1e300}"), "time");
	bad_jwt(b, hs(b, claims(b, now + 600, arena_fmt(&b->arena, ",\"nbf\":%lld", now + 120).p)), "not valid yet");
	bad_jwt(b, hs(b, claims(b, now + 600, arena_fmt(&b->arena, ",\"iat\":%lld", now + 120).p)), "not valid yet");
	accepted(b, with_token(b, hs(b, claims(b, now + 600, arena_fmt(&b->arena, ",\"nbf\":%lld", now + 30).p))), "acme", "ada",
	         ROLE_USER);
	clock_advance(600000);
	bad_jwt(b, hs(b, claims(b, now + 600, "")), "expired");
}

static void a_token_must_name_who_and_where(void **state)
{
	struct bench *b = *state;

	start_jwt(b);
	bad_jwt(b, hs(b, "{\"tenant\":\"acme\",\"exp\":99999999999}"), "sub");
	bad_jwt(b, hs(b, "{\"sub\":\"\",\"tenant\":\"acme\",\"exp\":99999999999}"), "sub");
	bad_jwt(b, hs(b, "{\"sub\":\"a\\u0000b\",\"tenant\":\"acme\",\"exp\":99999999999}"), "sub");
	bad_jwt(b, hs(b, "{\"sub\":\"ada\",\"exp\":99999999999}"), "tenant");
	bad_jwt(b, hs(b, "{\"sub\":\"ada\",\"tenant\":\"../x\",\"exp\":99999999999}"), "tenant");
	bad_jwt(b, hs(b, "{\"sub\":\"ada\",\"tenant\":7,\"exp\":99999999999}"), "tenant");
	bad_jwt(b, make_jwt(b, "{\"alg\":\"ES256\"}", "{\"sub\":\"x\",\"tenant\":\"beta\",\"exp\":99999999999}", b->ec, S("")),
	        "may not sign");
	bad_jwt(b, hs(b, "{\"sub\":\"ada\",\"sub\":\"eve\",\"tenant\":\"acme\",\"exp\":99999999999}"), "cannot be read");
}

static struct str fingerprint(struct bench *b, EVP_PKEY *key)
{
	unsigned char *der = NULL, digest[SHA256_LEN];
	int n = i2d_PUBKEY(key, &der);
	OWNS(buf) text = {0};

	assert_true(n > 0);
	hash_sha256(str_from((char *)der, (size_t)n), digest);
	OPENSSL_free(der);
	hash_base64(str_from((char *)digest, SHA256_LEN), &text);
	return arena_dup(&b->arena, buf_str(&text));
}

/* A token of Snowflake's kind, from `iat` to `exp`, as user `name` with the fingerprint of `shown`. */
static struct str keypair(struct bench *b, const char *name, EVP_PKEY *shown, EVP_PKEY *signer, const long long times[2])
{
	struct str text = arena_fmt(&b->arena, "{\"iss\":\"%s.SHA256:%.*s\",\"sub\":\"%s\",\"iat\":%lld,\"exp\":%lld}", name,
	                            SARG(fingerprint(b, shown)), name, times[0], times[1]);

	return make_jwt(b, "{\"alg\":\"RS256\",\"typ\":\"JWT\"}", text.p, signer, S(""));
}

static void snowflake_key_pairs_are_mapped_to_their_tenant(void **state)
{
	struct bench *b = *state;
	struct tenant_claim_in in;
	long long now;

	start_jwt(b);
	now = now_s();
	in = with_token(b, keypair(b, "XY12345.ADA", b->rsa, b->rsa, (long long[]){now, now + 3600}));
	accepted(b, in, "acme", "XY12345.ADA", ROLE_USER);
	in.token_type = S("KEYPAIR_JWT");
	accepted(b, in, "acme", "XY12345.ADA", ROLE_USER);
	in = with_token(b, keypair(b, "XY12345.ADA", b->rsa, b->rsa, (long long[]){now * 1000, (now + 3000) * 1000}));
	accepted(b, in, "acme", "XY12345.ADA", ROLE_USER);
}

/* In upper case or not; the account as a locator with its region, or as organization and account. */
static void snowflake_accounts_are_written_in_several_ways(void **state)
{
	static const char *const taken[][2] = {{"XY12345.ADA", "XY12345.ADA"}, {"xy12345.ada", "XY12345.ADA"},
					       {"ORG-ACME.EVE@ACME.COM", "ORG-ACME.EVE@ACME.COM"}, {"ORG-ACME_1.BOB", "ORG-ACME_1.BOB"}};
	static const char *const others[] = {"XY12345.EU.ADA", "ORG.ACME.EVE@ACME.COM", "XY12345-EU.EVE", "ADA", ".ADA", "XY12345."};
	struct bench *b = *state;
	const char *pem;
	long long now = now_s(), times[2] = {now, now + 600};

	b->rsa = EVP_RSA_gen(2048);
	pem = escaped(b, pem_of(b, b->rsa));
	write_file(b, "keys.json", arena_fmt(&b->arena, "{\"users\":["
		"{\"account\":\"xy12345.eu-central-1.aws\",\"user\":\"ada\",\"public_key\":\"%s\",\"tenant\":\"acme\"},"
		"{\"account\":\"org.acme\",\"user\":\"eve@acme.com\",\"public_key\":\"%s\",\"tenant\":\"acme\"},"
		"{\"account\":\"org-acme_1\",\"user\":\"bob\",\"public_key\":\"%s\",\"tenant\":\"acme\"}]}", pem, pem, pem).p);
	start(b, jwt_options(b));
	for (size_t i = 0; i < COUNT_OF(taken); i++)
		accepted(b, with_token(b, keypair(b, taken[i][0], b->rsa, b->rsa, times)), "acme", taken[i][1], ROLE_USER);
	for (size_t i = 0; i < COUNT_OF(others); i++)
		bad_jwt(b, keypair(b, others[i], b->rsa, b->rsa, times), "not known");
	bad_jwt(b, make_jwt(b, "{\"alg\":\"RS256\"}", arena_fmt(&b->arena,
		"{\"iss\":\"XY12345.ADA.SHA256:%.*s\",\"sub\":\"XY12345.EVE\",\"iat\":%lld,\"exp\":%lld}", SARG(fingerprint(b, b->rsa)), now, now + 60).p,
		b->rsa, S("")), "sub");
	bad_jwt(b, make_jwt(b, "{\"alg\":\"RS256\"}", arena_fmt(&b->arena,
		"{\"iss\":\"XY12345.ADA.SHA256:%.*s\",\"sub\":\"XY12345.ADA\",\"exp\":%lld}", SARG(fingerprint(b, b->rsa)), now + 60).p, b->rsa, S("")), "no iat");
}

static void an_oauth_token_has_codes_of_its_own(void **state)
{
	struct bench *b = *state;
	struct tenant_claim_in in;

	start_jwt(b);
	in = with_token(b, hs(b, claims(b, now_s() - 1, "")));
	in.token_type = S("OAUTH");
	refused(b, in, ERR_UNAUTHENTICATED, "390318", "expired");
	in = with_token(b, S("a.b.c"));
	in.token_type = S("OAUTH");
	refused(b, in, ERR_UNAUTHENTICATED, "390303", "cannot be read");
	in.token_type = S("PROGRAMMATIC_ACCESS_TOKEN");
	refused(b, in, ERR_UNAUTHENTICATED, "394400", "auth.mode token");
}

static void snowflake_key_pairs_are_refused_when_forged_or_old(void **state)
{
	struct bench *b = *state;
	struct tenant_claim_in in;
	long long now;

	start_jwt(b);
	now = now_s();
	bad_jwt(b, keypair(b, "XY12345.EVE", b->rsa, b->rsa, (long long[]){now, now + 60}), "not known");
	bad_jwt(b, keypair(b, "XY12345.ADA", b->other_rsa, b->other_rsa, (long long[]){now, now + 60}), "not known");
	bad_jwt(b, keypair(b, "XY12345.ADA", b->rsa, b->other_rsa, (long long[]){now, now + 60}), "signature");
	bad_jwt(b, keypair(b, "XY12345.ADA", b->rsa, b->rsa, (long long[]){now - 60, now}), "expired");
	bad_jwt(b, keypair(b, "XY12345.ADA", b->rsa, b->rsa, (long long[]){now - 3600, now + 86400}), "expired");
	bad_jwt(b, keypair(b, "XY12345.ADA", b->rsa, b->rsa, (long long[]){now + 600, now + 1200}), "not valid yet");
	in = with_token(b, hs(b, claims(b, now + 60, "")));
	in.token_type = S("KEYPAIR_JWT");
	refused(b, in, ERR_UNAUTHENTICATED, "390144", "not known");
}

static void bad_key_file(struct bench *b, const char *text, const char *words)
{
	struct tenant_options o = jwt_options(b);

	write_file(b, "keys.json", text);
	assert_null(tenant_open(&b->c, &o));
	if (!strstr(b->c.err.text, words))
		print_error("%s\n", b->c.err.text);
	assert_non_null(strstr(b->c.err.text, words));
	call_forgive(&b->c);
}

static void a_bad_key_file_is_refused_at_start(void **state)
{
	struct bench *b = *state;

	bad_key_file(b, "{", "line 1");
	bad_key_file(b, "{}", "holds no key");
	bad_key_file(b, "{\"keys\":[{\"alg\":\"none\"}]}", "alg must be");
	bad_key_file(b, "{\"keys\":[{\"alg\":\"HS256\",\"secret\":\"c2hvcnQ=\"}]}", "32 bytes");
	bad_key_file(b, "{\"keys\":[{\"alg\":\"RS256\"}]}", "public_key is missing");
	bad_key_file(b, "{\"keys\":[{\"alg\":\"RS256\",\"public_key\":\"-----BEGIN x\"}]}", "not a PEM");
	bad_key_file(b, "{\"keys\":[{\"alg\":\"RS256\",\"public_key\":\"absent.pem\"}]}", "absent.pem");
	bad_key_file(b, "{\"keys\":[{\"alg\":\"HS256\",\"sekret\":\"x\"}]}", "sekret");
	bad_key_file(b, "{\"keys\":{}}", "array");
	bad_key_file(b, "{\"users\":[{\"account\":\"a\",\"user\":\"u\"}]}", "tenant is required");
	b->rsa = EVP_RSA_gen(1024);
	bad_key_file(b, arena_fmt(&b->arena, "{\"keys\":[{\"alg\":\"RS256\",\"public_key\":\"%s\"}]}", escaped(b, pem_of(b, b->rsa))).p,
	             "2048");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(name) cmocka_unit_test_setup_teardown(name, open_bench, close_bench)
	        T(names_have_their_alphabet),
	        T(a_local_client_names_its_tenant_or_gets_the_default),
	        T(a_tenant_can_be_required),
	        T(strange_hosts_are_forbidden),
	        T(foreign_origins_are_forbidden),
	        T(a_token_is_made_used_and_revoked),
	        T(a_token_ends_with_its_time),
	        T(what_is_no_token_gets_the_code_of_its_kind),
	        T(the_token_file_holds_no_token_and_is_private),
	        T(a_damaged_token_file_lets_nobody_in),
	        T(a_token_wants_a_proper_tenant_and_principal),
	        T(callers_pass_while_the_file_changes_under_them),
	        T(each_algorithm_lets_its_signer_in),
	        T(the_key_decides_the_algorithm),
	        T(a_changed_byte_breaks_the_signature),
	        T(times_are_checked),
	        T(a_token_must_name_who_and_where),
	        T(snowflake_key_pairs_are_mapped_to_their_tenant),
	        T(snowflake_accounts_are_written_in_several_ways),
	        T(an_oauth_token_has_codes_of_its_own),
	        T(snowflake_key_pairs_are_refused_when_forged_or_old),
	        T(a_bad_key_file_is_refused_at_start),
#undef T
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
