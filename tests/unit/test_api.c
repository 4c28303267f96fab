/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * weftd without its server and loop: targets, the tree of the configuration and its edits,
 * events, and what a change of the configuration makes of the engine, with vnics in memory.
 */
#include "base/log.h"
#include "daemon/api.h"
#include "daemon/config.h"
#include "daemon/data_tree.h"
#include "daemon/events.h"
#include "daemon/identity.h"
#include "daemon/notices.h"
#include "daemon/state.h"
#include "daemon/target.h"
#include "graph/engine.h"
#include "graph/punt.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define FRAME_LENGTH 60
#define MS 1000000

/* ---- targets --------------------------------------------------------------------------------- */

static struct target target;

static void
parse(const char *text)
{
	struct weft_error error = { 0 };

	if (target_parse(&target, text, &error) < 0)
		fail_msg("%s: %s", text, error.text);
}

static void
wrong_target(const char *text, int code)
{
	struct weft_error error = { 0 };

	assert_int_equal(target_parse(&target, text, &error), -1);
	assert_int_equal(error.code, code);
	assert_true(error.text[0] != '\0');
}

static void
test_target_segments(void **state)
{
	(void)state;
	parse("/restconf/data/weft:networks=r%C3%A4d%2f1=2/switches/");
	assert_int_equal(target.n_segments, 4);
	assert_string_equal(target.segments[2].name, "weft:networks");
	assert_string_equal(target.segments[2].key, "r\u00e4d/1=2");
	assert_string_equal(target.segments[3].name, "switches");
	assert_null(target.segments[3].key);
	target_free(&target);
	parse("/");
	assert_int_equal(target.n_segments, 0);
	target_free(&target);
	parse("/a//b=");
	assert_int_equal(target.n_segments, 3);
	assert_string_equal(target.segments[1].name, "");
	assert_string_equal(target.segments[2].key, "");
	target_free(&target);
}

static void
test_target_parameters(void **state)
{
	static const char *const names[] = { "port", "count", NULL };
	struct weft_error error = { 0 };
	uint64_t number;

	(void)state;
	parse("/streams?port=red%2Flan:web&&count=18446744073709551615&port=b&x&y==%26");
	assert_string_equal(target_parameter(&target, "port"), "red/lan:web");
	assert_string_equal(target_parameter(&target, "x"), "");
	assert_string_equal(target_parameter(&target, "y"), "=&");
	assert_null(target_parameter(&target, "z"));
	assert_string_equal(target_unknown(&target, names), "x");
	assert_int_equal(target_number(&target, "count", 0, UINT64_MAX, 0, &number, &error), 0);
	assert_true(number == UINT64_MAX);
	assert_int_equal(target_number(&target, "count", 0, 9, 0, &number, &error), -1);
	assert_int_equal(error.code, EINVAL);
	assert_int_equal(target_number(&target, "x", 0, 9, 0, &number, &error), -1);
	assert_int_equal(target_number(&target, "none", 1, 9, 7, &number, &error), 0);
	assert_int_equal(number, 7);
	target_free(&target);
	parse("/?n=-1&m=+1&o=%201&p=1x&q=18446744073709551616");
	for (const char *name = "nmopq"; *name != '\0'; name++) {
		const char one[] = { *name, '\0' };

		assert_int_equal(
			target_number(&target, one, 0, UINT64_MAX, 0, &number, &error), -1);
	}
	target_free(&target);
}

static void
test_target_wrong(void **state)
{
	char deep[2 * TARGET_SEGMENT_LIMIT + 3], *wide;

	(void)state;
	wrong_target("", EINVAL);
	wrong_target("restconf", EINVAL);
	wrong_target("/%", EINVAL);
	wrong_target("/%4", EINVAL);
	wrong_target("/%zz", EINVAL);
	wrong_target("/a=%00", EINVAL);
	wrong_target("/%ff", EINVAL);
	wrong_target("/%c0%80", EINVAL);       /* NUL, written too long */
	wrong_target("/%ed%a0%80", EINVAL);    /* half of a surrogate pair */
	wrong_target("/%f4%90%80%80", EINVAL); /* beyond Unicode */
	wrong_target("/?a=%e2%82", EINVAL);    /* cut off */
	wrong_target("/?%", EINVAL);
	memset(deep, 'a', sizeof(deep));
	for (unsigned i = 0; i < sizeof(deep); i += 2)
		deep[i] = '/';
	deep[sizeof(deep) - 1] = '\0';
	wrong_target(deep, E2BIG);
	deep[2 * TARGET_SEGMENT_LIMIT] = '\0';
	parse(deep);
	target_free(&target);
	wide = calloc(1, TARGET_PARAMETER_LIMIT + 3);
	memset(wide, '&', TARGET_PARAMETER_LIMIT + 2);
	memcpy(wide, "/?", 2);
	wrong_target(wide, E2BIG);
	free(wide);
}

/* ---- the tree -------------------------------------------------------------------------------- */

static const char tree_text[] =
	"{\"weft:networks\": [{\"name\": \"red\", \"quota\": {\"macs\": 7},"
	" \"switches\": [{\"name\": \"lan\", \"static-macs\":"
	"  [{\"mac\": \"02:00:00:00:00:0a\", \"port\": \"web\"}]}],"
	" \"nics\": [{\"name\": \"web\", \"switch\": \"lan\", \"ip\": [\"10.0.0.1/24\"],"
	"  \"attach\": {\"memory\": true}}]}]}";

static struct model *model;
static json_t *tree;

static int
open_tree(void **state)
{
	(void)state;
	model = model_open(NULL);
	tree = json_loads(tree_text, 0, NULL);
	return model != NULL && tree != NULL ? 0 : -1;
}

static int
close_tree(void **state)
{
	(void)state;
	json_decref(tree);
	model_close(model);
	return 0;
}

static struct data_path
path_of(const char *text)
{
	parse(text);
	return (struct data_path){ target.segments, target.n_segments };
}

/* text NULL: it fails with the code, and the message has `words` in it. */
static void
gets(const char *path, unsigned depth, const char *text)
{
	struct data_path data = path_of(path);
	struct weft_error error = { 0 };
	json_t *got = data_get(model, tree, &data, depth, &error);
	json_t *wanted = json_loads(text, 0, NULL);

	assert_non_null(wanted);
	if (got == NULL || !json_equal(got, wanted))
		fail_msg("%s: %s%s", path, got != NULL ? json_dumps(got, 0) : "", error.text);
	json_decref(got);
	json_decref(wanted);
	target_free(&target);
}

static void
gets_not(const char *path, int code, const char *words)
{
	struct data_path data = path_of(path);
	struct weft_error error = { 0 };

	assert_null(data_get(model, tree, &data, 0, &error));
	if (error.code != code || strstr(error.text, words) == NULL)
		fail_msg("%s: %d %s", path, error.code, error.text);
	target_free(&target);
}

static void
test_tree_get(void **state)
{
	(void)state;
	gets("/weft:networks=red/quota/macs", 0, "{\"weft:macs\": 7}");
	gets("/weft:networks=red/quota", 0, "{\"weft:quota\": {\"macs\": 7}}");
	gets("/weft:networks=red/nics=web/ip", 0, "{\"weft:ip\": [\"10.0.0.1/24\"]}");
	gets("/weft:networks=red/weft:nics=web/attach", 0, "{\"weft:attach\": {\"memory\": true}}");
	gets("/weft:networks=red/switches=lan/static-macs=02%3A00%3A00%3A00%3A00%3A0A", 0,
		"{\"weft:static-macs\": [{\"mac\": \"02:00:00:00:00:0a\", \"port\": \"web\"}]}");
	/* what is not written, and there all the same */
	gets("/weft:system", 0, "{\"weft:system\": {}}");
	gets("/weft:networks=red/links", 0, "{\"weft:links\": []}");
	gets("/weft:networks=red/nics=web/gateway", 0, "{\"weft:gateway\": []}");
}

