/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What a daemon sends to the command line: the first byte says as what the rest is read.
 * Nothing that is printed may have a control character in it.
 */
#include "cli/answer.h"
#include "cli/events.h"
#include "cli/kinds.h"
#include "cli/output.h"
#include "cli/pcapng.h"
#include "cli/plan.h"
#include "cli/steps.h"

#include <stdlib.h>
#include <string.h>

static bool
take_event(void *context, const char *kind, const char *data)
{
	(void)context;
	return strlen(kind) + strlen(data) < 10000;
}

static bool
take_blocks(void *context, const void *bytes, size_t length)
{
	uint32_t last;

	(void)context;
	memcpy(&last, (const char *)bytes + length - 4, 4);
	if (length % 4 != 0 || last < 12)
		abort();
	return true;
}

/* In pieces of a length that the input chooses. */
static void
streams(bool pcap, const uint8_t *data, size_t size)
{
	struct events events = { .take = take_event };
	struct pcapng pcapng = { .take = take_blocks };
	size_t piece = size == 0 ? 1 : data[0] % 64 + 1;
	bool more = true;

	for (size_t at = 1; at < size && more; at += piece) {
		size_t length = piece < size - at ? piece : size - at;

		more = pcap ? pcapng_feed(&pcapng, data + at, length)
			    : events_feed(&events, (const char *)data + at, length);
	}
	events_free(&events);
	pcapng_free(&pcapng);
}

static void
print(FILE *stream, const json_t *value)
{
	struct steps steps = { 0 };
	struct table *table;

	for (const struct kind *kind = kinds; kind->name != NULL; kind++) {
		if (kind->single)
			continue;
		table = kind_table(kind, value);
		table_print(table, stream);
		table_free(table);
	}
	kind_print_object(stream, value);
	plan_print(stream, value);
	free(plan_summary(value, 1));
	answer_diagnostic(stream, value);
	steps_print(stream, &steps, value);
}

static void
json(const uint8_t *data, size_t size)
{
	json_t *value =
		json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	char *text = NULL;
	size_t length = 0;
	FILE *stream;

	if (value == NULL)
		return;
	stream = output_memory(open_memstream(&text, &length));
	print(stream, value);
	fclose(stream);
	for (size_t i = 0; i < length; i++)
		if (((unsigned char)text[i] < ' ' && text[i] != '\n' && text[i] != '\t') ||
			text[i] == 0x7f)
			abort();
	free(text);
	json_decref(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	output_setup(COLOUR_NEVER, false);
	if (size == 0)
		return 0;
	if (data[0] == 'e' || data[0] == 'p')
		streams(data[0] == 'p', data + 1, size - 1);
	else
		json(data + 1, size - 1);
	return 0;
}
