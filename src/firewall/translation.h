/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translations of a firewall, as they are kept: which there are, and to what. Which of them a
 * connection meets is found as rules are (rule_list.h): `mark` of what is found is an index here.
 *
 * Threads: made and freed on the control thread; read anywhere, under RCU.
 */
#ifndef WEFT_FIREWALL_TRANSLATION_H
#define WEFT_FIREWALL_TRANSLATION_H

#include "base/hash.h"
#include "firewall/flow.h"
#include "firewall/rule_list.h"

#include <limits.h>

struct address_range {
	uint8_t first[16];
	uint64_t count; /* 0: more than 2^63 */
};

struct translation {
	uint8_t kind; /* enum weft_translation_kind */
	uint8_t family;
	bool answer, independent;
	uint8_t filtering;              /* enum weft_filtering */
	uint16_t block;                 /* ports; 0: no blocks */
	uint8_t length;                 /* PREFIX: of both */
	uint16_t first_port, last_port; /* DESTINATION: both 0: as it was */
	unsigned n_ranges;
	struct address_range *ranges; /* PREFIX: inside, outside */
	/* of what ARP asks for: */
	struct weft_prefix *outside;
	unsigned n_outside;
};

#define TRANSLATIONS_ROUTED UINT_MAX /* no port: any zone is behind any other */

struct translations {
	unsigned count;
	unsigned inside; /* index of the port; TRANSLATIONS_ROUTED */
	bool answers;    /* some are to be answered for */
	bool maps;       /* some are endpoint-independent, or have blocks */
	struct translation list[];
};

/* A deep copy, and the rules by which they are found: `sources`, `destinations` are wanted of these
 * lists. inside NULL: of a guard. NULL: no memory, or what is wrong. */
struct translations *translations_create(const char *inside, const struct weft_translation *wanted,
	unsigned count, struct rule_list *sources, struct rule_list *destinations,
	struct weft_error *error);
void translations_free(struct translations *translations);

/* The address that stands for `address`, and always will: chosen by it, keyed (SOURCE: the host's
 * own address; DESTINATION: who asks; PREFIX: what it is to become of, `outward` or back). */
void translation_address(const struct translation *translation, const struct hash_key *key,
	const uint8_t *address, bool outward, uint8_t result[16]);

/* Whether who asks for the address is to be answered. */
bool translations_answer(
	const struct translations *translations, uint8_t family, const uint8_t *address);

#endif
