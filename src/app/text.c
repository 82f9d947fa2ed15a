#include "text.h"

#include <stdlib.h>

FILE *text_open(struct text *t)
{
	t->f = open_memstream(&t->data, &t->len);
	return t->f;
}

char *text_close(struct text *t)
{
	if (fclose(t->f) == 0)
		return t->data;
	free(t->data);
	return NULL;
}
