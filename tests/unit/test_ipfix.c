/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * IPFIX messages, read by a decoder that knows RFC 7011 and nothing of how they were made: it
 * learns what records hold from the templates alone.
 */
#include "protocols/ipfix/ipfix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- the decoder ------------------------------------------------------------------------------
 */

#define REVERSE 29305
#define FIELDS 40
#define TEMPLATES 64

struct specifier {
	uint16_t id, length;
	uint32_t enterprise;
};

struct template
{
	uint16_t id;
	unsigned count, scope; /* scope: fields of it, of options */
	struct specifier fields[FIELDS];
};

struct value {
	struct specifier specifier;
	uint8_t bytes[256];
	size_t length;
};

struct record {
	uint16_t template;
	bool options;
	unsigned count;
	struct value values[FIELDS];
};

static struct {
	struct template templates[TEMPLATES];
	unsigned n_templates, template_records; /* the latter: received, again and again */
	struct record records[2048];
	unsigned n_records;
	unsigned messages, flows; /* flows: by what the exporter says */
	size_t longest;
	uint32_t sequence, domain, time; /* of the last message */
	uint32_t expected;
	bool gap;
} seen;

static uint64_t
number(const uint8_t *at, size_t length)
{
	uint64_t value = 0;

	while (length-- > 0)
		value = value << 8 | *at++;
	return value;
}

static struct template *
find_template(uint16_t id)
{
	for (unsigned i = 0; i < seen.n_templates; i++)
		if (seen.templates[i].id == id)
			return &seen.templates[i];
	return NULL;
}

static const uint8_t *
decode_template(const uint8_t *at, const uint8_t *end, bool options)
{
	struct template template = { .id = (uint16_t)number(at, 2) }, *before;

	assert_true(at + 4 + 2 * options <= end);
	template.count = (unsigned)number(at + 2, 2);
	at += 4;
	if (options) {
		template.scope = (unsigned)number(at, 2);
		assert_in_range(template.scope, 1, template.count);
		at += 2;
	}
	assert_true(template.id >= 256 && template.count > 0 && template.count <= FIELDS);
	for (unsigned i = 0; i < template.count; i++) {
		struct specifier *field = &template.fields[i];

		assert_true(at + 4 <= end);
		*field = (struct specifier){ (uint16_t)number(at, 2), (uint16_t)number(at + 2, 2),
			0 };
		at += 4;
		if (field->id & 0x8000) {
			assert_true(at + 4 <= end);
			field->id &= 0x7fff;
			field->enterprise = (uint32_t)number(at, 4);
			at += 4;
		}
	}
	before = find_template(template.id);
	if (before != NULL)
		assert_memory_equal(before, &template, sizeof(template));
	else
		seen.templates[seen.n_templates++] = template;
	seen.template_records++;
	return at;
}

static const uint8_t *
decode_record(const uint8_t *at, const uint8_t *end, const struct template *template)
{
	struct record *record = &seen.records[seen.n_records++];

	*record = (struct record){ template->id, template->scope > 0, template->count };
	for (unsigned i = 0; i < template->count; i++) {
		struct value *value = &record->values[i];

		value->specifier = template->fields[i];
		value->length = value->specifier.length;
		if (value->length == 65535) {
			value->length = *at++;
			assert_int_not_equal(value->length, 255);
		}
		assert_true(at + value->length <= end && value->length <= sizeof(value->bytes));
		memcpy(value->bytes, at, value->length);
		at += value->length;
	}
	return at;
}

static void
decode_set(uint16_t id, const uint8_t *at, const uint8_t *end)
{
	const struct template *template = find_template(id);

	assert_true(at < end);
	if (id < 256) {
		assert_true(id == 2 || id == 3);
		while (at < end)
			at = decode_template(at, end, id == 3);
		return;
	}
	assert_non_null(template); /* it comes before its data */
	while (at < end)
		at = decode_record(at, end, template);
	assert_ptr_equal(at, end); /* no padding was needed */
}

