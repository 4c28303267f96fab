/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/answer.h"
#include "cli/arguments.h"
#include "cli/events.h"
#include "cli/kinds.h"
#include "cli/output.h"
#include "cli/pcapng.h"
#include "cli/plan.h"
#include "cli/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- arguments -------------------------------------------------------------------------- */

static int
parse(struct arguments *arguments, struct weft_error *error, int count, ...)
{
	static char *words[16];
	va_list args;

	va_start(args, count);
	for (int i = 0; i < count; i++)
		words[i] = va_arg(args, char *);
	va_end(args);
	words[count] = NULL;
	return arguments_parse(arguments, count, words, error);
}

static void
a_line_is_sorted_into_command_operands_and_options(void **state)
{
	struct arguments arguments;
	struct weft_error error;

	(void)state;
	assert_int_equal(parse(&arguments, &error, 6, "--socket=/x", "apply", "--confirm", "60s",
				 "net.yaml", "-j"),
		0);
	assert_string_equal(arguments.command->name, "apply");
	assert_int_equal(arguments.count, 1);
	assert_string_equal(arguments.operands[0], "net.yaml");
	assert_null(arguments.operands[1]);
	assert_string_equal(arguments_value(&arguments, "socket"), "/x");
	assert_string_equal(arguments_value(&arguments, "confirm"), "60s");
	assert_true(arguments_has(&arguments, "json"));
	assert_false(arguments_has(&arguments, "note"));
	arguments_free(&arguments);

	assert_int_equal(
		parse(&arguments, &error, 5, "capture", "-wfile", "-jc", "3", "red/a:b"), 0);
	assert_string_equal(arguments_value(&arguments, "write"), "file");
	assert_string_equal(arguments_value(&arguments, "count"), "3");
	assert_true(arguments_has(&arguments, "json"));
	arguments_free(&arguments);

	assert_int_equal(parse(&arguments, &error, 3, "apply", "--", "--odd.yaml"), 0);
	assert_string_equal(arguments.operands[0], "--odd.yaml");
	arguments_free(&arguments);

	assert_int_equal(parse(&arguments, &error, 2, "validate", "-"), 0);
	assert_string_equal(arguments.operands[0], "-");
	arguments_free(&arguments);
}

/* --watch, --watch=2, --watch 2, -w2; but a name behind it is a name. */
static void
an_optional_value_may_be_missing(void **state)
{
	struct arguments arguments;
	struct weft_error error;

	(void)state;
	assert_int_equal(parse(&arguments, &error, 4, "show", "ports", "--watch", "red"), 0);
	assert_true(arguments_has(&arguments, "watch"));
	assert_null(arguments_value(&arguments, "watch"));
	assert_string_equal(arguments.operands[1], "red");
	arguments_free(&arguments);
	assert_int_equal(parse(&arguments, &error, 4, "show", "ports", "--watch", "2"), 0);
	assert_string_equal(arguments_value(&arguments, "watch"), "2");
	assert_int_equal(arguments.count, 1);
	arguments_free(&arguments);
	assert_int_equal(parse(&arguments, &error, 3, "show", "--watch=0.5", "ports"), 0);
	assert_string_equal(arguments_value(&arguments, "watch"), "0.5");
	arguments_free(&arguments);
	assert_int_equal(parse(&arguments, &error, 3, "show", "ports", "-w2"), 0);
	assert_string_equal(arguments_value(&arguments, "watch"), "2");
	arguments_free(&arguments);
}

static void
refused(const char *expected, int count, char *a, char *b, char *c)
{
	struct arguments arguments;
	struct weft_error error = { 0 };

	assert_int_equal(parse(&arguments, &error, count, a, b, c), -1);
	assert_string_equal(error.text, expected);
	arguments_free(&arguments);
}

