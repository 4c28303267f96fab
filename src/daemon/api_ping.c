/* SPDX-License-Identifier: BSD-3-Clause */
/* POST weft:ping: one echo request of a router's own, and what comes of it. */
#include "base/error.h"
#include "daemon/api_internal.h"
#include "graph/engine.h"
#include "router/router.h"
#include "router/router_ping.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define LOOK_NS 1000000
#define TIMEOUT_MOST 60.0 /* seconds */
#define NAME_SIZE 64

/* What is asked; it is started on the config thread, where routers can be looked up. */
struct asked {
	struct daemon *daemon;
	const char *router;   /* "red/r1" */
	char port[NAME_SIZE]; /* "": by the routes */
	struct router_ping_request request;
	struct router_ping *ping;
	struct router_ping_state state;
	struct weft_error error;
};

/* ---- reading the input -------------------------------------------------------------------------
 */

/* "10.0.0.1", or "fe80::1@lan" */
static int
read_destination(const char *text, struct asked *asked)
{
	const char *at = text != NULL ? strchr(text, '@') : NULL;
	size_t length = text == NULL ? 0 : at != NULL ? (size_t)(at - text) : strlen(text);
	char address[NAME_SIZE];
	struct weft_prefix to;

	if (length == 0 || length >= sizeof(address) ||
		(at != NULL && strlen(at + 1) >= sizeof(asked->port)))
		return error_set(&asked->error, EINVAL, "to is an address, or ADDRESS@PORT");
	snprintf(address, sizeof(address), "%.*s", (int)length, text);
	if (at != NULL)
		strcpy(asked->port, at + 1);
	if (model_parse_address(address, &to) < 0)
		return error_set(
			&asked->error, EINVAL, "to is an address, or ADDRESS@PORT, not '%s'", text);
	asked->request.family = to.family;
	memcpy(asked->request.to, to.address, sizeof(asked->request.to));
	return 0;
}

static int
read_input(const json_t *input, struct asked *asked)
{
	const json_t *ttl = json_object_get(input, "ttl");
	const json_t *timeout = json_object_get(input, "timeout");
	double seconds = timeout != NULL ? json_number_value(timeout) : 1;

	asked->router = json_string_value(json_object_get(input, "router"));
	if (asked->router == NULL)
		return error_set(&asked->error, EINVAL, "router is to be NETWORK/ROUTER");
	if (read_destination(json_string_value(json_object_get(input, "to")), asked) < 0)
		return -1;
	if (ttl != NULL && (!json_is_integer(ttl) || json_integer_value(ttl) < 1 ||
				   json_integer_value(ttl) > 255))
		return error_set(&asked->error, EINVAL, "ttl is a number from 1 to 255");
	/* written so that NaN is refused as well */
	if (!(seconds >= 0.001 && seconds <= TIMEOUT_MOST))
		return error_set(
			&asked->error, EINVAL, "timeout is a number of seconds from 0.001 to 60");
	asked->request.ttl = (uint8_t)json_integer_value(ttl);
	asked->request.timeout_ns = (uint64_t)(seconds * 1e9);
	return 0;
}

/* ---- asking -------------------------------------------------------------------------------------
 */

static struct weft_device *
find_router(struct weft *weft, const char *name, struct weft_error *error)
{
	const char *slash = strchr(name, '/');
	struct weft_network *network = NULL;
	struct weft_device *device = NULL;
	char text[NAME_SIZE];

	if (slash != NULL && (size_t)(slash - name) < sizeof(text)) {
		snprintf(text, sizeof(text), "%.*s", (int)(slash - name), name);
		network = weft_network_find(weft, text);
	}
	if (network != NULL)
		device = weft_device_find(network, slash + 1);
	if (device != NULL && device->class == &router_class)
		return device;
	error_set(error, ENOENT, "there is no router '%s'; write NETWORK/ROUTER", name);
	return NULL;
}

