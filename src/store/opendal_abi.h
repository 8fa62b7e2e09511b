/* opendal_abi.h - the C ABI of the binding, crates/mayfly-opendal: the two change together.
 *
 * Opened with dlopen by opendal.c, so that the server builds and runs without Rust.
 */
#ifndef MAYFLY_STORE_OPENDAL_ABI_H
#define MAYFLY_STORE_OPENDAL_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { OPENDAL_ABI = 1, OPENDAL_TEXT = 400 };
enum opendal_kind { OPENDAL_NOT_FOUND = 1, OPENDAL_EXISTS, OPENDAL_UNAVAILABLE, OPENDAL_OTHER };

struct opendal_store;
struct opendal_text {
	const char *p;
	size_t n;
};
struct opendal_setting {
	struct opendal_text name, value;
};
struct opendal_error {
	int32_t kind;
	char text[OPENDAL_TEXT]; /* terminated, without secrets */
};
typedef bool opendal_add_bytes(void *arg, const char *p, size_t n); /* false: no more */
typedef void opendal_add_entry(void *arg, struct opendal_text key, int64_t size, int64_t changed_ms);

/* The functions are mayfly_opendal_… in the library. NULL or false: see the error. */
struct opendal_binding {
	uint32_t (*abi)(void);
	struct opendal_store *(*open)(struct opendal_text scheme, const struct opendal_setting *settings, size_t n,
				      struct opendal_error *e);
	bool (*put)(const struct opendal_store *s, struct opendal_text key, struct opendal_text bytes, bool replace,
		    struct opendal_error *e);
	bool (*get)(const struct opendal_store *s, struct opendal_text key, uint64_t offset, uint64_t max, opendal_add_bytes *add,
		    void *arg, struct opendal_error *e);
	bool (*list)(const struct opendal_store *s, struct opendal_text prefix, struct opendal_text after, size_t limit,
		     opendal_add_entry *add, void *arg, struct opendal_error *e);
	bool (*drop)(const struct opendal_store *s, struct opendal_text key, struct opendal_error *e);
	void (*close)(struct opendal_store *s);
};

#endif