static void
wrong_lines_are_refused_with_the_nearest_right_thing(void **state)
{
	(void)state;
	refused("there is no command 'shwo'; did you mean 'show'?", 1, "shwo", NULL, NULL);
	refused("there is no command 'xyzzy'; `weft help` lists them", 1, "xyzzy", NULL, NULL);
	refused("there is no option --netwrok; did you mean --network?", 3, "show", "ports",
		"--netwrok=red");
	refused("there is no option --zzzzzz", 2, "show", "--zzzzzz", NULL);
	refused("there is no option -q", 2, "show", "-q", NULL);
	refused("--json takes no value", 2, "show", "--json=yes", NULL);
	refused("--confirm needs a value: --confirm TIME", 3, "apply", "f", "--confirm");
	refused("-w needs a value: -w FILE", 3, "capture", "red/a:b", "-w");
	refused("something is missing behind 'apply'", 1, "apply", NULL, NULL);
	refused("'b' is too much behind 'plan'", 3, "plan", "a", "b");
	/* an option of one command is none of another */
	refused("there is no option --watch", 3, "plan", "--watch", "f");
}

static void
every_command_is_complete(void **state)
{
	(void)state;
	for (const struct command *command = commands; command->name != NULL; command++) {
		assert_non_null(command->run);
		assert_non_null(command->summary);
		assert_true(command->least <= command->most);
		assert_ptr_equal(command_find(command->name), command);
		for (const struct option *o = command->options; o && o->name; o++)
			for (const struct option *global = global_options; global->name; global++)
				assert_string_not_equal(o->name, global->name);
	}
}

/* ---- text ------------------------------------------------------------------------------- */

static void
clean_is(const char *bytes, size_t length, const char *expected)
{
	char *clean = output_clean(bytes, length, false);

	assert_string_equal(clean, expected);
	free(clean);
}

#define CLEAN(text, expected) clean_is(text, sizeof(text) - 1, expected)

static void
nothing_that_a_terminal_obeys_gets_through(void **state)
{
	(void)state;
	CLEAN("red/lan:web", "red/lan:web");
	CLEAN("\033[31mred\033[0m", "\\x1b[31mred\\x1b[0m");
	CLEAN("a\r\nb\tc\a", "a\\x0d\\x0ab\\x09c\\x07");
	CLEAN("nul\0end", "nul\\x00end");
	CLEAN("del\x7f", "del\\x7f");
	CLEAN("c1\xc2\x9b"
	      "31m",
		"c1\\x9b31m");
	CLEAN("K\xc3\xb6ln \xe2\x82\xac \xf0\x9f\x98\x80",
		"K\xc3\xb6ln \xe2\x82\xac \xf0\x9f\x98\x80");
	CLEAN("\x9b", "\\x9b");                            /* a lone continuation byte */
	CLEAN("\xc0\xaf", "\\xc0\\xaf");                   /* overlong */
	CLEAN("\xe0\x80\xaf", "\\xe0\\x80\\xaf");          /* overlong */
	CLEAN("\xed\xa0\x80", "\\xed\\xa0\\x80");          /* surrogate */
	CLEAN("\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"); /* above U+10FFFF */
	CLEAN("cut\xe2\x82", "cut\\xe2\\x82");
	CLEAN("\xe2\x80\xae"
	      "evil",
		"\\u{202e}evil"); /* right-to-left override */
	CLEAN("\xe2\x80\xa8", "\\u{2028}");
	CLEAN("\xef\xbb\xbf", "\\u{feff}");
}

static void
numbers_get_their_units(void **state)
{
	static const struct {
		uint64_t number;
		const char *count, *bytes;
	} cases[] = {
		{ 0, "0", "0B" },
		{ 9999, "9999", "9999B" },
		{ 10000, "10.0k", "10.0kB" },
		{ 99949, "99.9k", "99.9kB" },
		{ 99950, "100k", "100kB" },
		{ 999499, "999k", "999kB" },
		{ 999500, "1.0M", "1.0MB" },
		{ 1234567, "1.2M", "1.2MB" },
		{ 1234567890123, "1.2T", "1.2TB" },
		{ UINT64_MAX, "18.4E", "18.4EB" },
	};
	char text[OUTPUT_NUMBER];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		output_count(cases[i].number, text);
		assert_string_equal(text, cases[i].count);
		output_bytes(cases[i].number, text);
		assert_string_equal(text, cases[i].bytes);
	}
	output_setup(COLOUR_NEVER, true);
	output_count(UINT64_MAX, text);
	assert_string_equal(text, "18446744073709551615");
	output_setup(COLOUR_NEVER, false);
	output_duration(0.25, text);
	assert_string_equal(text, "0.2 s");
	output_duration(59, text);
	assert_string_equal(text, "59 s");
	output_duration(3599, text);
	assert_string_equal(text, "59m 59s");
	output_duration(86399, text);
	assert_string_equal(text, "23h 59m");
	output_duration(90000, text);
	assert_string_equal(text, "1d 1h");
	output_duration(-5, text);
	assert_string_equal(text, "0 s");
	output_duration(1e300, text);
	assert_string_equal(text, "0 s");
}

