/** Names of the transport modes, as `--kcp-mode` takes them. What they mean is in src/kcp. */
#ifndef TT_MODE_H
#define TT_MODE_H

enum tt_mode {
	TT_MODE_AUTO,
	TT_MODE_DEFAULT,
	TT_MODE_NORMAL,
	TT_MODE_FAST,
	TT_MODE_FAST2,
	TT_MODE_FAST3,
};

#define TT_MODE_NAMES "auto, default, normal, fast, fast2, fast3"

/** TT_OK or TT_EINVAL. */
int tt_mode_parse(const char *text, enum tt_mode *out);

const char *tt_mode_name(enum tt_mode mode);

#endif
