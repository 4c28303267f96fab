/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Requests to weftd's API, one after the other: records parted by lines "%%", each the method,
 * a space and the target up to the line's end, and behind it the body. All of weftd is there
 * but the server and the loop, with vnics that stay in memory whatever their kind.
 *
 * Every answer has a status and a form that docs/api.md and RFC 8040 know, and none is 500. What
 * runs after the last of them is exported as text that is the same configuration; made anew from
 * nothing, it is the same in the engine as what all the edits have led to, object by object; and
 * without it nothing is left there.
 */
#include "base/log.h"
#include "daemon/api.h"
#include "daemon/config.h"
#include "daemon/events.h"
#include "daemon/notices.h"
#include "daemon/state.h"
#include "graph/engine.h"
#include "graph/probe.h"
#include "graph/punt.h"
#include "nic/drivers.h"
#include "switch/switch.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REQUEST_LIMIT 24 /* of one input */
#define FRAME_LENGTH 60
#define NIC_KINDS 4

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct daemon weftd;
static char folder[64];
static uint64_t now = 1000000000000;
static char bytes[API_STREAM_SIZE];

static void
require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

/* ---- a weftd --------------------------------------------------------------------------------- */

static uint64_t
read_clock(void *context)
{
	(void)context;
	return now;
}

static void
remove_entries(void)
{
	DIR *all = opendir(folder);
	struct dirent *file;

	while (all != NULL && (file = readdir(all)) != NULL)
		if (strcmp(file->d_name, ".") != 0 && strcmp(file->d_name, "..") != 0)
			unlinkat(dirfd(all), file->d_name, 0);
	if (all != NULL)
		closedir(all);
}

static void
remove_folder(void)
{
	remove_entries();
	rmdir(folder);
}

/* The memory driver under the names of all: nothing that is configured reaches the machine. */
static const struct nic_driver *const *
make_drivers(void)
{
	static struct nic_driver made[NIC_KINDS];
	static const struct nic_driver *list[NIC_KINDS + 1];
	const struct nic_driver *const real[] = { &dpdk_driver, &interface_driver, &memory_driver,
		&tap_driver };

	for (unsigned i = 0; i < NIC_KINDS; i++) {
		made[i] = memory_driver;
		made[i].name = real[i]->name;
		made[i].kind = real[i]->kind;
		list[i] = &made[i];
	}
	return list;
}

/* Config thread, when probes have started: what the loop of weftd does, at the fuzzer's pace. */
static void
run_probes(struct daemon *daemon)
{
	uint64_t pause;

	pthread_mutex_lock(&daemon->engine_lock);
	while ((pause = probe_next(daemon->weft, now)) != UINT64_MAX) {
		while (weft_run(daemon->weft) > 0)
			;
		punt_drain(daemon->weft);
		now += pause + 1;
		probe_poll(daemon->weft, now);
	}
	pthread_mutex_unlock(&daemon->engine_lock);
}

static void
open_once(void)
{
	static const struct device_class *const classes[] = { &switch_class, NULL };
	struct weft_options options = { .memory_mb = 64, .clock = read_clock };
	struct weft_error error = { 0 };

	if (weftd.weft != NULL)
		return;
	log_set_level(LOG_LEVEL_ERROR);
	snprintf(folder, sizeof(folder), "%s/weft-fuzz-XXXXXX",
		access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
	require(mkdtemp(folder) != NULL, "no folder");
	atexit(remove_folder);
	pthread_mutex_init(&weftd.engine_lock, NULL);
	weftd.socket = "/run/weft/weft.sock";
	weftd.state = folder;
	weftd.events = events_open();
	weftd.wake = run_probes;
	weftd.weft = engine_open(&options, classes, make_drivers(), &error);
	require(weftd.events != NULL && weftd.weft != NULL, error.text);
	notices_open(&weftd);
}

static void
begin(void)
{
	struct config_result result;

	weftd.config = config_open(&weftd, folder, NULL, &result);
	require(weftd.config != NULL, "no configuration");
	config_result_free(&result);
	require(config_start(weftd.config, &result) == 0, "it does not start");
	config_result_free(&result);
}

static void
end(void)
{
	config_stop(weftd.config);
	config_close(weftd.config);
	remove_entries();
}

/* ---- answers ------------------------------------------------------------------------------- */

static bool
is_one_of(const char *word, const char *const *words)
{
	while (*words != NULL && strcmp(*words, word) != 0)
		words++;
	return *words != NULL;
}

/* RFC 8040, section 7: which status goes with the tag. */
static void
check_tag(unsigned status, const char *tag)
{
	static const struct {
		unsigned status;
		const char *tags[6];
	} known[] = {
		{ 400, { "invalid-value", "malformed-message", "unknown-element", NULL } },
		{ 404, { "invalid-value", NULL } },
		{ 405, { "operation-not-supported", NULL } },
		{ 409, { "in-use", "data-exists", "data-missing", "resource-denied", NULL } },
		{ 413, { "too-big", NULL } },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].status == status && is_one_of(tag, known[i].tags))
			return;
	fprintf(stderr, "%u %s\n", status, tag);
	require(false, "the tag is not one of the status");
}