/* RFC 8040, section 3.5.4: the default that is in use */
static void
test_tree_get_default(void **state)
{
	(void)state;
	gets("/weft:networks=red/switches=lan/ageing-time", 0, "{\"weft:ageing-time\": \"300s\"}");
	gets("/weft:networks=red/switches=lan/ageing-time", 0, "{\"weft:ageing-time\": \"300s\"}");
	gets("/weft:networks=red/nics=web/attach/host", 0, "{\"weft:host\": false}");
	gets("/weft:system/poll", 0, "{\"weft:poll\": \"sleep\"}");
	gets("/weft:system/history/keep", 0, "{\"weft:keep\": 50}");
	gets_not("/weft:networks=red/nics=web/vlan", ENOENT, "vlan");
}

static void
test_tree_get_depth(void **state)
{
	(void)state;
	gets("/weft:networks=red", 1, "{\"weft:networks\": [{\"name\": \"red\"}]}");
	gets("/weft:networks=red/nics=web", 1,
		"{\"weft:nics\": [{\"name\": \"web\", \"switch\": \"lan\","
		" \"ip\": [\"10.0.0.1/24\"]}]}");
	gets("/weft:networks=red", 2,
		"{\"weft:networks\": [{\"name\": \"red\", \"quota\": {\"macs\": 7},"
		" \"switches\": [{\"name\": \"lan\"}], \"nics\": [{\"name\": \"web\","
		" \"switch\": \"lan\", \"ip\": [\"10.0.0.1/24\"]}]}]}");
	gets("/", 1, "{\"ietf-restconf:data\": {}}");
	gets("/", 2, "{\"ietf-restconf:data\": {\"weft:networks\": [{\"name\": \"red\"}]}}");
}

static void
test_tree_get_wrong(void **state)
{
	(void)state;
	gets_not("/weft:netwroks", ENOENT, "'networks'");
	gets_not("/networks", ENOENT, "weft:networks");
	gets_not("/weft:networks=red/nisc", ENOENT, "'nics'");
	gets_not("/weft:networks=rde", ENOENT, "'red'");
	gets_not("/weft:networks=red/nics=wbe/mtu", ENOENT, "'web'");
	gets_not("/weft:networks=red/nics=none", ENOENT, "'none'");
	gets_not("/weft:networks=red/quota=1", EINVAL, "no list");
	gets_not("/weft:networks/quota", EINVAL, "networks=NAME");
	gets_not("/weft:networks=red/quota/macs/x", ENOENT, "'x'");
	gets_not("/weft:networks=blue/quota", ENOENT, "'blue'");
}

/* ---- edits of the tree ----------------------------------------------------------------------- */

struct edited {
	bool created;
	char child[64];
};

/* body NULL: none. Returns 0 or the error's code. */
static int
try_edit(enum data_edit edit, const char *path, const char *body, struct edited *edited,
	struct weft_error *error)
{
	struct data_path data = path_of(path);
	json_t *json = body != NULL ? json_loads(body, 0, NULL) : NULL;
	char *child = NULL;
	int result;

	assert_true((body == NULL) == (json == NULL));
	*error = (struct weft_error){ 0 };
	*edited = (struct edited){ 0 };
	result = data_edit(model, tree, &data, edit, json, &edited->created, &child, error);
	snprintf(edited->child, sizeof(edited->child), "%s", child != NULL ? child : "");
	free(child);
	json_decref(json);
	target_free(&target);
	assert_true((result == 0) == (error->text[0] == '\0'));
	return result == 0 ? 0 : error->code;
}

static void
edits(enum data_edit edit, const char *path, const char *body, bool created, const char *child)
{
	struct edited edited;
	struct weft_error error;

	if (try_edit(edit, path, body, &edited, &error) != 0)
		fail_msg("%s: %s", path, error.text);
	assert_int_equal(edited.created, created);
	assert_string_equal(edited.child, child);
}

static void
edits_not(enum data_edit edit, const char *path, const char *body, int code, const char *words)
{
	json_t *before = json_deep_copy(tree);
	struct edited edited;
	struct weft_error error;

	if (try_edit(edit, path, body, &edited, &error) != code ||
		strstr(error.text, words) == NULL)
		fail_msg("%s: %d %s", path, error.code, error.text);
	assert_true(json_equal(before, tree));
	json_decref(before);
}

static void
test_tree_put(void **state)
{
	(void)state;
	edits(DATA_PUT, "/weft:networks=blue", "{\"weft:networks\": [{\"name\": \"blue\"}]}", true,
		"");
	edits(DATA_PUT, "/weft:networks=blue", "{\"weft:networks\": {\"description\": \"b\"}}",
		false, "");
	gets("/weft:networks=blue", 0,
		"{\"weft:networks\": [{\"name\": \"blue\", \"description\": \"b\"}]}");
	edits(DATA_PUT, "/weft:networks=red/nics=web/vlan", "{\"weft:vlan\": 7}", true, "");
	edits(DATA_PUT, "/weft:networks=red/nics=web/vlan", "{\"weft:vlan\": 8}", false, "");
	/* there was its default */
	edits(DATA_PUT, "/weft:networks=red/nics=web/mtu", "{\"weft:mtu\": 9000}", true, "");
	edits(DATA_PUT, "/weft:networks=red/nics=web/mtu", "{\"mtu\": 1400}", false, "");
	gets("/weft:networks=red/nics=web/mtu", 0, "{\"weft:mtu\": 1400}");
	edits(DATA_PUT, "/weft:networks=red/nics=web/ip", "{\"weft:ip\": [\"10.0.0.2/24\"]}", false,
		"");
	gets("/weft:networks=red/nics=web/ip", 0, "{\"weft:ip\": [\"10.0.0.2/24\"]}");
	edits(DATA_PUT, "/weft:networks=red/quota", "{\"weft:quota\": {}}", false, "");
	gets("/weft:networks=red/quota", 0, "{\"weft:quota\": {}}");
	/* containers on the way are made */
	edits(DATA_PUT, "/weft:system/history/keep", "{\"weft:keep\": 5}", false, "");
	gets("/weft:system", 0, "{\"weft:system\": {\"history\": {\"keep\": 5}}}");
	edits(DATA_PUT, "/weft:networks=red/nics", "{\"weft:nics\": [{\"name\": \"a\"}]}", false,
		"");
	gets_not("/weft:networks=red/nics=web", ENOENT, "web");
}

static void
test_tree_put_wrong(void **state)
{
	(void)state;
	edits_not(DATA_PUT, "/", "{\"ietf-restconf:data\": {}}", EINVAL, "weft:apply");
	edits_not(DATA_PUT, "/weft:networks=red", "{\"weft:networks\": [{\"name\": \"blue\"}]}",
		EINVAL, "'blue'");
	edits_not(DATA_PUT, "/weft:networks=red", "{\"weft:networks\": []}", EINVAL, "one entry");
	edits_not(DATA_PUT, "/weft:networks=red", "{\"weft:networks\": 7}", EINVAL, "one entry");
	edits_not(DATA_PUT, "/weft:networks=red", "{\"weft:nics\": []}", EINVAL, "weft:networks");
	edits_not(DATA_PUT, "/weft:networks=red", "{}", EINVAL, "weft:networks");
	edits_not(DATA_PUT, "/weft:networks=red/nics=web/mtu", "{\"weft:mtu\": 1, \"weft:ip\": []}",
		EINVAL, "weft:mtu");
	edits_not(DATA_PUT, "/weft:networks=blue/quota", "{\"weft:quota\": {}}", ENOENT, "'blue'");
}

