#include "link_sched.h"

#define URGENT 0
#define DATA 1

static struct sched_link *link_of(struct sched_entry *e, int which)
{
	return which == URGENT ? &e->urgent : &e->data;
}

static void append(struct sched_list *list, struct sched_entry *e, int which)
{
	struct sched_link *l = link_of(e, which);
	l->list = list;
	l->next = NULL;
	l->prev = list->tail;
	if (list->tail)
		link_of(list->tail, which)->next = e;
	else
		list->head = e;
	list->tail = e;
}

static void take_out(struct sched_entry *e, int which)
{
	struct sched_link *l = link_of(e, which);
	if (!l->list)
		return;
	if (l->prev)
		link_of(l->prev, which)->next = l->next;
	else
		l->list->head = l->next;
	if (l->next)
		link_of(l->next, which)->prev = l->prev;
	else
		l->list->tail = l->prev;
	*l = (struct sched_link){0};
}

void sched_init(struct sched *sc)
{
	*sc = (struct sched){.quantum = SCHED_QUANTUM_MIN};
}

void sched_set_quantum(struct sched *sc, uint64_t bytes)
{
	sc->quantum = bytes < SCHED_QUANTUM_MIN   ? SCHED_QUANTUM_MIN
		      : bytes > SCHED_QUANTUM_MAX ? SCHED_QUANTUM_MAX
						  : (int32_t)bytes;
}

void sched_entry_init(const struct sched *sc, struct sched_entry *e)
{
	*e = (struct sched_entry){.deficit = sc->quantum};
}

void sched_set(struct sched *sc, struct sched_entry *e, bool urgent, bool data)
{
	if (urgent && !e->urgent.list)
		append(&sc->urgent, e, URGENT);
	else if (!urgent)
		take_out(e, URGENT);

	/* The credit outlives an empty moment: a stream that used up its own and comes back waits
	 * one round with the others, or it could be "sparse" again and again ahead of them. */
	if (data && !e->data.list) {
		bool sparse = e->deficit > 0;
		if (!sparse)
			e->deficit += sc->quantum;
		append(sparse ? &sc->sparse : &sc->bulk, e, DATA);
	} else if (!data) {
		take_out(e, DATA);
	}
}

struct sched_entry *sched_first_urgent(const struct sched *sc)
{
	return sc->urgent.head;
}

struct sched_entry *sched_first_data(struct sched *sc)
{
	for (;;) {
		struct sched_entry *e = sc->sparse.head ? sc->sparse.head : sc->bulk.head;
		if (!e || e->deficit > 0)
			return e;
		e->deficit += sc->quantum;
		take_out(e, DATA);
		append(&sc->bulk, e, DATA);
	}
}

void sched_charge(struct sched_entry *e, size_t bytes)
{
	e->deficit -= (int32_t)bytes;
}

void sched_rotate_urgent(struct sched *sc, struct sched_entry *e)
{
	take_out(e, URGENT);
	append(&sc->urgent, e, URGENT);
}

bool sched_has_data(const struct sched *sc)
{
	return sc->sparse.head || sc->bulk.head;
}
