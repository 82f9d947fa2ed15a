#include "conf_int.h"

#include <stdio.h>
#include <string.h>

#include "tt_err.h"

/** Where we are in argv. A cluster of letters (-qv) is taken letter by letter. */
struct args {
	int argc;
	char *const *argv;
	int i;             /* next argument */
	const char *more;  /* rest of a cluster, NULL: none */
	bool options_over; /* after "--" */
};

enum token_kind { TOKEN_END, TOKEN_WORD, TOKEN_OPTION, TOKEN_UNKNOWN, TOKEN_NO_VALUE, TOKEN_EXTRA };

struct token {
	enum token_kind kind;
	const struct conf_option *option;
	const char *value; /* of the option, or the word itself */
	char name[40];     /* as the user wrote it, without a value: it may be a secret */
};

static void name_token(struct token *t, const char *arg, size_t len)
{
	char q[CONF_QUOTE_MAX];
	snprintf(t->name, sizeof(t->name), "%.*s", (int)(len < 39 ? len : 39), conf_quote(q, arg));
}

/** The value is what follows at once (attached) or the next argument, which must be no option. */
static void take_value(struct args *a, struct token *t, const char *attached)
{
	const char *next = a->i < a->argc ? a->argv[a->i] : NULL;

	if (t->option->flags & CONF_OPT_FLAG) {
		t->value = "yes";
		if (attached)
			t->kind = TOKEN_EXTRA;
	} else if (attached) {
		t->value = attached;
	} else if (next && (next[0] != '-' || next[1] == '\0')) {
		t->value = next;
		a->i++;
	} else {
		t->kind = TOKEN_NO_VALUE;
	}
}

static void letter_token(struct args *a, struct token *t, const char *at)
{
	char dashed[3] = {'-', *at, '\0'};

	a->more = NULL;
	name_token(t, dashed, 2);
	t->option = conf_option_by_letter(*at);
	if (!t->option) {
		t->kind = TOKEN_UNKNOWN;
		return;
	}
	t->kind = TOKEN_OPTION;
	if (at[1] == '=') {
		take_value(a, t, at + 2);
	} else if (!(t->option->flags & CONF_OPT_FLAG)) {
		take_value(a, t, at[1] ? at + 1 : NULL);
	} else {
		t->value = "yes";
		a->more = at[1] ? at + 1 : NULL;
	}
}

static void option_token(struct args *a, struct token *t, const char *arg)
{
	const char *name = arg + (arg[1] == '-' ? 2 : 1);
	size_t len = strcspn(name, "=");
	bool two = arg[1] == '-';

	name_token(t, arg, (size_t)(name - arg) + len);
	t->option = conf_option_by_name(name, len);
	if (t->option) {
		t->kind = TOKEN_OPTION;
		take_value(a, t, name[len] == '=' ? name + len + 1 : NULL);
		return;
	}
	/* -kcp-mod is a long name with a slip in it and not -k with the value cp-mod. */
	const char *near = !two && len > 3 ? conf_option_near(t->name + (name - arg), false) : NULL;
	bool slip = near && near[0] == *name;
	if (two || slip)
		t->kind = TOKEN_UNKNOWN;
	else
		letter_token(a, t, name);
}

static struct token next_token(struct args *a)
{
	struct token t = {.kind = TOKEN_END};

	if (a->more) {
		letter_token(a, &t, a->more);
		return t;
	}
	if (!a->options_over && a->i < a->argc && strcmp(a->argv[a->i], "--") == 0) {
		a->options_over = true;
		a->i++;
	}
	if (a->i >= a->argc)
		return t;
	const char *arg = a->argv[a->i++];
	if (!a->options_over && arg[0] == '-' && arg[1]) {
		option_token(a, &t, arg);
	} else {
		t.kind = TOKEN_WORD;
		t.value = arg;
	}
	return t;
}

const char *conf_find_config_option(int argc, char *const argv[])
{
	struct args a = {.argc = argc, .argv = argv, .i = 1};
	const char *found = NULL;

	for (struct token t = next_token(&a); t.kind != TOKEN_END; t = next_token(&a))
		if (t.kind == TOKEN_OPTION && t.option->letter == 'c' && t.value[0])
			found = t.value;
	return found;
}

static void unknown_option(struct conf_ctx *x, const struct token *t)
{
	static const struct {
		const char *name, *message;
	} known[] = {
		{"-passphrase", "passphrases do not belong on the command line, where every user "
				"sees them; "
				"use --passphrase-file FILE, or let it be asked for"},
		{"-secret",
			"secrets do not belong on the command line, where every user sees them; "
			"use --secret-file FILE or the variable TOXTUN_SECRET"},
	};
	const char *bare = t->name + strspn(t->name, "-");

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(bare, known[i].name + 1) == 0) {
			conf_fail(x, "%s", known[i].message);
			return;
		}
	}
	const char *near = conf_option_near(bare, false);
	if (near)
		conf_fail(x, "there is no such option; did you mean --%s?", near);
	else
		conf_fail(x, "there is no such option; toxtun -h lists them");
}

/** What may stand after a command. */
enum words { WORDS_NONE, WORDS_PEER, WORDS_SPEC, WORDS_SPEC_PEER };

