/* SPDX-License-Identifier: BSD-3-Clause */
/* GET /restconf/data/weft-state:KIND[=NAME] */
#include "daemon/api_internal.h"
#include "daemon/state.h"

#include "base/nearest.h"

#include <string.h>

#define PREFIX_LENGTH 11 /* of "weft-state:" */

static const char *const filters[] = { "network", "switch", "router", "port", "vlan", "mac",
	"reason", "prefix", "family", "address", "firewall", "protocol", "limit", "content",
	"depth", NULL };

static void
unknown_filter(struct api_call *call, const char *name)
{
	struct nearest nearest = { .wanted = name };

	for (const char *const *filter = filters; *filter != NULL; filter++)
		nearest_offer(&nearest, *filter);
	answer_error(call->answer, 400, "invalid-value", NULL, "there is no filter '%s'%s%s%s",
		name, nearest.best != NULL ? "; did you mean '" : "",
		nearest.best != NULL ? nearest.best : "", nearest.best != NULL ? "'?" : "");
}

void
api_state(struct api_call *call)
{
	const struct target *target = call->target;
	const struct target_segment *segment = &target->segments[2];
	const char *unknown = target_unknown(target, filters);
	struct state_query query = {
		.kind = segment->name + PREFIX_LENGTH,
		.name = segment->key,
		.network = target_parameter(target, "network"),
		.device = target_parameter(target, "switch"),
		.router = target_parameter(target, "router"),
		.port = target_parameter(target, "port"),
		.vlan = target_parameter(target, "vlan"),
		.mac = target_parameter(target, "mac"),
		.reason = target_parameter(target, "reason"),
		.prefix = target_parameter(target, "prefix"),
		.family = target_parameter(target, "family"),
		.address = target_parameter(target, "address"),
		.firewall = target_parameter(target, "firewall"),
		.protocol = target_parameter(target, "protocol"),
		.limit = target_parameter(target, "limit"),
	};
	struct weft_error error = { 0 };
	json_t *objects;

	if (!api_is_get(call)) {
		answer_not_allowed(call, "GET, HEAD, OPTIONS");
		return;
	}
	if (target->n_segments > 3) {
		answer_error(call->answer, 404, "invalid-value", NULL,
			"an object of weft-state is asked for as a whole");
		return;
	}
	if (unknown != NULL) {
		unknown_filter(call, unknown);
		return;
	}
	objects = state_read(call->daemon, &query, &error);
	if (objects == NULL)
		answer_failure(call->answer, &error);
	else
		answer_json(call->answer, 200, json_pack("{so}", segment->name, objects));
}
