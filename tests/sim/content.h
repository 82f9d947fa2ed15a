/**
 * What transfers carry: every byte follows from a key and its position, so that one that is lost,
 * repeated or in the wrong stream is seen. Eight at a time, since most of what a simulation touches
 * is this.
 */
#ifndef CONTENT_H
#define CONTENT_H

#include <endian.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t content_word(uint64_t key, uint64_t index)
{
	uint64_t w = (key + index) * 0x9e3779b97f4a7c15u;
	w = (w ^ w >> 32) * 0x9e3779b97f4a7c15u;
	return w ^ w >> 32;
}

static inline uint8_t content_byte(uint64_t key, uint64_t pos)
{
	return (uint8_t)(content_word(key, pos / 8) >> 8 * (pos % 8));
}

/** Writes the bytes pos..pos+len-1. */
static inline void content_fill(uint8_t *dst, size_t len, uint64_t key, uint64_t pos)
{
	for (; len > 0 && pos % 8 != 0; len--)
		*dst++ = content_byte(key, pos++);
	for (; len >= 8; len -= 8, dst += 8, pos += 8) {
		uint64_t w = htole64(content_word(key, pos / 8));
		memcpy(dst, &w, 8);
	}
	while (len-- > 0)
		*dst++ = content_byte(key, pos++);
}

/** How many of the bytes are not those of pos..pos+len-1. */
static inline uint64_t content_errors(const uint8_t *src, size_t len, uint64_t key, uint64_t pos)
{
	uint64_t bad = 0;
	while (len > 0) {
		uint64_t w;
		if (pos % 8 == 0 && len >= 8) {
			memcpy(&w, src, 8);
			if (w == htole64(content_word(key, pos / 8))) {
				src += 8;
				pos += 8;
				len -= 8;
				continue;
			}
		}
		bad += *src++ != content_byte(key, pos++);
		len--;
	}
	return bad;
}

#endif
