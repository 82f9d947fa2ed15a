#include "toxnet_io.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>

#include "tt_err.h"
#include "tt_packet.h"

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* linux/udp.h */
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define PACKET_MAX 2048 /* MAX_UDP_PACKET_SIZE of toxcore's network.h */
#define TX_BYTES (96u << 10)
#define TX_RUNS 64
#define RUN_BYTES 64000 /* of one GSO buffer: a UDP datagram has 16 bits of length */
#define RUN_SEGMENTS 44 /* UDP_MAX_SEGMENTS is 64 */
#define RX_SLOTS_GRO 8
#define RX_SLOTS_MMSG 32
#define GRO_BYTES 65536
#define NO_GSO_DESTS 8

/* Consecutive packets to one address; more than one only with GSO. */
struct run {
	size_t offset;
	size_t len;
	uint16_t segment; /* bytes of each packet but the last, which may be shorter */
	uint16_t count;
	bool closed; /* its last packet is shorter: nothing may follow */
	socklen_t to_len;
	struct sockaddr_storage to;
};

struct slot {
	uint8_t *buf;
	size_t len, offset, segment;
	socklen_t from_len;
	struct sockaddr_storage from;
};

struct toxnet_io {
	int fd;
	enum toxnet_io_level level;
	const struct tt_log *log;

	size_t tx_used;
	unsigned n_runs;
	struct run runs[TX_RUNS];
	/* destinations whose route refuses GSO (a tunnel device, a small MTU): plain packets */
	struct sockaddr_storage no_gso[NO_GSO_DESTS];
	unsigned n_no_gso;

	unsigned budget;
	bool starved; /* the budget was used up */
	bool drained; /* the last read did not fill its slots: the socket was empty */
	unsigned n_slots, have, current;
	struct slot slots[RX_SLOTS_MMSG];
	uint8_t *rx;

	uint64_t tx_calls, tx_packets, tx_bytes, tx_lost, rx_calls, rx_packets, rx_bytes;
	uint8_t tx[TX_BYTES];
};

static enum toxnet_io_level probe(int fd, enum toxnet_io_level wish)
{
	int zero = 0, one = 1;

	if (wish < TOXNET_IO_GSO)
		return wish;
	if (setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &zero, sizeof(zero)) != 0 ||
		setsockopt(fd, IPPROTO_UDP, UDP_GRO, &one, sizeof(one)) != 0)
		return TOXNET_IO_MMSG;
	return TOXNET_IO_GSO;
}

int toxnet_io_new(
	struct toxnet_io **out, int fd, enum toxnet_io_level level, const struct tt_log *log)
{
	struct toxnet_io *io = calloc(1, sizeof(*io));
	if (!io)
		return TT_ENOMEM;
	io->fd = fd;
	io->log = log;
	io->level = probe(fd, level);
	io->budget = UINT32_MAX;
	size_t bytes = io->level == TOXNET_IO_GSO ? GRO_BYTES : PACKET_MAX;
	io->n_slots = io->level == TOXNET_IO_GSO    ? RX_SLOTS_GRO
		      : io->level == TOXNET_IO_MMSG ? RX_SLOTS_MMSG
						    : 1;
	io->rx = malloc(io->n_slots * bytes);
	if (!io->rx) {
		free(io);
		return TT_ENOMEM;
	}
	for (unsigned i = 0; i < io->n_slots; i++)
		io->slots[i].buf = io->rx + i * bytes;
	*out = io;
	return TT_OK;
}

void toxnet_io_free(struct toxnet_io *io)
{
	if (!io)
		return;
	toxnet_io_flush(io);
	free(io->rx);
	free(io);
}

enum toxnet_io_level toxnet_io_level(const struct toxnet_io *io)
{
	return io->level;
}

/* The headers of a datagram. toxcore's socket is one of IPv6 and has IPv4 addresses mapped. */
static size_t header_bytes(const struct sockaddr *sa)
{
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
	bool six = sa && sa->sa_family == AF_INET6 && !IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);

	return TT_PACKET_UDP + (six ? TT_PACKET_IPV6 : TT_PACKET_IPV4);
}

/* ---- out ---- */

static void count_sent(
	struct toxnet_io *io, unsigned packets, size_t bytes, const struct sockaddr *to)
{
	io->tx_packets += packets;
	io->tx_bytes += bytes + packets * header_bytes(to);
}

static bool same_address(const struct sockaddr_storage *a, const struct sockaddr *b, socklen_t len)
{
	return memcmp(a, b, len) == 0;
}

static bool refuses_gso(const struct toxnet_io *io, const struct sockaddr *to, socklen_t to_len)
{
	unsigned n = io->n_no_gso < NO_GSO_DESTS ? io->n_no_gso : NO_GSO_DESTS;
	for (unsigned i = 0; i < n; i++) {
		if (same_address(&io->no_gso[i], to, to_len))
			return true;
	}
	return false;
}

static struct run *run_for(
	struct toxnet_io *io, size_t len, const struct sockaddr *to, socklen_t to_len)
{
	struct run *r = io->n_runs ? &io->runs[io->n_runs - 1] : NULL;

