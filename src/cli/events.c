/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/events.h"

#include "cli/output.h"

#include <stdlib.h>
#include <string.h>

static void
dispatch(struct events *events)
{
	if (events->data_length > 0) {
		events->data[events->data_length - 1] = '\0'; /* the last newline */
		events->ended = !events->take(events->context,
			events->kind != NULL ? events->kind : "message", events->data);
	}
	events->data_length = 0;
	free(events->kind);
	events->kind = NULL;
}

/* A line "name: value" of a known field; others and comments are ignored. */
static void
take_line(struct events *events)
{
	char *line = events->line, *colon, *value;
	size_t length;

	if (events->line_length > 0 && line[events->line_length - 1] == '\r')
		events->line_length--;
	if (events->line_length == 0) {
		dispatch(events);
		return;
	}
	line[events->line_length] = '\0';
	colon = strchr(line, ':');
	if (colon == NULL || colon == line)
		return;
	*colon = '\0';
	value = colon[1] == ' ' ? colon + 2 : colon + 1;
	if (strcmp(line, "event") == 0) {
		free(events->kind);
		events->kind = output_memory(strdup(value));
	} else if (strcmp(line, "data") == 0) {
		length = strlen(value);
		if (events->data_length + length + 1 > EVENTS_LIMIT) {
			events->malformed = true;
			return;
		}
		memcpy(events->data + events->data_length, value, length);
		events->data_length += length;
		events->data[events->data_length++] = '\n';
	}
}

bool
events_feed(struct events *events, const char *bytes, size_t length)
{
	if (events->line == NULL) {
		events->line = output_memory(malloc(EVENTS_LIMIT + 1));
		events->data = output_memory(malloc(EVENTS_LIMIT + 1));
	}
	while (length > 0 && !events->ended && !events->malformed) {
		const char *newline = memchr(bytes, '\n', length);
		size_t piece = newline == NULL ? length : (size_t)(newline - bytes);

		if (piece > EVENTS_LIMIT - events->line_length) {
			events->malformed = true;
			break;
		}
		memcpy(events->line + events->line_length, bytes, piece);
		events->line_length += piece;
		if (newline == NULL)
			break;
		take_line(events);
		events->line_length = 0;
		bytes += piece + 1;
		length -= piece + 1;
	}
	return !events->ended && !events->malformed;
}

void
events_free(struct events *events)
{
	free(events->line);
	free(events->data);
	free(events->kind);
}
