/** Reading whole small files. */
#ifndef FILE_H
#define FILE_H

#include <stddef.h>

/**
 * Reads a file of at most `max` bytes, or standard input for "-". 0 with *text (NUL-terminated,
 * free it) and *len; -1 with errno, EFBIG for a file that is larger.
 */
int file_read(const char *path, size_t max, char **text, size_t *len);

#endif