static void
test_tree_patch(void **state)
{
	(void)state;
	edits(DATA_PATCH, "/weft:networks=red",
		"{\"weft:networks\": [{\"nics\": [{\"name\": \"web\", \"mtu\": 9000},"
		" {\"name\": \"db\", \"switch\": \"lan\"}]}]}",
		false, "");
	gets("/weft:networks=red/nics", 0,
		"{\"weft:nics\": [{\"name\": \"web\", \"switch\": \"lan\", \"mtu\": 9000,"
		" \"ip\": [\"10.0.0.1/24\"], \"attach\": {\"memory\": true}},"
		" {\"name\": \"db\", \"switch\": \"lan\"}]}");
	edits(DATA_PATCH, "/weft:networks=red/nics=web/ip",
		"{\"weft:ip\": [\"10.0.0.1/24\", \"10.0.0.3/24\"]}", false, "");
	gets("/weft:networks=red/nics=web/ip", 0,
		"{\"weft:ip\": [\"10.0.0.1/24\", \"10.0.0.3/24\"]}");
	edits(DATA_PATCH, "/weft:networks=red/nics=web/mtu", "{\"weft:mtu\": 1400}", false, "");
	edits(DATA_PATCH, "/",
		"{\"weft:networks\": [{\"name\": \"red\", \"quota\": {\"macs\": 8}}],"
		" \"weft:system\": {\"workers\": 2}}",
		false, "");
	gets("/weft:networks=red/quota", 0, "{\"weft:quota\": {\"macs\": 8}}");
	gets("/weft:system", 0, "{\"weft:system\": {\"workers\": 2}}");
	/* a container is there, written or not */
	edits(DATA_PATCH, "/weft:networks=red/switches=lan/static-macs=02:00:00:00:00:0A",
		"{\"weft:static-macs\": {\"vlan\": 7}}", false, "");
	gets("/weft:networks=red/switches=lan/static-macs=02:00:00:00:00:0a/vlan", 0,
		"{\"weft:vlan\": 7}");
	edits(DATA_PATCH, "/weft:system/history", "{\"weft:history\": {\"keep\": 9}}", false, "");
	gets("/weft:system/history/keep", 0, "{\"weft:keep\": 9}");
}

/* RFC 8040, section 4.6: what is not there is not made. */
static void
test_tree_patch_wrong(void **state)
{
	(void)state;
	edits_not(DATA_PATCH, "/weft:networks=blue", "{\"weft:networks\": [{\"name\": \"blue\"}]}",
		ENOENT, "'blue'");
	edits_not(DATA_PATCH, "/weft:networks=red/nics=web/vlan", "{\"weft:vlan\": 7}", ENOENT,
		"vlan");
	edits_not(DATA_PATCH, "/weft:networks=red", "{\"weft:networks\": [{\"name\": \"x\"}]}",
		EINVAL, "'x'");
}

static void
test_tree_post(void **state)
{
	(void)state;
	edits(DATA_POST, "/", "{\"weft:networks\": [{\"name\": \"blue\"}]}", true,
		"weft:networks=blue");
	edits(DATA_POST, "/weft:networks=blue", "{\"weft:switches\": {\"name\": \"lan\"}}", true,
		"switches=lan");
	edits(DATA_POST, "/weft:networks=red/nics=web", "{\"weft:mtu\": 9000}", true, "mtu");
	edits(DATA_POST, "/weft:networks=red/switches=lan",
		"{\"weft:static-macs\": [{\"mac\": \"02:00:00:00:00:0b\"}]}", true,
		"static-macs=02%3A00%3A00%3A00%3A00%3A0b");
	edits(DATA_POST, "/weft:system", "{\"weft:workers\": 2}", true, "workers");
	gets("/weft:system", 0, "{\"weft:system\": {\"workers\": 2}}");
}

static void
test_tree_post_wrong(void **state)
{
	(void)state;
	edits_not(DATA_POST, "/", "{\"weft:networks\": [{\"name\": \"red\"}]}", EEXIST, "red");
	edits_not(DATA_POST, "/weft:networks=red/switches=lan",
		"{\"weft:static-macs\": [{\"mac\": \"02:00:00:00:00:0A\"}]}", EEXIST,
		"02:00:00:00:00:0A");
	edits_not(DATA_POST, "/weft:networks=red", "{\"weft:nisc\": [{}]}", ENOENT, "'nics'");
	edits_not(DATA_POST, "/weft:networks=red", "{\"weft:nics\": [{}]}", EINVAL, "name");
	edits_not(DATA_POST, "/weft:networks=red", "{\"weft:nics\": 7}", EINVAL, "name");
	edits_not(DATA_POST, "/weft:networks=red", "{}", EINVAL, "one member");
	edits_not(DATA_POST, "/weft:networks=blue", "{\"weft:nics\": [{\"name\": \"a\"}]}", ENOENT,
		"'blue'");
	edits_not(DATA_POST, "/weft:networks=red/quota/macs", "{\"weft:x\": 1}", ENOENT, "'x'");
	edits_not(DATA_POST, "/weft:networks", "{\"weft:name\": \"x\"}", EINVAL, "networks=NAME");
}

static void
test_tree_delete(void **state)
{
	(void)state;
	edits(DATA_DELETE, "/weft:networks=red/nics=web/ip", NULL, false, "");
	gets("/weft:networks=red/nics=web/ip", 0, "{\"weft:ip\": []}");
	edits(DATA_DELETE, "/weft:networks=red/quota", NULL, false, "");
	edits(DATA_DELETE, "/weft:networks=red/switches=lan/static-macs=02:00:00:00:00:0A", NULL,
		false, "");
	edits_not(DATA_DELETE, "/weft:networks=red/nics=web/ip", NULL, ENOENT, "ip");
	edits_not(DATA_DELETE, "/weft:networks=red/nics=db", NULL, ENOENT, "'db'");
	edits_not(DATA_DELETE, "/weft:system", NULL, ENOENT, "system");
	edits_not(DATA_DELETE, "/", NULL, EINVAL, "weft:apply");
	edits(DATA_DELETE, "/weft:networks=red/nics", NULL, false, "");
	edits(DATA_DELETE, "/weft:networks=red", NULL, false, "");
	gets("/", 0, "{\"ietf-restconf:data\": {}}");
}

/* ---- identity -------------------------------------------------------------------------------- */

