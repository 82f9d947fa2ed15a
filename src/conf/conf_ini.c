/*
 * The ini file.
 *
 * Lines are read here and not by libinih: that one cuts names of sections and keys at 49 bytes and
 * long lines at 200 without a word, says nothing of a section without keys (an empty [server] is a
 * meaningful one), and its limits can only be changed through variables of the whole process.
 *
 * A line is `[section]`, `key = value`, a comment (; or # at its start) or blank. A ';' after white
 * space starts a comment too. The lines are collected first, so that an entry may name a [peer]
 * section that stands further down.
 */
#include "conf_int.h"

#include <stdio.h>
#include <string.h>

#include "tt_err.h"
#include "tt_mem.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

enum section { SEC_NONE, SEC_SERVER, SEC_CLIENT, SEC_REVERSE, SEC_NODE, SEC_OPTIONS, SEC_PEER };

static const char *const section_names[] = {[SEC_NONE] = "",
	[SEC_SERVER] = "server",
	[SEC_CLIENT] = "client",
	[SEC_REVERSE] = "reverse",
	[SEC_NODE] = "node",
	[SEC_OPTIONS] = "options",
	[SEC_PEER] = "peer"};

/** One line of meaning; the texts are in the parser's copy of the file. */
struct line {
	enum section section;
	size_t number;
	size_t block;      /* counts the section headers: which of them it belongs to */
	const char *key;   /* NULL: the header of the section */
	const char *value; /* of a header: what stands after its first word */
};

struct ini {
	struct conf_ctx x;
	const char *file;
	char origin[128];
	struct line *lines;
	size_t n_lines;
	enum section section;
	size_t block;
};

static void at_line(struct ini *p, size_t number)
{
	char tail[32];
	int n = snprintf(tail, sizeof(tail), ":%zu", number);
	snprintf(p->origin, sizeof(p->origin), "%.*s%s", (int)sizeof(p->origin) - 1 - n, p->file,
		tail);
	p->x.origin = p->origin;
}

static void add_line(struct ini *p, size_t number, const char *key, const char *value)
{
	struct line *l = conf_push(&p->x, &p->lines, &p->n_lines, sizeof(*l));
	if (l)
		*l = (struct line){p->section, number, p->block, key, value};
}

/** Ends the line at its comment. */
static void cut_comment(char *s)
{
	for (char *at = s; (at = strchr(at, ';')); at++) {
		if (at == s || at[-1] == ' ' || at[-1] == '\t') {
			*at = '\0';
			return;
		}
	}
}

static enum section find_section(struct ini *p, const char *name)
{
	char q[CONF_QUOTE_MAX];

	for (size_t i = SEC_SERVER; i < COUNT(section_names); i++)
		if (strcmp(name, section_names[i]) == 0)
			return (enum section)i;
	const char *near = conf_near(name, section_names + 1, COUNT(section_names) - 1);
	if (near)
		conf_fail(&p->x, "there is no section [%s]; did you mean [%s%s]?",
			conf_quote(q, name), near, strcmp(near, "peer") == 0 ? " NAME" : "");
	else
		conf_fail(&p->x,
			"there is no section [%s]; there are [server], [client], [reverse], [peer "
			"NAME], "
			"[node] and [options]",
			conf_quote(q, name));
	return SEC_NONE;
}

static void read_header(struct ini *p, size_t number, char *s)
{
	size_t n = strlen(s);

	p->section = SEC_NONE; /* after a mistake its keys are not judged */
	p->block++;
	if (s[n - 1] != ']') {
		conf_fail(&p->x, "a section is [NAME] and nothing behind it");
		return;
	}
	s[n - 1] = '\0';
	char *name = conf_trim(s + 1), *rest = name + strcspn(name, " \t");
	if (*rest)
		*rest++ = '\0';
	rest = conf_trim(rest);
	p->section = find_section(p, name);
	if (p->section == SEC_NONE)
		return;
	if (p->section != SEC_PEER && rest[0]) {
		conf_fail(&p->x, "[%s] has no name of its own", name);
		return;
	}
	for (size_t i = 0; i < p->n_lines; i++) {
		const struct line *l = &p->lines[i];
		if (l->key || l->section != p->section || strcmp(l->value, rest) != 0)
			continue;
		conf_fail(&p->x, "[%s%s%s] is there already, in line %zu: put it all into one",
			name, rest[0] ? " " : "", rest, l->number);
		p->section = SEC_NONE;
		return;
	}
	add_line(p, number, NULL, rest);
}

static void read_pair(struct ini *p, size_t number, char *s)
{
	char *equals = strchr(s, '=');

	if (!equals || equals == s) {
		conf_fail(
			&p->x, "a line is KEY = VALUE, [SECTION] or a comment that starts with ;");
		return;
	}
	if (p->section == SEC_NONE) {
		if (p->block == 0)
			conf_fail(&p->x, "this stands before the first [SECTION]");
		return;
	}
	*equals = '\0';
	add_line(p, number, conf_trim(s), conf_trim(equals + 1));
}

