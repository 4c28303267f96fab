/* SPDX-License-Identifier: BSD-3-Clause */
/* POST /restconf/operations/weft:kill: ends connections of firewalls. */
#include "base/error.h"
#include "daemon/api_internal.h"
#include "daemon/state_internal.h"

#include <errno.h>
#include <string.h>

/* Texts that may be left out. -1: one is something else. */
static int
read_texts(const json_t *input, struct state_query *query, struct weft_error *error)
{
	const struct {
		const char *name;
		const char **text;
	} texts[] = {
		{ "network", &query->network },
		{ "firewall", &query->firewall },
		{ "address", &query->address },
		{ "prefix", &query->prefix },
		{ "protocol", &query->protocol },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const json_t *value = json_object_get(input, texts[i].name);

		*texts[i].text = json_string_value(value);
		if (value != NULL && *texts[i].text == NULL)
			return error_set(error, EINVAL, "%s is to be a text", texts[i].name);
	}
	return 0;
}

static bool
says_nothing(const struct state_query *query)
{
	return query->network == NULL && query->firewall == NULL && query->address == NULL &&
	       query->prefix == NULL && query->protocol == NULL;
}

/* -1: see error. */
static int
kill_meant(struct api_call *call, const json_t *input, size_t *killed, struct weft_error *error)
{
	struct state_query query = { .kind = "connections" };
	struct connection_filter filter;
	struct state_view view;
	int result;

	if (read_texts(input, &query, error) < 0)
		return -1;
	if (says_nothing(&query) && !json_is_true(json_object_get(input, "all")))
		return error_set(error, EINVAL,
			"which connections? Say so by network, firewall, address, prefix or "
			"protocol, or all");
	if (state_view_open(&view, call->daemon) < 0)
		return error_memory(error);
	result = state_read_connection_query(&view, &query, error);
	if (result == 0)
		result = state_select_connections(&view, &filter, error);
	if (result == 0)
		*killed = firewall_kill(call->daemon->weft, &filter);
	state_view_close(&view);
	return result;
}

void
api_kill(struct api_call *call, const json_t *input)
{
	struct weft_error error = { 0 };
	size_t killed = 0;

	if (kill_meant(call, input, &killed, &error) < 0)
		answer_failure(call->answer, &error);
	else
		answer_json(call->answer, 200,
			json_pack("{s{sI}}", "weft:output", "killed", (json_int_t)killed));
}