static void
decode(void *context, const uint8_t *message, size_t length, unsigned flows)
{
	const uint8_t *at = message + 16, *end = message + length;
	unsigned before = seen.n_records;

	(void)context;
	assert_true(length > 16);
	assert_int_equal(number(message, 2), 10);
	assert_int_equal(number(message + 2, 2), length);
	seen.time = (uint32_t)number(message + 4, 4);
	seen.sequence = (uint32_t)number(message + 8, 4);
	seen.domain = (uint32_t)number(message + 12, 4);
	seen.gap |= seen.sequence != seen.expected;
	while (at < end) {
		size_t set = (size_t)number(at + 2, 2);

		assert_true(set > 4 && at + set <= end);
		decode_set((uint16_t)number(at, 2), at + 4, at + set);
		at += set;
	}
	seen.expected = seen.sequence + seen.n_records - before;
	seen.messages++;
	seen.flows += flows;
	if (length > seen.longest)
		seen.longest = length;
}

static const struct value *
find_value(const struct record *record, uint16_t id, uint32_t enterprise)
{
	for (unsigned i = 0; i < record->count; i++)
		if (record->values[i].specifier.id == id &&
			record->values[i].specifier.enterprise == enterprise)
			return &record->values[i];
	return NULL;
}

static uint64_t
value_of(const struct record *record, uint16_t id, uint32_t enterprise)
{
	const struct value *value = find_value(record, id, enterprise);

	assert_non_null(value);
	assert_true(value->length <= 8);
	return number(value->bytes, value->length);
}

static const struct record *
flow_at(unsigned index)
{
	for (unsigned i = 0; i < seen.n_records; i++)
		if (!seen.records[i].options && index-- == 0)
			return &seen.records[i];
	fail_msg("there is no such flow");
	return NULL;
}

/* How often a name of that kind (its element) was told; the last one's text. */
static unsigned
names_told(uint16_t scope, uint64_t id, uint16_t element, char text[256])
{
	unsigned count = 0;

	for (unsigned i = 0; i < seen.n_records; i++) {
		const struct record *record = &seen.records[i];
		const struct value *name = find_value(record, element, 0);

		if (!record->options || name == NULL || value_of(record, scope, 0) != id)
			continue;
		memcpy(text, name->bytes, name->length);
		text[name->length] = '\0';
		count++;
	}
	return count;
}

/* ---- what is encoded --------------------------------------------------------------------------
 */

static bool
find_name(void *context, enum ipfix_named kind, uint32_t id, char name[IPFIX_NAME_SIZE])
{
	(void)context;
	if (id == 404)
		return false;
	snprintf(name, IPFIX_NAME_SIZE, "%s-%u", kind == IPFIX_INTERFACE ? "port" : "rule", id);
	return true;
}

static struct ipfix *
make(bool datagrams, size_t limit)
{
	struct ipfix_config config = { 7, "red", datagrams, 60, limit };
	struct ipfix_calls calls = { NULL, decode, find_name };
	struct ipfix *ipfix = ipfix_create(&config, &calls);

	memset(&seen, 0, sizeof(seen));
	assert_non_null(ipfix);
	return ipfix;
}

#define NOW UINT64_C(1764000000123)

static struct ipfix_flow
flow_of(uint8_t family, uint8_t protocol)
{
	struct ipfix_flow flow = {
		.family = family,
		.protocol = protocol,
		.event = IPFIX_EVENT_DELETED,
		.end_reason = IPFIX_END_DETECTED,
		.source = { 192, 0, 2, 1 },
		.destination = { 198, 51, 100, 2 },
		.source_port = 40000,
		.destination_port = 443,
		.icmp = 0x0800,
		.new_source = { 203, 0, 113, 1 },
		.new_destination = { 198, 51, 100, 3 },
		.new_source_port = 50000,
		.new_destination_port = 8443,
		.ingress = 256,
		.egress = 257,
		.selector = 9,
		.id = UINT64_C(0x123456789abcdef0),
		.start = NOW - 5000,
		.end = NOW - 10,
		.packets = { 10, 8 },
		.octets = { UINT64_C(0x100000001), 4000 },
	};

	return flow;
}

