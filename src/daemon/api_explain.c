/* SPDX-License-Identifier: BSD-3-Clause */
/* POST weft:explain: a made-up packet through the live tables. */
#include "base/error.h"
#include "daemon/api_internal.h"
#include "daemon/state.h"
#include "graph/engine.h"
#include "graph/explain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_MOST 65535

json_t *
api_trace_step(struct daemon *daemon, const struct trace_event *event)
{
	char where[VPORT_NAME_SIZE], time[STATE_TIME_SIZE];
	const char *verdict = trace_verdict_name(event->verdict);

	trace_where(daemon->weft, event->vport, where);
	state_time(state_wall_clock(daemon, event->time), time);
	return json_pack("{sI, ss, ss, ss?, ss, ss?, ss?, ss?}", "packet",
		(json_int_t)event->packet, "time", time, "where", where, "node", event->node,
		"text", event->text, "describe",
		event->describe[0] != '\0' ? event->describe : NULL, "verdict", verdict, "reason",
		event->verdict == TRACE_DROPPED ? drop_name(event->reason) : NULL);
}

/* What is asked; `run` is done on the config thread, where vnics can be looked up. */
struct question {
	struct daemon *daemon;
	const char *from,
		*to_nic; /* to_nic: NULL, or of its network; NETWORK/NIC where it has a slash */
	struct explain_request request;
	uint8_t *frame;
	size_t length;
	struct explanation *explanation;
	struct weft_error error;
};

static struct weft_nic *
find_nic(struct daemon *daemon, const char *name, struct weft_error *error)
{
	const char *slash = strchr(name, '/');
	struct weft_network *network = NULL;
	struct weft_nic *nic = NULL;
	char text[64];

	if (slash != NULL && (size_t)(slash - name) < sizeof(text)) {
		memcpy(text, name, (size_t)(slash - name));
		text[slash - name] = '\0';
		network = weft_network_find(daemon->weft, text);
	}
	if (network != NULL)
		nic = weft_nic_find(daemon->weft, network, slash + 1);
	if (nic == NULL)
		error_set(error, ENOENT, "there is no nic '%s'; write NETWORK/NIC", name);
	return nic;
}

static struct weft_nic *
find_destination(struct question *question)
{
	struct weft_network *network = question->request.from->network;
	struct weft_nic *nic;

	if (strchr(question->to_nic, '/') != NULL)
		return find_nic(question->daemon, question->to_nic, &question->error);
	nic = weft_nic_find(question->daemon->weft, network, question->to_nic);
	if (nic == NULL)
		error_set(&question->error, ENOENT,
			"to is an address, a MAC or a nic: network %s has no nic '%s'",
			network != NULL ? network->name : "-", question->to_nic);
	return nic;
}

static bool
has_family(const struct weft_nic *nic, uint8_t family)
{
	for (unsigned i = 0; i < nic->config->n_addresses; i++)
		if (nic->config->addresses[i].family == family)
			return true;
	return false;
}

/* To a vnic: to its first address of a family that the sender has too; without one, to its MAC. */
static int
aim_at_nic(struct question *question)
{
	struct explain_request *request = &question->request;
	const struct weft_nic *nic = find_destination(question);

	if (nic == NULL)
		return -1;
	for (unsigned i = 0; i < nic->config->n_addresses; i++) {
		const struct weft_prefix *address = &nic->config->addresses[i];

		if (!has_family(request->from, address->family))
			continue;
		request->family = address->family;
		memcpy(request->to, address->address, sizeof(request->to));
		return 0;
	}
	request->has_mac = true;
	memcpy(request->to_mac, nic->mac, sizeof(request->to_mac));
	return 0;
}

static void
run(void *context)
{
	struct question *question = context;
	struct weft *weft = question->daemon->weft;
	uint32_t vport;

	question->request.from = find_nic(question->daemon, question->from, &question->error);
	if (question->request.from == NULL ||
		(question->to_nic != NULL && aim_at_nic(question) < 0))
		return;
	if (question->frame == NULL) {
		question->explanation = explain_packet(weft, &question->request, &question->error);
		return;
	}
	vport = atomic_load(&question->request.from->vport);
	if (vport == 0)
		error_set(&question->error, ENOTCONN, "nic %s is attached to no port",
			question->from);
	else
		question->explanation = explain_frame(
			weft, vport, question->frame, question->length, &question->error);
}