static void
write_identity(const char *folder, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/identity", folder);
	file = fopen(path, "w");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void
test_identity(void **state)
{
	static const char *const broken[] = { "", "0123456789abcdef", "0123456789abcdeg\n",
		"0000000000000000\n", "0123456789abcdef\n0", " 123456789abcdef\n" };
	char one[] = "/tmp/weft-test-XXXXXX", other[] = "/tmp/weft-test-XXXXXX", path[64];
	uint64_t first, second;

	(void)state;
	assert_non_null(mkdtemp(one));
	assert_non_null(mkdtemp(other));
	first = identity_read(one);
	assert_true(first != 0);
	assert_true(identity_read(one) == first);
	assert_true(identity_read(other) != first);
	write_identity(one, "0123456789abcdef\n");
	assert_true(identity_read(one) == 0x0123456789abcdef);
	log_set_level(LOG_LEVEL_ERROR);
	for (size_t i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		write_identity(one, broken[i]);
		second = identity_read(one);
		assert_true(second != 0 && second != 0x0123456789abcdef);
		assert_true(identity_read(one) == second);
	}
	assert_true(identity_read("/tmp/weft-test-nowhere") != 0);
	log_set_level(LOG_LEVEL_WARNING);
	snprintf(path, sizeof(path), "%s/identity.new", one);
	assert_int_equal(access(path, F_OK), -1);
	for (const char *const *folder = (const char *const[]){ one, other, NULL }; *folder != NULL;
		folder++) {
		snprintf(path, sizeof(path), "%s/identity", *folder);
		assert_int_equal(unlink(path), 0);
		assert_int_equal(rmdir(*folder), 0);
	}
}

/* ---- events ---------------------------------------------------------------------------------- */

static void
test_events_ring(void **state)
{
	struct events *events = events_open();
	struct event event;

	(void)state;
	assert_int_equal(events_last(events), 0);
	assert_false(events_read(events, 0, 0, &event));
	for (unsigned i = 1; i <= EVENTS_KEPT + 10; i++)
		events_emit(events, EVENT_INFO, "kind", "red/lan", "number %u", i);
	assert_int_equal(events_last(events), EVENTS_KEPT + 10);
	/* the first ten are lost; a reader sees it by the number */
	assert_true(events_read(events, 0, 0, &event));
	assert_int_equal(event.number, 11);
	assert_string_equal(event.text, "number 11");
	assert_string_equal(event.object, "red/lan");
	assert_true(events_read(events, 11, 0, &event));
	assert_int_equal(event.number, 12);
	assert_true(events_read(events, EVENTS_KEPT + 9, 0, &event));
	assert_int_equal(event.number, EVENTS_KEPT + 10);
	assert_false(events_read(events, EVENTS_KEPT + 10, 1, &event));
	events_close(events);
}

/* What does not fit is cut between two characters. */
static void
test_events_cut(void **state)
{
	struct events *events = events_open();
	char text[2 * EVENT_TEXT_SIZE + 1];
	struct event event;
	json_t *string;

	(void)state;
	for (unsigned before = 0; before < 4; before++) {
		memset(text, 'x', before);
		for (unsigned i = before; i + 3 < sizeof(text); i += 3)
			memcpy(text + i, "\u20ac", 4);
		events_emit(events, EVENT_INFO, "kind", text, "%s", text);
		assert_true(events_read(events, before, 0, &event));
		string = json_string(event.text);
		assert_non_null(string);
		json_decref(string);
		assert_true(strlen(event.text) > EVENT_TEXT_SIZE - 5);
		string = json_string(event.object);
		assert_non_null(string);
		json_decref(string);
	}
	events_close(events);
}

struct waiter {
	struct events *events;
	struct event event;
	bool found;
	double seconds;
};

static double
seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *
wait_for_event(void *argument)
{
	struct waiter *waiter = argument;
	double start = seconds_now();

	waiter->found = events_read(waiter->events, 0, 20000, &waiter->event);
	waiter->seconds = seconds_now() - start;
	return NULL;
}

static void
pause_ms(unsigned milliseconds)
{
	struct timespec time = { milliseconds / 1000, (long)(milliseconds % 1000) * MS };

	nanosleep(&time, NULL);
}

static void
test_events_wait(void **state)
{
	struct waiter waiter = { .events = events_open() };
	pthread_t thread;

	(void)state;
	pthread_create(&thread, NULL, wait_for_event, &waiter);
	pause_ms(20);
	events_wake_all(waiter.events);
	pthread_join(thread, NULL);
	assert_false(waiter.found);
	assert_true(waiter.seconds < 10);
	pthread_create(&thread, NULL, wait_for_event, &waiter);
	pause_ms(20);
	events_emit(waiter.events, EVENT_ERROR, "k", "", "there");
	pthread_join(thread, NULL);
	assert_true(waiter.found);
	assert_string_equal(waiter.event.text, "there");
	assert_int_equal(waiter.event.severity, EVENT_ERROR);
	events_close(waiter.events);
}

/* ---- a weftd --------------------------------------------------------------------------------- */

static struct daemon weftd;
static char folder[64];

static void
open_config(void)
{
	struct config_result result;

	weftd.config = config_open(&weftd, folder, NULL, &result);
	if (weftd.config == NULL)
		fail_msg("%s", result.error.text);
	config_result_free(&result);
	if (config_start(weftd.config, &result) < 0)
		fail_msg("%s", result.error.text);
	config_result_free(&result);
}

static int
open_weftd(void **state)
{
	static const struct weft_options options = { .memory_mb = 64 };
	struct weft_error error = { 0 };

	(void)state;
	weftd = (struct daemon){ .socket = "/run/weft/weft.sock", .state = folder };
	pthread_mutex_init(&weftd.engine_lock, NULL);
	snprintf(folder, sizeof(folder), "/tmp/weft-test-api-XXXXXX");
	weftd.events = events_open();
	weftd.weft = weft_open(&options, &error);
	if (mkdtemp(folder) == NULL || weftd.weft == NULL)
		return -1;
	notices_open(&weftd);
	open_config();
	return 0;
}

static void
remove_folder(void)
{
	DIR *all = opendir(folder);
	struct dirent *file;

	while (all != NULL && (file = readdir(all)) != NULL)
		if (strcmp(file->d_name, ".") != 0 && strcmp(file->d_name, "..") != 0)
			unlinkat(dirfd(all), file->d_name, 0);
	if (all != NULL)
		closedir(all);
	rmdir(folder);
}

static unsigned
buffers_in_use(void)
{
	pthread_mutex_lock(&weftd.engine_lock);
	punt_drain(weftd.weft);
	pthread_mutex_unlock(&weftd.engine_lock);
	return rte_mempool_in_use_count(weftd.weft->pools.small) +
	       rte_mempool_in_use_count(weftd.weft->pools.large);
}

static int
close_weftd(void **state)
{
	unsigned used = buffers_in_use();

	(void)state;
	/* a worker with a thread may have some under way */
	for (unsigned i = 0; i < 500 && used != 0; i++) {
		pause_ms(10);
		used = buffers_in_use();
	}
	config_stop(weftd.config);
	weft_close(weftd.weft);
	config_close(weftd.config);
	events_close(weftd.events);
	pthread_mutex_destroy(&weftd.engine_lock);
	remove_folder();
	return used == 0 ? 0 : -1;
}

/* ---- requests -------------------------------------------------------------------------------- */

/* The body's JSON or NULL. location: malloced, or NULL if nobody wants it. */
static json_t *
ask(const char *method, const char *path, const char *body, unsigned status, char **location)
{
	struct api_request request = { method, path, body, strlen(body), "tester" };
	struct api_answer answer;
	json_t *json = NULL;

	api_answer(&weftd, &request, &answer);
	if (answer.status != status)
		fail_msg("%s %s: %u %s", method, path, answer.status,
			answer.body != NULL ? answer.body : "");
	if (answer.content_type != NULL && strcmp(answer.content_type, API_JSON) == 0) {
		json = json_loads(answer.body, 0, NULL);
		assert_non_null(json);
	}
	if (location != NULL) {
		*location = answer.location;
		answer.location = NULL;
	}
	api_answer_free(&answer);
	return json;
}

static void
asks(const char *method, const char *path, const char *body, unsigned status)
{
	json_decref(ask(method, path, body, status, NULL));
}

/* The first error's tag and message are these. */
static void
refused(const char *method, const char *path, const char *body, unsigned status, const char *tag,
	const char *words)
{
	json_t *json = ask(method, path, body, status, NULL);
	const char *got, *message;

	assert_int_equal(json_unpack(json, "{s{s[{ss, ss}]}}", "ietf-restconf:errors", "error",
				 "error-tag", &got, "error-message", &message),
		0);
	assert_string_equal(got, tag);
	if (strstr(message, words) == NULL)
		fail_msg("%s", message);
	json_decref(json);
}

/* ---- changes --------------------------------------------------------------------------------- */

/* Applies a file; returns the outcome. */
static enum config_outcome
apply_confirmed(const char *yaml, double timeout, uint32_t *number)
{
	struct config_request request = {
		.source = CONFIG_YAML,
		.file = "test.yaml",
		.text = yaml,
		.length = strlen(yaml),
		.confirm_timeout = timeout,
	};
	struct config_result result;
	enum config_outcome outcome;

	config_apply(weftd.config, &request, &result);
	outcome = result.outcome;
	if (outcome == CONFIG_WRONG)
		diagnostics_print(&result.diagnostics, stderr, false);
	else if (outcome != CONFIG_DONE)
		print_message("%s\n", result.error.text);
	if (number != NULL)
		*number = result.number;
	config_result_free(&result);
	return outcome;
}

static void
apply(const char *yaml)
{
	assert_int_equal(apply_confirmed(yaml, 0, NULL), CONFIG_DONE);
}

/* What an object is by configuration, not what it counted or learned. */
static void
strip(json_t *objects)
{
	static const char *const counted[] = { "in-packets", "in-bytes", "out-packets", "out-bytes",
		"drops", "unknown-vlan", "loop", "macs" };
	json_t *object;
	size_t i, j;

	json_array_foreach(objects, i, object) for (j = 0; j < sizeof(counted) / sizeof(counted[0]);
						    j++) json_object_del(object, counted[j]);
	for (i = json_array_size(objects); i-- > 0;)
		if (json_is_false(json_object_get(json_array_get(objects, i), "static")))
			json_array_remove(objects, i);
}

static json_t *
look(void)
{
	static const char *const kinds[] = { "networks", "switches", "ports", "nics", "uplinks",
		"links", "macs" };
	json_t *all = json_object();

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct state_query query = { .kind = kinds[i] };
		json_t *objects = state_read(&weftd, &query, NULL);

		assert_non_null(objects);
		strip(objects);
		json_object_set_new(all, kinds[i], objects);
	}
	return all;
}