	if (r && io->level == TOXNET_IO_GSO && !r->closed && len <= r->segment &&
		r->count < RUN_SEGMENTS && r->len + len <= RUN_BYTES && r->to_len == to_len &&
		same_address(&r->to, to, to_len))
		return r;
	if (io->n_runs == TX_RUNS)
		return NULL;
	r = &io->runs[io->n_runs++];
	r->offset = io->tx_used;
	r->len = 0;
	r->count = 0;
	r->segment = (uint16_t)len;
	r->closed = refuses_gso(io, to, to_len);
	r->to_len = to_len;
	memcpy(&r->to, to, to_len);
	return r;
}

static ssize_t send_now(struct toxnet_io *io, const void *buf, size_t len,
	const struct sockaddr *to, socklen_t to_len)
{
	struct iovec iov = {.iov_base = (void *)(uintptr_t)buf, .iov_len = len};
	struct msghdr msg = {.msg_name = (void *)(uintptr_t)to,
		.msg_namelen = to_len,
		.msg_iov = &iov,
		.msg_iovlen = 1};
	ssize_t sent = sendmsg(io->fd, &msg, MSG_NOSIGNAL);
	io->tx_calls++;
	if (sent >= 0)
		count_sent(io, 1, len, to);
	return sent;
}

ssize_t toxnet_io_send(struct toxnet_io *io, const void *buf, size_t len, const struct sockaddr *to,
	socklen_t to_len)
{
	if (io->level == TOXNET_IO_PLAIN || len == 0 || len > PACKET_MAX ||
		to_len > sizeof(struct sockaddr_storage) || !to)
		return send_now(io, buf, len, to, to_len);
	if (io->tx_used + len > TX_BYTES)
		toxnet_io_flush(io);
	struct run *r = io->tx_used + len <= TX_BYTES ? run_for(io, len, to, to_len) : NULL;
	if (!r) {
		toxnet_io_flush(io);
		r = io->tx_used + len <= TX_BYTES ? run_for(io, len, to, to_len) : NULL;
	}
	if (!r) {
		errno = EAGAIN;
		return -1;
	}
	memcpy(io->tx + io->tx_used, buf, len);
	io->tx_used += len;
	r->len += len;
	r->count++;
	if (len < r->segment)
		r->closed = true;
	return (ssize_t)len;
}

/* The first run was refused as one buffer: its packets go out one by one. */
static void send_singly(struct toxnet_io *io, const struct run *r)
{
	for (size_t at = 0; at < r->len; at += r->segment) {
		size_t len = r->len - at < r->segment ? r->len - at : r->segment;
		if (send_now(io, io->tx + r->offset + at, len, (const struct sockaddr *)&r->to,
			    r->to_len) < 0)
			io->tx_lost++;
	}
}

/* What to do with a first run that sendmmsg refused. True: it is done with. */
static bool first_refused(struct toxnet_io *io, const struct run *r, int err)
{
	if (err == EAGAIN || err == EWOULDBLOCK || err == ENOBUFS)
		return false;
	if (r->count > 1 && (err == EINVAL || err == EIO || err == EMSGSIZE)) {
		if (err == EIO || io->n_no_gso == 0)
			tt_debug(io->log, "tox: no UDP segmentation offload to a peer: %s",
				strerror(err));
		memcpy(&io->no_gso[io->n_no_gso++ % NO_GSO_DESTS], &r->to, sizeof(r->to));
		send_singly(io, r);
		return true;
	}
	io->tx_lost +=
		r->count; /* no route, refused: datagrams are lost, toxcore's timers see to it */
	return true;
}

/* Keeps the runs from `done` on, for the next flush. */
static void keep_rest(struct toxnet_io *io, unsigned done)
{
	if (done == io->n_runs) {
		io->n_runs = 0;
		io->tx_used = 0;
		return;
	}
	size_t cut = io->runs[done].offset;
	memmove(io->tx, io->tx + cut, io->tx_used - cut);
	memmove(io->runs, io->runs + done, (io->n_runs - done) * sizeof(io->runs[0]));
	io->n_runs -= done;
	io->tx_used -= cut;
	for (unsigned i = 0; i < io->n_runs; i++) {
		io->runs[i].offset -= cut;
		io->runs[i].closed = true;
	}
}

union segment_control {
	struct cmsghdr align;
	uint8_t bytes[CMSG_SPACE(sizeof(uint16_t))];
};

static void prepare(struct toxnet_io *io, struct run *r, struct mmsghdr *m, struct iovec *iov,
	union segment_control *control)
{
	*iov = (struct iovec){.iov_base = io->tx + r->offset, .iov_len = r->len};
	*m = (struct mmsghdr){.msg_hdr = {.msg_name = &r->to,
				      .msg_namelen = r->to_len,
				      .msg_iov = iov,
				      .msg_iovlen = 1}};
	if (r->count < 2)
		return;
	memset(control, 0, sizeof(*control)); /* its padding goes to the kernel, too */
	m->msg_hdr.msg_control = control->bytes;
	m->msg_hdr.msg_controllen = sizeof(control->bytes);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m->msg_hdr);
	c->cmsg_level = IPPROTO_UDP;
	c->cmsg_type = UDP_SEGMENT;
	c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
	memcpy(CMSG_DATA(c), &r->segment, sizeof(uint16_t));
}

