/* SPDX-License-Identifier: BSD-3-Clause */
/* Rules by themselves, and lists of them: comparing, words, counters, labels, what changes touch.
 */
#include "firewall/rule_list.h"
#include "firewall/rule_order.h"
#include "random_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ---- rule_same --------------------------------------------------------------------------------
 */

#if __has_builtin(__builtin_clear_padding)
static bool
is_in(size_t at, size_t offset, size_t size)
{
	return at >= offset && at < offset + size;
}

#define IS_FIELD(at, field) \
	is_in(at, offsetof(struct weft_rule, field), sizeof(((struct weft_rule *)0)->field))

/* Bytes of pointers are not flipped: what they point to is, below. */
static bool
is_pointer(size_t at)
{
	return IS_FIELD(at, name) || IS_FIELD(at, from) || IS_FIELD(at, to) ||
	       IS_FIELD(at, from_ip) || IS_FIELD(at, to_ip) || IS_FIELD(at, from_set) ||
	       IS_FIELD(at, to_set) || IS_FIELD(at, from_port) || IS_FIELD(at, to_port) ||
	       IS_FIELD(at, from_port_set) || IS_FIELD(at, to_port_set) || IS_FIELD(at, icmp) ||
	       IS_FIELD(at, limit);
}

/* Which bytes are of no member: the compiler says, so that a new member cannot be forgotten. */
static void
find_padding(unsigned char padding[sizeof(struct weft_rule)])
{
	struct weft_rule rule;

	memset(&rule, 0xff, sizeof(rule));
	__builtin_clear_padding(&rule);
	memcpy(padding, &rule, sizeof(rule));
	for (size_t at = 0; at < sizeof(rule); at++)
		padding[at] = padding[at] == 0;
}
#endif

static struct weft_rule_limit limits[2] = { { 1, 2, { 3, 4, 5 }, { 6, 7, 8 } },
	{ 1, 2, { 3, 4, 5 }, { 6, 7, 8 } } };

static void
fill(struct random_rule *rule)
{
	static const struct weft_prefix prefix = { 4, 24, { 10, 1, 2 } };
	struct weft_rule *match = &rule->match;

	memset(rule, 0, sizeof(*rule));
	snprintf(rule->name, sizeof(rule->name), "a");
	rule->from[0] = rule->from[1] = "in";
	rule->to[0] = rule->to[1] = "out";
	for (unsigned i = 0; i < LIST_MOST; i++) {
		rule->from_ip[i] = rule->to_ip[i] = prefix;
		rule->from_port[i] = rule->to_port[i] = (struct weft_port_range){ 8, 9 };
		rule->icmp[i] = (struct weft_icmp_type){ 3, 4 };
	}
	*match = (struct weft_rule){ .name = rule->name,
		.from = rule->from,
		.to = rule->to,
		.n_from = 2,
		.n_to = 2,
		.from_ip = rule->from_ip,
		.to_ip = rule->to_ip,
		.n_from_ip = 2,
		.n_to_ip = 2,
		.from_set = "s0",
		.to_set = "s1",
		.from_port = rule->from_port,
		.to_port = rule->to_port,
		.n_from_port = 2,
		.n_to_port = 2,
		.from_port_set = "p0",
		.to_port_set = "p1",
		.icmp = rule->icmp,
		.n_icmp = 2,
		.limit = &limits[0] };
}

#if __has_builtin(__builtin_clear_padding)
static void
test_same_covers_fields(void **state)
{
	struct random_rule rules[2];
	unsigned char *bytes = (unsigned char *)&rules[1].match;
	unsigned char padding[sizeof(struct weft_rule)];

	(void)state;
	find_padding(padding);
	fill(&rules[0]);
	fill(&rules[1]);
	assert_true(rule_same(&rules[0].match, &rules[1].match));
	for (size_t at = 0; at < sizeof(struct weft_rule); at++) {
		if (is_pointer(at) || padding[at])
			continue;
		/* the lowest bit: of a count or a bool another right value */
		bytes[at] ^= 1;
		if (rule_same(&rules[0].match, &rules[1].match))
			fail_msg("byte %zu of struct weft_rule is not compared", at);
		bytes[at] ^= 1;
	}
	rules[1].match.name = "b";
	assert_true(rule_same(&rules[0].match, &rules[1].match));
}
#endif