/* The engine is as if it had been made of `yaml` from nothing. */
static void
is_as_new(const char *before, const char *yaml)
{
	json_t *edited = look(), *made;

	apply("{}");
	apply(yaml);
	made = look();
	if (!json_equal(edited, made))
		fail_msg("from %s\nto %s\nis %s\nnot %s", before, yaml,
			json_dumps(edited, JSON_SORT_KEYS), json_dumps(made, JSON_SORT_KEYS));
	json_decref(edited);
	json_decref(made);
}

/* There and back. */
static void
changes(const char *one, const char *other)
{
	apply(one);
	apply(other);
	is_as_new(one, other);
	apply(one);
	is_as_new(other, one);
	apply("{}");
}

#define MEMORY "attach: { memory: true }"
#define RED(what) "networks: { red: { " what " } }\n"
#define WIRE "uplinks: { wire: { " MEMORY " }, wire2: { " MEMORY " } }\n"
#define NIC(name, more) name ": { switch: lan, " more MEMORY " }"

static void
test_change_networks(void **state)
{
	(void)state;
	changes("{}", RED(""));
	changes(RED(""), "networks: { blue: {} }");
	changes(RED(""), RED("quota: { macs: 5 }"));
	changes(RED("description: a"), RED("description: b"));
	changes("{}", RED("switches: { lan: {} }, nics: { " NIC("web", "") " }"));
}

static void
test_change_switches(void **state)
{
	(void)state;
	changes(RED("switches: { lan: {} }"), RED("switches: { dmz: {} }"));
	changes(RED("switches: { lan: {} }"),
		RED("switches: { lan: { ageing-time: 7s, mac-limit: 3 } }"));
	changes(RED("switches: { lan: { ports: { a: {} } } }"),
		RED("switches: { lan: { ports: { b: { vlan: 7, mtu: 1400, mac-limit: 2 } } } }"));
	changes(RED("switches: { lan: { ports: { a: { vlans: [1-5], native: none } } } }"),
		RED("switches: { lan: { ports: { a: { vlans: [7, 9], native: 7 } } } }"));
}

static void
test_change_nics(void **state)
{
	(void)state;
	changes(RED("switches: { lan: {} }, nics: { " NIC("web", "") " }"),
		RED("switches: { lan: {} }, nics: { " NIC("web", "mtu: 9000, vlan: 7, ") ", " NIC(
			"db", "ip: 10.0.0.1/24, ") " }"));
	/* to another switch, that comes, while its own goes */
	changes(RED("switches: { lan: {} }, nics: { " NIC("web", "") " }"),
		RED("switches: { dmz: {} }, nics: { web: { switch: dmz, " MEMORY " } }"));
	changes(RED("switches: { lan: {}, dmz: {} }, nics: { " NIC("web", "") " }"),
		RED("switches: { lan: {}, dmz: {} }, nics: { web: { switch: dmz, " MEMORY " } }"));
	/* two that change places */
	changes(RED("switches: { lan: {}, dmz: {} }, nics: { " NIC(
			"web", "") ", db: { switch: dmz, " MEMORY " } }"),
		RED("switches: { lan: {}, dmz: {} }, nics: { " NIC(
			"db", "") ", web: { switch: dmz, " MEMORY " } }"));
	changes(RED("switches: { lan: { ports: { a: {}, b: {} } } }, nics: { " NIC(
			"web", "port: a, ") ", " NIC("db", "port: b, ") " }"),
		RED("switches: { lan: { ports: { a: {}, b: {} } } }, nics: { " NIC(
			"web", "port: b, ") ", " NIC("db", "port: a, ") " }"));
}

/* A port that is a vnic's own, or declared, or neither any more. */
static void
test_change_own_port(void **state)
{
	static const char *const forms[] = {
		RED("switches: { lan: {} }, nics: { " NIC("web", "") " }"),
		RED("switches: { lan: {} }, nics: { " NIC("web", "vlan: 5, ") " }"),
		RED("switches: { lan: { ports: { web: {} } } }, nics: { " NIC("web", "") " }"),
		RED("switches: { lan: { ports: { web: { vlan: 7 } } } }, nics: { " NIC(
			"web", "") " }"),
		RED("switches: { lan: { ports: { web: { vlan: 7 } } } }, nics: { " NIC(
			"web", "port: web, ") " }"),
		RED("switches: { lan: { ports: { web: { mtu: 1400 } } } }"),
		RED("switches: { lan: { ports: { x: { vlan: 7 }, web: {} } } }, nics: { " NIC(
			"web", "port: x, ") " }"),
		RED("switches: { lan: { ports: { x: {} } } }, nics: { " NIC(
			"web", "port: x, ") " }"),
		RED("switches: { lan: { ports: { web: { uplink: wire } } } }") WIRE,
		RED("switches: { lan: { ports: { web: {}, y: {} } } }, links: [{ ends: [lan:web, "
		    "lan:y] }]"),
	};

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		for (size_t j = i + 1; j < sizeof(forms) / sizeof(forms[0]); j++)
			changes(forms[i], forms[j]);
}

static void
test_change_uplinks(void **state)
{
#define UP(a, b) RED("switches: { lan: { ports: { a: " a ", b: " b " } } }") WIRE
	(void)state;
	changes(UP("{ uplink: wire, uplink-vlan: 1 }", "{ uplink: wire, uplink-vlan: 2 }"),
		UP("{ uplink: wire, uplink-vlan: 2 }", "{ uplink: wire, uplink-vlan: 1 }"));
	changes(UP("{ uplink: wire }", "{ uplink: wire, uplink-vlan: 2 }"),
		UP("{ uplink: wire, uplink-vlan: 2 }", "{ uplink: wire2, uplink-vlan: 2 }"));
	changes(UP("{ uplink: wire }", "{}"), UP("{}", "{ uplink: wire }"));
	changes(UP("{ uplink: wire }", "{}"), RED("switches: { lan: { ports: { b: {} } } }"));
	changes("uplinks: { wire: { " MEMORY " } }",
		"uplinks: { wire: { mtu: 9000, " MEMORY " } }");
}