/* ---- tables ----------------------------------------------------------------------------- */

static char *
printed(const struct table *table)
{
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	table_print(table, stream);
	fclose(stream);
	return text;
}

static void
columns_are_aligned(void **state)
{
	struct table *table = table_new();
	char *text;

	(void)state;
	table_column(table, "NAME", TABLE_LEFT);
	table_column(table, "N", TABLE_RIGHT);
	table_column(table, "TO", TABLE_LEFT);
	table_cell(table, STYLE_PLAIN, "red/lan:web");
	table_cell(table, STYLE_PLAIN, "1");
	table_cell(table, STYLE_PLAIN, "a\033b");
	table_cell(table, STYLE_PLAIN, "K\xc3\xb6ln");
	table_cell(table, STYLE_PLAIN, "1234");
	table_cell(table, STYLE_PLAIN, NULL);
	table_note(table, STYLE_WARN, "K\xc3\xb6ln is\ndegraded");
	text = printed(table);
	assert_string_equal(text, "NAME            N  TO\n"
				  "red/lan:web     1  a\\x1bb\n"
				  "K\xc3\xb6ln         1234  -\n"
				  "K\xc3\xb6ln is\\x0adegraded\n");
	assert_int_equal(table_rows(table), 2);
	free(text);
	table_free(table);
}

static void
table_is(const char *kind, const char *json, const char *expected)
{
	json_t *list = json_loads(json, 0, NULL);
	struct table *table;
	char *text;

	assert_non_null(list);
	table = kind_table(kind_find(kind), list);
	text = printed(table);
	assert_string_equal(text, expected);
	free(text);
	table_free(table);
	json_decref(list);
}

static void
json_becomes_a_table(void **state)
{
	(void)state;
	table_is("ports",
		"[{\"name\": \"red/lan:web\", \"attachment\": \"nic\", \"to\": \"red/web\","
		" \"vlan-mode\": \"access\", \"vlan\": 10, \"mtu\": 9216, \"in-packets\": 1234567,"
		" \"in-bytes\": 12345678, \"out-packets\": 3, \"out-bytes\": 180,"
		" \"drops\": {\"too-long\": 2, \"no-buffer\": 3}},"
		" {\"name\": \"red/lan:up\", \"attachment\": \"none\", \"to\": null,"
		" \"vlan-mode\": \"trunk\", \"vlan\": 1, \"vlans\": [\"10-20\", 30], \"mtu\": 1500,"
		" \"drops\": {}}]",
		"PORT         HAS   TO       VLAN                  MTU    IN  IN BYTES  OUT  OUT "
		"BYTES  "
		"DROPS\n"
		"red/lan:web  nic   red/web  access 10            9216  1.2M    12.3MB    3       "
		"180B  "
		"    5\n"
		"red/lan:up   none  -        trunk 1 (10-20, 30)  1500     -         -    -        "
		"  -  "
		"    0\n");
}

