/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/events.h"

#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

/* False: it would be longer than an event may be. There is always room for one byte more. */
static bool
append(struct events_text *text, const char *bytes, size_t length)
{
	if (length > EVENTS_LIMIT - text->length)
		return false;
	if (text->length + length + 1 > text->room) {
		text->room = (text->length + length + 1) * 2;
		text->bytes = output_memory(realloc(text->bytes, text->room));
	}
	memcpy(text->bytes + text->length, bytes, length);
	text->length += length;
	return true;
}

static void
dispatch(struct events *events)
{
	if (events->data.length > 0) {
		events->data.bytes[events->data.length - 1] = '\0'; /* the last newline */
		events->ended = !events->take(events->context,
			events->kind != NULL ? events->kind : "message", events->data.bytes);
	}
	events->data.length = 0;
	free(events->kind);
	events->kind = NULL;
}

/* A line "name: value" of a known field; others and comments are ignored. */
static void
take_field(struct events *events, char *line)
{
	char *colon = strchr(line, ':'), *value;

	if (colon == NULL || colon == line)
		return;
	*colon = '\0';
	value = colon[1] == ' ' ? colon + 2 : colon + 1;
	if (strcmp(line, "event") == 0) {
		free(events->kind);
		events->kind = output_memory(strdup(value));
	} else if (strcmp(line, "data") == 0) {
		events->malformed = !append(&events->data, value, strlen(value)) ||
				    !append(&events->data, "\n", 1);
	}
}

static void
take_line(struct events *events)
{
	struct events_text *line = &events->line;

	if (line->length > 0 && line->bytes[line->length - 1] == '\r')
		line->length--;
	if (line->length == 0) {
		dispatch(events);
		return;
	}
	line->bytes[line->length] = '\0';
	line->length = 0;
	take_field(events, line->bytes);
}

bool
events_feed(struct events *events, const char *bytes, size_t length)
{
	while (length > 0 && !events->ended && !events->malformed) {
		const char *newline = memchr(bytes, '\n', length);
		size_t piece = newline == NULL ? length : (size_t)(newline - bytes);

		events->malformed = !append(&events->line, bytes, piece);
		if (newline == NULL || events->malformed)
			break;
		take_line(events);
		bytes += piece + 1;
		length -= piece + 1;
	}
	return !events->ended && !events->malformed;
}

void
events_free(struct events *events)
{
	free(events->line.bytes);
	free(events->data.bytes);
	free(events->kind);
}
