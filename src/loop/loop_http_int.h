/* What loop_http.c (requests) and loop_http_stream.c (answers without an end) share. */
#ifndef LOOP_HTTP_INT_H
#define LOOP_HTTP_INT_H

#include <event2/http.h>

#include "loop_int.h"

struct loop_http_request {
	struct evhttp_request *req;
	struct loop *loop;
	bool head, replied;
};

#endif
