#include "tt_mem.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

void *tt_alloc(const struct tt_mem *mem, size_t n)
{
	return mem ? mem->resize(mem->user, NULL, n) : malloc(n);
}

void *tt_calloc(const struct tt_mem *mem, size_t count, size_t size)
{
	if (!mem)
		return calloc(count, size);
	if (size != 0 && count > SIZE_MAX / size)
		return NULL;
	void *p = mem->resize(mem->user, NULL, count * size);
	if (p)
		memset(p, 0, count * size);
	return p;
}

void *tt_realloc(const struct tt_mem *mem, void *p, size_t n)
{
	return mem ? mem->resize(mem->user, p, n) : realloc(p, n);
}

void tt_free(const struct tt_mem *mem, void *p)
{
	if (!mem)
		free(p);
	else if (p)
		mem->resize(mem->user, p, 0);
}

char *tt_strdup(const struct tt_mem *mem, const char *s)
{
	size_t n = strlen(s) + 1;
	char *copy = tt_alloc(mem, n);
	if (copy)
		memcpy(copy, s, n);
	return copy;
}
