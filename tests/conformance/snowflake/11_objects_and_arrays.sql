# Objects and arrays
# A NULL in an array prints as undefined; OBJECT_CONSTRUCT leaves keys with NULL out.
