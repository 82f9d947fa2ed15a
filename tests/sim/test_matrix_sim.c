/* One download over every kind of link: what share of it the payload gets, at least. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "scene.h"

#define PAYLOAD (LINK_PACKET_MAX - 1 - KCP_HEADER) /* of a full packet, */
#define WIRE 1428                                  /* which costs so much on the way */

/* ---- the floor: the one place that says what is good enough ---- */

/* A transfer of so many bytes. */
struct cell {
	double rate;  /* bytes a second */
	double rtt;   /* seconds */
	double loss;  /* share, both ways */
	double queue; /* in bandwidth-delay products, but never less than QUEUE_MIN bytes */
	double bytes;
};

#define QUEUE_MIN (10 * WIRE)

/* No sender can do better: full packets, of which a share is lost. */
static double ceiling(const struct cell *c)
{
	return (double)PAYLOAD / WIRE * (1 - c->loss);
}

static double queue_bytes(const struct cell *c)
{
	return fmax(c->queue * c->rate * c->rtt, QUEUE_MIN);
}

/* Round trips that are lost at the start: a first flight of 32 packets that doubles until it is as
 * much as the link holds (or the transfer has), which is log2(n / 64) round trips behind a sender
 * that knew the rate; three where that is less. One more where the second flight is more than link
 * and queue hold, as the rest of it comes when it is repeated. */
static double startup(const struct cell *c)
{
	double holds = c->rate * c->rtt;
	double n = fmin(holds, c->bytes) / WIRE;
	double repairs = fmin(64 * WIRE, c->bytes) > holds + queue_bytes(c) ? 1 : 0;
	return fmax(3, 0.3 + log2(1 + n / 64)) + repairs;
}

static bool is_short(const struct cell *c)
{
	return c->bytes < 20 * c->rate * c->rtt;
}

/* What repairs at the end of a transfer cost where that is not a small part of it. */
static double tail(const struct cell *c, double rtt)
{
	return is_short(c) && c->loss > 0 ? 2 * rtt + 0.03 : 0;
}

/* What comes behind a lost packet waits in the reader's memory, half of the 64 MB of a peer for one
 * stream. Of the n packets that a link holds, the unluckiest is lost log(n) / log(1 / loss) times
 * and comes as many round trips later; the sender stops when that memory is less than it sends
 * until then. */
#define READER_BYTES 32e6

static double held_up(const struct cell *c)
{
	double holds = c->rate * c->rtt;
	if (c->loss == 0)
		return 1;
	double repeats = log(fmax(holds / WIRE, 1)) / log(1 / c->loss);
	return fmin(1, READER_BYTES / (holds * (1 + repeats)));
}

/* The reader's answer to the last packets waits so long for more of them. */
#define ACK_DELAY 0.001

/* For what is not said here: a look for the least round trip, the timing of single losses. */
#define ROOM 0.97

/* Of the rest, loss may cost 1.2 times its share once more, and each halving of a queue below one
 * bandwidth-delay product 5 %. */
static double floor_share(const struct cell *c)
{
	/* as the packets themselves take time */
	double rtt = c->rtt + ACK_DELAY + 3 * WIRE / c->rate;
	double needs = c->bytes / (c->rate * ceiling(c));
	double shallow = c->queue < 1 ? 1 + 0.05 * log2(c->queue) : 1;
	return ROOM * ceiling(c) * (1 - 1.2 * c->loss) * shallow * held_up(c) * needs /
	       (needs + startup(c) * rtt + tail(c, rtt));
}

/* Nothing but what was lost is sent again, but for a few probes. */
static double most_again(const struct sim_link_stats *l)
{
	double packets = (double)l->packets, lost = (double)(l->lost + l->queue_drops);
	return 1.15 * lost / packets + 0.005 + 4 / packets;
}

/* The start may overrun the link by what it holds, twice, or by its first flights; from then on the
 * queue overflows rarely, unless it is a short one. */
static double most_queue_drops(const struct cell *c, const struct sim_link_stats *l)
{
	double share = c->queue < 1 || queue_bytes(c) < 30 * WIRE ? 0.08 : 0.02;
	return share + (2 * c->rate * c->rtt / WIRE + 96) / (double)l->packets;
}

/* The queue is not filled for its own sake; the start of a short transfer may be most of it. */
static double most_wait_us(const struct cell *c)
{
	double wait = 25000 + 6 * WIRE / c->rate * 1e6;
	return is_short(c) ? wait + c->rtt * 1e6 : wait;
}

/* ---- a cell ---- */

static void print_cell(const struct cell *c, const char *what, double is, double bound)
{
	print_message("# %5.0f Mbit/s %4.0f ms loss %4.1f %% queue %4.2f BDP %7.0f kB: %s %.4f, "
		      "bound %.4f\n",
		c->rate / 125000, c->rtt * 1e3, c->loss * 100, c->queue, c->bytes / 1e3, what, is,
		bound);
}

