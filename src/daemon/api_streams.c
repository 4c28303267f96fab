/* SPDX-License-Identifier: BSD-3-Clause */
/* GET /streams/events, /streams/trace, /streams/capture: answers without end. */
#include "base/clock.h"
#include "base/error.h"
#include "daemon/api_internal.h"
#include "daemon/events.h"
#include "daemon/json_text.h"
#include "daemon/state.h"
#include "graph/capture.h"
#include "graph/engine.h"
#include "graph/trace.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HEARTBEAT_NS 10000000000u
#define LOOK_MS 20 /* between looks at a ring that was empty */
#define COUNT_MOST UINT32_MAX
#define SNAPLEN_MOST 65535

/* Waits a moment. False: the other side has gone, or weftd is ending. */
static bool
pause_stream(const struct api_stream *stream, int milliseconds)
{
	struct pollfd peer = { .fd = stream->peer, .events = POLLRDHUP };

	if (atomic_load(&stream->daemon->ending))
		return false;
	return poll(&peer, 1, milliseconds) <= 0 ||
	       !(peer.revents & (POLLRDHUP | POLLHUP | POLLERR));
}

/* An event of server-sent events (WHATWG HTML, 9.2); takes the JSON. 0: it does not fit. */
static size_t
write_event(char *bytes, size_t size, const char *kind, json_t *json)
{
	char *text = json_dumps(json, JSON_COMPACT);
	int length = 0;

	if (text != NULL && kind != NULL)
		length = snprintf(bytes, size, "event: %s\ndata: %s\n\n", kind, text);
	else if (text != NULL)
		length = snprintf(bytes, size, "data: %s\n\n", text);
	free(text);
	json_decref(json);
	return length > 0 && (size_t)length < size ? (size_t)length : 0;
}

/* A comment, so that either side notices that the other is gone. */
static ssize_t
write_heartbeat(char *bytes)
{
	memcpy(bytes, ":\n\n", 3);
	return 3;
}

/* ---- events -----------------------------------------------------------------------------------
 */

struct event_stream {
	struct api_stream stream;
	uint64_t last; /* number of the event sent last */
	uint64_t sent; /* ns: when anything was */
};

static json_t *
event_json(const struct event *event)
{
	char time[STATE_TIME_SIZE];

	return json_pack("{ss, ss, so, so}", "time", state_time(event->time, time), "severity",
		event_severity_name(event->severity), "object", json_text(event->object), "text",
		json_text(event->text));
}

static json_t *
lost_json(uint64_t lost)
{
	char text[80], time[STATE_TIME_SIZE];

	snprintf(
		text, sizeof(text), "%llu events were lost: read faster", (unsigned long long)lost);
	return json_pack("{ss, ss, ss, ss}", "time", state_time(clock_of_day(), time), "severity",
		"warning", "object", "", "text", text);
}

static ssize_t
read_events(struct api_stream *base, char *bytes, size_t size)
{
	struct event_stream *stream = (struct event_stream *)base;
	struct event event;
	size_t length = 0;

	while (!events_read(base->daemon->events, stream->last, 1000, &event)) {
		if (!pause_stream(base, 0))
			return -1;
		if (clock_monotonic() - stream->sent > HEARTBEAT_NS) {
			stream->sent = clock_monotonic();
			return write_heartbeat(bytes);
		}
	}
	if (event.number > stream->last + 1)
		length = write_event(
			bytes, size, "lost", lost_json(event.number - stream->last - 1));
	length += write_event(bytes + length, size - length, event.kind, event_json(&event));
	stream->last = event.number;
	stream->sent = clock_monotonic();
	return (ssize_t)length;
}

static void
close_events(struct api_stream *stream)
{
	free(stream);
}

static struct api_stream *
open_events(struct api_call *call, struct weft_error *error)
{
	struct event_stream *stream = calloc(1, sizeof(*stream));

	if (stream == NULL) {
		error_memory(error);
		return NULL;
	}
	stream->stream.read = read_events;
	stream->stream.close = close_events;
	stream->last = events_last(call->daemon->events);
	/* the first thing that is sent tells at once that the stream has begun */
	stream->sent = 0;
	return &stream->stream;
}

/* ---- trace -------------------------------------------------------------------------------------
 */

struct trace_stream {
	struct api_stream stream;
	struct trace *trace;
	uint64_t sent;
};

