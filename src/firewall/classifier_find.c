/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/classifier_private.h"

#include <rte_branch_prediction.h>
#include <rte_prefetch.h>

/* A packet, as entries see it. */
struct packet_key {
	struct hashed hashed;
	enum classifier_family family;
	uint32_t single; /* FIELD_ */
	uint32_t version;
	const struct hash_key *key;
	const struct address_class *from_class, *to_class;
	const struct fields *fields;
};

struct best {
	uint64_t order;
	const struct rule *rule;
};

static enum classifier_family
family_of(const struct fields *fields)
{
	if (fields->family == 4)
		return FAMILY_IPV4;
	return fields->family == 6 ? FAMILY_IPV6 : FAMILY_OTHER;
}

/* `bytes` of them, from the top. */
static uint64_t
big_endian(const uint8_t *bytes, unsigned count)
{
	uint64_t word = 0;

	memcpy(&word, bytes, count);
	return __builtin_bswap64(word);
}

static uint32_t
single_fields(const struct fields *fields, uint8_t state)
{
	/* a further port has both bits (classifier_rule.c) */
	uint32_t single = FIELD_STATE(state) |
			  FIELD_FROM(fields->from < 2 ? 1u << fields->from : 3u) |
			  FIELD_TO(fields->to < 2 ? 1u << fields->to : 3u);

	if (fields->fragment)
		single |= FIELD_FRAGMENT;
	if (fields->family == 0)
		return single;
	single |= FIELD_PROTOCOL(fields->protocol) | FIELD_DSCP(fields->dscp);
	if (fields->has_ports)
		single |= FIELD_TCP_FLAGS(fields->tcp_flags) |
			  (fields_is_icmp(fields) ? FIELD_ICMP : FIELD_PORTS);
	return single;
}

static void
fill_key(struct packet_key *key, const struct classifier_view *view, const struct fields *fields,
	uint8_t state, enum classifier_family family)
{
	struct hashed *hashed = &key->hashed;

	*key = (struct packet_key){ .family = family,
		.single = single_fields(fields, state),
		.version = view->version,
		.key = &view->key,
		.fields = fields };
	hashed->protocol = fields->protocol;
	hashed->from_port = fields->from_port;
	hashed->to_port = fields->to_port;
	if (family == FAMILY_IPV4) {
		hashed->from[0] = big_endian(fields->from_ip, 4);
		hashed->to[0] = big_endian(fields->to_ip, 4);
	} else if (family == FAMILY_IPV6) {
		hashed->from[0] = big_endian(fields->from_ip, 8);
		hashed->from[1] = big_endian(fields->from_ip + 8, 8);
		hashed->to[0] = big_endian(fields->to_ip, 8);
		hashed->to[1] = big_endian(fields->to_ip + 8, 8);
	} else {
		hashed->from[0] = big_endian(fields->from_mac, 6);
		hashed->to[0] = big_endian(fields->to_mac, 6);
		hashed->from_port = fields->vlan;
		hashed->to_port = fields->ethertype;
	}
	if (view->n_sets == 0 || family == FAMILY_OTHER)
		return;
	key->from_class = address_map_find(
		&view->map, fields->family, (trie_key)hashed->from[0] << 64 | hashed->from[1]);
	key->to_class = address_map_find(
		&view->map, fields->family, (trie_key)hashed->to[0] << 64 | hashed->to[1]);
}

/* ---- one entry --------------------------------------------------------------------------------
 */

static inline bool
side_fits(const uint64_t prefix[2], unsigned bits, const uint64_t address[2],
	const struct address_class *class)
{
	uint64_t differs = prefix[0] ^ address[0];

	if (bits <= 64)
		return bits == 0 || differs >> (64 - bits) == 0;
	if (bits == BY_SET)
		return address_class_has(class, (uint32_t)prefix[0]);
	return differs == 0 && (prefix[1] ^ address[1]) >> (128 - bits) == 0;
}

static inline bool
entry_fits(const struct entry *entry, const struct packet_key *key)
{
	const struct hashed *hashed = &key->hashed;

	return ((key->single ^ entry->value) & entry->mask) == 0 &&
	       entry->to_port[0] <= hashed->to_port && hashed->to_port <= entry->to_port[1] &&
	       entry->from_port[0] <= hashed->from_port &&
	       hashed->from_port <= entry->from_port[1] &&
	       side_fits(entry->to, entry->to_bits, hashed->to, key->to_class) &&
	       side_fits(entry->from, entry->from_bits, hashed->from, key->from_class) &&
	       atomic_load_explicit(&entry->since, memory_order_relaxed) <= key->version &&
	       key->version < atomic_load_explicit(&entry->until, memory_order_relaxed) &&
	       (!entry->rest || rule_matches_rest(entry->rule, key->fields));
}

