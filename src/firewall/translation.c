/* SPDX-License-Identifier: BSD-3-Clause */
#include "firewall/translation.h"

#include "base/error.h"
#include "firewall/port_block.h"

#include <errno.h>
#include <stdlib.h>

#define PORT_FIRST 1024 /* RFC 6056, 3.2: not the well-known ones */
#define PORT_LAST 65535

/* 0: of both. */
static uint8_t
family_of(const struct weft_translation *wanted)
{
	return wanted->n_addresses != 0 ? wanted->addresses[0].family : wanted->match.family;
}

/* ---- what a call may say ----------------------------------------------------------------------
 */

static int
check_masquerade(const struct weft_translation *wanted, bool routed, struct weft_error *error)
{
	if (!routed)
		return error_set(error, EINVAL,
			"translation \"%s\": only a router has addresses where it sends",
			wanted->match.name);
	if (wanted->n_addresses != 0)
		return error_set(error, EINVAL, "translation \"%s\" masquerades, and has addresses",
			wanted->match.name);
	return 0;
}

static int
check(const struct weft_translation *wanted, bool routed, struct weft_error *error)
{
	const char *name = wanted->match.name;

	if (name == NULL || *name == '\0')
		return error_set(error, EINVAL, "a translation needs a name");
	if (wanted->kind == WEFT_TRANSLATE_MASQUERADE &&
		check_masquerade(wanted, routed, error) < 0)
		return -1;
	if (wanted->n_addresses == 0 && wanted->kind != WEFT_TRANSLATE_MASQUERADE)
		return error_set(error, EINVAL, "translation \"%s\" has no addresses", name);
	for (unsigned i = 0; i < wanted->n_addresses; i++)
		if (wanted->addresses[i].family != wanted->addresses[0].family)
			return error_set(error, EINVAL,
				"translation \"%s\" has addresses of both families", name);
	if (wanted->match.family != 0 && wanted->match.family != family_of(wanted))
		return error_set(error, EINVAL,
			"translation \"%s\" is of IPv%u, its addresses are not", name,
			wanted->match.family);
	if (wanted->ports.first > wanted->ports.last)
		return error_set(
			error, EINVAL, "translation \"%s\" has a range of ports backwards", name);
	if (wanted->port_block % PORT_BLOCK_UNIT != 0 ||
		(wanted->port_block != 0 && wanted->kind != WEFT_TRANSLATE_SOURCE &&
			wanted->kind != WEFT_TRANSLATE_MASQUERADE))
		return error_set(error, EINVAL,
			"translation \"%s\": blocks are of sources, and multiples of %u ports",
			name, PORT_BLOCK_UNIT);
	if (wanted->endpoint_independent && wanted->kind != WEFT_TRANSLATE_SOURCE &&
		wanted->kind != WEFT_TRANSLATE_MASQUERADE)
		return error_set(error, EINVAL,
			"translation \"%s\" maps endpoints, but not of sources", name);
	if (wanted->kind == WEFT_TRANSLATE_PREFIX &&
		(wanted->n_addresses != 2 ||
			wanted->addresses[0].length != wanted->addresses[1].length))
		return error_set(
			error, EINVAL, "translation \"%s\" needs two prefixes of one length", name);
	return 0;
}

/* ---- life ------------------------------------------------------------------------------------ */

static struct address_range
range_of(const struct weft_prefix *prefix)
{
	unsigned rest = (prefix->family == 4 ? 32 : 128) - prefix->length;
	struct address_range range = { .count = rest < 64 ? 1ull << rest : 0 };

	memcpy(range.first, prefix->address, prefix->family == 4 ? 4 : 16);
	return range;
}

static int
copy_outside(struct translation *translation, const struct weft_prefix *prefixes, unsigned count)
{
	translation->outside = malloc((count + 1) * sizeof(*prefixes));
	if (translation->outside == NULL)
		return -1;
	if (count != 0)
		memcpy(translation->outside, prefixes, count * sizeof(*prefixes));
	translation->n_outside = count;
	return 0;
}