static void
test_change_links(void **state)
{
#define PORTS "switches: { lan: { ports: { a: {}, b: {} } }, dmz: { ports: { a: {}, b: {} } } }, "
	(void)state;
	changes(RED(PORTS "links: [{ ends: [lan:a, dmz:a] }, { ends: [lan:b, dmz:b] }]"),
		RED(PORTS "links: [{ ends: [lan:a, dmz:b] }, { ends: [lan:b, dmz:a] }]"));
	changes(RED(PORTS "links: [{ name: l, ends: [lan:a, dmz:a] }]"),
		RED(PORTS "links: [{ name: l, ends: [lan:a, lan:b] }]"));
	changes(RED(PORTS "links: [{ name: l, ends: [lan:a, dmz:a] }]"),
		RED(PORTS "links: [{ name: m, ends: [lan:a, dmz:a] }]"));
	changes(RED(PORTS "links: [{ name: l, ends: [lan:a, dmz:a] }]"),
		RED("switches: { lan: { ports: { a: {} } } }, nics: { " NIC(
			"n", "port: a, ") " }"));
}

static void
test_change_static_macs(void **state)
{
#define STATIC(macs, ports) \
	RED("switches: { lan: { static-macs: { " macs " }, ports: { " ports \
	    " } } }, nics: { " NIC("web", "") " }")
	(void)state;
	changes(STATIC("02:00:00:00:00:0a: { port: web }", ""),
		STATIC("02:00:00:00:00:0b: { port: web }", ""));
	changes(STATIC("02:00:00:00:00:0a: { port: web }", "x: {}"),
		STATIC("02:00:00:00:00:0a: { port: x, vlan: 7 }", "x: {}"));
	changes(STATIC("02:00:00:00:00:0a: { port: x }", "x: {}"),
		STATIC("02:00:00:00:00:0a: { port: web }", ""));
	/* its port passes from a vnic to a declaration, or goes */
	changes(STATIC("02:00:00:00:00:0a: { port: web }", ""),
		STATIC("02:00:00:00:00:0a: { port: web }", "web: { vlan: 1 }"));
	changes(STATIC("02:00:00:00:00:0a: { port: web }", ""),
		RED("switches: { lan: { static-macs: { 02:00:00:00:00:0a: { port: x } }, ports: { "
		    "x: {} } } }"));
}

static struct weft_nic *
find_nic(const char *network, const char *name)
{
	struct weft_network *found = weft_network_find(weftd.weft, network);

	return found != NULL ? weft_nic_find(weftd.weft, found, name) : NULL;
}

static const uint8_t frame[FRAME_LENGTH] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 1,
	0x88, 0xb5 };

static bool
passes(struct weft_nic *from, struct weft_nic *to)
{
	uint8_t got[2048];

	assert_int_equal(weft_nic_send(from, frame, sizeof(frame)), 0);
	while (weft_run(weftd.weft) > 0)
		;
	return weft_nic_receive(to, got, sizeof(got)) == sizeof(frame);
}

/* A change elsewhere leaves objects where they are; one that fails changes nothing. */
static void
test_change_leaves_the_rest(void **state)
{
	static const char one[] =
		RED("switches: { lan: {} }, nics: { " NIC("web", "") ", " NIC("db", "") " }");
	static const char other[] = "networks: { red: { switches: { lan: {} }, nics: { " NIC(
		"web", "") ", " NIC("db", "") " } }, blue: { switches: { lan: {} } } }";
	struct weft_nic *web, *db;

	(void)state;
	apply(one);
	web = find_nic("red", "web");
	db = find_nic("red", "db");
	assert_true(passes(web, db));
	apply(other);
	assert_ptr_equal(find_nic("red", "web"), web);
	assert_true(passes(web, db));
	assert_int_equal(
		apply_confirmed("networks: { red: { swiches: {} } }", 0, NULL), CONFIG_WRONG);
	assert_true(passes(web, db));
	assert_non_null(weft_network_find(weftd.weft, "blue"));
}

/* ---- confirmation, history, the end ---------------------------------------------------------- */

static uint32_t
running_number(void)
{
	struct config_status status;

	config_history(weftd.config, NULL, 0, &status);
	return status.running;
}

static bool
waits_for_number(uint32_t number)
{
	for (unsigned i = 0; i < 1000 && running_number() != number; i++)
		pause_ms(10);
	return running_number() == number;
}

static void
test_confirm_times_out(void **state)
{
	struct config_status status;
	struct event event;
	uint32_t number;
	uint64_t last;

	(void)state;
	apply(RED(""));
	last = events_last(weftd.events);
	assert_int_equal(apply_confirmed("networks: { blue: {} }", 0.2, &number), CONFIG_DONE);
	assert_int_equal(number, 2);
	config_history(weftd.config, NULL, 0, &status);
	assert_int_equal(status.unconfirmed, 2);
	assert_true(status.confirm_left > 0 && status.confirm_left <= 0.2);
	assert_true(waits_for_number(3));
	assert_non_null(weft_network_find(weftd.weft, "red"));
	assert_null(weft_network_find(weftd.weft, "blue"));
	assert_true(events_read(weftd.events, last + 1, 5000, &event));
	assert_string_equal(event.kind, "rollback");
	config_history(weftd.config, NULL, 0, &status);
	assert_int_equal(status.unconfirmed, 0);
	assert_true(status.confirm_left == 0);
}

static void
test_confirm_in_time(void **state)
{
	struct config_result result;

	(void)state;
	config_confirm(weftd.config, &result);
	assert_int_equal(result.outcome, CONFIG_CONFLICT);
	config_result_free(&result);
	assert_int_equal(apply_confirmed(RED(""), 0.3, NULL), CONFIG_DONE);
	config_confirm(weftd.config, &result);
	assert_int_equal(result.outcome, CONFIG_DONE);
	assert_int_equal(result.number, 1);
	config_result_free(&result);
	pause_ms(400);
	assert_int_equal(running_number(), 1);
	assert_non_null(weft_network_find(weftd.weft, "red"));
}

/* The first change ever, unconfirmed: before it there was nothing. */
static void
test_confirm_of_the_first(void **state)
{
	(void)state;
	assert_int_equal(apply_confirmed(RED(""), 0.1, NULL), CONFIG_DONE);
	assert_true(waits_for_number(2));
	assert_null(weft_network_find(weftd.weft, "red"));
}

/* A later change is not rolled back by the time of one before it. */
static void
test_confirm_overtaken(void **state)
{
	(void)state;
	assert_int_equal(apply_confirmed(RED(""), 0.2, NULL), CONFIG_DONE);
	apply("networks: { blue: {} }");
	pause_ms(300);
	assert_int_equal(running_number(), 2);
	assert_non_null(weft_network_find(weftd.weft, "blue"));
}

/* As on a disk that is full. */
static void
limit_files(rlim_t size)
{
	struct rlimit limit;

	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &limit);
	limit.rlim_cur = size;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void
test_history_fails(void **state)
{
	struct config_result result;

	(void)state;
	apply(RED(""));
	limit_files(0);
	assert_int_equal(apply_confirmed("networks: { blue: {} }", 0, NULL), CONFIG_FAILED);
	assert_null(weft_network_find(weftd.weft, "blue"));
	assert_non_null(weft_network_find(weftd.weft, "red"));
	refused("DELETE", "/restconf/data/weft:networks=red", "", 500, "operation-failed", "");
	limit_files(RLIM_INFINITY);
	assert_int_equal(running_number(), 1);
	/* what could not be confirmed is tried again */
	assert_int_equal(apply_confirmed("networks: { blue: {} }", 60, NULL), CONFIG_DONE);
	limit_files(0);
	config_confirm(weftd.config, &result);
	assert_int_equal(result.outcome, CONFIG_FAILED);
	config_result_free(&result);
	limit_files(RLIM_INFINITY);
	config_confirm(weftd.config, &result);
	assert_int_equal(result.outcome, CONFIG_DONE);
	config_result_free(&result);
}

