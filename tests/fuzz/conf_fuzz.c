/* conf_fuzz.c - any bytes as a configuration file. */
#include "conf/conf_int.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct conf_settings all = {0};
	struct arena a = {0};
	struct call c;
	bool ok;

	call_open(&c, &a);
	ok = conf_read_text(&c, S("fuzz"), str_from((const char *)bytes, n), &all);
	INVARIANT(ok == (c.err.kind == ERR_NONE));
	arena_close(&a);
	return 0;
}