static void
assert_differs(const struct random_rule *a, struct random_rule *b)
{
	assert_false(rule_same(&a->match, &b->match));
	assert_false(rule_same(&b->match, &a->match));
	fill(b);
	assert_true(rule_same(&a->match, &b->match));
}

static void
test_same_covers_lists(void **state)
{
	struct random_rule a, b;

	(void)state;
	fill(&a);
	fill(&b);
	b.from[1] = "out";
	assert_differs(&a, &b);
	b.to[1] = "in";
	assert_differs(&a, &b);
	b.from_ip[1].family = 6;
	assert_differs(&a, &b);
	b.from_ip[1].length = 23;
	assert_differs(&a, &b);
	b.from_ip[1].address[2] ^= 1;
	assert_differs(&a, &b);
	b.to_ip[1].address[0] ^= 1;
	assert_differs(&a, &b);
	b.match.from_set = NULL;
	assert_differs(&a, &b);
	b.match.to_set = "s0";
	assert_differs(&a, &b);
	b.from_port[1].first = 7;
	assert_differs(&a, &b);
	b.to_port[1].last = 10;
	assert_differs(&a, &b);
	b.icmp[1].type = 4;
	assert_differs(&a, &b);
	b.icmp[1].code = -1;
	assert_differs(&a, &b);
	b.match.from_port_set = NULL;
	assert_differs(&a, &b);
	b.match.to_port_set = "p0";
	assert_differs(&a, &b);
	b.match.limit = NULL;
	assert_differs(&a, &b);
	for (size_t at = 0; at < sizeof(limits[1]); at++) {
		b.match.limit = &limits[1];
		assert_true(rule_same(&a.match, &b.match));
		((unsigned char *)&limits[1])[at] ^= 1;
		assert_false(rule_same(&a.match, &b.match));
		((unsigned char *)&limits[1])[at] ^= 1;
	}
	/* bits behind the length say nothing */
	b.from_ip[1].address[3] = 9;
	assert_true(rule_same(&a.match, &b.match));
}

/* A copy is the same, and has nothing of what it was made from. */
static void
test_copy(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 2000; seed++) {
		struct random_rule made, other;
		struct rule *rule;

		random_state = seed * 0x9e3779b97f4a7c15u;
		random_rule(&made, seed);
		rule = rule_create(&made.match, 5, 6, NULL);
		assert_non_null(rule);
		random_state = seed * 0x9e3779b97f4a7c15u;
		random_rule(&other, seed);
		memset(&made, 0x55, sizeof(made));
		assert_true(rule_same(&rule->match, &other.match));
		assert_string_equal(rule->match.name, other.name);
		assert_int_equal(rule->id, 5);
		assert_int_equal(rule->order, 6);
		rule_free(rule);
	}
}

static void
assert_refused(struct weft_rule match, const char *what)
{
	struct weft_error error = { 0 };

	assert_null(rule_create(&match, 1, 1, &error));
	assert_non_null(strstr(error.text, what));
}

static void
test_refused(void **state)
{
	static const struct weft_prefix bad = { 4, 33, { 0 } };
	static const struct weft_port_range backwards = { 2, 1 };

	(void)state;
	assert_refused((struct weft_rule){ .name = NULL }, "no name");
	assert_refused((struct weft_rule){ .name = "a", .action = 3 }, "action");
	assert_refused((struct weft_rule){ .name = "a", .family = 5 }, "family");
	assert_refused(
		(struct weft_rule){ .name = "a", .from_ip = &bad, .n_from_ip = 1 }, "prefix");
	assert_refused((struct weft_rule){ .name = "a", .to_ip = &bad, .n_to_ip = 1 }, "prefix");
	assert_refused((struct weft_rule){ .name = "a", .to_port = &backwards, .n_to_port = 1 },
		"range of ports");
	assert_refused(
		(struct weft_rule){ .name = "a", .fields = WEFT_RULE_DSCP, .dscp = 64 }, "DSCP");
	assert_refused(
		(struct weft_rule){ .name = "a", .fields = WEFT_RULE_VLAN, .vlan = 4095 }, "VLAN");
	assert_refused((struct weft_rule){ .name = "a", .states = 8 }, "state");
	assert_refused((struct weft_rule){ .name = "a", .action = WEFT_RULE_DROP, .timeout = 1 },
		"of connections");
	assert_refused((struct weft_rule){ .name = "a", .stateless = true, .limit = &limits[0] },
		"of connections");
	assert_refused(
		(struct weft_rule){ .name = "a",
			.limit = &(const struct weft_rule_limit){ .source_rate = { 1, 0, 0 } } },
		"rate");
}

