/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What an attacker can make of the firewall's tables who knows the code, but not the key. Prints
 * Markdown.
 *
 *	hostile_bench [ROUNDS]
 *
 * Rules: those of a usual policy; rules that make as many tuples as there can be; rules that lie on
 * one another, so that no hash tells them apart. Packets: of those rules; of no rule, which visit
 * all tables; and the costliest hundredth of 65,536 packets that try: each timed by itself, the
 * fastest of five times, then all of that hundredth again and again.
 *
 * Connections: flows whose hashes have many low bits in common under a key that the attacker has
 * guessed, in a table that has another one, in a table that has that very one, and any flows.
 *
 * Each figure is the median of the rounds. Time is the thread's own.
 */
#include "base/clock.h"
#include "firewall/connection.h"
#include "firewall/rule_list.h"
#include "measure.h"
#include "random_policy.h"

#include <netinet/in.h>
#include <rte_cycles.h>
#include <stdlib.h>

#define PACKETS 65536
#define WORST (PACKETS / 100)
#define LOOKUPS (1u << 18) /* a round */
#define ROUNDS_MAX 99
#define TRIES 5

static unsigned rounds = 5;
static double ghz;   /* of the TSC */
static uint64_t sum; /* so that no lookup is left out */

/* ---- rules -------------------------------------------------------------------------------------
 */

struct policy {
	const char *name;
	void (*make_rule)(struct policy_rule *rule, unsigned number, unsigned count);
	unsigned count;
	struct policy_rule *rules;
	struct weft_rule *list;
	struct fields *packets;
};

static void
usual_rule(struct policy_rule *rule, unsigned number, unsigned count)
{
	policy_make_rule(rule, &policy_kinds[1], number, count);
}

static void
name_rule(struct policy_rule *rule, unsigned number)
{
	struct weft_rule *match = &rule->match;

	memset(rule, 0, sizeof(*rule));
	snprintf(rule->name, sizeof(rule->name), "r%u", number);
	*match = (struct weft_rule){ .name = rule->name,
		.action = WEFT_RULE_DROP,
		.fields = WEFT_RULE_PROTOCOL,
		.protocol = random_below(2) ? IPPROTO_TCP : IPPROTO_UDP,
		.from_ip = &rule->from_ip,
		.to_ip = &rule->to_ip,
		.from_port = &rule->from_port,
		.to_port = &rule->to_port,
		.n_from_ip = 1,
		.n_to_ip = 1,
		.n_from_port = 1,
		.n_to_port = 1 };
}

static void
put_prefix(struct weft_prefix *prefix, uint32_t address, unsigned length)
{
	*prefix = (struct weft_prefix){ .family = 4, .length = (uint8_t)length };
	put_word(prefix->address, length == 0 ? 0 : address & ~0u << (32 - length));
}

/* Ranges of all lengths: as many bits of a port as there may be. */
static void
put_range(struct weft_port_range *range)
{
	unsigned bits = random_below(17), first = random_below(65536) & ~0u << bits;

	*range = (struct weft_port_range){ (uint16_t)first, (uint16_t)(first + (1u << bits) - 1) };
}

/* All pairs of lengths, all lengths of ranges, addresses of one network. */
static void
many_tuples_rule(struct policy_rule *rule, unsigned number, unsigned count)
{
	(void)count;
	name_rule(rule, number);
	put_prefix(&rule->from_ip, 0x0a000000 + random_below(1u << 16), 1 + random_below(32));
	put_prefix(&rule->to_ip, 0x0a000000 + random_below(1u << 16), 1 + random_below(32));
	put_range(&rule->from_port);
	put_range(&rule->to_port);
}

/* All match the same packets but for their ports, which lie across all boundaries. */
static void
nested_rule(struct policy_rule *rule, unsigned number, unsigned count)
{
	(void)count;
	name_rule(rule, number);
	put_prefix(&rule->from_ip, 0x0a010203, number % 33);
	put_prefix(&rule->to_ip, 0x0a010203, number / 33 % 33);
	rule->from_port = (struct weft_port_range){ (uint16_t)random_below(32000),
		(uint16_t)(65535 - random_below(32000)) };
	rule->to_port = (struct weft_port_range){ (uint16_t)random_below(32000),
		(uint16_t)(33000 + random_below(32000)) };
}

static void
make(struct policy *policy)
{
	policy->rules = memory(policy->count, sizeof(*policy->rules));
	policy->list = memory(policy->count, sizeof(*policy->list));
	policy->packets = memory(PACKETS, sizeof(*policy->packets));
	for (unsigned i = 0; i < policy->count; i++) {
		policy->make_rule(&policy->rules[i], i, policy->count);
		policy->list[i] = policy->rules[i].match;
	}
}

static struct rule_list *
load(struct policy *policy, struct rule_table *table)
{
	static const struct rule_names names = { NULL, NULL, NULL };
	struct hash_key key;
	struct rule_list *list;

	hash_key_random(&key);
	if (rule_table_open(table) < 0)
		fail("no memory");
	list = rule_list_create(&key, table);
	if (list == NULL || rule_list_want(list, policy->list, policy->count, NULL) < 0 ||
		rule_list_prepare(list, &names, NULL) < 0)
		fail("cannot load");
	rule_list_publish(list);
	rule_list_reclaim(list);
	return list;
}

