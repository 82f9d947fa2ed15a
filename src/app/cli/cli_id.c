/* `toxtun id`: this machine's Tox ID, made if there is none. */
#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "config.h"
#include "tt_err.h"

#define QUIET 2 /* modules of margin; the standard's 4 do not fit a small terminal */

static bool dark(const QRcode *qr, int x, int y)
{
	return x >= 0 && y >= 0 && x < qr->width && y < qr->width &&
	       (qr->data[y * qr->width + x] & 1);
}

/* In half blocks for a terminal. An exit code. */
static int print_qr(const char *text)
{
	/* light blocks on the terminal's dark ground: two rows of modules to a line of text */
	static const char *const block[] = {"\u2588", "\u2580", "\u2584", " "};
	QRcode *qr = QRcode_encodeString(text, 0, QR_ECLEVEL_L, QR_MODE_8, 1);

	if (!qr)
		return EXIT_FAILED;
	for (int y = -QUIET; y < qr->width + QUIET; y += 2) {
		for (int x = -QUIET; x < qr->width + QUIET; x++)
			fputs(block[(dark(qr, x, y) ? 2 : 0) + (dark(qr, x, y + 1) ? 1 : 0)],
				stdout);
		putchar('\n');
	}
	QRcode_free(qr);
	return EXIT_OK;
}

int cli_id(struct conf *conf, const struct tt_log *log)
{
	char *dir = config_data_dir(conf);
	uint8_t id[TT_TOXID_LEN];
	char hex[TT_TOXID_HEX + 1], why[512] = "";
	int rc = EXIT_OK;

	if (!dir)
		return EXIT_USAGE;
	if (toxnet_identity(dir, log, id, why, sizeof(why)) != TT_OK) {
		tt_error(log, "%s", why);
		rc = EXIT_FAILED;
	} else {
		printf("%s\n", tt_hex_encode(id, TT_TOXID_LEN, hex));
		if (conf->qr)
			rc = print_qr(hex);
		if (!cli_flush(log))
			rc = EXIT_FAILED;
	}
	free(dir);
	return rc;
}