/* ---- words ------------------------------------------------------------------------------------
 */

static void
assert_described(const struct weft_rule *match, const char *wanted)
{
	struct rule *rule = rule_create(match, 1, 1, NULL);
	char text[256];

	assert_non_null(rule);
	rule_describe(rule, text, sizeof(text));
	assert_string_equal(text, wanted);
	/* whatever the room, it is terminated and goes no further */
	for (size_t size = 1; size <= strlen(wanted) + 1; size++) {
		memset(text, 'x', sizeof(text));
		rule_describe(rule, text, size);
		assert_int_equal(text[size - 1], '\0');
		assert_int_equal(text[size], 'x');
		assert_memory_equal(text, wanted, size - 1);
	}
	rule_free(rule);
}

static void
test_describe(void **state)
{
	static const struct weft_prefix from[] = { { 4, 8, { 10 } } };
	static const struct weft_prefix to[] = { { 4, 32, { 192, 0, 2, 1 } },
		{ 6, 32, { 0x20, 1, 0xd, 0xb8 } } };
	static const struct weft_port_range ports[] = { { 80, 80 }, { 440, 443 } };
	static const struct weft_icmp_type icmp[] = { { 8, -1 }, { 3, 4 } };
	static const char *const in[] = { "in" };
	struct weft_rule match = { .name = "a" };

	(void)state;
	assert_described(&match, "any");
	match = (struct weft_rule){ .name = "a",
		.fields = WEFT_RULE_PROTOCOL,
		.protocol = 6,
		.from_ip = from,
		.n_from_ip = 1,
		.to_ip = to,
		.n_to_ip = 2,
		.to_port = ports,
		.n_to_port = 2 };
	assert_described(&match, "tcp from 10.0.0.0/8 to 192.0.2.1,2001:db8::/32 port 80,440-443");
	match = (struct weft_rule){ .name = "a",
		.family = 4,
		.icmp = icmp,
		.n_icmp = 2,
		.from = in,
		.n_from = 1,
		.from_set = "bad",
		.states = WEFT_STATE_NEW | WEFT_STATE_INVALID };
	assert_described(&match, "ipv4 icmp type 8,3/4 in:in from @bad state new,invalid");
	match = (struct weft_rule){ .name = "a",
		.fields = WEFT_RULE_PROTOCOL | WEFT_RULE_TCP_FLAGS | WEFT_RULE_DSCP |
			  WEFT_RULE_VLAN | WEFT_RULE_FROM_MAC | WEFT_RULE_FRAGMENT,
		.protocol = 253,
		.tcp_flags = 2,
		.tcp_flags_mask = 0x12,
		.dscp = 46,
		.vlan = 7,
		.from_mac = { 2 },
		.from_mac_mask = { 0xff },
		.from_port = ports,
		.n_from_port = 1 };
	assert_described(&match, "protocol 253 from port 80 flags S/SA dscp 46 vlan 7 "
				 "from mac 02:00:00:00:00:00/ff:00:00:00:00:00 fragment");
	match = (struct weft_rule){
		.name = "a", .fields = WEFT_RULE_ETHERTYPE, .ethertype = 0x0806
	};
	assert_described(&match, "arp");
}

/* ---- counters ---------------------------------------------------------------------------------
 */