/* RFC 8040, section 3.9 */
static void
check_errors(unsigned status, const json_t *body)
{
	const json_t *list =
		json_object_get(json_object_get(body, "ietf-restconf:errors"), "error");
	json_t *error;
	size_t i;

	require(json_array_size(list) > 0, "an error without errors");
	json_array_foreach((json_t *)list, i, error)
	{
		const char *tag = json_string_value(json_object_get(error, "error-tag"));
		const char *text = json_string_value(json_object_get(error, "error-message"));
		const json_t *info = json_object_get(error, "error-info");
		bool warning = json_is_true(json_object_get(info, "weft:warning"));

		require(json_object_get(error, "error-type") != NULL && tag != NULL, "no tag");
		require(text != NULL && text[0] != '\0', "no message");
		if (!warning)
			check_tag(status, tag);
	}
}

static json_t *
check_body(const struct api_answer *answer)
{
	json_error_t where;
	json_t *body = NULL;

	require(answer->body == NULL || strlen(answer->body) == answer->length, "a wrong length");
	if (answer->content_type != NULL && strcmp(answer->content_type, API_JSON) == 0) {
		body = json_loads(answer->body, JSON_REJECT_DUPLICATES, &where);
		require(json_is_object(body), "the body is no JSON object");
	}
	if (answer->status >= 400)
		check_errors(answer->status, body);
	return body;
}

static void
check_status(const struct api_request *request, const struct api_answer *answer)
{
	static const unsigned known[] = { 200, 201, 204, 304, 400, 404, 405, 409, 412, 413, 415 };
	bool found = false;

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		found = found || known[i] == answer->status;
	if (!found)
		fprintf(stderr, "%u: %s\n", answer->status,
			answer->body != NULL ? answer->body : "");
	require(found, "a status that RFC 8040 does not know, or 500");
	require((answer->status != 204 && answer->status != 304) || answer->body == NULL,
		"204 or 304 with a body");
	require(answer->status != 412 || request->if_match != NULL ||
			request->if_none_match != NULL,
		"a precondition that nobody made");
	require((answer->status == 405) <= (answer->allow != NULL), "405 without what is allowed");
	if (answer->status == 201 && strcmp(request->method, "POST") == 0)
		require(answer->location != NULL, "made, and nobody knows where");
}

/* The answer's JSON, or NULL. */
static json_t *
ask(const char *method, const char *target, const char *body, size_t length, unsigned *status,
	char **location)
{
	struct api_request request = { method, target, body, length, "fuzz" };
	struct api_answer answer;
	json_t *json;

	api_answer(&weftd, &request, &answer);
	check_status(&request, &answer);
	json = check_body(&answer);
	*status = answer.status;
	if (location != NULL) {
		*location = answer.location;
		answer.location = NULL;
	}
	api_answer_free(&answer);
	return json;
}

static json_t *
get(const char *target)
{
	unsigned status;
	json_t *json = ask("GET", target, "", 0, &status, NULL);

	require(status == 200 && json != NULL, target);
	return json;
}

static json_t *
operate(const char *name, json_t *input)
{
	char *body = json_dumps(input, 0), target[64];
	unsigned status;
	json_t *json;

	snprintf(target, sizeof(target), "/restconf/operations/weft:%s", name);
	json = ask("POST", target, body, strlen(body), &status, NULL);
	if (status != 200)
		fprintf(stderr, "%s\n", json_dumps(json, 0));
	require(status == 200, "an operation that is right was refused");
	free(body);
	json_decref(input);
	return json;
}

/* ---- streams --------------------------------------------------------------------------------- */