/* What degraded is told under the table; objects that are none are left out. */
static void
a_degraded_nic_has_its_reason_under_the_table(void **state)
{
	(void)state;
	table_is("uplinks",
		"[{\"name\": \"wire\", \"driver\": \"interface\", \"status\": \"degraded\","
		" \"reason\": \"there is no interface eth1\", \"interface\": \"eth1\", \"mtu\": "
		"1500,"
		" \"vlans\": [{\"vlan\": 101, \"port\": \"red/lan:up\"}], \"in-packets\": 0,"
		" \"out-packets\": 0, \"unknown-vlan\": 7}, 5, null]",
		"UPLINK  DRIVER     STATUS    WHERE   MTU  VLANS           IN  OUT  UNKNOWN VLAN\n"
		"wire    interface  degraded  eth1   1500  101 red/lan:up   0    0             7\n"
		"wire is degraded: there is no interface eth1\n");
	table_is("switches",
		"[{\"name\": \"red/lan\", \"ports\": 2, \"macs\": 1, \"mac-limit\": 8192,"
		" \"ageing-time\": 300, \"loop\": {\"mac\": \"02:00:00:00:00:01\", \"vlan\": 1,"
		" \"between\": [\"red/lan:a\", \"red/lan:b\"], \"since\": \"12:00\"}}]",
		"SWITCH   PORTS  MACS  MAC LIMIT  AGEING  LOOP\n"
		"red/lan      2     1       8192   5m 0s  LOOP\n"
		"red/lan: a loop: MAC 02:00:00:00:00:01 of VLAN 1 moves between red/lan:a and "
		"red/lan:b, since 12:00\n");
	table_is("macs", "[]", "");
}

/* The ways of a route and why it is not in force; addresses only where some port has any. */
static void
routers_have_tables_of_their_own(void **state)
{
	(void)state;
	table_is("routers",
		"[{\"name\": \"red/r\", \"ports\": 2, \"routes4\": 123456, \"routes6\": 1,"
		" \"neighbors\": 3, \"memory-bytes\": 2000000, \"icmp-rate\": 1000}]",
		"ROUTER  PORTS  IPV4 ROUTES  IPV6 ROUTES  NEIGHBORS  MEMORY  ICMP RATE\n"
		"red/r       2         123k            1          3   2.0MB       1000\n");
	table_is("routes",
		"[{\"router\": \"red/r\", \"prefix\": \"10.0.0.0/8\", \"source\": \"static\","
		" \"type\": \"forward\", \"preference\": 1, \"metric\": 0, \"selected\": true,"
		" \"next-hops\": [{\"gateway\": \"10.1.0.9\", \"port\": \"red/r:lan\","
		" \"state\": \"failed\", \"usable\": false, \"backup\": false},"
		" {\"gateway\": null, \"port\": \"red/r:wan\", \"state\": null,"
		" \"usable\": true, \"backup\": true}]},"
		" {\"router\": \"red/r\", \"prefix\": \"::/0\", \"source\": \"static\","
		" \"type\": \"forward\", \"preference\": 1, \"metric\": 0, \"selected\": false,"
		" \"reason\": \"nothing leads there\", \"next-hops\": []},"
		" {\"router\": \"red/r\", \"prefix\": \"10.9.0.0/16\", \"source\": \"static\","
		" \"type\": \"blackhole\", \"preference\": 1, \"metric\": 0,"
		" \"selected\": true, \"next-hops\": []}]",
		"ROUTER  PREFIX       SOURCE  PREFERENCE  METRIC  IN FORCE  VIA\n"
		"red/r   10.0.0.0/8   static           1       0  yes       10.1.0.9 on lan "
		"(failed), backup wan\n"
		"red/r   ::/0         static           1       0  no        -\n"
		"red/r   10.9.0.0/16  static           1       0  yes       blackhole\n"
		"red/r: the static route ::/0 is not in force: nothing leads there\n");
	table_is("neighbors",
		"[{\"port\": \"red/r:lan\", \"address\": \"10.1.0.9\","
		" \"mac\": \"02:00:00:00:00:09\", \"state\": \"reachable\", \"age\": 4,"
		" \"heard\": 2, \"gateway\": true, \"is-router\": false},"
		" {\"port\": \"red/r:lan\", \"address\": \"fe80::9\", \"mac\": null,"
		" \"state\": \"failed\", \"age\": 1, \"heard\": null, \"gateway\": false,"
		" \"is-router\": true}]",
		"PORT       ADDRESS   MAC                STATE      SINCE  HEARD  IS\n"
		"red/r:lan  10.1.0.9  02:00:00:00:00:09  reachable    4 s    2 s  gateway\n"
		"red/r:lan  fe80::9   -                  failed       1 s      -  router\n");
	table_is("ports",
		"[{\"name\": \"red/r:lan\", \"attachment\": \"link\", \"to\": \"red/lan:r.lan\","
		" \"addresses\": [\"10.0.0.1/24\", \"2001:db8::1/64\", \"fe80::1/64\"],"
		" \"mtu\": 1500, \"drops\": {}}]",
		"PORT       HAS   TO             VLAN  ADDRESSES                     MTU  IN  IN "
		"BYTES  OUT  OUT BYTES  DROPS\n"
		"red/r:lan  link  red/lan:r.lan  -     10.0.0.1/24, 2001:db8::1/64  1500  -   -    "
		" "
		"    -    -              0\n");
}