static void
start(void *context)
{
	struct asked *asked = context;
	struct router_ping_request *request = &asked->request;

	request->router = find_router(asked->daemon->weft, asked->router, &asked->error);
	if (request->router == NULL)
		return;
	if (asked->port[0] != '\0') {
		request->port = weft_vport_find(request->router, asked->port);
		if (request->port == NULL) {
			error_set(&asked->error, ENOENT, "router %s has no port '%s'",
				asked->router, asked->port);
			return;
		}
	}
	pthread_mutex_lock(&asked->daemon->engine_lock);
	asked->ping = router_ping_start(asked->daemon->weft, request, &asked->error);
	pthread_mutex_unlock(&asked->daemon->engine_lock);
}

/* Whether it is over. Looks at what has come as the main thread does, which may sleep. */
static bool
look(struct asked *asked)
{
	pthread_mutex_lock(&asked->daemon->engine_lock);
	weft_poll(asked->daemon->weft);
	router_ping_read(asked->ping, &asked->state);
	pthread_mutex_unlock(&asked->daemon->engine_lock);
	return asked->state.result != ROUTER_PING_WAITING;
}

static void
wait_and_end(struct asked *asked)
{
	struct timespec pause = { .tv_nsec = LOOK_NS };

	while (!look(asked) && !atomic_load(&asked->daemon->ending))
		nanosleep(&pause, NULL);
	pthread_mutex_lock(&asked->daemon->engine_lock);
	router_ping_end(asked->ping);
	pthread_mutex_unlock(&asked->daemon->engine_lock);
}

/* ---- answering ----------------------------------------------------------------------------------
 */

static const char *
why_unreachable(uint8_t family, const struct router_ping_state *state)
{
	static const char *const four[] = { "net unreachable", "host unreachable",
		"protocol unreachable", "port unreachable", "too big" };
	static const char *const six[] = { "no route", "prohibited", "beyond scope",
		"address unreachable", "port unreachable" };

	if (family == 4 && state->type == 3)
		return state->code < 5 ? four[state->code]
		       : state->code == 13 || state->code == 10 || state->code == 9 ? "prohibited"
										    : "unreachable";
	if (family == 6 && state->type == 1)
		return state->code < 5 ? six[state->code] : "unreachable";
	return family == 6 && state->type == 2 ? "too big" : "refused";
}

static json_t *
output_json(const struct asked *asked)
{
	static const char *const results[] = {
		[ROUTER_PING_WAITING] = "timeout", /* weftd is ending */
		[ROUTER_PING_REPLY] = "reply",
		[ROUTER_PING_TTL_EXCEEDED] = "ttl-exceeded",
		[ROUTER_PING_UNREACHABLE] = "unreachable",
		[ROUTER_PING_TIMEOUT] = "timeout",
	};
	const struct router_ping_state *state = &asked->state;
	bool answered =
		state->result != ROUTER_PING_TIMEOUT && state->result != ROUTER_PING_WAITING;
	char from[INET6_ADDRSTRLEN] = "";

	inet_ntop(asked->request.family == 4 ? AF_INET : AF_INET6, state->from, from, sizeof(from));
	return json_pack("{ss, ss?, so, so, ss?, so}", "result", results[state->result], "from",
		answered ? from : NULL, "time",
		answered ? json_real((double)state->round_trip / 1e9) : json_null(), "ttl",
		answered ? json_integer(state->ttl) : json_null(), "reason",
		state->result == ROUTER_PING_UNREACHABLE
			? why_unreachable(asked->request.family, state)
			: NULL,
		"mtu", state->mtu != 0 ? json_integer(state->mtu) : json_null());
}

void
api_ping(struct api_call *call, const json_t *input)
{
	struct asked asked = { .daemon = call->daemon };

	if (read_input(input, &asked) == 0 && config_call(call->daemon->config, start, &asked) < 0)
		error_set(&asked.error, ECANCELED, "weftd is ending");
	if (asked.ping == NULL) {
		answer_failure(call->answer, &asked.error);
		return;
	}
	wait_and_end(&asked);
	answer_json(call->answer, 200, json_pack("{so}", "weft:output", output_json(&asked)));
}
