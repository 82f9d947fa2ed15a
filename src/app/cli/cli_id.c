/* `toxtun id`: this machine's Tox ID, made if there is none. */
#include <qrencode.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "config.h"
#include "passphrase.h"
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

/* TT_ENOENT when there is no identity yet: then the new one gets what was asked for. */
static int change_passphrase(
	const struct conf *conf, const struct toxnet_config *cfg, char *why, size_t cap)
{
	int rc = toxnet_passphrase_change(cfg, why, cap);

	if (rc == TT_OK)
		tt_info(cfg->log, "the identity in %s is %s now", cfg->data_dir,
			conf->set_passphrase ? "encrypted with the new passphrase"
					     : "not encrypted");
	return rc;
}

static int print_id(const struct conf *conf, const uint8_t id[TT_TOXID_LEN])
{
	char hex[TT_TOXID_HEX + 1];

	printf("%s\n", tt_hex_encode(id, TT_TOXID_LEN, hex));
	return conf->qr ? print_qr(hex) : EXIT_OK;
}

int cli_id(struct conf *conf, const struct tt_log *log)
{
	char *dir = config_data_dir(conf);
	bool change = conf->set_passphrase || conf->remove_passphrase;
	uint8_t id[TT_TOXID_LEN];
	char why[512] = "";
	struct passphrase passphrase;
	int exit_code = EXIT_OK, rc = TT_ENOENT;

	if (!dir)
		return EXIT_USAGE;
	toxnet_protect_process();
	struct toxnet_config cfg = {.data_dir = dir,
		.passphrase = passphrase_source(&passphrase, conf, log, dir),
		.log = log};
	if (change)
		rc = change_passphrase(conf, &cfg, why, sizeof(why));
	if (rc == TT_ENOENT) {
		rc = toxnet_identity(&cfg, id, why, sizeof(why));
		if (rc == TT_OK) {
			passphrase_warn_unused(&passphrase);
			exit_code = print_id(conf, id);
		}
	}
	if (rc != TT_OK) {
		tt_error(log, "%s", why);
		exit_code = EXIT_FAILED;
	}
	if (!cli_flush(log))
		exit_code = EXIT_FAILED;
	free(dir);
	return exit_code;
}