static ssize_t
read_trace(struct api_stream *base, char *bytes, size_t size)
{
	struct trace_stream *stream = (struct trace_stream *)base;
	struct trace_event event;
	size_t length = 0, more;

	for (;;) {
		/* as much as fits: a system call per step would be too slow for live traffic */
		while (size - length > 4096 && trace_read(stream->trace, &event)) {
			more = write_event(bytes + length, size - length, NULL,
				api_trace_step(base->daemon, &event));
			length += more;
		}
		if (length > 0)
			break;
		if (trace_done(stream->trace) || !pause_stream(base, LOOK_MS))
			return -1;
		if (clock_monotonic() - stream->sent > HEARTBEAT_NS) {
			length = (size_t)write_heartbeat(bytes);
			break;
		}
	}
	stream->sent = clock_monotonic();
	return (ssize_t)length;
}

static void
close_trace(struct api_stream *base)
{
	struct trace_stream *stream = (struct trace_stream *)base;

	trace_close(stream->trace);
	free(stream);
}

static int
read_filter(struct api_call *call, struct filter *filter, struct weft_error *error)
{
	const char *text = target_parameter(call->target, "filter");

	*filter = (struct filter){ 0 };
	return text != NULL ? filter_parse(filter, text, call->daemon->weft, error) : 0;
}

static struct api_stream *
open_trace(struct api_call *call, struct weft_error *error)
{
	struct trace_stream *stream;
	struct filter filter;
	uint64_t count;

	if (read_filter(call, &filter, error) < 0 ||
		target_number(call->target, "count", 0, COUNT_MOST, 0, &count, error) < 0)
		return NULL;
	stream = calloc(1, sizeof(*stream));
	if (stream == NULL) {
		error_memory(error);
		return NULL;
	}
	stream->stream.read = read_trace;
	stream->stream.close = close_trace;
	stream->trace = trace_open(call->daemon->weft, &filter, count, error);
	if (stream->trace != NULL)
		return &stream->stream;
	free(stream);
	return NULL;
}

/* ---- capture -----------------------------------------------------------------------------------
 */

struct capture_stream {
	struct api_stream stream;
	struct capture *capture;
};

static ssize_t
read_capture(struct api_stream *base, char *bytes, size_t size)
{
	struct capture_stream *stream = (struct capture_stream *)base;
	size_t length;

	while ((length = capture_read(stream->capture, bytes, size)) == 0)
		if (capture_done(stream->capture) || !pause_stream(base, LOOK_MS))
			return -1;
	return (ssize_t)length;
}

static void
close_capture(struct api_stream *base)
{
	struct capture_stream *stream = (struct capture_stream *)base;
	uint64_t lost = capture_lost(stream->capture);

	if (lost > 0)
		events_emit(base->daemon->events, EVENT_WARNING, "capture-lost", "",
			"%llu packets were not captured: the reader was too slow",
			(unsigned long long)lost);
	capture_close(stream->capture);
	free(stream);
}

/* What "red/lan:web" or "red/web" (a nic) names among the objects, which are locked. 0: nothing. */
static uint32_t
vport_in(struct weft *weft, const struct weft_network *network, const char *rest)
{
	const char *colon = strchr(rest, ':');
	struct weft_device *device;
	struct weft_vport *vport;
	struct weft_nic *nic;

	if (colon == NULL) {
		TAILQ_FOREACH(nic, engine_nics(weft, (struct weft_network *)network), entry)
		if (strcmp(nic->name, rest) == 0)
			return atomic_load(&nic->vport);
		return 0;
	}
	TAILQ_FOREACH(device, &network->devices, entry)
	{
		if (strlen(device->name) != (size_t)(colon - rest) ||
			strncmp(device->name, rest, (size_t)(colon - rest)) != 0)
			continue;
		TAILQ_FOREACH(vport, &device->vports, entry)
		if (strcmp(vport->name, colon + 1) == 0)
			return vport->id;
	}
	return 0;
}

static uint32_t
find_vport(struct weft *weft, const char *name)
{
	const char *slash = strchr(name, '/');
	const struct weft_network *network;
	uint32_t vport = 0;

	if (slash == NULL)
		return 0;
	weft_objects_lock(weft);
	TAILQ_FOREACH(network, &weft->networks, entry)
	if (strlen(network->name) == (size_t)(slash - name) &&
		strncmp(network->name, name, (size_t)(slash - name)) == 0)
		vport = vport_in(weft, network, slash + 1);
	weft_objects_unlock(weft);
	return vport;
}