/* A broadcast from every vnic, so that there is something to see. */
static void
send_frames(void)
{
	static const uint8_t frame[FRAME_LENGTH] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0,
		0, 1, 0x88, 0xb5 };
	static uint8_t received[UINT16_MAX];
	struct weft_network *network;
	struct weft_nic *nic;

	weft_objects_lock(weftd.weft);
	TAILQ_FOREACH(network, &weftd.weft->networks, entry)
	{
		TAILQ_FOREACH(nic, engine_nics(weftd.weft, network), entry)
		weft_nic_send(nic, frame, sizeof(frame));
	}
	weft_objects_unlock(weftd.weft);
	while (weft_run(weftd.weft) > 0)
		;
	weft_objects_lock(weftd.weft);
	TAILQ_FOREACH(network, &weftd.weft->networks, entry)
	{
		TAILQ_FOREACH(nic, engine_nics(weftd.weft, network), entry)
		while (weft_nic_receive(nic, received, sizeof(received)) > 0)
			;
	}
	weft_objects_unlock(weftd.weft);
	pthread_mutex_lock(&weftd.engine_lock);
	punt_drain(weftd.weft);
	pthread_mutex_unlock(&weftd.engine_lock);
}

/* Lines of "event:", "data:" with JSON, comments, and an empty one at the end. */
static void
check_event(const char *text, size_t length)
{
	require(length >= 2 && memcmp(text + length - 2, "\n\n", 2) == 0, "half an event");
	for (const char *line = text, *next; line < text + length; line = next + 1) {
		json_t *json;

		next = memchr(line, '\n', (size_t)(text + length - line));
		if (strncmp(line, "data: ", 6) != 0) {
			require(*line == '\n' || *line == ':' || strncmp(line, "event: ", 7) == 0,
				"no line of an event");
			continue;
		}
		json = json_loadb(line + 6, (size_t)(next - line - 6), 0, NULL);
		require(json_is_object(json), "the data of an event are no JSON");
		json_decref(json);
	}
}

static void
check_stream(struct api_answer *answer)
{
	bool events = strcmp(answer->content_type, API_EVENTS) == 0;
	ssize_t length = 0;

	require(answer->status == 200, "a stream with another status than 200");
	events_emit(weftd.events, EVENT_INFO, "fuzz", "", "there is something to read");
	send_frames();
	/* what is there already comes all the same, and then its end: nobody waits */
	atomic_store(&weftd.ending, true);
	for (unsigned i = 0; i < 3 && length >= 0; i++) {
		length = answer->stream->read(answer->stream, bytes, sizeof(bytes));
		require(length <= (ssize_t)sizeof(bytes), "more than there was room for");
		if (length > 0 && events)
			check_event(bytes, (size_t)length);
		events_emit(weftd.events, EVENT_INFO, "fuzz", "", "and more");
	}
	atomic_store(&weftd.ending, false);
}

/* ---- requests -------------------------------------------------------------------------------- */

/* What PUT, POST and DELETE have done is so. */
static void
check_edit(const struct api_request *request, unsigned status, const char *location)
{
	unsigned found;
	json_t *json;

	if (strncmp(request->target, "/restconf/data/weft:", 20) != 0 || status < 200 ||
		status > 299)
		return;
	if (strcmp(request->method, "POST") == 0) {
		json = ask("GET", location, "", 0, &found, NULL);
		require(found == 200, "what was made is not there");
	} else if (strcmp(request->method, "PUT") == 0) {
		json = ask("PUT", request->target, request->body, request->length, &found, NULL);
		require(found == 204, "the same again is something else");
	} else if (strcmp(request->method, "DELETE") == 0) {
		json = ask("DELETE", request->target, "", 0, &found, NULL);
		require(found == 404, "it is still there");
	} else {
		return;
	}
	json_decref(json);
}

static void
send(const struct api_request *request)
{
	struct api_answer answer;
	json_t *body;

	api_answer(&weftd, request, &answer);
	if (answer.stream != NULL) {
		check_stream(&answer);
	} else {
		check_status(request, &answer);
		body = check_body(&answer);
		json_decref(body);
		check_edit(request, answer.status, answer.location);
	}
	api_answer_free(&answer);
	now += 100000000;
}

/* What is behind a tab, which is cut off there; NULL: nothing. */
static const char *
cut_field(char *text)
{
	char *tab = text != NULL ? strchr(text, '\t') : NULL;

	if (tab == NULL)
		return NULL;
	*tab = '\0';
	return tab + 1;
}

/* A record as a request: METHOD TARGET, If-Match, If-None-Match and Content-Type behind a tab
 * each, and from the next line on the body. Its strings are its own. */