static void
test_counters(void **state)
{
	struct rule_counters *workers[2] = { rule_counters_open(), rule_counters_open() };
	const struct rule_counters *const *read = (const struct rule_counters *const *)workers;
	uint32_t id = 1u << ID_INDEX_BITS | 77, later = 2u << ID_INDEX_BITS | 77;
	struct rule_count count;

	(void)state;
	assert_non_null(workers[0]);
	assert_non_null(workers[1]);
	rule_counters_sum(read, 2, id, &count);
	assert_int_equal(count.packets, 0);
	rule_count_hit(workers[0], id, 100, 5);
	rule_count_hit(workers[0], id, 60, 9);
	rule_count_hit(workers[1], id, 1, 7);
	rule_counters_sum(read, 2, id, &count);
	assert_int_equal(count.packets, 3);
	assert_int_equal(count.bytes, 161);
	assert_int_equal(count.last, 9);
	/* another rule in its place begins anew, also where nothing of it has passed */
	rule_count_hit(workers[0], later, 10, 11);
	rule_counters_sum(read, 2, later, &count);
	assert_int_equal(count.packets, 1);
	assert_int_equal(count.bytes, 10);
	assert_int_equal(count.last, 11);
	rule_counters_close(workers[0]);
	rule_counters_close(workers[1]);
}

/* ---- labels -----------------------------------------------------------------------------------
 */

static unsigned
relabel(uint64_t *labels, unsigned count)
{
	uint64_t *before = malloc((count + 1) * sizeof(*before));
	unsigned changed = 0;

	memcpy(before, labels, count * sizeof(*before));
	assert_int_equal(order_labels(labels, count), 0);
	for (unsigned i = 0; i < count; i++) {
		changed += labels[i] != before[i];
		assert_true(labels[i] > (i > 0 ? labels[i - 1] : 0));
		assert_true(labels[i] < ORDER_END);
	}
	free(before);
	return changed;
}

static void
insert_label(uint64_t *labels, unsigned count, unsigned at)
{
	memmove(&labels[at + 1], &labels[at], (count - at) * sizeof(*labels));
	labels[at] = ORDER_NONE;
}

static void
test_labels(void **state)
{
	static uint64_t labels[12000];
	unsigned count = 1000, changed = 0;
	uint64_t moved;

	(void)state;
	assert_int_equal(relabel(labels, count), count);
	assert_int_equal(relabel(labels, count), 0);
	/* at the top, at the bottom, in between: only what comes */
	for (unsigned i = 0; i < 3; i++) {
		insert_label(labels, count, i == 0 ? 0 : i == 1 ? count : 500);
		assert_int_equal(relabel(labels, ++count), 1);
	}
	/* one that moves is one, whichever way */
	moved = labels[10];
	memmove(&labels[10], &labels[11], 500 * sizeof(*labels));
	labels[510] = moved;
	assert_int_equal(relabel(labels, count), 1);
	moved = labels[700];
	memmove(&labels[21], &labels[20], 680 * sizeof(*labels));
	labels[20] = moved;
	assert_int_equal(relabel(labels, count), 1);
	/* thousands at one place: gaps are used up, and few pay for it */
	for (unsigned i = 0; i < 10000; i++) {
		insert_label(labels, count, 300);
		changed += relabel(labels, ++count);
	}
	assert_true(changed < 10 * 10000);
}

static void
test_labels_random(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= 3000; seed++) {
		uint64_t labels[64];
		unsigned count = 1 + random_below(60);

		random_state = seed * 0x9e3779b97f4a7c15u;
		/* near one another, near the ends, none */
		for (unsigned i = 0; i < count; i++)
			labels[i] = one_in(3)   ? ORDER_NONE
				    : one_in(2) ? 1 + i * 2 + random_below(2)
						: ORDER_END - 130 + i * 2 + random_below(2);
		for (unsigned i = 0; i < 5 && count > 1; i++) {
			unsigned a = random_below(count), b = random_below(count);
			uint64_t label = labels[a];

			labels[a] = labels[b];
			labels[b] = label;
		}
		relabel(labels, count);
	}
}