/* ---- reading the input ------------------------------------------------------------------------
 */

/* An address, a MAC, or else the name of a vnic. */
static void
read_destination(const char *text, struct question *question)
{
	struct explain_request *request = &question->request;
	struct weft_prefix address;

	if (model_parse_mac(text, request->to_mac) == 0) {
		request->has_mac = true;
	} else if (model_parse_address(text, &address) == 0) {
		request->family = address.family;
		memcpy(request->to, address.address, sizeof(request->to));
	} else {
		question->to_nic = text;
	}
}

static int
read_protocol(const char *text, struct question *question)
{
	static const char *const names[] = { "icmp", "tcp", "udp" };
	static const enum explain_protocol protocols[] = { EXPLAIN_ICMP, EXPLAIN_TCP, EXPLAIN_UDP };

	for (unsigned i = 0; i < 3; i++)
		if (text == NULL || strcmp(text, names[i]) == 0) {
			question->request.protocol = protocols[i];
			return 0;
		}
	return error_set(&question->error, EINVAL, "protocol is tcp, udp or icmp, not '%s'", text);
}

static int
read_number(const json_t *input, const char *name, json_int_t most, uint16_t *number,
	struct question *question)
{
	const json_t *value = json_object_get(input, name);

	if (value == NULL || json_is_null(value))
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 1 ||
		json_integer_value(value) > most)
		return error_set(
			&question->error, EINVAL, "%s is a number from 1 to %d", name, (int)most);
	*number = (uint16_t)json_integer_value(value);
	return 0;
}

static int
read_frame(const char *hex, struct question *question)
{
	size_t length = strlen(hex);

	if (length % 2 != 0 || length / 2 > FRAME_MOST ||
		strspn(hex, "0123456789abcdefABCDEF") != length)
		return error_set(&question->error, EINVAL,
			"frame is the bytes in hexadecimal digits, from the destination MAC on");
	question->frame = malloc(length / 2 + 1);
	if (question->frame == NULL)
		return error_memory(&question->error);
	question->length = length / 2;
	for (size_t i = 0; i < question->length; i++)
		sscanf(hex + 2 * i, "%2hhx", &question->frame[i]);
	return 0;
}

static int
read_question(const json_t *input, struct question *question)
{
	const char *to = json_string_value(json_object_get(input, "to"));
	const char *frame = json_string_value(json_object_get(input, "frame"));
	const char *protocol = json_string_value(json_object_get(input, "protocol"));

	question->from = json_string_value(json_object_get(input, "from"));
	if (question->from == NULL)
		return error_set(&question->error, EINVAL, "from is to be a nic: NETWORK/NIC");
	if (frame != NULL)
		return read_frame(frame, question);
	if (to == NULL)
		return error_set(&question->error, EINVAL, "neither to nor frame is there");
	read_destination(to, question);
	if (read_protocol(protocol, question) < 0 ||
		read_number(input, "to-port", 65535, &question->request.to_port, question) < 0 ||
		read_number(input, "from-port", 65535, &question->request.from_port, question) < 0)
		return -1;
	return read_number(input, "vlan", WEFT_VLAN_MAX, &question->request.vlan, question);
}

/* ---- answering --------------------------------------------------------------------------------
 */

static json_t *
explanation_json(struct daemon *daemon, const struct explanation *explanation)
{
	json_t *steps = json_array();

	for (unsigned i = 0; i < explanation->count; i++)
		json_array_append_new(steps, api_trace_step(daemon, &explanation->steps[i]));
	return json_pack("{s{so, sI, ss}}", "weft:output", "steps", steps, "lost",
		(json_int_t)explanation->lost, "verdict", explanation->verdict);
}

void
api_explain(struct api_call *call, const json_t *input)
{
	struct question question = { .daemon = call->daemon };

	if (read_question(input, &question) == 0 &&
		config_call(call->daemon->config, run, &question) < 0)
		error_set(&question.error, ECANCELED, "weftd is ending");
	if (question.explanation == NULL)
		answer_failure(call->answer, &question.error);
	else
		answer_json(
			call->answer, 200, explanation_json(call->daemon, question.explanation));
	free(question.explanation);
	free(question.frame);
}