/* Nothing of another type than expected is a crash. */
static void
odd_json_is_shown_as_it_is(void **state)
{
	static const char *const values[] = { "null", "true", "-5", "1e300", "\"\\u001b[2J\"",
		"[[[]]]", "{\"a\": {\"b\": [1, {\"c\": null}]}}", "18446744073709551615", "\"\"" };

	(void)state;
	for (const struct kind *kind = kinds; kind->name != NULL; kind++) {
		if (kind->single)
			continue;
		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			json_t *object = json_object(), *list;
			struct table *table;
			char *text;

			for (unsigned c = 0; kind->columns[c].heading != NULL; c++)
				if (kind->columns[c].leaf != NULL)
					json_object_set_new(object, kind->columns[c].leaf,
						json_loads(values[i],
							JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL,
							NULL));
			json_object_set_new(
				object, "loop", json_loads(values[i], JSON_DECODE_ANY, NULL));
			json_object_set_new(
				object, "vlans", json_loads(values[i], JSON_DECODE_ANY, NULL));
			list = json_pack("[O, [], n]", object);
			table = kind_table(kind, list);
			text = printed(table);
			assert_int_equal(table_rows(table), 1);
			assert_null(strchr(text, '\033'));
			free(text);
			table_free(table);
			json_decref(list);
			json_decref(object);
		}
	}
}

/* ---- what the daemon says about a file ------------------------------------------------------ */

static void
diagnostic_is(const char *json, const char *expected)
{
	json_t *error = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	assert_non_null(error);
	answer_diagnostic(stream, error);
	fclose(stream);
	assert_string_equal(text, expected);
	free(text);
	json_decref(error);
}

static void
errors_look_like_a_compilers(void **state)
{
	(void)state;
	diagnostic_is("{\"error-message\": \"unknown key \\\"swich\\\"\", \"error-info\":"
		      " {\"weft:file\": \"net.yaml\", \"weft:line\": 3, \"weft:column\": 4,"
		      " \"weft:source\": \"\\t\\u00f6 swich: lan\", \"weft:hint\": \"did you mean "
		      "switch?\"}}",
		"net.yaml:3:4: error: unknown key \"swich\"\n"
		"    3 | \t\xc3\xb6 swich: lan\n"
		"      | \t  ^\n"
		"      = did you mean switch?\n");
	diagnostic_is("{\"error-message\": \"old\", \"error-info\": {\"weft:file\": \"a\","
		      " \"weft:line\": 3, \"weft:warning\": true}}",
		"a:3: warning: old\n");
	diagnostic_is("{\"error-message\": \"no\"}", "weft: error: no\n");
	diagnostic_is("{}", "weft: error: weftd does not say why\n");
	/* a column behind the line's end */
	diagnostic_is("{\"error-message\": \"m\", \"error-info\": {\"weft:file\": \"f\","
		      " \"weft:line\": 1, \"weft:column\": 400, \"weft:source\": \"ab\\u001b\"}}",
		"f:1:400: error: m\n    1 | ab\\x1b\n      |       ^\n");
}

static void
of_a_long_line_the_part_is_shown_that_matters(void **state)
{
	char source[1200], *json, *text = NULL;
	size_t size;
	FILE *stream = open_memstream(&text, &size);
	json_t *error;

	(void)state;
	memset(source, 'x', sizeof(source));
	source[999] = 'Y';
	source[1199] = '\0';
	json = output_format("{\"error-message\": \"m\", \"error-info\": {\"weft:file\": \"f\","
			     " \"weft:line\": 1, \"weft:column\": 1000, \"weft:source\": \"%s\"}}",
		source);
	error = json_loads(json, 0, NULL);
	answer_diagnostic(stream, error);
	fclose(stream);
	assert_true(size < 400);
	/* the caret stands under the Y */
	char *line = strchr(text, '\n') + 1, *caret = strchr(line, '\n') + 1;
	assert_int_equal(strchr(line, 'Y') - line, strchr(caret, '^') - caret);
	json_decref(error);
	free(json);
	free(text);
}