static void run_cell(const struct cell *c, struct scene_result *r)
{
	struct scene *sc = calloc(1, sizeof(*sc));
	assert_non_null(sc);
	double needs = c->bytes / c->rate;

	sc->seed = 1;
	sc->limit_us = (tt_time)((8 * needs + 40 * c->rtt + 2) * 1e6);
	for (int i = 0; i < 2; i++)
		sc->link[i] = (struct sim_link){.rate = (uint64_t)c->rate,
			.delay_us = (tt_time)(c->rtt / 2 * 1e6),
			.loss = (uint32_t)(c->loss * 1e6),
			.queue_bytes = (uint64_t)queue_bytes(c)};
	sc->n_flows = 1;
	sc->flow[0].n_loads = 1;
	sc->flow[0].load[0] = (struct load){LOAD_BULK, .bytes = (uint64_t)c->bytes};
	scene_run(sc, r);
	free(sc);
}

/* How many of its bounds a cell misses. */
static unsigned misses(const struct cell *c)
{
	struct scene_result *r = calloc(1, sizeof(*r));
	unsigned n = 0;

	assert_non_null(r);
	run_cell(c, r);
	const struct flow_result *f = &r->flow[0];
	const struct sim_link_stats *l = &r->link[0];
	double share = f->finished_us > 0 ? f->share[0] : 0;
	const struct {
		const char *what;
		double is, most;
	} bounds[] = {
		{"wrong bytes", (double)f->bad, 0},
		{"sent again", f->sent_again[0], most_again(l)},
		{"dropped by the queue", (double)l->queue_drops / (double)l->packets,
			most_queue_drops(c, l)},
		{"median wait, us", (double)sim_hist_quantile(&l->wait, 0.5), most_wait_us(c)},
	};

	if (share < floor_share(c)) {
		print_cell(c, f->finished_us > 0 ? "share" : sim_outcome_name(r->sim.outcome),
			share, floor_share(c));
		n++;
	}
	for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
		if (bounds[i].is > bounds[i].most) {
			print_cell(c, bounds[i].what, bounds[i].is, bounds[i].most);
			n++;
		}
	}
	free(r);
	return n;
}

/* ---- the grid ---- */

static const double mbits[] = {1, 5, 20, 100, 300};
static const double rtts[] = {0.005, 0.02, 0.06, 0.15, 0.3};
static const double losses[] = {0, 0.001, 0.01, 0.03, 0.05, 0.1};
static const double queues[] = {0.25, 1, 4};
static const double sizes[] = {1e5, 1e6, 1e7};

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))

/* Every so manyth cell, as AddressSanitizer takes several times as long. Prime to the lengths of
 * all lists, so that each value is met. */
#ifdef __SANITIZE_ADDRESS__
#define STEP 7
#else
#define STEP 1
#endif

/* Takes the next of the values from a number that counts all their combinations. */
static double pick(size_t *number, const double *values, size_t n)
{
	double v = values[*number % n];
	*number /= n;
	return v;
}

static void long_downloads_get_their_share_of_every_link(void **state)
{
	size_t cells = LENGTH(queues) * LENGTH(losses) * LENGTH(rtts) * LENGTH(mbits);
	unsigned missed = 0;
	(void)state;
	for (size_t i = 0; i < cells; i += STEP) {
		size_t n = i;
		struct cell c = {.queue = pick(&n, queues, LENGTH(queues)),
			.loss = pick(&n, losses, LENGTH(losses)),
			.rtt = pick(&n, rtts, LENGTH(rtts)),
			.rate = pick(&n, mbits, LENGTH(mbits)) * 125000};
		c.bytes = fmin(c.rate * fmax(3, 30 * c.rtt), 150e6); /* to save time */
		missed += misses(&c) > 0;
	}
	print_message("# %u of %zu cells missed\n", missed, (cells + STEP - 1) / STEP);
	assert_int_equal(missed, 0);
}

static void short_downloads_lose_little_at_the_start(void **state)
{
	static const double few_losses[] = {0, 0.01, 0.05};
	size_t cells = LENGTH(sizes) * LENGTH(few_losses) * LENGTH(rtts) * LENGTH(mbits);
	unsigned missed = 0;
	(void)state;
	for (size_t i = 0; i < cells; i += STEP) {
		size_t n = i;
		struct cell c = {.bytes = pick(&n, sizes, LENGTH(sizes)),
			.loss = pick(&n, few_losses, LENGTH(few_losses)),
			.rtt = pick(&n, rtts, LENGTH(rtts)),
			.rate = pick(&n, mbits, LENGTH(mbits)) * 125000,
			.queue = 1};
		missed += misses(&c) > 0;
	}
	print_message("# %u of %zu cells missed\n", missed, (cells + STEP - 1) / STEP);
	assert_int_equal(missed, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_downloads_get_their_share_of_every_link),
		cmocka_unit_test(short_downloads_lose_little_at_the_start),
	};
	return cmocka_run_group_tests_name("matrix-sim", tests, NULL, NULL);
}
