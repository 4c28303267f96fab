/* SPDX-License-Identifier: BSD-3-Clause */
/* Which part of the API answers a request. */
#include "daemon/api.h"

#include "daemon/api_internal.h"
#include "daemon/metrics.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* RFC 8525 is what RFC 8040, 3.3.3 asks the version of. */
#define YANG_LIBRARY_VERSION "2019-01-04"
#define GET_ONLY "GET, HEAD, OPTIONS"

bool
api_is_get(const struct api_call *call)
{
	return strcmp(call->request->method, "GET") == 0 ||
	       strcmp(call->request->method, "HEAD") == 0;
}

/* RFC 8040, 5.2; "application/json" is what tools send that know no YANG. Parameters, such as
 * charset, change nothing of JSON. */
bool
api_is_json(struct api_call *call)
{
	static const char *const known[] = { API_JSON, "application/json" };
	const char *type = call->request->content_type;
	size_t length = type != NULL ? strcspn(type, "; \t") : 0;

	if (type == NULL)
		return true;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strlen(known[i]) == length && strncasecmp(known[i], type, length) == 0)
			return true;
	answer_error(call->answer, 415, "operation-not-supported", NULL,
		"the body is %.*s; send Content-Type: " API_JSON, (int)strnlen(type, 100), type);
	return false;
}

static bool
is_segment(const struct api_call *call, unsigned index, const char *name)
{
	return index < call->target->n_segments &&
	       strcmp(call->target->segments[index].name, name) == 0 &&
	       call->target->segments[index].key == NULL;
}

static void
no_such_thing(struct api_call *call)
{
	answer_error(call->answer, 404, "invalid-value", NULL,
		"there is nothing here; the API is under /restconf, /streams and /metrics");
}

/* RFC 8040, 3.1 */
static void
host_meta(struct api_call *call)
{
	if (!api_is_get(call)) {
		answer_not_allowed(call, GET_ONLY);
		return;
	}
	answer_text(call->answer, "application/xrd+xml",
		strdup("<XRD xmlns='http://docs.oasis-open.org/ns/xri/xrd-1.0'>"
		       "<Link rel='restconf' href='/restconf'/></XRD>\n"));
}

static void
metrics(struct api_call *call)
{
	if (api_is_get(call))
		answer_text(call->answer, "text/plain; version=0.0.4", metrics_text(call->daemon));
	else
		answer_not_allowed(call, GET_ONLY);
}

/* RFC 8040, 3.3 */
static void
root(struct api_call *call)
{
	if (api_is_get(call))
		answer_json(call->answer, 200,
			json_pack("{s{s{}, s{}, ss}}", "ietf-restconf:restconf", "data",
				"operations", "yang-library-version", YANG_LIBRARY_VERSION));
	else
		answer_not_allowed(call, GET_ONLY);
}

static void
library_version(struct api_call *call)
{
	if (api_is_get(call))
		answer_json(call->answer, 200,
			json_pack("{ss}", "ietf-restconf:yang-library-version",
				YANG_LIBRARY_VERSION));
	else
		answer_not_allowed(call, GET_ONLY);
}

static void
restconf(struct api_call *call)
{
	const struct target *target = call->target;

	if (target->n_segments == 1)
		root(call);
	else if (is_segment(call, 1, "yang-library-version") && target->n_segments == 2)
		library_version(call);
	else if (is_segment(call, 1, "operations"))
		api_operations(call);
	else if (!is_segment(call, 1, "data"))
		no_such_thing(call);
	else if (target->n_segments > 2 &&
		 strncmp(target->segments[2].name, "weft-state:", 11) == 0)
		api_state(call);
	else
		api_data(call);
}

static void
dispatch(struct api_call *call)
{
	if (is_segment(call, 0, "restconf"))
		restconf(call);
	else if (is_segment(call, 0, "streams"))
		api_streams(call);
	else if (is_segment(call, 0, "metrics") && call->target->n_segments == 1)
		metrics(call);
	else if (is_segment(call, 0, ".well-known") && is_segment(call, 1, "host-meta") &&
		 call->target->n_segments == 2)
		host_meta(call);
	else
		no_such_thing(call);
}

void
api_refuse(struct api_answer *answer, bool too_long)
{
	*answer = (struct api_answer){ 0 };
	if (too_long)
		answer_error(answer, 413, "too-big", NULL, "the body of the request is too long");
	else
		answer_error(answer, 500, "operation-failed", NULL, "out of memory");
}

void
api_answer(struct daemon *daemon, const struct api_request *request, struct api_answer *answer)
{
	struct weft_error error = { 0 };
	struct target target;
	struct api_call call = { daemon, request, &target, answer };

	*answer = (struct api_answer){ 0 };
	if (target_parse(&target, request->target, &error) < 0) {
		answer_failure(answer, &error);
		return;
	}
	dispatch(&call);
	target_free(&target);
}