/* ---- lists ------------------------------------------------------------------------------------
 */

struct firewall {
	struct rule_table table;
	struct rule_list *list;
	struct address_set *set;
	struct port_set *ports;
	int out; /* the port's index; -1: it is not there */
};

static int
port_named(void *context, const char *name)
{
	const struct firewall *firewall = context;

	if (strcmp(name, "out") == 0)
		return firewall->out;
	return strcmp(name, "in") == 0 ? 0 : -1;
}

static const struct address_set *
set_named(void *context, const char *name)
{
	const struct firewall *firewall = context;

	return strcmp(name, "set") == 0 ? firewall->set : NULL;
}

static const struct port_set *
port_set_named(void *context, const char *name)
{
	const struct firewall *firewall = context;

	return strcmp(name, "web") == 0 ? firewall->ports : NULL;
}

static void
firewall_open(struct firewall *firewall)
{
	struct hash_key key;

	hash_key_random(&key);
	*firewall = (struct firewall){ .out = 1 };
	assert_int_equal(rule_table_open(&firewall->table), 0);
	firewall->list = rule_list_create(&key, &firewall->table);
	assert_non_null(firewall->list);
}

static void
firewall_close(struct firewall *firewall)
{
	rule_list_free(firewall->list);
	address_set_free(firewall->set);
	port_set_free(firewall->ports);
	/* every id is back */
	assert_int_equal(firewall->table.ids.n_free, firewall->table.ids.used);
	rule_table_close(&firewall->table);
}

static int
stage(struct firewall *firewall, const struct weft_rule *rules, unsigned count,
	struct weft_error *error)
{
	const struct rule_names names = { port_named, set_named, port_set_named, firewall };

	if (rule_list_want(firewall->list, rules, count, error) < 0)
		return -1;
	return rule_list_prepare(firewall->list, &names, error);
}

static void
apply(struct firewall *firewall, const struct weft_rule *rules, unsigned count)
{
	assert_int_equal(stage(firewall, rules, count, NULL), 0);
	rule_list_publish(firewall->list);
	rule_list_reclaim(firewall->list);
	assert_int_equal(rule_list_count(firewall->list), count);
	for (unsigned i = 0; i < count; i++)
		assert_string_equal(rule_list_at(firewall->list, i)->match.name, rules[i].name);
}

static void
test_unchanged_stays(void **state)
{
	struct weft_rule rules[4] = { { .name = "a" }, { .name = "b" }, { .name = "c" },
		{ .name = "d" } };
	const struct rule *a, *b, *c, *d;
	struct firewall firewall;
	uint32_t id;

	(void)state;
	firewall_open(&firewall);
	apply(&firewall, rules + 1, 2);
	b = rule_list_at(firewall.list, 0);
	c = rule_list_at(firewall.list, 1);
	assert_int_equal(stage(&firewall, rules + 1, 2, NULL), 0);
	assert_false(rule_list_differs(firewall.list));
	rule_list_undo(firewall.list);
	/* others come around them */
	apply(&firewall, rules, 4);
	a = rule_list_at(firewall.list, 0);
	d = rule_list_at(firewall.list, 3);
	assert_ptr_equal(rule_list_at(firewall.list, 1), b);
	assert_ptr_equal(rule_list_at(firewall.list, 2), c);
	/* one changes: it keeps its id, and its place; the others are not touched */
	id = b->id;
	rules[1].action = WEFT_RULE_DROP;
	assert_int_equal(stage(&firewall, rules, 4, NULL), 0);
	assert_true(rule_list_differs(firewall.list));
	rule_list_publish(firewall.list);
	rule_list_reclaim(firewall.list);
	b = rule_list_at(firewall.list, 1);
	assert_int_equal(b->id, id);
	assert_int_equal(b->match.action, WEFT_RULE_DROP);
	assert_ptr_equal(rule_list_at(firewall.list, 0), a);
	assert_ptr_equal(rule_list_at(firewall.list, 2), c);
	assert_ptr_equal(rule_list_at(firewall.list, 3), d);
	/* one moves */
	id = a->id;
	apply(&firewall, (struct weft_rule[]){ rules[1], rules[2], rules[3], rules[0] }, 4);
	assert_ptr_equal(rule_list_at(firewall.list, 0), b);
	assert_ptr_equal(rule_list_at(firewall.list, 2), d);
	assert_int_equal(rule_list_at(firewall.list, 3)->id, id);
	/* and goes; when it comes back it is another */
	apply(&firewall, rules + 1, 3);
	assert_null(rule_list_find(firewall.list, "a"));
	apply(&firewall, rules, 4);
	assert_true(rule_list_find(firewall.list, "a")->id != id);
	firewall_close(&firewall);
}

