/* tidy.h - what clang-tidy cannot see across files: fail() returns false. */
#define fail(...) (fail(__VA_ARGS__), false)
#define fail_at(...) (fail_at(__VA_ARGS__), false)
#define fail_state(...) (fail_state(__VA_ARGS__), false)