static void
expect_common(const struct record *record)
{
	assert_int_equal(value_of(record, 152, 0), NOW - 5000);
	assert_int_equal(value_of(record, 153, 0), NOW - 10);
	assert_int_equal(value_of(record, 136, 0), 3);
	assert_int_equal(value_of(record, 233, 0), 2);
	assert_int_equal(value_of(record, 239, 0), 1);
	assert_int_equal(value_of(record, 1, 0), UINT64_C(0x100000001));
	assert_int_equal(value_of(record, 2, 0), 10);
	assert_int_equal(value_of(record, 1, REVERSE), 4000);
	assert_int_equal(value_of(record, 2, REVERSE), 8);
	assert_int_equal(value_of(record, 10, 0), 256);
	assert_int_equal(value_of(record, 14, 0), 257);
	assert_int_equal(value_of(record, 302, 0), 9);
	assert_int_equal(value_of(record, 148, 0), UINT64_C(0x123456789abcdef0));
}

static void
test_ipv4(void **state)
{
	struct ipfix *ipfix = make(false, 8192);
	struct ipfix_flow flow = flow_of(4, 6);
	const struct record *record;

	(void)state;
	ipfix_put(ipfix, &flow, NOW);
	assert_int_equal(seen.messages, 0);
	ipfix_flush(ipfix, NOW);
	ipfix_flush(ipfix, NOW); /* there is nothing more */
	assert_int_equal(seen.messages, 1);
	assert_int_equal(seen.flows, 1);
	assert_int_equal(seen.domain, 7);
	assert_int_equal(seen.time, NOW / 1000);
	assert_int_equal(seen.sequence, 0);
	record = flow_at(0);
	expect_common(record);
	assert_memory_equal(find_value(record, 8, 0)->bytes, "\xc0\0\x02\x01", 4);
	assert_memory_equal(find_value(record, 12, 0)->bytes, "\xc6\x33\x64\x02", 4);
	assert_int_equal(value_of(record, 7, 0), 40000);
	assert_int_equal(value_of(record, 11, 0), 443);
	assert_int_equal(value_of(record, 4, 0), 6);
	assert_null(find_value(record, 27, 0));
	assert_null(find_value(record, 32, 0));
	assert_null(find_value(record, 225, 0));
	ipfix_free(ipfix);
}