static int
read_ports(struct api_call *call, uint32_t *vports, unsigned *count, struct weft_error *error)
{
	const struct target *target = call->target;

	*count = 0;
	for (unsigned i = 0; i < target->n_parameters; i++) {
		const char *name = target->parameters[i].value;

		if (strcmp(target->parameters[i].name, "port") != 0)
			continue;
		if (*count == CAPTURE_VPORT_LIMIT)
			return error_set(error, E2BIG, "a capture is of %d ports at most",
				CAPTURE_VPORT_LIMIT);
		vports[*count] = find_vport(call->daemon->weft, name);
		if (vports[(*count)++] == 0)
			return error_set(error, ENOENT,
				"there is no port '%s'; write NETWORK/DEVICE:PORT, or NETWORK/NIC",
				name);
	}
	return *count > 0 ? 0 : error_set(error, EINVAL, "which port? port=NETWORK/DEVICE:PORT");
}

static struct api_stream *
open_capture(struct api_call *call, struct weft_error *error)
{
	uint32_t vports[CAPTURE_VPORT_LIMIT];
	struct capture_options options = { .vports = vports };
	struct capture_stream *stream;
	uint64_t snaplen;

	if (read_ports(call, vports, &options.n_vports, error) < 0 ||
		read_filter(call, &options.filter, error) < 0 ||
		target_number(call->target, "count", 0, COUNT_MOST, 0, &options.count, error) < 0 ||
		target_number(call->target, "snaplen", 0, SNAPLEN_MOST, 0, &snaplen, error) < 0)
		return NULL;
	options.snaplen = (uint32_t)snaplen;
	stream = calloc(1, sizeof(*stream));
	if (stream == NULL) {
		error_memory(error);
		return NULL;
	}
	stream->stream.read = read_capture;
	stream->stream.close = close_capture;
	stream->capture = capture_open(call->daemon->weft, &options, error);
	if (stream->capture != NULL)
		return &stream->stream;
	free(stream);
	return NULL;
}

/* ---- which stream -------------------------------------------------------------------------------
 */

static const struct kind {
	const char *name, *content_type;
	struct api_stream *(*open)(struct api_call *call, struct weft_error *error);
	const char *parameters[5];
} kinds[] = {
	{ "events", API_EVENTS, open_events, { NULL } },
	{ "trace", API_EVENTS, open_trace, { "filter", "count", NULL } },
	{ "capture", "application/x-pcapng", open_capture,
		{ "port", "filter", "snaplen", "count", NULL } },
};

static const struct kind *
find_kind(const struct target *target)
{
	for (size_t i = 0; target->n_segments == 2 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, target->segments[1].name) == 0)
			return &kinds[i];
	return NULL;
}

void
api_stream_close(struct api_stream *stream)
{
	struct daemon *daemon = stream->daemon;

	stream->close(stream);
	atomic_fetch_sub(&daemon->streams, 1);
}

static void
open_stream(struct api_call *call, const struct kind *kind)
{
	struct daemon *daemon = call->daemon;
	struct api_answer *answer = call->answer;
	struct weft_error error = { 0 };

	if (atomic_fetch_add(&daemon->streams, 1) >= API_STREAM_LIMIT) {
		error_set(&error, EBUSY, "%d streams are open: end one of them", API_STREAM_LIMIT);
	} else if ((answer->stream = kind->open(call, &error)) != NULL) {
		answer->stream->daemon = daemon;
		answer->stream->peer = -1;
		answer->status = 200;
		answer->content_type = kind->content_type;
		return;
	}
	atomic_fetch_sub(&daemon->streams, 1);
	answer_failure(answer, &error);
}

void
api_streams(struct api_call *call)
{
	const struct kind *kind = find_kind(call->target);
	const char *unknown;

	if (kind == NULL) {
		answer_error(call->answer, 404, "invalid-value", NULL,
			"the streams are events, trace and capture");
		return;
	}
	unknown = target_unknown(call->target, kind->parameters);
	if (strcmp(call->request->method, "GET") != 0) {
		answer_not_allowed(call, "GET, OPTIONS");
	} else if (unknown != NULL) {
		answer_error(call->answer, 400, "invalid-value", NULL, "%s has no parameter '%s'",
			kind->name, unknown);
	} else {
		open_stream(call, kind);
	}
}
