/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A filter as the API takes it, up to the first line end, and a frame that it is held against:
 * it parses or says why not; all words hold exactly when each holds, and "either end" is one
 * or the other.
 */
#include "fuzz_packet.h"
#include "graph/engine.h"
#include "graph/filter.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct weft *weft;
static struct weft_vport *ports[2];

static void
require(bool holds, const char *what, const char *text)
{
	if (holds)
		return;
	fprintf(stderr, "%s: %s\n", what, text);
	abort();
}

/* Two networks with names that are alike. */
static void
open_once(void)
{
	static const char *const networks[] = { "red", "re-d" };
	struct weft_options options = { .memory_mb = 64 };
	struct weft_change *change;

	if (weft != NULL)
		return;
	weft = weft_open(&options, NULL);
	require(weft != NULL, "no engine", "");
	pools = weft->pools;
	change = weft_change_begin(weft);
	for (unsigned i = 0; i < 2; i++)
		ports[i] = weft_switch_port_add(change,
			weft_switch_add(
				change, weft_network_add(change, networks[i], NULL), "lan", NULL),
			"web", NULL);
	require(weft_change_commit(change, NULL) == 0, "no ports", "");
}

static bool
matches(const struct filter *filter, const struct rte_mbuf *packet, unsigned port)
{
	return filter_matches(filter, packet, ports[port]->live);
}

static bool
word_matches(const char *word, const struct rte_mbuf *packet, unsigned port)
{
	struct filter filter;

	require(filter_parse(&filter, word, weft, NULL) == 0, "not a word by itself", word);
	require(filter.count == 1, "not one word", word);
	return matches(&filter, packet, port);
}

/* The same value behind another name. */
static bool
renamed_matches(const char *name, const char *value, const struct rte_mbuf *packet, unsigned port)
{
	char word[600];

	snprintf(word, sizeof(word), "%s=%s", name, value);
	return word_matches(word, packet, port);
}

static void
check_ends(const char *word, bool holds, const struct rte_mbuf *packet, unsigned port)
{
	static const struct {
		const char *either, *source, *destination;
	} ends[] = { { "ip=", "src", "dst" }, { "mac=", "src-mac", "dst-mac" } };

	for (unsigned i = 0; i < RTE_DIM(ends); i++) {
		size_t length = strlen(ends[i].either);

		if (strncmp(word, ends[i].either, length) == 0)
			require(holds == (renamed_matches(
						  ends[i].source, word + length, packet, port) ||
						 renamed_matches(ends[i].destination, word + length,
							 packet, port)),
				"either end is neither", word);
	}
}

static void
check_words(
	const struct filter *filter, const char *text, const struct rte_mbuf *packet, unsigned port)
{
	char *copy = strdup(text), *rest = copy, *word;
	bool all = true, holds;
	unsigned count = 0;

	while ((word = strsep(&rest, " \t\r\n")) != NULL) {
		if (*word == '\0')
			continue;
		count++;
		holds = word_matches(word, packet, port);
		check_ends(word, holds, packet, port);
		all = all && holds;
	}
	require(count == filter->count, "another number of words", text);
	require(matches(filter, packet, port) == all, "more or less than its words", text);
	free(copy);
}

/* With no engine names are not looked up, and the rest is the same. */
static void
check_nameless(const struct filter *named, const char *text, const struct rte_mbuf *packet)
{
	struct filter filter;

	require(filter_parse(&filter, text, NULL, NULL) == 0, "not without an engine", text);
	require(filter.count == named->count, "another number of words", text);
	matches(&filter, packet, 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = memchr(data, '\n', size), *frame;
	size_t length = end != NULL ? (size_t)(end - data) : size, left = size - length;
	struct weft_error error = { 0 };
	struct rte_mbuf *packet;
	struct filter filter;
	char text[512];

	open_once();
	if (length >= sizeof(text))
		return 0;
	memcpy(text, data, length);
	text[length] = '\0';
	frame = data + length;
	left = left > UINT16_MAX ? UINT16_MAX : left;
	packet = fixture_chain(left > 0 ? frame + 1 : frame, left > 0 ? left - 1 : 0,
		left % 3 == 0 ? 14u + left % 50 : (size_t)PACKET_LARGE_ROOM);
	fuzz_guard(packet, true);
	if (filter_parse(&filter, text, weft, &error) < 0) {
		require(error.text[0] != '\0', "no reason", text);
	} else {
		require(filter.count <= FILTER_TERM_LIMIT, "too many words", text);
		check_words(&filter, text, packet, 0);
		check_words(&filter, text, packet, 1);
		check_nameless(&filter, text, packet);
	}
	fuzz_guard(packet, false);
	rte_pktmbuf_free(packet);
	if (!fixture_nothing_lost())
		abort();
	return 0;
}