void toxnet_io_flush(struct toxnet_io *io)
{
	struct mmsghdr msgs[TX_RUNS];
	struct iovec iov[TX_RUNS];
	union segment_control control[TX_RUNS];
	unsigned done = 0;

	for (unsigned i = 0; i < io->n_runs; i++)
		prepare(io, &io->runs[i], &msgs[i], &iov[i], &control[i]);
	while (done < io->n_runs) {
		int n = sendmmsg(io->fd, msgs + done, io->n_runs - done, MSG_NOSIGNAL);
		io->tx_calls++;
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			if (!first_refused(io, &io->runs[done], errno))
				break;
			done++;
			continue;
		}
		for (int i = 0; i < n; i++) {
			const struct run *r = &io->runs[done++];
			count_sent(io, r->count, r->len, (const struct sockaddr *)&r->to);
		}
	}
	keep_rest(io, done);
}

/* ---- in ---- */

void toxnet_io_budget(struct toxnet_io *io, unsigned packets)
{
	io->budget = packets;
	io->starved = false;
	io->drained = false;
}

bool toxnet_io_pending(const struct toxnet_io *io)
{
	return io->starved || io->current < io->have;
}

static size_t segment_of(struct msghdr *msg, size_t len)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		int size;
		if (c->cmsg_level != IPPROTO_UDP || c->cmsg_type != UDP_GRO)
			continue;
		memcpy(&size, CMSG_DATA(c), sizeof(size));
		if (size > 0)
			return (size_t)size;
	}
	return len;
}

static int fill(struct toxnet_io *io)
{
	struct mmsghdr msgs[RX_SLOTS_MMSG];
	struct iovec iov[RX_SLOTS_MMSG];
	union {
		struct cmsghdr align;
		uint8_t bytes[CMSG_SPACE(sizeof(int))];
	} control[RX_SLOTS_MMSG];
	bool gro = io->level == TOXNET_IO_GSO;

	for (unsigned i = 0; i < io->n_slots; i++) {
		struct slot *s = &io->slots[i];
		iov[i] =
			(struct iovec){.iov_base = s->buf, .iov_len = gro ? GRO_BYTES : PACKET_MAX};
		msgs[i] = (struct mmsghdr){
			.msg_hdr = {.msg_name = &s->from,
				.msg_namelen = sizeof(s->from),
				.msg_iov = &iov[i],
				.msg_iovlen = 1,
				.msg_control = gro ? control[i].bytes : NULL,
				.msg_controllen = gro ? sizeof(control[i].bytes) : 0}};
	}
	io->have = io->current = 0;
	int n = recvmmsg(io->fd, msgs, io->n_slots, MSG_DONTWAIT, NULL);
	io->rx_calls++;
	if (n < 0)
		return -1;
	for (int i = 0; i < n; i++) {
		struct slot *s = &io->slots[i];
		s->len = msgs[i].msg_len;
		s->offset = 0;
		s->from_len = msgs[i].msg_hdr.msg_namelen;
		s->segment = gro ? segment_of(&msgs[i].msg_hdr, s->len) : s->len;
	}
	io->have = (unsigned)n;
	io->drained = (unsigned)n < io->n_slots;
	return n;
}

ssize_t toxnet_io_recv(
	struct toxnet_io *io, void *buf, size_t len, struct sockaddr *from, socklen_t *from_len)
{
	if (io->budget == 0) {
		io->starved = true;
		errno = EAGAIN;
		return -1;
	}
	if (io->current == io->have) {
		if (io->drained) { /* it was empty a moment ago; the loop says when it is not */
			errno = EAGAIN;
			return -1;
		}
		if (fill(io) <= 0)
			return -1;
	}
	struct slot *s = &io->slots[io->current];
	size_t left = s->len - s->offset;
	size_t n = left < s->segment ? left : s->segment;
	size_t copied = n < len ? n : len;
	memcpy(buf, s->buf + s->offset, copied);
	if (from && from_len) {
		memcpy(from, &s->from, s->from_len < *from_len ? s->from_len : *from_len);
		*from_len = s->from_len;
	}
	s->offset += n;
	if (s->offset >= s->len)
		io->current++;
	io->budget--;
	io->rx_packets++;
	io->rx_bytes += n + header_bytes((const struct sockaddr *)&s->from);
	return (ssize_t)copied;
}

void toxnet_io_stats(const struct toxnet_io *io, struct toxnet_stats *out)
{
	out->udp_send_calls = io->tx_calls;
	out->udp_packets_sent = io->tx_packets;
	out->udp_bytes_sent = io->tx_bytes;
	out->udp_packets_lost = io->tx_lost;
	out->udp_receive_calls = io->rx_calls;
	out->udp_packets_received = io->rx_packets;
	out->udp_bytes_received = io->rx_bytes;
}