/* The time is over, and what ran before cannot be written: it is tried again. */
static void
test_time_out_fails(void **state)
{
	struct event event = { 0 };
	uint64_t last;

	(void)state;
	apply(RED(""));
	assert_int_equal(apply_confirmed("networks: { blue: {} }", 0.1, NULL), CONFIG_DONE);
	last = events_last(weftd.events);
	limit_files(0);
	assert_true(events_read(weftd.events, last, 10000, &event));
	limit_files(RLIM_INFINITY);
	assert_string_equal(event.kind, "rollback");
	assert_int_equal(event.severity, EVENT_ERROR);
	assert_non_null(weft_network_find(weftd.weft, "blue"));
	assert_true(waits_for_number(3));
	assert_non_null(weft_network_find(weftd.weft, "red"));
}

static void
test_restart(void **state)
{
	(void)state;
	apply(RED("switches: { lan: {} }, nics: { " NIC("web", "") " }"));
	assert_int_equal(apply_confirmed("networks: { blue: {} }", 60, NULL), CONFIG_DONE);
	config_stop(weftd.config);
	config_close(weftd.config);
	weft_close(weftd.weft);
	weftd.weft = weft_open(&(struct weft_options){ .memory_mb = 64 }, NULL);
	open_config();
	/* a crash takes back what was not confirmed */
	assert_null(weft_network_find(weftd.weft, "blue"));
	assert_non_null(find_nic("red", "web"));
}

struct caller {
	pthread_t thread;
	_Atomic bool begun, go_on;
	bool ran;
	int result;
};

static void
note_and_wait(void *context)
{
	struct caller *caller = context;

	atomic_store(&caller->begun, true);
	while (!atomic_load(&caller->go_on))
		pause_ms(1);
	caller->ran = true;
}

static void *
call_config(void *argument)
{
	struct caller *caller = argument;

	caller->result = config_call(weftd.config, note_and_wait, caller);
	return NULL;
}

static void *
stop_config(void *argument)
{
	(void)argument;
	config_stop(weftd.config);
	return NULL;
}

/* The job that is under way is done, those that wait are refused, and later ones too. */
static void
test_call_while_stopping(void **state)
{
	struct caller first = { 0 }, second = { 0 };
	pthread_t stopper;

	(void)state;
	pthread_create(&first.thread, NULL, call_config, &first);
	while (!atomic_load(&first.begun))
		pause_ms(1);
	pthread_create(&second.thread, NULL, call_config, &second);
	pause_ms(20);
	pthread_create(&stopper, NULL, stop_config, NULL);
	pause_ms(20);
	atomic_store(&first.go_on, true);
	pthread_join(first.thread, NULL);
	pthread_join(second.thread, NULL);
	pthread_join(stopper, NULL);
	assert_int_equal(first.result, 0);
	assert_true(first.ran);
	assert_int_equal(second.result, -1);
	assert_false(second.ran);
	assert_int_equal(apply_confirmed("{}", 0, NULL), CONFIG_CONFLICT);
	refused("DELETE", "/restconf/data/weft:networks=red", "", 409, "resource-denied", "ending");
}

/* ---- the API --------------------------------------------------------------------------------- */

static void
test_api_edits(void **state)
{
	char *location;

	(void)state;
	json_decref(ask("POST", "/restconf/data", "{\"weft:networks\": [{\"name\": \"red\"}]}", 201,
		&location));
	assert_string_equal(location, "/restconf/data/weft:networks=red");
	free(location);
	asks("PUT", "/restconf/data/weft:networks=red/switches=lan",
		"{\"weft:switches\": [{\"name\": \"lan\"}]}", 201);
	asks("PUT", "/restconf/data/weft:networks=red/nics=web",
		"{\"weft:nics\": [{\"switch\": \"lan\", \"attach\": {\"memory\": true}}]}", 201);
	asks("PATCH", "/restconf/data/weft:networks=red/nics=web", "{\"weft:nics\": {\"vlan\": 7}}",
		204);
	assert_non_null(find_nic("red", "web"));
	refused("DELETE", "/restconf/data/weft:networks=red/switches=lan", "", 400, "invalid-value",
		"lan");
	refused("PUT", "/restconf/data/weft:networks=red/nics=web/mtu", "{\"weft:mtu\": \"big\"}",
		400, "invalid-value", "");
	refused("POST", "/restconf/data", "{\"weft:networks\": [{\"name\": \"red\"}]}", 409,
		"data-exists", "red");
	refused("PUT", "/restconf/data/weft:networks=red", "[", 400, "malformed-message", "JSON");
	assert_int_equal(running_number(), 4);
	asks("DELETE", "/restconf/data/weft:networks=red", "", 204);
	assert_null(weft_network_find(weftd.weft, "red"));
}

/* What a request with preconditions is answered by: "STATUS ETAG". */
static void
is_answered(const struct api_request *request, const char *wanted)
{
	struct api_answer answer;
	char got[40];

	api_answer(&weftd, request, &answer);
	snprintf(got, sizeof(got), "%u %s", answer.status, answer.etag);
	assert_string_equal(got, wanted);
	api_answer_free(&answer);
}

/* RFC 8040, 3.4.1 and 3.5; RFC 9110, 13.1. */
static void
test_api_preconditions(void **state)
{
	struct api_request get = { .method = "GET", .target = "/restconf/data/weft:networks=red" };
	struct api_request put = {
		.method = "PUT",
		.target = "/restconf/data/weft:networks=red/description",
		.body = "{\"weft:description\": \"x\"}",
		.length = 25,
	};

	(void)state;
	apply("networks: { red: { switches: { lan: {} } } }");
	is_answered(&get, "200 \"1\"");
	get.if_none_match = "\"7\", W/\"1\"";
	is_answered(&get, "304 \"1\"");
	get.if_none_match = "*";
	is_answered(&get, "304 \"1\"");
	get.if_none_match = "\"11\", 1, \"1";
	is_answered(&get, "200 \"1\"");
	get.if_none_match = NULL;
	get.if_match = "\"2\"";
	is_answered(&get, "412 ");
	get.if_match = "W/\"1\""; /* is no strong one */
	is_answered(&get, "412 ");
	get.if_match = "\"0\",\"1\"";
	is_answered(&get, "200 \"1\"");

	/* of two who have read the same, one wins */
	put.if_match = "\"1\"";
	is_answered(&put, "201 \"2\"");
	put.body = "{\"weft:description\": \"y\"}";
	is_answered(&put, "412 ");
	put.if_match = "*";
	is_answered(&put, "204 \"3\"");
	put.if_match = NULL;
	put.if_none_match = "*"; /* only where there is none */
	is_answered(&put, "412 ");
	put.target = "/restconf/data/weft:networks=red/switches=lan/description";
	is_answered(&put, "201 \"4\"");
	get.if_match = NULL;
	is_answered(&get, "200 \"4\"");
}

static void
test_api_content_types(void **state)
{
	static const char *const good[] = { NULL, API_JSON, "application/json; charset=utf-8",
		"Application/YANG-Data+JSON" };
	static const char *const bad[] = { "", "text/plain", "application/yang-data+xml",
		"application/jsonx", "application/x-www-form-urlencoded" };
	struct api_request request = {
		.method = "PUT",
		.target = "/restconf/data/weft:networks=red/description",
		.body = "{\"weft:description\": \"x\"}",
		.length = 25,
	};

	(void)state;
	apply("networks: { red: { switches: { lan: {} } } }");
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		request.content_type = bad[i];
		is_answered(&request, "415 ");
	}
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		request.content_type = good[i];
		is_answered(&request, i == 0 ? "201 \"2\"" : "204 \"2\"");
	}
	request.method = "POST";
	request.target = "/restconf/operations/weft:export";
	is_answered(&request, "400 ");
	request.content_type = "text/plain";
	is_answered(&request, "415 ");
}