static const struct {
	const char *name;
	enum conf_command command;
	enum words words;
} commands[] = {
	{"server", CONF_CMD_SERVER, WORDS_NONE},
	{"client", CONF_CMD_CLIENT, WORDS_PEER},
	{"node", CONF_CMD_NODE, WORDS_NONE},
	{"id", CONF_CMD_ID, WORDS_NONE},
	{"ping", CONF_CMD_PING, WORDS_PEER},
	{"netcheck", CONF_CMD_NETCHECK, WORDS_NONE},
	{"bench", CONF_CMD_BENCH, WORDS_PEER},
	{"check", CONF_CMD_CHECK, WORDS_NONE},
	{"status", CONF_CMD_STATUS, WORDS_NONE},
	{"top", CONF_CMD_TOP, WORDS_NONE},
	{"reload", CONF_CMD_RELOAD, WORDS_NONE},
	{"forward", CONF_CMD_FORWARD, WORDS_SPEC_PEER},
	{"cancel", CONF_CMD_CANCEL, WORDS_SPEC},
	{"stop", CONF_CMD_STOP, WORDS_NONE},
};
#define N_COMMANDS (sizeof(commands) / sizeof(commands[0]))

/** Returns the index in `commands`, N_COMMANDS after a mistake. */
static size_t parse_command(struct conf_ctx *x, const char *word)
{
	const char *names[N_COMMANDS];
	char q[CONF_QUOTE_MAX];

	for (size_t i = 0; i < N_COMMANDS; i++) {
		names[i] = commands[i].name;
		if (strcmp(word, names[i]) != 0)
			continue;
		x->c->command = commands[i].command;
		return i;
	}
	const char *near = conf_near(word, names, N_COMMANDS);
	if (near)
		conf_fail(
			x, "there is no command '%s'; did you mean %s?", conf_quote(q, word), near);
	else
		conf_fail(x,
			"there is no command '%s'; there are server, client, node, id, ping, "
			"netcheck, bench, check, status, top, reload, forward, cancel and stop",
			conf_quote(q, word));
	return N_COMMANDS;
}

static void set_word(struct conf_ctx *x, char **field, const char *word)
{
	if (!*field)
		*field = conf_strndup(x, word, strlen(word));
}

static void set_target(struct conf_ctx *x, const char *command, const char *word)
{
	struct conf *c = x->c;
	struct tt_peer_id to[CONF_FORWARD_PEERS_MAX];
	size_t n_to = c->n_servers;

	memcpy(to, c->servers, sizeof(to));
	if (!conf_servers(x, word) || n_to == 0)
		return;
	bool same = n_to == c->n_servers;
	for (size_t i = 0; same && i < n_to; i++)
		same = memcmp(to[i].key, c->servers[i].key, TT_KEY_LEN) == 0;
	if (!same)
		conf_fail(x, "--to and the Tox ID after %s name different peers: give one of them",
			command);
}

/** The nth word, the command being the first. */
static void parse_positional(struct conf_ctx *x, size_t command, int nth, const char *word)
{
	char q[CONF_QUOTE_MAX];

	if (command == N_COMMANDS)
		return; /* said already */
	enum words words = commands[command].words;
	if (words == WORDS_PEER && nth == 2)
		set_target(x, commands[command].name, word);
	else if ((words == WORDS_SPEC || words == WORDS_SPEC_PEER) && nth == 2 && !x->c->spec)
		set_word(x, &x->c->spec, word);
	else if (words == WORDS_SPEC_PEER && nth <= 3 && !x->c->spec_peer)
		set_word(x, &x->c->spec_peer, word);
	else
		conf_fail(x, "'%s' is one word too many after the command %s", conf_quote(q, word),
			commands[command].name);
}

static void apply(struct conf_ctx *x, const struct token *t)
{
	switch (t->kind) {
	case TOKEN_OPTION:
		t->option->set(x, t->option, t->value);
		break;
	case TOKEN_UNKNOWN:
		unknown_option(x, t);
		break;
	case TOKEN_NO_VALUE:
		conf_fail(x, "a value is missing: %s VALUE or %s=VALUE", t->name, t->name);
		break;
	case TOKEN_EXTRA:
		conf_fail(x, "takes no value: write %s alone or leave it out", t->name);
		break;
	case TOKEN_WORD:
	case TOKEN_END:
		break;
	}
}

int conf_parse_args(struct conf *c, int argc, char *const argv[], struct conf_diag *d)
{
	struct args a = {.argc = argc, .argv = argv, .i = 1};
	struct conf_ctx x;
	const char *words[4];
	int n_words = 0;
	bool unknown = false;

	conf_ctx_init(&x, c, d, "");
	c->argc = argc;
	c->argv = argv;
	for (struct token t = next_token(&a); t.kind != TOKEN_END; t = next_token(&a)) {
		if (t.kind == TOKEN_WORD) {
			if (n_words < 4)
				words[n_words++] = t.value;
			continue;
		}
		x.origin = t.name;
		unknown = unknown || t.kind == TOKEN_UNKNOWN;
		apply(&x, &t);
		if (c->command == CONF_CMD_HELP || c->command == CONF_CMD_VERSION)
			return conf_ctx_result(&x);
	}
	/*
	 * Words come last, so that --to was seen wherever it stands. After an option that nobody
	 * knows any word may be its value, and a secret: they are neither judged nor repeated.
	 */
	x.origin = "";
	if (unknown)
		n_words = 0;
	size_t command = n_words > 0 ? parse_command(&x, words[0]) : N_COMMANDS;
	for (int i = 1; i < n_words; i++)
		parse_positional(&x, command, i + 1, words[i]);
	return conf_ctx_result(&x);
}