/* ---- lookups -----------------------------------------------------------------------------------
 */

/* Cycles for one. */
static double
look(const struct classifier_view *view, const struct fields *packets, unsigned count)
{
	double cycles[ROUNDS_MAX];

	for (unsigned round = 0; round < rounds; round++) {
		uint64_t begin = now();

		for (unsigned i = 0; i < LOOKUPS; i++) {
			const struct rule *rule =
				classifier_find(view, &packets[i % count], RULE_STATE_NEW);

			sum += rule != NULL ? rule->id : 1;
		}
		cycles[round] = (double)(now() - begin) * ghz / LOOKUPS;
	}
	return median(cycles, rounds);
}

struct timed {
	double cycles; /* first: for compare() */
	struct fields fields;
};

static double
time_one(const struct classifier_view *view, const struct fields *fields)
{
	uint64_t best = UINT64_MAX;

	for (unsigned i = 0; i < TRIES; i++) {
		uint64_t begin = rte_rdtsc_precise(), spent;
		const struct rule *rule = classifier_find(view, fields, RULE_STATE_NEW);

		sum += rule != NULL ? rule->id : 1;
		spent = rte_rdtsc_precise() - begin;
		best = spent < best ? spent : best;
	}
	return (double)best;
}

/* Keeps the costliest ones, as an attacker would who can time them. */
static void
keep_worst(const struct classifier_view *view, struct fields *packets)
{
	struct timed *timed = memory(PACKETS, sizeof(*timed));

	for (unsigned i = 0; i < PACKETS; i++)
		timed[i] = (struct timed){ time_one(view, &packets[i]), packets[i] };
	qsort(timed, PACKETS, sizeof(*timed), compare);
	for (unsigned i = 0; i < WORST; i++)
		packets[i] = timed[PACKETS - 1 - i].fields;
	free(timed);
}

/* Of some rule, or nine of ten. */
static void
packets_of_rules(struct policy *policy)
{
	for (unsigned i = 0; i < PACKETS; i++)
		policy_make_packet(&policy->packets[i],
			random_below(10) == 0 ? NULL : &policy->rules[random_below(policy->count)]);
}

/* The addresses and ports of rules, of several each, and no protocol that one names. */
static void
packets_of_none(struct policy *policy)
{
	for (unsigned i = 0; i < PACKETS; i++) {
		struct fields other;

		policy_make_packet(
			&policy->packets[i], &policy->rules[random_below(policy->count)]);
		policy_make_packet(&other, &policy->rules[random_below(policy->count)]);
		memcpy(policy->packets[i].to_ip, other.to_ip, sizeof(other.to_ip));
		policy->packets[i].protocol = IPPROTO_SCTP;
	}
}

/* Anything that an attacker would try. */
static void
packets_that_try(struct policy *policy)
{
	for (unsigned i = 0; i < PACKETS; i++) {
		struct fields *packet = &policy->packets[i], other;

		policy_make_packet(packet, &policy->rules[random_below(policy->count)]);
		policy_make_packet(&other, &policy->rules[random_below(policy->count)]);
		if (random_below(2) == 0)
			memcpy(packet->to_ip, other.to_ip, sizeof(other.to_ip));
		if (random_below(2) == 0)
			packet->to_port = (uint16_t)random_below(65536);
		if (random_below(2) == 0)
			packet->from_port = (uint16_t)random_below(65536);
		if (random_below(4) == 0)
			packet->protocol = IPPROTO_SCTP;
	}
}

static void
run_policy(struct policy policy)
{
	double usual, none, all, worst;
	struct classifier_state state;
	struct rule_table table;
	struct rule_list *list;
	const struct classifier_view *view;

	make(&policy);
	list = load(&policy, &table);
	view = classifier_view(rule_list_classifier(list));
	classifier_state(rule_list_classifier(list), &state);
	packets_of_rules(&policy);
	usual = look(view, policy.packets, PACKETS);
	packets_of_none(&policy);
	none = look(view, policy.packets, PACKETS);
	packets_that_try(&policy);
	all = look(view, policy.packets, PACKETS);
	keep_worst(view, policy.packets);
	worst = look(view, policy.packets, WORST);
	printf("| %s | %u | %zu | %zu | %.0f | %.0f | %.0f | %.0f |\n", policy.name, policy.count,
		state.tables, classifier_worst(rule_list_classifier(list)), usual, none, all,
		worst);
	fflush(stdout);
	rule_list_free(list);
	rule_table_close(&table);
	free(policy.rules);
	free(policy.list);
	free(policy.packets);
}

/* ---- connections -------------------------------------------------------------------------------
 */

#define SEARCHED (1u << 28) /* flows that the attacker hashes */