/** Takes all lines of `text`, which is changed and must stay as long as p->lines. */
static void read_lines(struct ini *p, char *text, size_t len)
{
	static const char bom[] = "\xef\xbb\xbf";
	char *end = text + len;

	if (len >= 3 && memcmp(text, bom, 3) == 0)
		text += 3;
	for (size_t number = 1; text < end; number++) {
		char *newline = memchr(text, '\n', (size_t)(end - text));
		size_t n = newline ? (size_t)(newline - text) : (size_t)(end - text);
		text[n] = '\0'; /* the copy has one byte more than the file */
		at_line(p, number);
		if (memchr(text, '\0', n)) {
			conf_fail(&p->x, "the line holds a NUL byte: this is no text file");
		} else {
			char *s = conf_trim(text);
			if (s[0] != '#') {
				cut_comment(s);
				s = conf_trim(s);
			}
			if (s[0] == '[')
				read_header(p, number, s);
			else if (s[0] && s[0] != '#')
				read_pair(p, number, s);
		}
		text += n + 1;
	}
}

/* ---- sections ---- */

static void unknown_key(
	struct ini *p, const struct line *l, const char *const *names, size_t n, const char *list)
{
	char q[CONF_QUOTE_MAX];
	const char *near = conf_near(l->key, names, n);
	if (near)
		conf_fail(&p->x, "[%s] has no key %s; did you mean %s?", section_names[l->section],
			conf_quote(q, l->key), near);
	else
		conf_fail(&p->x, "[%s] has no key %s; %s", section_names[l->section],
			conf_quote(q, l->key), list);
}

/** Targets that are told who the peer is. */
static void read_introduced(struct ini *p, const char *value)
{
	struct conf *c = p->x.c;

	conf_rules(&p->x, value, &c->introduced, &c->n_introduced);
	for (size_t i = 0; i < c->n_introduced; i++) {
		if (c->introduced[i].kind != TT_RULE_NAME)
			continue;
		conf_fail(&p->x,
			"proxy-protocol takes no names (%s): a peer could ask for the address "
			"instead, "
			"and then write such a header itself; give the addresses, or *:PORT",
			c->introduced[i].name);
		return;
	}
}

static void read_server(struct ini *p, const struct line *l)
{
	static const char *const keys[] = {
		"name", "allow", "admin", "targets", "listens", "proxy-protocol"};
	struct conf *c = p->x.c;

	if (strcmp(l->key, "name") == 0) {
		if (conf_name_ok(l->value))
			snprintf(c->name, sizeof(c->name), "%s", l->value);
		else
			conf_fail(&p->x, "a name has " CONF_NAME_RULE);
	} else if (strcmp(l->key, "allow") == 0) {
		conf_allow(&p->x, l->value);
	} else if (strcmp(l->key, "admin") == 0) {
		conf_admin(&p->x, l->value);
	} else if (strcmp(l->key, "targets") == 0) {
		conf_targets(&p->x, l->value, &c->targets, &c->n_targets);
	} else if (strcmp(l->key, "listens") == 0) {
		conf_listens(&p->x, l->value, &c->listens, &c->n_listens);
	} else if (strcmp(l->key, "proxy-protocol") == 0) {
		read_introduced(p, l->value);
	} else {
		unknown_key(p, l, keys, COUNT(keys),
			"it has name, allow, admin, targets, listens and proxy-protocol");
	}
}

static void read_node(struct ini *p, const struct line *l)
{
	static const char *const keys[] = {"bootstrap"};
	const struct conf_option *o = conf_option_by_name("bootstrap", 9);

	if (strcmp(l->key, keys[0]) == 0)
		o->set(&p->x, o, l->value);
	else if (conf_option_by_name(l->key, strlen(l->key)))
		conf_fail(&p->x, "%s goes into the section [options]", l->key);
	else
		unknown_key(p, l, keys, 1, "it has bootstrap");
}

static void read_option(struct ini *p, const struct line *l)
{
	const struct conf_option *o = conf_option_by_name(l->key, strlen(l->key));
	const char *near = o ? NULL : conf_option_near(l->key, true);

	if (o && !(o->flags & CONF_OPT_ARGS))
		o->set(&p->x, o, l->value);
	else if (o)
		conf_fail(&p->x, "%s can only be given on the command line", l->key);
	else
		unknown_key(p, l, &near, near ? 1 : 0,
			"it has the long options of toxtun -h, without dashes");
}

static struct conf_peer *peer_of_key(struct conf *c, const struct conf_peer *peer)
{
	for (size_t i = 0; i < c->n_peers; i++)
		if (memcmp(c->peers[i].id.key, peer->id.key, TT_KEY_LEN) == 0)
			return &c->peers[i];
	return NULL;
}

static bool peer_id(struct ini *p, const char *text, struct tt_peer_id *out)
{
	struct conf none = {0};
	struct conf_ctx x = p->x;
	x.c = &none; /* the ID of a peer is not the name of another one */
	return conf_peer_ref(&x, text, out);
}

