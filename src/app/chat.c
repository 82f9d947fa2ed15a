#include "chat.h"

#include <stdlib.h>
#include <string.h>

#include "access_peer.h"
#include "status.h"
#include "tt_err.h"

/* Questions of one admin that are answered: at once, then one every so often. */
#define ASK_INTERVAL TT_S(1)
/* Messages to one answer, of which each may fill a phone's screen. */
#define MESSAGES_MAX 4
/* Rates and round trips are those of this time between question and answer. */
#define RATE_TIME TT_MS(300)

void chat_peer_init(struct peer *p)
{
	p->ask_limit =
		(struct tt_ratelimit){.burst = PEER_QUESTIONS_MAX, .interval_us = ASK_INTERVAL};
}

/* Allocated; NULL without memory. */
static char *answer_text(const struct app *app, enum chat_word word)
{
	switch (word) {
	case CHAT_STATUS:
		return status_text(app, STATUS_SELF);
	case CHAT_PEERS:
		return status_text(app, STATUS_PEERS);
	case CHAT_TUNNELS:
		return app->forwards || app->granted ? status_text(app, STATUS_TUNNELS)
						     : strdup("no tunnels");
	case CHAT_HELP:
		return chat_help();
	case CHAT_UNKNOWN:
		break;
	}
	return strdup(CHAT_UNKNOWN_ANSWER);
}

/* What toxcore does not take, because its queue is full or the friend has just gone, is not said:
 * the question can be asked again. */
static void answer(struct peer *p, enum chat_word word)
{
	char *text = answer_text(p->app, word), message[CHAT_MESSAGE_CAP];
	const char *rest = text;
	uint32_t receipt;
	int rc = TT_OK;

	for (int i = 1; text && rc == TT_OK && i <= MESSAGES_MAX; i++) {
		size_t n = chat_message_next(&rest, i == MESSAGES_MAX, message);
		if (n == 0)
			break;
		rc = toxnet_message_send(
			p->app->tn, p->friend_number, (const uint8_t *)message, n, &receipt);
	}
	free(text);
}

static void answer_all(struct app *app, void *owner)
{
	(void)owner;
	app->chat_waits = false;
	for (struct peer *p = app->peers; p; p = p->hh.next) {
		bool may = access_is_admin(app, p->key) && p->path != TOXNET_PATH_NONE;
		for (size_t i = 0; may && i < p->n_questions; i++)
			answer(p, p->questions[i]);
		p->n_questions = 0;
	}
}

int chat_init(struct app *app)
{
	return app_timer_init(app, &app->chat_timer, answer_all, NULL);
}

void chat_on_message(struct peer *p, const uint8_t *data, size_t len)
{
	struct app *app = p->app;

	if (!access_is_admin(app, p->key))
		return;
	/* Whoever has said hello is a toxtun, which only ever answers: two must not do so for ever.
	 */
	if (session_ready(p->session) || p->n_questions == PEER_QUESTIONS_MAX ||
		!tt_ratelimit_take(&p->ask_limit, app_now(app)))
		return;
	enum chat_word word = chat_word_parse(data, len);
	tt_info(app->log, "chat: peer=%s asks %s", p->tag,
		word == CHAT_UNKNOWN ? "what is no question" : chat_word_name(word));
	p->questions[p->n_questions++] = word;
	if (app->chat_waits)
		return;
	app->chat_waits = true;
	status_sample(app);
	app_timer_set(app, &app->chat_timer, app_now(app) + RATE_TIME);
}