static struct flow
random_flow(uint64_t word)
{
	struct flow flow = {
		.family = 4,
		.protocol = IPPROTO_UDP,
		.domain = 9,
		.from_port = (uint16_t)(word >> 32),
		.to_port = 443,
		.from_ip = { 10 },
		.to_ip = { 10, 0, 0, 1 },
	};

	flow.from_ip[1] = (uint8_t)(word >> 16);
	flow.from_ip[2] = (uint8_t)(word >> 8);
	flow.from_ip[3] = (uint8_t)word;
	return flow;
}

/* All different: a walk through 40 bits. key NULL: any; else those whose hash ends in zeros. */
static void
choose_flows(struct flow *flows, unsigned count, const struct hash_key *key)
{
	uint64_t mask = key != NULL ? SEARCHED / count - 1 : 0, word = 0x1234567;
	unsigned n = 0;

	while (n < count) {
		word = (word + 0x9e3779b97f) & 0xffffffffff;
		flows[n] = random_flow(word);
		n += mask == 0 || (flow_hash(&flows[n], key) & mask) == 0;
	}
}

struct shard {
	struct hash_key key;
	struct weft_network network;
	struct connection_domain domain;
	struct connection_table *table;
};

static void
shard_open(struct shard *shard, const struct hash_key *key)
{
	memset(shard, 0, sizeof(*shard));
	shard->key = *key;
	shard->network.config.connection_limit = UINT32_MAX;
	shard->domain = (struct connection_domain){
		.network = &shard->network,
		.id = 9,
		.limit = UINT32_MAX,
	};
	for (unsigned i = 0; i < CONNECTION_TIMEOUTS; i++)
		shard->domain.timeouts[i] = 600;
	shard->table = connection_table_create(&shard->key, CONNECTION_LIMIT_MOST, NULL, NULL);
	if (shard->table == NULL)
		fail("no memory");
}

static void
add(struct shard *shard, const struct flow *flow)
{
	struct connection_request request = {
		.domain = &shard->domain, .flow = *flow, .reply = flow_reverse(flow)
	};
	enum connection_refusal why;

	request.flow_hash = request.reply_hash = flow_hash(flow, &shard->key);
	if (connection_add(shard->table, &request, 1, &why) == NULL)
		fail("refused");
}

/* Cycles for a connection that begins, and to find one. */
static void
round_of(const struct flow *flows, unsigned count, const struct hash_key *key, double *begin,
	double *find)
{
	struct shard shard;
	uint64_t at;
	unsigned side, looks = count < 4096 ? count : 4096;

	shard_open(&shard, key);
	at = now();
	for (unsigned i = 0; i < count; i++)
		add(&shard, &flows[i]);
	*begin = (double)(now() - at) * ghz / count;
	at = now();
	for (unsigned i = 0; i < looks; i++) {
		const struct flow *flow = &flows[(uint64_t)i * 2654435761u % count];

		if (connection_find(shard.table, flow, flow_hash(flow, key), &side) == NULL)
			fail("not found");
	}
	*find = (double)(now() - at) * ghz / looks;
	connection_table_free(shard.table);
}

static void
run_flows(const char *name, unsigned count, const struct hash_key *guess, bool guessed)
{
	struct flow *flows = memory(count + 1, sizeof(*flows));
	double begin[ROUNDS_MAX], find[ROUNDS_MAX];

	choose_flows(flows, count, guess);
	for (unsigned round = 0; round < rounds; round++) {
		struct hash_key key;

		hash_key_random(&key);
		round_of(flows, count, guessed ? guess : &key, &begin[round], &find[round]);
	}
	printf("| %s | %u | %.0f | %.0f |\n", name, count, median(begin, rounds),
		median(find, rounds));
	fflush(stdout);
	free(flows);
}

int
main(int argc, char **argv)
{
	static const struct policy policies[] = {
		{ .name = "a usual firewall", .make_rule = usual_rule },
		{ .name = "many tuples", .make_rule = many_tuples_rule },
		{ .name = "on one another", .make_rule = nested_rule },
	};
	static const unsigned rules[] = { 10000, 100000 }, flows[] = { 4096, 65536 };
	struct hash_key guess;

	if (argc > 1)
		rounds = (unsigned)atoi(argv[1]);
	if (rounds == 0 || rounds > ROUNDS_MAX)
		fail("ROUNDS");
	ghz = tsc_ghz();
	printf("| rules | number | tables | entries compared, at most | cycles: packets of rules "
	       "| of none | that try | the costliest hundredth of these |\n"
	       "| --- | --- | --- | --- | --- | --- | --- | --- |\n");
	for (unsigned i = 0; i < 2; i++)
		for (unsigned k = 0; k < sizeof(policies) / sizeof(policies[0]); k++) {
			struct policy policy = policies[k];

			policy.count = rules[i];
			run_policy(policy);
		}
	printf("\n| flows | connections | cycles: one begins | one is found |\n"
	       "| --- | --- | --- | --- |\n");
	hash_key_random(&guess);
	for (unsigned i = 0; i < 2; i++) {
		run_flows("any", flows[i], NULL, false);
		run_flows("that collide by a guessed key", flows[i], &guess, false);
		run_flows("that collide by the table's own", flows[i], &guess, true);
	}
	return sum == 0;
}