/* Those who never read leave room for others. */
static void
test_api_stream_limit(void **state)
{
	struct api_request request = { .method = "GET", .target = "/streams/events" };
	struct api_answer *answers = calloc(API_STREAM_LIMIT, sizeof(*answers));

	(void)state;
	assert_non_null(answers);
	for (unsigned i = 0; i < API_STREAM_LIMIT; i++) {
		api_answer(&weftd, &request, &answers[i]);
		assert_int_equal(answers[i].status, 200);
	}
	refused("GET", "/streams/events", "", 409, "in-use", "streams are open");
	asks("GET", "/streams/trace?filter=nonsense((", "", 409);
	asks("GET", "/restconf", "", 200);
	api_answer_free(&answers[0]);
	api_answer(&weftd, &request, &answers[0]);
	assert_int_equal(answers[0].status, 200);
	for (unsigned i = 0; i < API_STREAM_LIMIT; i++)
		api_answer_free(&answers[i]);
	assert_int_equal(atomic_load(&weftd.streams), 0);
	free(answers);
}

static void
test_api_methods(void **state)
{
	static const char *const paths[] = { "/restconf", "/metrics", "/restconf/operations",
		"/restconf/operations/weft:apply", "/streams/trace", "/restconf/data/weft:networks",
		"/restconf/data/weft-state:nics", "/.well-known/host-meta",
		"/restconf/yang-library-version" };

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		struct api_request request = { "OPTIONS", paths[i], "", 0, NULL };
		struct api_answer answer;

		api_answer(&weftd, &request, &answer);
		assert_int_equal(answer.status, 200);
		assert_non_null(strstr(answer.allow, "OPTIONS"));
		api_answer_free(&answer);
		request.method = "BREW";
		api_answer(&weftd, &request, &answer);
		assert_int_equal(answer.status, 405);
		assert_non_null(answer.allow);
		api_answer_free(&answer);
	}
	refused("GET", "/x", "", 404, "invalid-value", "/restconf");
	refused("POST", "/restconf/operations/weft:aply", "", 404, "invalid-value", "'apply'");
	refused("POST", "/restconf/operations/weft:export=1", "", 404, "invalid-value", "body");
	refused("GET", "/restconf/data/weft-state:nisc", "", 404, "invalid-value", "'nics'");
	refused("GET", "/restconf/data/weft-state:nics?netwrok=a", "", 400, "invalid-value",
		"'network'");
	refused("GET", "/restconf/data?with=x", "", 400, "invalid-value", "depth");
	refused("GET", "/%", "", 400, "invalid-value", "percent");
}

/* ---- many at once ---------------------------------------------------------------------------- */

static _Atomic bool over;

static void *
ask_on_and_on(void *argument)
{
	static const char *const targets[] = { "/restconf/data", "/metrics",
		"/restconf/data/weft-state:ports", "/restconf/data/weft-state:nics",
		"/restconf/data/weft-state:macs", "/restconf/data/weft-state:links",
		"/restconf/data/weft-state:history", "/restconf/data/weft-state:system",
		"/restconf/data/weft-state:workers", "/restconf/data/weft-state:uplinks",
		"/streams/trace", "/streams/events", "/streams/capture?port=red/lan:web" };
	const size_t count = sizeof(targets) / sizeof(targets[0]);

	for (size_t i = (size_t)argument; !atomic_load(&over); i++) {
		struct api_request request = { "GET", targets[i % count], "", 0, NULL };
		struct api_answer answer;

		api_answer(&weftd, &request, &answer);
		if (answer.status >= 500)
			fprintf(stderr, "%s: %s\n", request.target, answer.body);
		api_answer_free(&answer);
	}
	return NULL;
}

static void *
tick_on_and_on(void *argument)
{
	(void)argument;
	while (!atomic_load(&over)) {
		pthread_mutex_lock(&weftd.engine_lock);
		weft_tick(weftd.weft);
		pthread_mutex_unlock(&weftd.engine_lock);
		pause_ms(3);
	}
	return NULL;
}

static void *
explain_on_and_on(void *argument)
{
	static const char body[] =
		"{\"weft:input\": {\"from\": \"red/web\", \"to\": \"10.0.0.2\"}}";

	(void)argument;
	while (!atomic_load(&over)) {
		struct api_request request = { "POST", "/restconf/operations/weft:explain", body,
			strlen(body), NULL };
		struct api_answer answer;

		api_answer(&weftd, &request, &answer);
		api_answer_free(&answer);
	}
	return NULL;
}

static int
open_weftd_with_worker(void **state)
{
	static const struct weft_options options = { .memory_mb = 64, .workers = 1 };
	int result = open_weftd(state);

	config_stop(weftd.config);
	config_close(weftd.config);
	weft_close(weftd.weft);
	weftd.weft = weft_open(&options, NULL);
	notices_open(&weftd);
	open_config();
	return result;
}

/* Seen whole by AddressSanitizer and, in a build of one's own, by ThreadSanitizer. */
static void
test_many_at_once(void **state)
{
	const char *seconds = getenv("API_SECONDS");
	double end = seconds_now() + (seconds != NULL ? atof(seconds) : 0.5);
	pthread_t threads[6];

	(void)state;
	atomic_store(&over, false);
	for (size_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, ask_on_and_on, (void *)(i * 3));
	pthread_create(&threads[4], NULL, tick_on_and_on, NULL);
	pthread_create(&threads[5], NULL, explain_on_and_on, NULL);
	for (unsigned i = 0; seconds_now() < end; i++) {
		apply(RED(PORTS "links: [{ ends: [lan:a, dmz:a] }], nics: { " NIC(
			"web", "ip: 10.0.0.1/24, ") ", " NIC("db", "ip: 10.0.0.2/24, ") " }") WIRE);
		assert_int_equal(weft_nic_send(find_nic("red", "web"), frame, sizeof(frame)), 0);
		apply(i % 2 == 0 ? RED("switches: { lan: {} }") : "{}");
	}
	atomic_store(&over, true);
	for (size_t i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_target_segments),
		cmocka_unit_test(test_target_parameters),
		cmocka_unit_test(test_target_wrong),
		cmocka_unit_test_setup_teardown(test_tree_get, open_tree, close_tree),
		cmocka_unit_test_setup_teardown(test_tree_get_default, open_tree, close_tree),
		cmocka_unit_test_setup_teardown(test_tree_get_depth, open_tree, close_tree),
		cmocka_unit_test_setup_teardown(test_tree_get_wrong, open_tree, close_tree),
		cmocka_unit_test_setup_teardown(test_tree_put, open_tree, close_tree),
		cmocka_unit_test_setup_teardown(test_tree_put_wrong, open_tree, close_tree),
		cmocka_unit_test_setup_teardown(test_tree_patch, open_tree, close_tree),
		cmocka_unit_test_setup_teardown(test_tree_patch_wrong, open_tree, close_tree),
		cmocka_unit_test_setup_teardown(test_tree_post, open_tree, close_tree),
		cmocka_unit_test_setup_teardown(test_tree_post_wrong, open_tree, close_tree),
		cmocka_unit_test_setup_teardown(test_tree_delete, open_tree, close_tree),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_events_ring),
		cmocka_unit_test(test_events_cut),
		cmocka_unit_test(test_events_wait),
		cmocka_unit_test_setup_teardown(test_change_networks, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_change_switches, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_change_nics, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_change_own_port, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_change_uplinks, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_change_links, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_change_static_macs, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(
			test_change_leaves_the_rest, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_confirm_times_out, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_confirm_in_time, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_confirm_of_the_first, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_confirm_overtaken, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_history_fails, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_time_out_fails, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_restart, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_call_while_stopping, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_api_edits, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_api_preconditions, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_api_content_types, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_api_stream_limit, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(test_api_methods, open_weftd, close_weftd),
		cmocka_unit_test_setup_teardown(
			test_many_at_once, open_weftd_with_worker, close_weftd),
	};

	log_set_level(LOG_LEVEL_ERROR);
	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