static void
send_record(const char *record, size_t length)
{
	const char *line = memchr(record, '\n', length);
	size_t head = line != NULL ? (size_t)(line - record) : length;
	char *text = strndup(record, head), *space = strchr(text, ' ');
	char *body = strndup("", 0);
	struct api_request request = { .method = text, .target = "", .user = "fuzz" };

	if (line != NULL) {
		request.length = length - head - 1;
		body = realloc(body, request.length + 1);
		memcpy(body, line + 1, request.length);
		body[request.length] = '\0';
	}
	request.body = body;
	if (space != NULL) {
		*space = '\0';
		request.target = space + 1;
		request.if_match = cut_field(space + 1);
		request.if_none_match = cut_field((char *)request.if_match);
		request.content_type = cut_field((char *)request.if_none_match);
	}
	send(&request);
	free(body);
	free(text);
}

static void
send_records(const char *text, size_t length)
{
	for (unsigned i = 0; i < REQUEST_LIMIT; i++) {
		const char *stop = memmem(text, length, "\n%%\n", 4);

		send_record(text, stop != NULL ? (size_t)(stop - text) : length);
		if (stop == NULL)
			return;
		length -= (size_t)(stop + 4 - text);
		text = stop + 4;
	}
}

/* ---- what must hold in the end --------------------------------------------------------------- */

/* Counts, and what traffic has taught, are no part of what an object is. */
static bool
is_configured(const char *name)
{
	static const char *const counted[] = { "in-packets", "in-bytes", "out-packets", "out-bytes",
		"drops", "unknown-vlan", "loop", "macs", "age", NULL };

	return !is_one_of(name, counted);
}

static void
strip(json_t *objects)
{
	json_t *object;
	size_t i;

	json_array_foreach(objects, i, object)
	{
		const char *name;
		json_t *value;
		void *next;

		json_object_foreach_safe(object, next, name, value)
		{
			if (!is_configured(name))
				json_object_del(object, name);
		}
	}
	for (i = json_array_size(objects); i-- > 0;)
		if (json_is_false(json_object_get(json_array_get(objects, i), "static")))
			json_array_remove(objects, i);
}

/* All objects of the engine. */
static json_t *
look(void)
{
	static const char *const kinds[] = { "networks", "switches", "ports", "nics", "uplinks",
		"links", "macs" };
	json_t *all = json_object();

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		char target[64];
		json_t *answer, *objects;

		snprintf(target, sizeof(target), "/restconf/data/weft-state:%s", kinds[i]);
		answer = get(target);
		objects = json_object_get(answer, target + 15);
		require(json_is_array(objects), "no list of objects");
		strip(objects);
		json_object_set(all, kinds[i], objects);
		json_decref(answer);
	}
	return all;
}

static void
apply(const char *yaml)
{
	json_decref(operate("apply", json_pack("{s{ss}}", "weft:input", "yaml", yaml)));
}

static void
require_same(const json_t *a, const json_t *b, const char *what)
{
	if (json_equal(a, b))
		return;
	fprintf(stderr, "%s\n%s\n", json_dumps(a, JSON_SORT_KEYS), json_dumps(b, JSON_SORT_KEYS));
	require(false, what);
}

static void
check_end(void)
{
	json_t *answer = operate("export", json_pack("{s{}}", "weft:input"));
	json_t *output = json_object_get(answer, "weft:output"), *plan, *made, *edited = look();
	json_t *configured = get("/restconf/data");
	char *yaml = strdup(json_string_value(json_object_get(output, "yaml"))), *dump;

	plan = operate("plan", json_pack("{s{ss}}", "weft:input", "yaml", yaml));
	require(json_integer_value(
			json_object_get(json_object_get(plan, "weft:output"), "changes")) == 0,
		"what was exported is something else");
	apply("{}");
	made = look();
	dump = json_dumps(made, JSON_SORT_KEYS | JSON_COMPACT);
	require(strcmp(dump, "{\"links\":[],\"macs\":[],\"networks\":[],\"nics\":[],\"ports\":[],"
			     "\"switches\":[],\"uplinks\":[]}") == 0,
		"something is left");
	free(dump);
	json_decref(made);
	apply(yaml);
	made = look();
	require_same(edited, made, "edits led to something else than the whole does");
	json_decref(made);
	made = get("/restconf/data");
	require_same(configured, made, "it reads otherwise when it was made anew");
	json_decref(made);
	apply("{}");
	json_decref(plan);
	json_decref(configured);
	json_decref(edited);
	json_decref(answer);
	free(yaml);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	open_once();
	begin();
	send_records((const char *)data, size);
	pthread_mutex_lock(&weftd.engine_lock);
	weft_tick(weftd.weft);
	pthread_mutex_unlock(&weftd.engine_lock);
	check_end();
	end();
	require(rte_mempool_in_use_count(weftd.weft->pools.small) +
				rte_mempool_in_use_count(weftd.weft->pools.large) ==
			0,
		"a packet buffer was lost");
	return 0;
}