static void
a_plan_reads_well(void **state)
{
	json_t *plan = json_loads(
		"{\"items\": [{\"operation\": \"create\", \"impact\": \"hitless\", \"kind\": "
		"\"nic\","
		" \"network\": \"red\", \"name\": \"web\", \"leaves\": [{\"name\": \"mtu\","
		" \"before\": null, \"after\": \"9000\"}]},"
		" {\"operation\": \"update\", \"impact\": \"traffic-loss\", \"kind\": \"port\","
		" \"network\": \"red\", \"name\": \"lan:db\", \"leaves\": [{\"name\": \"access\","
		" \"before\": \"1\", \"after\": null}], \"collateral\": \"nic red/db\"},"
		" {\"operation\": \"delete\", \"impact\": \"removal\", \"kind\": \"network\","
		" \"network\": \"blue\", \"name\": \"blue\", \"leaves\": []}], \"changes\": 3}",
		0, NULL);
	char *text = NULL, *summary;
	size_t size;
	FILE *stream = open_memstream(&text, &size);

	(void)state;
	plan_print(stream, plan);
	fclose(stream);
	assert_string_equal(text, "+ nic red/web\n"
				  "      mtu: 9000\n"
				  "~ port red/lan:db  (its packets may be lost for a moment)\n"
				  "      access: 1 -> (not set)\n"
				  "      also: nic red/db\n"
				  "- network blue\n");
	summary = plan_summary(plan, 0);
	assert_string_equal(summary, "1 to create, 1 to change, 1 to remove");
	free(summary);
	free(text);
	json_decref(plan);
}

/* ---- streams --------------------------------------------------------------------------------- */

static bool
note_event(void *context, const char *kind, const char *data)
{
	char *text = context;

	strcat(text, kind);
	strcat(text, "=");
	strcat(text, data);
	strcat(text, ";");
	return strcmp(data, "stop") != 0;
}

/* Wherever the stream is cut, the events are the same. */
static void
events_are_put_together(void **state)
{
	static const char stream[] = ": hello\n\nevent: apply\ndata: {\"a\":\ndata: 1}\n\n"
				     "data:x\r\n\r\nid: 7\nevent: y\n\ndata\ndata: z\n\n";

	(void)state;
	for (size_t piece = 1; piece <= sizeof(stream); piece++) {
		char text[200] = "";
		struct events events = { .take = note_event, .context = text };

		for (size_t at = 0; at < sizeof(stream) - 1; at += piece) {
			size_t left = sizeof(stream) - 1 - at;

			assert_true(events_feed(&events, stream + at, piece < left ? piece : left));
		}
		assert_string_equal(text, "apply={\"a\":\n1};message=x;message=z;");
		events_free(&events);
	}
}

static void
an_event_stream_ends_when_asked_or_when_it_is_too_long(void **state)
{
	char text[200] = "", *longer = malloc(EVENTS_LIMIT);
	struct events events = { .take = note_event, .context = text };

	(void)state;
	assert_false(events_feed(&events, "data: stop\n\ndata: more\n\n", 24));
	assert_string_equal(text, "message=stop;");
	events_free(&events);

	memset(longer, 'x', EVENTS_LIMIT);
	events = (struct events){ .take = note_event, .context = text };
	assert_true(events_feed(&events, longer, EVENTS_LIMIT));
	assert_false(events_feed(&events, longer, 1));
	assert_true(events.malformed);
	events_free(&events);

	/* many lines of data that together are too long */
	events = (struct events){ .take = note_event, .context = text };
	memcpy(longer, "data: ", 6);
	longer[EVENTS_LIMIT - 1] = '\n';
	assert_true(events_feed(&events, longer, EVENTS_LIMIT));
	assert_false(events_feed(&events, longer, EVENTS_LIMIT));
	assert_true(events.malformed);
	events_free(&events);
	free(longer);
}

