/* A QR code for the page. `toxtun id --qr` draws one for terminals. */
#include "stats_int.h"
#include "text.h"

#include <qrencode.h>
#include <stdlib.h>

#define QUIET 4 /* modules of margin, as the standard wants it */

/* A square for each dark module. It stays black on white where the page is dark, or scanners fail.
 */
static void put_modules(FILE *f, const QRcode *qr)
{
	int side = qr->width + 2 * QUIET;

	fprintf(f,
		"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %d %d\" "
		"shape-rendering=\"crispEdges\"><path fill=\"#fff\" d=\"M0 0h%dv%dH0z\"/><path "
		"d=\"",
		side, side, side, side);
	for (int y = 0; y < qr->width; y++) {
		for (int x = 0; x < qr->width; x++) {
			if (qr->data[y * qr->width + x] & 1)
				fprintf(f, "M%d %dh1v1h-1z", x + QUIET, y + QUIET);
		}
	}
	fprintf(f, "\"/></svg>\n");
}

char *stats_qr(const char *text)
{
	QRcode *qr = QRcode_encodeString(text, 0, QR_ECLEVEL_M, QR_MODE_8, 1);
	struct text out;
	char *svg = NULL;

	if (qr && text_open(&out)) {
		put_modules(out.f, qr);
		svg = text_close(&out);
	}
	QRcode_free(qr);
	return svg;
}