static void
assert_not_staged(
	struct firewall *firewall, const struct weft_rule *rules, unsigned count, const char *what)
{
	struct weft_error error = { 0 };

	assert_int_equal(stage(firewall, rules, count, &error), -1);
	assert_non_null(strstr(error.text, what));
	rule_list_undo(firewall->list);
	assert_int_equal(rule_list_count(firewall->list), 1);
	assert_string_equal(rule_list_at(firewall->list, 0)->match.name, "a");
}

static void
test_errors(void **state)
{
	static const char *const nowhere[] = { "nowhere" };
	struct weft_rule rules[3] = { { .name = "a" }, { .name = "b" }, { .name = "a" } };
	struct firewall firewall;

	(void)state;
	firewall_open(&firewall);
	apply(&firewall, rules, 1);
	assert_not_staged(&firewall, rules, 3, "two rules are named \"a\"");
	assert_not_staged(&firewall, (struct weft_rule[]){ rules[0], rules[0] }, 2, "two rules");
	assert_not_staged(&firewall,
		&(struct weft_rule){ .name = "b", .from = nowhere, .n_from = 1 }, 1,
		"rule \"b\": there is no port \"nowhere\"");
	assert_not_staged(&firewall, &(struct weft_rule){ .name = "b", .to_set = "none" }, 1,
		"rule \"b\": there is no address set \"none\"");
	assert_not_staged(&firewall, &(struct weft_rule){ .name = "b", .to_port_set = "none" }, 1,
		"rule \"b\": there is no port set \"none\"");
	assert_not_staged(&firewall, &(struct weft_rule){ .name = "" }, 1, "no name");
	firewall_close(&firewall);
}

/* Ports and sets stand for something else: nobody wanted other rules. */
static void
test_names_change(void **state)
{
	static const char *const out[] = { "out" };
	static const struct weft_prefix member = { 4, 8, { 10 } };
	static const struct weft_prefix more = { 4, 8, { 11 } };
	const struct weft_rule rules[2] = { { .name = "a", .from = out, .n_from = 1 },
		{ .name = "b", .from_set = "set" } };
	struct fields fields = { .family = 4, .ethertype = 0x800, .from_ip = { 11 } };
	struct firewall firewall;
	const struct rule_names names = { port_named, set_named, port_set_named, &firewall };
	const struct rule *a, *b;
	struct address_set *before;
	uint32_t id;

	(void)state;
	firewall_open(&firewall);
	firewall.set = address_set_create(&member, 1);
	apply(&firewall, rules, 2);
	a = rule_list_at(firewall.list, 0);
	b = rule_list_at(firewall.list, 1);
	id = a->id;
	assert_int_equal(a->from, 2);
	assert_null(classifier_find(
		classifier_view(rule_list_classifier(firewall.list)), &fields, RULE_STATE_NEW));
	before = firewall.set;
	firewall.set = address_set_update(before, &more, 1, NULL, 0);
	firewall.out = 0;
	assert_int_equal(rule_list_prepare(firewall.list, &names, NULL), 0);
	assert_true(rule_list_differs(firewall.list));
	rule_list_publish(firewall.list);
	rule_list_reclaim(firewall.list);
	address_set_free(before);
	/* another port makes another rule, another version of a set does not */
	assert_int_equal(rule_list_at(firewall.list, 0)->from, 1);
	assert_int_equal(rule_list_at(firewall.list, 0)->id, id);
	assert_ptr_equal(rule_list_at(firewall.list, 1), b);
	assert_ptr_equal(b->from_set, firewall.set);
	fields.from = 1;
	assert_ptr_equal(classifier_find(classifier_view(rule_list_classifier(firewall.list)),
				 &fields, RULE_STATE_NEW),
		b);
	firewall.out = -1;
	assert_int_equal(rule_list_prepare(firewall.list, &names, NULL), -1);
	rule_list_undo(firewall.list);
	firewall_close(&firewall);
}

