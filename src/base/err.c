/* err.c - names of the error kinds. */
#include "base/err.h"

static const struct {
	const char *code, *title;
} kinds[ERR_KIND_COUNT] = {
#define X(kind, code, title) [ERR_##kind] = {code, title},
	ERR_KINDS(X)
#undef X
};

const char *err_code(enum err_kind kind)
{
	INVARIANT(kind < ERR_KIND_COUNT);
	return kinds[kind].code;
}

const char *err_title(enum err_kind kind)
{
	INVARIANT(kind < ERR_KIND_COUNT);
	return kinds[kind].title;
}
