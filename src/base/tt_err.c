#include "tt_err.h"

const char *tt_err_name(int err)
{
	switch ((enum tt_err)err) {
	case TT_OK:
		return "ok";
	case TT_EAGAIN:
		return "try again";
	case TT_ENOMEM:
		return "out of memory";
	case TT_EINVAL:
		return "invalid argument";
	case TT_EPROTO:
		return "protocol error";
	case TT_ENOENT:
		return "not found";
	case TT_EEXIST:
		return "exists already";
	case TT_ELIMIT:
		return "limit reached";
	case TT_ENOSPC:
		return "no space";
	case TT_EIO:
		return "input/output error";
	case TT_ECLOSED:
		return "closed";
	case TT_EPERM:
		return "not permitted";
	case TT_ETIMEOUT:
		return "timed out";
	case TT_EBUSY:
		return "busy";
	case TT_ENOTSUP:
		return "not supported";
	}
	return "unknown error";
}