static int
fill(struct translation *translation, const struct weft_translation *wanted)
{
	*translation = (struct translation){
		.kind = (uint8_t)wanted->kind,
		.family = family_of(wanted),
		.answer = wanted->answer,
		.independent = wanted->endpoint_independent,
		.filtering = (uint8_t)wanted->filtering,
		.block = wanted->port_block,
		.length = wanted->n_addresses != 0 ? wanted->addresses[0].length : 0,
		.first_port = wanted->ports.first,
		.last_port = wanted->ports.last,
		.n_ranges = wanted->n_addresses,
	};
	if ((wanted->kind == WEFT_TRANSLATE_SOURCE || wanted->kind == WEFT_TRANSLATE_MASQUERADE) &&
		wanted->ports.last == 0) {
		translation->first_port = PORT_FIRST;
		translation->last_port = PORT_LAST;
	}
	translation->ranges = malloc((wanted->n_addresses + 1) * sizeof(struct address_range));
	if (translation->ranges == NULL)
		return -1;
	for (unsigned i = 0; i < wanted->n_addresses; i++)
		translation->ranges[i] = range_of(&wanted->addresses[i]);
	if (wanted->kind == WEFT_TRANSLATE_SOURCE || wanted->kind == WEFT_TRANSLATE_MASQUERADE)
		return copy_outside(translation, wanted->addresses, wanted->n_addresses);
	if (wanted->kind == WEFT_TRANSLATE_PREFIX)
		return copy_outside(translation, &wanted->addresses[1], 1);
	return copy_outside(translation, wanted->match.to_ip, wanted->match.n_to_ip);
}

void
translations_free(struct translations *translations)
{
	if (translations == NULL)
		return;
	for (unsigned i = 0; i < translations->count; i++) {
		free(translations->list[i].ranges);
		free(translations->list[i].outside);
	}
	free(translations);
}

static struct translations *
new_list(unsigned count)
{
	return calloc(1, sizeof(struct translations) + count * sizeof(struct translation));
}

/* ---- the rules by which they are found ----------------------------------------------------------
 */

struct lookups {
	struct weft_rule *sources, *destinations;
	unsigned n_sources, n_destinations;
};

/* Which fields of a match say something about a connection. */
static struct weft_rule
base_rule(const struct weft_translation *wanted, uint32_t mark)
{
	struct weft_rule rule = wanted->match;

	rule.action = WEFT_RULE_ACCEPT;
	rule.stateless = rule.syn_proxy = rule.log = false;
	rule.log_rate = 0;
	rule.limit = NULL;
	rule.timeout = 0;
	rule.helper = WEFT_HELPER_NONE;
	rule.states = WEFT_STATE_NEW;
	rule.family = family_of(wanted);
	rule.fields &= WEFT_RULE_PROTOCOL | WEFT_RULE_DSCP | WEFT_RULE_VLAN | WEFT_RULE_FROM_MAC;
	rule.mark = mark;
	return rule;
}

/* inside NULL: of a guard. */
static void
add_lookups(struct lookups *lookups, const struct weft_translation *wanted,
	const char *const *inside, uint32_t mark)
{
	struct weft_rule rule = base_rule(wanted, mark);

	if (inside != NULL || wanted->kind == WEFT_TRANSLATE_DESTINATION) {
		/* where it goes is not known yet, or is the one other port */
		rule.to = NULL;
		rule.n_to = 0;
	}
	if (wanted->kind == WEFT_TRANSLATE_DESTINATION) {
		lookups->destinations[lookups->n_destinations++] = rule;
		return;
	}
	if (wanted->kind == WEFT_TRANSLATE_PREFIX) {
		struct weft_rule back = rule;

		back.to_ip = &wanted->addresses[1];
		back.n_to_ip = 1;
		back.from = back.to = NULL;
		back.n_from = back.n_to = 0;
		back.to_set = NULL;
		lookups->destinations[lookups->n_destinations++] = back;
		rule.from_ip = &wanted->addresses[0];
		rule.n_from_ip = 1;
		rule.from_set = NULL;
	}
	if (inside != NULL) {
		rule.from = inside;
		rule.n_from = 1;
	}
	lookups->sources[lookups->n_sources++] = rule;
}