/* ---- one table --------------------------------------------------------------------------------
 */

static void
look_in_chain(uint64_t link, const struct packet_key *key, struct best *best)
{
	const struct chunk *chunk;

	while ((chunk = link_chunk(link)) != NULL) {
		for (unsigned i = 0; i < chunk->count; i++) {
			const struct entry *entry = &chunk->entries[i];

			/* the order of a chain: what comes now is no better */
			if (entry->order >= best->order)
				return;
			if (!entry_fits(entry, key))
				continue;
			*best = (struct best){ entry->order, entry->rule };
			return;
		}
		link = atomic_load_explicit(&chunk->next, memory_order_acquire);
	}
}

static inline const _Atomic uint64_t *
bucket_of(const struct probe *probe, uint64_t hash)
{
	return &probe->buckets->links[hash & probe->buckets->mask];
}

static void
look_by_hash(const struct probe *probe, const struct packet_key *key, const struct hashed *hashed,
	struct best *best)
{
	uint64_t hash = probe_hash(key->key, probe, key->family, hashed);
	uint64_t link = atomic_load_explicit(bucket_of(probe, hash), memory_order_acquire);

	if (link & link_tag(hash))
		look_in_chain(link, key, best);
}

/* For each of the few sets that the address is in. */
static void
look_by_to_set(const struct probe *probe, const struct packet_key *key, struct hashed *hashed,
	struct best *best)
{
	const struct address_class *class = key->to_class;

	if (!probe->by_to_set) {
		look_by_hash(probe, key, hashed, best);
		return;
	}
	for (unsigned i = 0; class != NULL && i < class->n_hashed; i++) {
		hashed->to[0] = slot_word(class->hashed[i]);
		look_by_hash(probe, key, hashed, best);
	}
}

static void
look_by_sets(const struct probe *probe, const struct packet_key *key, struct best *best)
{
	const struct address_class *class = key->from_class;
	struct hashed hashed = key->hashed;

	if (!probe->by_from_set) {
		look_by_to_set(probe, key, &hashed, best);
		return;
	}
	for (unsigned i = 0; class != NULL && i < class->n_hashed; i++) {
		hashed.from[0] = slot_word(class->hashed[i]);
		look_by_to_set(probe, key, &hashed, best);
	}
}

/* ---- all tables -------------------------------------------------------------------------------
 */

#define GROUP 8 /* tables whose buckets, and then chains, are fetched at once */

static void
look_in_group(
	const struct probe *probes, unsigned count, const struct packet_key *key, struct best *best)
{
	uint64_t hashes[GROUP], links[GROUP];

	for (unsigned i = 0; i < count; i++) {
		hashes[i] = probe_hash(key->key, &probes[i], key->family, &key->hashed);
		rte_prefetch0((const void *)bucket_of(&probes[i], hashes[i]));
	}
	for (unsigned i = 0; i < count; i++) {
		links[i] = atomic_load_explicit(
			bucket_of(&probes[i], hashes[i]), memory_order_acquire);
		if (!(links[i] & link_tag(hashes[i]))) {
			links[i] = 0;
			continue;
		}
		rte_prefetch0(link_chunk(links[i]));
		rte_prefetch0((const char *)link_chunk(links[i]) + 64);
	}
	for (unsigned i = 0; i < count && probes[i].best < best->order; i++) {
		if (unlikely(probes[i].by_from_set || probes[i].by_to_set))
			look_by_sets(&probes[i], key, best);
		else if (links[i] != 0)
			look_in_chain(links[i], key, best);
	}
}

const struct rule *
classifier_find(const struct classifier_view *view, const struct fields *fields, uint8_t state)
{
	enum classifier_family family = family_of(fields);
	unsigned count = view->families[family].count;
	const struct probe *probes = &view->probes[view->families[family].first];
	struct best best = { UINT64_MAX, NULL };
	struct packet_key key;

	if (count == 0)
		return NULL;
	fill_key(&key, view, fields, state, family);
	for (unsigned i = 0; i < count && probes[i].best < best.order; i += GROUP)
		look_in_group(&probes[i], count - i < GROUP ? count - i : GROUP, &key, &best);
	return best.rule;
}

const struct classifier_view *
classifier_view(const struct classifier *classifier)
{
	return atomic_load_explicit(&classifier->view, memory_order_acquire);
}