struct taken {
	uint8_t bytes[256];
	size_t length;
};

static bool
note_blocks(void *context, const void *bytes, size_t length)
{
	struct taken *taken = context;

	memcpy(taken->bytes + taken->length, bytes, length);
	taken->length += length;
	return true;
}

static void
pcapng_is_cut_into_whole_blocks(void **state)
{
	static const uint32_t words[] = {
		0x0a0d0d0a, 28, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff, 28, /* section */
		1, 20, 1, 0, 20,                                           /* interface */
		6, 36, 0, 0, 0, 4, 4, 0x01020304, 36,                      /* packet */
		6, 36, 0, 0, 0, 4, 4, 0x01020304,                          /* cut off */
	};
	const uint8_t *bytes = (const uint8_t *)words;

	(void)state;
	for (size_t piece = 1; piece <= sizeof(words); piece++) {
		struct taken taken = { .length = 0 };
		struct pcapng pcapng = { .take = note_blocks, .context = &taken };

		for (size_t at = 0; at < sizeof(words); at += piece)
			assert_true(pcapng_feed(&pcapng, bytes + at,
				piece < sizeof(words) - at ? piece : sizeof(words) - at));
		assert_int_equal(taken.length, 28 + 20 + 36);
		assert_memory_equal(taken.bytes, bytes, taken.length);
		assert_int_equal(pcapng.packets, 1);
		pcapng_free(&pcapng);
	}
}

static bool
pcapng_takes(const uint32_t *words, size_t length)
{
	struct taken taken = { .length = 0 };
	struct pcapng pcapng = { .take = note_blocks, .context = &taken };
	bool good = pcapng_feed(&pcapng, words, length);

	assert_int_equal(pcapng.malformed, !good);
	pcapng_free(&pcapng);
	return good;
}

static void
what_is_not_pcapng_is_refused(void **state)
{
	static const uint32_t not_section[] = { 6, 36, 0 },
			      other_order[] = { 0x0a0d0d0a, 0x1c000000, 0x4d3c2b1a };
	static const uint32_t short_block[] = { 0x0a0d0d0a, 8, 0x1a2b3c4d },
			      odd_block[] = { 0x0a0d0d0a, 29, 0x1a2b3c4d };
	static const uint32_t other_end[] = { 0x0a0d0d0a, 12, 0x1a2b3c4d },
			      huge[] = { 0x0a0d0d0a, 0x80000000, 0x1a2b3c4d };

	(void)state;
	assert_false(pcapng_takes(not_section, 12));
	assert_false(pcapng_takes(other_order, 12));
	assert_false(pcapng_takes(short_block, 12));
	assert_false(pcapng_takes(odd_block, 12));
	assert_false(pcapng_takes(other_end, 12));
	assert_false(pcapng_takes(huge, 12));
	assert_false(pcapng_takes((const uint32_t *)"{\"ietf-restconf:errors\"", 20));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_is_sorted_into_command_operands_and_options),
		cmocka_unit_test(an_optional_value_may_be_missing),
		cmocka_unit_test(wrong_lines_are_refused_with_the_nearest_right_thing),
		cmocka_unit_test(every_command_is_complete),
		cmocka_unit_test(nothing_that_a_terminal_obeys_gets_through),
		cmocka_unit_test(numbers_get_their_units),
		cmocka_unit_test(columns_are_aligned),
		cmocka_unit_test(json_becomes_a_table),
		cmocka_unit_test(a_degraded_nic_has_its_reason_under_the_table),
		cmocka_unit_test(routers_have_tables_of_their_own),
		cmocka_unit_test(odd_json_is_shown_as_it_is),
		cmocka_unit_test(errors_look_like_a_compilers),
		cmocka_unit_test(of_a_long_line_the_part_is_shown_that_matters),
		cmocka_unit_test(a_plan_reads_well),
		cmocka_unit_test(events_are_put_together),
		cmocka_unit_test(an_event_stream_ends_when_asked_or_when_it_is_too_long),
		cmocka_unit_test(pcapng_is_cut_into_whole_blocks),
		cmocka_unit_test(what_is_not_pcapng_is_refused),
	};

	output_setup(COLOUR_NEVER, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