static int
want_lookups(const char *inside, const struct weft_translation *wanted, unsigned count,
	struct rule_list *sources, struct rule_list *destinations, struct weft_error *error)
{
	const char *const ports[] = { inside };
	struct lookups lookups = {
		.sources = calloc(count + 1, sizeof(struct weft_rule)),
		.destinations = calloc(count + 1, sizeof(struct weft_rule)),
	};
	int result = -1;

	if (lookups.sources == NULL || lookups.destinations == NULL) {
		error_memory(error);
	} else {
		for (unsigned i = 0; i < count; i++)
			add_lookups(&lookups, &wanted[i], inside != NULL ? ports : NULL, i);
		if (rule_list_want(sources, lookups.sources, lookups.n_sources, error) == 0)
			result = rule_list_want(
				destinations, lookups.destinations, lookups.n_destinations, error);
	}
	free(lookups.sources);
	free(lookups.destinations);
	return result;
}

struct translations *
translations_create(const char *inside, const struct weft_translation *wanted, unsigned count,
	struct rule_list *sources, struct rule_list *destinations, struct weft_error *error)
{
	struct translations *made;

	for (unsigned i = 0; i < count; i++)
		if (check(&wanted[i], inside == NULL, error) < 0)
			return NULL;
	made = new_list(count);
	if (made == NULL) {
		error_memory(error);
		return NULL;
	}
	while (made->count < count) {
		unsigned i = made->count++;

		/* for a guard its router answers */
		made->answers |= wanted[i].answer && inside != NULL;
		made->maps |= wanted[i].endpoint_independent || wanted[i].port_block != 0;
		if (fill(&made->list[i], &wanted[i]) == 0)
			continue;
		error_memory(error);
		translations_free(made);
		return NULL;
	}
	if (want_lookups(inside, wanted, count, sources, destinations, error) == 0)
		return made;
	translations_free(made);
	return NULL;
}

/* ---- to what ------------------------------------------------------------------------------------
 */

/* Adds to an address of so many bytes. */
static void
add(uint8_t *address, size_t length, uint64_t by)
{
	uint8_t *at = address + length;

	while (by != 0 && at > address) {
		by += *--at;
		*at = (uint8_t)by;
		by >>= 8;
	}
}

/* One out of all ranges, by a hash. */
static void
choose(const struct translation *translation, uint64_t hash, uint8_t *result)
{
	const struct address_range *range =
		&translation->ranges[(uint32_t)hash % translation->n_ranges];

	memcpy(result, range->first, 16);
	hash >>= 32;
	add(result, translation->family == 4 ? 4 : 16,
		range->count != 0 ? hash % range->count : hash);
}

/* The same place in the other prefix (RFC 6296 without its care for checksums, which are updated).
 */
static void
move(const struct translation *translation, const uint8_t *address, const uint8_t *prefix,
	uint8_t *result)
{
	unsigned whole = translation->length / 8, rest = translation->length % 8;
	uint8_t mask = (uint8_t)(0xff << (8 - rest));

	memcpy(result, address, 16);
	memcpy(result, prefix, whole);
	if (rest != 0)
		result[whole] = (uint8_t)((prefix[whole] & mask) | (address[whole] & ~mask));
}

void
translation_address(const struct translation *translation, const struct hash_key *key,
	const uint8_t *address, bool outward, uint8_t result[16])
{
	uint64_t words[2];

	if (translation->kind == WEFT_TRANSLATE_PREFIX) {
		move(translation, address, translation->ranges[outward].first, result);
		return;
	}
	memcpy(words, address, sizeof(words));
	choose(translation, hash_words(key, words[0], words[1]), result);
}

static bool
has(const struct weft_prefix *prefix, uint8_t family, const uint8_t *address)
{
	unsigned whole = prefix->length / 8, rest = prefix->length % 8;

	if (prefix->family != family || memcmp(prefix->address, address, whole) != 0)
		return false;
	return rest == 0 || ((prefix->address[whole] ^ address[whole]) >> (8 - rest)) == 0;
}

bool
translations_answer(const struct translations *translations, uint8_t family, const uint8_t *address)
{
	for (unsigned i = 0; i < translations->count; i++) {
		const struct translation *translation = &translations->list[i];

		for (unsigned j = 0; translation->answer && j < translation->n_outside; j++)
			if (has(&translation->outside[j], family, address))
				return true;
	}
	return false;
}
