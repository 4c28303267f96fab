/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Router advertisements. The input is a list of steps: a received message is judged, and if it
 * is valid, gone through, compared with ours and (a solicitation) given to the engine; the
 * configuration changes; time goes by. What must hold: a valid message's options fill it to the
 * end; what the engine sends is valid itself, of the length that its options have, and never
 * within three seconds of another but for the last one; the timer always moves on.
 */
#include "protocols/ra/ra.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND UINT64_C(1000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
};

static const uint8_t link_local[16] = { 0xfe, 0x80, [15] = 1 };
static const uint8_t all_nodes[16] = { 0xff, 2, [15] = 1 };

static struct ra ra;
static struct ra_config config;
static uint64_t now, sent_at;
static bool ever_sent, stopping;
static uint32_t state;

static void
require(bool holds, const char *what)
{
	if (holds)
		return;
	fprintf(stderr, "%s\n", what);
	abort();
}

static uint8_t
take(struct input *input)
{
	if (input->size == 0)
		return 0;
	input->size--;
	return *input->data++;
}

static uint32_t
make_random(void *context)
{
	(void)context;
	return state = state * 1664525 + 1013904223;
}

static void
judge_sent(void *context, const uint8_t *message, size_t length)
{
	struct nd_option option;
	unsigned prefixes = 0;
	size_t at = 0;

	(void)context;
	require(length <= RA_MESSAGE_LIMIT, "too long");
	require(ra_check(message, length, 255, link_local, all_nodes) == RA_VALID, "not valid");
	require(stopping || !ever_sent || now - sent_at >= 3 * SECOND, "too soon");
	while (nd_option_next(message, length, &at, &option))
		prefixes += option.type == ND_PREFIX && option.length == 32;
	require(at == 0 || at == length, "options do not end with the message");
	require(prefixes >= config.n_prefixes, "a prefix is missing");
	require(ra_contradiction(&ra, message, length) == NULL, "contradicts itself");
	if (!stopping)
		require((message[6] << 8 | message[7]) == config.lifetime, "another lifetime");
	else
		require(message[6] == 0 && message[7] == 0, "the last one has a lifetime");
	ever_sent = true;
	sent_at = now;
}

static void
receive(struct input *input)
{
	size_t length = take(input);
	uint8_t hop_limit = take(input) % 2 ? 255 : 64;
	const uint8_t *source = take(input) % 2 ? link_local : (const uint8_t[16]){ 0 };
	struct nd_option option;
	uint8_t *message;
	size_t at = 0, last = 0;

	if (length > input->size)
		length = input->size;
	/* memory of its own, so that the sanitizer sees a look beyond the end */
	message = malloc(length != 0 ? length : 1);
	memcpy(message, input->data, length);
	input->data += length;
	input->size -= length;
	if (ra_check(message, length, hop_limit, source, all_nodes) == RA_VALID) {
		require(hop_limit == 255, "from beyond the link");
		while (nd_option_next(message, length, &at, &option)) {
			require(at > last && at <= length && option.length >= 8, "options");
			require(option.bytes + option.length <= message + length, "beyond");
			last = at;
		}
		require(last == 0 || last == length, "bytes behind the options");
		ra_contradiction(&ra, message, length);
		if (message[0] == ND_ROUTER_SOLICITATION)
			ra_solicited(&ra, now);
	}
	free(message);
}

static void
change(struct input *input)
{
	struct ra_config wanted = config;

	wanted.max_interval = 4 + take(input) * 8u;
	wanted.min_interval = 3 + take(input);
	wanted.lifetime = (uint16_t)(take(input) * 40);
	wanted.preference = take(input);
	wanted.mtu = take(input) * 16u;
	wanted.tell_mac = take(input) % 2;
	wanted.n_prefixes = take(input) % (RA_PREFIXES + 2);
	for (unsigned i = 0; i < wanted.n_prefixes && i < RA_PREFIXES; i++) {
		ra_prefix_defaults(&wanted.prefixes[i]);
		memset(wanted.prefixes[i].address, 0, 16);
		wanted.prefixes[i].address[0] = take(input);
		wanted.prefixes[i].address[1] = (uint8_t)i;
		wanted.prefixes[i].length = take(input);
	}
	wanted.n_rdnss = take(input) % (RA_RDNSS + 2);
	wanted.n_dnssl = take(input) % (RA_DNSSL + 2);
	for (unsigned i = 0; i < wanted.n_dnssl && i < RA_DNSSL; i++) {
		size_t length = take(input);

		memset(wanted.dnssl[i], 0, sizeof(wanted.dnssl[i]));
		if (length > input->size)
			length = input->size;
		if (length > RA_NAME_LENGTH)
			length = RA_NAME_LENGTH;
		memcpy(wanted.dnssl[i], input->data, length);
		input->data += length;
		input->size -= length;
	}
	if (ra_config_check(&wanted, NULL) < 0)
		return;
	config = wanted;
	ra_use(&ra, &config, now);
}

static void
wait_some(uint64_t time)
{
	uint64_t end = now + time;

	for (unsigned i = 0; ra_next(&ra) <= end; i++) {
		require(i < 1000, "the timer does not move on");
		if (ra_next(&ra) > now)
			now = ra_next(&ra);
		ra_timer(&ra, now);
	}
	now = end;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ra_hooks hooks = { .send = judge_sent, .random = make_random };
	struct input input = { data, size };

	now = 1000 * SECOND;
	state = size != 0 ? data[0] : 0;
	ever_sent = stopping = false;
	ra_config_defaults(&config);
	ra_open(&ra, &config, &hooks, now);
	while (input.size != 0) {
		switch (take(&input) % 5) {
		case 0:
			change(&input);
			break;
		case 1:
			wait_some(take(&input) * SECOND);
			break;
		case 2:
			wait_some(take(&input) * (SECOND / 100));
			break;
		case 3:
			stopping = true;
			ra_stop(&ra, now);
			stopping = false;
			require(ra_next(&ra) == UINT64_MAX, "it goes on after its end");
			break;
		default:
			receive(&input);
			break;
		}
	}
	return 0;
}
