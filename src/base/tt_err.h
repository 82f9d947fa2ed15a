/**
 * Error codes of the whole program.
 *
 * Functions that can fail return TT_OK (0) or one of the negative codes below; functions that
 * return a count return it as a non-negative number in the same int. Codes are for input and for
 * the environment; asserts are for bugs.
 */
#ifndef TT_ERR_H
#define TT_ERR_H

enum tt_err {
	TT_OK = 0,
	TT_EAGAIN = -1,   /* not now: queue full, window closed, nothing to read; try again after an
			     event */
	TT_ENOMEM = -2,   /* allocator said no, or a memory cap is reached */
	TT_EINVAL = -3,   /* the caller's or the user's argument makes no sense */
	TT_EPROTO = -4,   /* the peer sent something that the protocol does not allow */
	TT_ENOENT = -5,   /* no such thing */
	TT_EEXIST = -6,   /* there is one already */
	TT_ELIMIT = -7,   /* a configured limit is reached */
	TT_ENOSPC = -8,   /* the destination buffer is too small */
	TT_EIO = -9,      /* the operating system failed; errno says how */
	TT_ECLOSED = -10, /* the other end is gone */
	TT_EPERM = -11,   /* not allowed */
	TT_ETIMEOUT = -12, /* it took too long */
	TT_EBUSY = -13,    /* held by somebody else (lock file, address in use) */
	TT_ENOTSUP = -14,  /* the other side cannot do this */
};

/** Short lower-case name of a code ("again", "no memory"); never NULL, static storage. */
const char *tt_err_name(int err);

#endif