static void read_peer_key(struct ini *p, const struct line *l, struct conf_peer *peer, bool *has_id)
{
	static const char *const keys[] = {"id", "targets", "listens", "secret-file"};

	at_line(p, l->number);
	if (strcmp(l->key, "id") == 0) {
		*has_id = true;
		peer_id(p, l->value, &peer->id);
	} else if (strcmp(l->key, "targets") == 0) {
		conf_targets(&p->x, l->value, &peer->targets, &peer->n_targets);
		peer->has_targets = true;
	} else if (strcmp(l->key, "listens") == 0) {
		conf_listens(&p->x, l->value, &peer->listens, &peer->n_listens);
		peer->has_listens = true;
	} else if (strcmp(l->key, "secret-file") != 0) {
		unknown_key(p, l, keys, COUNT(keys), "it has id, targets, listens and secret-file");
	} else if (l->value[0] == '\0') {
		conf_fail(&p->x, "secret-file needs the name of a file");
	} else if (!peer->secret_file) {
		peer->secret_file = conf_strndup(&p->x, l->value, strlen(l->value));
	}
}

/** The section that starts with the header at index `head`. */
static void read_peer(struct ini *p, size_t head)
{
	const struct line *header = &p->lines[head];
	struct conf *c = p->x.c;
	struct conf_peer peer = {0}, *slot = NULL;
	size_t errors = p->x.d->errors;
	bool has_id = false;

	at_line(p, header->number);
	snprintf(peer.origin, sizeof(peer.origin), "%s", p->origin);
	if (conf_name_ok(header->value))
		snprintf(peer.name, sizeof(peer.name), "%s", header->value);
	else
		conf_fail(&p->x, "a peer's section is [peer NAME]; NAME has " CONF_NAME_RULE);
	for (size_t i = head + 1; i < p->n_lines && p->lines[i].key; i++)
		if (p->lines[i].block == header->block)
			read_peer_key(p, &p->lines[i], &peer, &has_id);
	at_line(p, header->number);
	if (!has_id)
		conf_fail(&p->x, "the peer has no id: add its Tox ID or public key, id = ...");
	if (p->x.d->errors == errors) {
		const struct conf_peer *same = peer_of_key(c, &peer);
		if (same)
			conf_fail(&p->x, "this is the id of [peer %s] too (%s)", same->name,
				same->origin);
	}
	/* With a bad id it still gets its place, so that lines which name it are not blamed. */
	slot = peer.name[0] ? conf_push(&p->x, &c->peers, &c->n_peers, sizeof(*slot)) : NULL;
	if (slot) {
		*slot = peer;
	} else {
		tt_free(NULL, peer.targets);
		tt_free(NULL, peer.listens);
		tt_free(NULL, peer.secret_file);
	}
}

static bool may_repeat(const struct line *l)
{
	const struct conf_option *o = conf_option_by_name(l->key, strlen(l->key));
	return (l->section == SEC_NODE || l->section == SEC_OPTIONS) && o &&
	       (o->flags & CONF_OPT_REPEAT) && !(o->flags & CONF_OPT_FLAG);
}

/** A key that its section has already, in an earlier line. */
static bool is_duplicate(struct ini *p, size_t index)
{
	const struct line *l = &p->lines[index];

	if (may_repeat(l))
		return false;
	for (size_t i = index; i-- > 0 && p->lines[i].block == l->block;) {
		const struct line *before = &p->lines[i];
		if (before->key && strcmp(before->key, l->key) == 0) {
			char q[CONF_QUOTE_MAX];
			conf_fail(&p->x, "%s is there already, in line %zu", conf_quote(q, l->key),
				before->number);
			return true;
		}
	}
	return false;
}

static void read_line(struct ini *p, size_t index)
{
	const struct line *l = &p->lines[index];

	at_line(p, l->number);
	if (!l->key || is_duplicate(p, index))
		return;
	switch (l->section) {
	case SEC_SERVER:
		read_server(p, l);
		break;
	case SEC_CLIENT:
		conf_forward_entry(&p->x, l->key, l->value, false);
		break;
	case SEC_REVERSE:
		conf_forward_entry(&p->x, l->key, l->value, true);
		break;
	case SEC_NODE:
		read_node(p, l);
		break;
	case SEC_OPTIONS:
		read_option(p, l);
		break;
	case SEC_PEER: /* read_peer has had it */
	case SEC_NONE:
		break;
	}
}

int conf_parse_ini(
	struct conf *c, const char *text, size_t len, const char *file, struct conf_diag *d)
{
	struct ini p = {.file = file};

	conf_ctx_init(&p.x, c, d, file);
	char *copy = conf_strndup(&p.x, text, len);
	if (!copy)
		return TT_ENOMEM;
	read_lines(&p, copy, len);
	for (size_t i = 0; i < p.n_lines; i++)
		if (!p.lines[i].key && p.lines[i].section == SEC_PEER)
			read_peer(&p, i);
	for (size_t i = 0; i < p.n_lines; i++) {
		const struct line *l = &p.lines[i];
		c->serve = c->serve || l->section == SEC_SERVER;
		c->connect = c->connect || l->section == SEC_CLIENT || l->section == SEC_REVERSE;
		read_line(&p, i);
	}
	tt_free(NULL, p.lines);
	tt_free(NULL, copy);
	return conf_ctx_result(&p.x);
}