/* A rule that names a port set is made anew when that changes, and keeps its id. */
static void
test_port_set_changes(void **state)
{
	static const struct weft_port_range first[] = { { 443, 443 }, { 80, 80 }, { 81, 90 } };
	static const struct weft_port_range second[] = { { 8080, 8080 } };
	const struct weft_rule rules[2] = {
		{ .name = "a", .to_port_set = "web", .fields = WEFT_RULE_PROTOCOL, .protocol = 6 },
		{ .name = "b", .to_port = second, .n_to_port = 1, .to_port_set = "web" }
	};
	struct firewall firewall;
	const struct rule_names names = { port_named, set_named, port_set_named, &firewall };
	struct fields fields = {
		.family = 4, .protocol = 6, .ethertype = 0x800, .has_ports = true, .to_port = 85
	};
	struct port_set *before;
	const struct rule *b;
	uint32_t id;

	(void)state;
	firewall_open(&firewall);
	firewall.ports = port_set_create(first, 3);
	assert_int_equal(firewall.ports->count, 2);
	apply(&firewall, rules, 2);
	id = rule_list_at(firewall.list, 0)->id;
	assert_ptr_equal(classifier_find(classifier_view(rule_list_classifier(firewall.list)),
				 &fields, RULE_STATE_NEW),
		rule_list_at(firewall.list, 0));
	assert_described(&rules[1], "to port 8080,@web");
	/* nothing new: the same rules */
	b = rule_list_at(firewall.list, 1);
	assert_int_equal(rule_list_prepare(firewall.list, &names, NULL), 0);
	assert_false(rule_list_differs(firewall.list));
	rule_list_undo(firewall.list);
	assert_ptr_equal(rule_list_at(firewall.list, 1), b);
	before = firewall.ports;
	firewall.ports = port_set_create(second, 1);
	assert_int_equal(rule_list_prepare(firewall.list, &names, NULL), 0);
	assert_true(rule_list_differs(firewall.list));
	rule_list_publish(firewall.list);
	rule_list_reclaim(firewall.list);
	port_set_free(before);
	assert_int_equal(rule_list_at(firewall.list, 0)->id, id);
	assert_null(classifier_find(
		classifier_view(rule_list_classifier(firewall.list)), &fields, RULE_STATE_NEW));
	fields.to_port = 8080;
	assert_ptr_equal(classifier_find(classifier_view(rule_list_classifier(firewall.list)),
				 &fields, RULE_STATE_NEW),
		rule_list_at(firewall.list, 0));
	/* one that is empty fits nothing */
	before = firewall.ports;
	firewall.ports = port_set_create(NULL, 0);
	assert_int_equal(rule_list_prepare(firewall.list, &names, NULL), 0);
	rule_list_publish(firewall.list);
	rule_list_reclaim(firewall.list);
	port_set_free(before);
	assert_ptr_equal(classifier_find(classifier_view(rule_list_classifier(firewall.list)),
				 &fields, RULE_STATE_NEW),
		rule_list_at(firewall.list, 1));
	firewall_close(&firewall);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#if __has_builtin(__builtin_clear_padding)
		cmocka_unit_test(test_same_covers_fields),
#endif
		cmocka_unit_test(test_same_covers_lists),
		cmocka_unit_test(test_copy),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_describe),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_labels),
		cmocka_unit_test(test_labels_random),
		cmocka_unit_test(test_unchanged_stays),
		cmocka_unit_test(test_errors),
		cmocka_unit_test(test_names_change),
		cmocka_unit_test(test_port_set_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