static void
test_ipv6(void **state)
{
	struct ipfix *ipfix = make(false, 8192);
	struct ipfix_flow flow = flow_of(6, 17);
	const struct record *record;

	(void)state;
	memcpy(flow.source, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
	memcpy(flow.destination, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02", 16);
	flow.translated = true;
	memcpy(flow.new_source, "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x03", 16);
	ipfix_put(ipfix, &flow, NOW);
	ipfix_flush(ipfix, NOW);
	record = flow_at(0);
	expect_common(record);
	assert_memory_equal(find_value(record, 27, 0)->bytes, flow.source, 16);
	assert_memory_equal(find_value(record, 28, 0)->bytes, flow.destination, 16);
	assert_memory_equal(find_value(record, 281, 0)->bytes, flow.new_source, 16);
	assert_int_equal(value_of(record, 227, 0), 50000);
	assert_null(find_value(record, 8, 0));
	assert_null(find_value(record, 225, 0));
	ipfix_free(ipfix);
}

static void
test_icmp(void **state)
{
	struct ipfix *ipfix = make(false, 8192);
	struct ipfix_flow four = flow_of(4, 1), six = flow_of(6, 58), other = flow_of(4, 58);

	(void)state;
	six.icmp = 0x8000;
	ipfix_put(ipfix, &four, NOW);
	ipfix_put(ipfix, &six, NOW);
	ipfix_put(ipfix, &other, NOW);
	ipfix_flush(ipfix, NOW);
	assert_int_equal(value_of(flow_at(0), 32, 0), 0x0800);
	assert_null(find_value(flow_at(0), 7, 0));
	assert_int_equal(value_of(flow_at(1), 139, 0), 0x8000);
	assert_null(find_value(flow_at(1), 32, 0));
	assert_null(find_value(flow_at(2), 139, 0)); /* ICMPv6 over IPv4 is none */
	ipfix_free(ipfix);
}

static void
test_translated(void **state)
{
	struct ipfix *ipfix = make(false, 8192);
	struct ipfix_flow flow = flow_of(4, 6);
	const struct record *record;

	(void)state;
	flow.translated = true;
	ipfix_put(ipfix, &flow, NOW);
	ipfix_flush(ipfix, NOW);
	record = flow_at(0);
	expect_common(record);
	assert_memory_equal(find_value(record, 225, 0)->bytes, "\xcb\0\x71\x01", 4);
	assert_memory_equal(find_value(record, 226, 0)->bytes, "\xc6\x33\x64\x03", 4);
	assert_int_equal(value_of(record, 227, 0), 50000);
	assert_int_equal(value_of(record, 228, 0), 8443);
	ipfix_free(ipfix);
}

static void
test_names(void **state)
{
	struct ipfix *ipfix = make(false, 8192);
	struct ipfix_flow flow = flow_of(4, 6);
	char text[256];

	(void)state;
	ipfix_put(ipfix, &flow, NOW);
	ipfix_put(ipfix, &flow, NOW + 3600000);
	flow.selector = 404;
	ipfix_put(ipfix, &flow, NOW);
	ipfix_flush(ipfix, NOW);
	assert_int_equal(names_told(149, 7, 300, text), 1);
	assert_string_equal(text, "red");
	assert_int_equal(names_told(10, 256, 82, text), 1);
	assert_string_equal(text, "port-256");
	assert_int_equal(names_told(10, 257, 82, text), 1);
	assert_int_equal(names_told(302, 9, 335, text), 1);
	assert_string_equal(text, "rule-9");
	assert_int_equal(names_told(302, 404, 335, text), 0);
	ipfix_free(ipfix);
}

/* The header of RFC 7011, 3.1, and a template record of its 3.4.1, byte by byte. */
static void
check_bytes(void *context, const uint8_t *message, size_t length, unsigned flows)
{
	static const uint8_t set[] = { 0, 2 },
			     template[] = { 1, 0, 0, 18, 0, 152, 0, 8, 0, 153, 0, 8 };
	static const uint8_t reverse[] = { 0x80, 1, 0, 8, 0, 0, 0x72, 0x79, 0x80, 2, 0, 8, 0, 0,
		0x72, 0x79 };

	*(bool *)context = true;
	assert_int_equal(flows, 1);
	assert_memory_equal(message, "\0\x0a", 2);
	assert_memory_equal(message + 8, "\0\0\0\0\0\0\0\x07", 8);
	assert_memory_equal(message + 16, set, sizeof(set));
	assert_memory_equal(message + 20, template, sizeof(template));
	assert_non_null(memmem(message + 20, length - 20, reverse, sizeof(reverse)));
}

static void
test_bytes(void **state)
{
	bool called = false;
	struct ipfix_config config = { 7, "red", true, 60, 1400 };
	struct ipfix_calls calls = { &called, check_bytes, find_name };
	struct ipfix *ipfix = ipfix_create(&config, &calls);
	struct ipfix_flow flow = flow_of(4, 6);

	(void)state;
	assert_non_null(ipfix);
	ipfix_put(ipfix, &flow, NOW);
	ipfix_flush(ipfix, NOW);
	assert_true(called);
	ipfix_free(ipfix);
}

/* ---- messages ---------------------------------------------------------------------------------
 */

static void
put_many(struct ipfix *ipfix, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		struct ipfix_flow flow = flow_of(i % 3 == 0 ? 6 : 4, i % 5 == 0 ? 1 : 6);

		flow.translated = i % 7 == 0;
		flow.selector = i / 10;
		flow.id = i;
		ipfix_put(ipfix, &flow, NOW);
	}
	ipfix_flush(ipfix, NOW);
}

/* Every message is as long as it may be at most, says how many were before it, and no record is
 * missing. */
static void
test_limits(void **state)
{
	static const size_t limits[] = { 512, 600, 1232, 1472, 8192 };

	(void)state;
	for (unsigned i = 0; i < sizeof(limits) / sizeof(*limits); i++) {
		struct ipfix *ipfix = make(true, limits[i]);

		put_many(ipfix, 500);
		assert_true(seen.longest <= limits[i]);
		assert_true(seen.longest > limits[i] - 200);
		assert_int_equal(seen.flows, 500);
		assert_false(seen.gap);
		for (unsigned n = 0; n < 500; n++)
			assert_int_equal(value_of(flow_at(n), 148, 0), n);
		ipfix_free(ipfix);
	}
}

static void
test_limit_changes(void **state)
{
	struct ipfix *ipfix = make(true, 512);

	(void)state;
	put_many(ipfix, 100);
	assert_true(seen.longest <= 512);
	ipfix_limit(ipfix, 1400);
	put_many(ipfix, 100);
	assert_true(seen.longest > 1200 && seen.longest <= 1400);
	ipfix_limit(ipfix, 1); /* as little as there may be */
	seen.longest = 0;
	put_many(ipfix, 100);
	assert_true(seen.longest > 300 && seen.longest <= 512);
	assert_false(seen.gap);
	ipfix_free(ipfix);
}

/* Over UDP templates and names come again with the first record after a minute, over TCP never. */
static void
test_refresh(void **state)
{
	(void)state;
	for (unsigned datagrams = 0; datagrams < 2; datagrams++) {
		struct ipfix *ipfix = make(datagrams, 8192);
		struct ipfix_flow flow = flow_of(4, 6);
		char text[256];

		ipfix_put(ipfix, &flow, NOW);
		assert_int_equal(seen.template_records, 0); /* it is not sent yet */
		ipfix_put(ipfix, &flow, NOW + 59999);
		ipfix_flush(ipfix, NOW + 59999);
		assert_int_equal(seen.template_records, 11);
		ipfix_flush(ipfix, NOW + 60000); /* nothing to tell, nothing to send */
		assert_int_equal(seen.messages, 1);
		ipfix_put(ipfix, &flow, NOW + 60000);
		ipfix_flush(ipfix, NOW + 60000);
		assert_int_equal(seen.template_records, datagrams ? 22 : 11);
		assert_int_equal(names_told(302, 9, 335, text), datagrams ? 2 : 1);
		assert_int_equal(names_told(149, 7, 300, text), datagrams ? 2 : 1);
		assert_false(seen.gap); /* templates do not count */
		ipfix_free(ipfix);
	}
}

static void
test_restart(void **state)
{
	struct ipfix *ipfix = make(false, 8192);
	struct ipfix_flow flow = flow_of(4, 6);

	(void)state;
	ipfix_put(ipfix, &flow, NOW);
	ipfix_flush(ipfix, NOW);
	ipfix_put(ipfix, &flow, NOW);
	ipfix_put(ipfix, &flow, NOW);
	assert_int_equal(ipfix_restart(ipfix), 2);
	assert_int_equal(ipfix_restart(ipfix), 0);
	memset(&seen, 0, sizeof(seen)); /* another collector */
	ipfix_put(ipfix, &flow, NOW);
	ipfix_flush(ipfix, NOW);
	assert_int_equal(seen.sequence, 0);
	assert_int_equal(seen.template_records, 11);
	assert_int_equal(seen.flows, 1);
	expect_common(flow_at(0));
	ipfix_free(ipfix);
}

/* A name may be as long as it likes. */
static bool
long_name(void *context, enum ipfix_named kind, uint32_t id, char name[IPFIX_NAME_SIZE])
{
	(void)context, (void)kind, (void)id;
	memset(name, 'x', IPFIX_NAME_SIZE - 1);
	name[IPFIX_NAME_SIZE - 1] = '\0';
	return true;
}

static void
test_long_names(void **state)
{
	struct ipfix_calls calls = { NULL, decode, long_name };
	char name[400], text[256];
	struct ipfix_config config = { 7, name, true, 60, 512 };
	struct ipfix *ipfix;

	(void)state;
	memset(name, 'n', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	memset(&seen, 0, sizeof(seen));
	ipfix = ipfix_create(&config, &calls);
	assert_non_null(ipfix);
	put_many(ipfix, 200);
	assert_true(seen.longest <= 512);
	assert_int_equal(seen.flows, 200);
	names_told(149, 7, 300, text);
	assert_int_equal(strlen(text), IPFIX_NAME_SIZE - 1);
	ipfix_free(ipfix);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ipv4),
		cmocka_unit_test(test_ipv6),
		cmocka_unit_test(test_icmp),
		cmocka_unit_test(test_translated),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_bytes),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_limit_changes),
		cmocka_unit_test(test_refresh),
		cmocka_unit_test(test_restart),
		cmocka_unit_test(test_long_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
