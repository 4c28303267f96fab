/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Preconditions of requests. A piece of the configuration has the entity tag of the whole
 * (RFC 8040, 3.5.2), which is the number of its entry in the history.
 */
#include "daemon/api_internal.h"

#include <stdio.h>
#include <string.h>

void
precondition_tag(char etag[API_ETAG_SIZE], uint32_t number)
{
	snprintf(etag, API_ETAG_SIZE, "\"%u\"", number);
}

static const char *
skip_blanks(const char *text)
{
	return text + strspn(text, " \t,");
}

/* An entity tag at the front of the list (RFC 9110, 8.8.3), its quotes included, or "*". 0: that
 * is none. */
static size_t
tag_length(const char *text)
{
	size_t length;

	if (*text == '*')
		return 1;
	if (*text != '"')
		return 0;
	length = 1 + strcspn(text + 1, "\"");
	return text[length] == '"' ? length + 1 : 0;
}

/* Whether the list has the tag, or "*" where `any`; weak: tags of W/, too. */
static bool
list_has(const char *list, const char *tag, bool any, bool weak)
{
	size_t length;

	for (list = skip_blanks(list); *list != '\0'; list = skip_blanks(list + length)) {
		bool is_weak = strncmp(list, "W/", 2) == 0;

		list += is_weak ? 2 : 0;
		length = tag_length(list);
		if (length == 0)
			return false;
		if (*list == '*' ? any
				 : (weak || !is_weak) && length == strlen(tag) &&
					   strncmp(list, tag, length) == 0)
			return true;
	}
	return false;
}

bool
precondition_matches(const struct api_request *request, uint32_t number)
{
	char tag[API_ETAG_SIZE];

	precondition_tag(tag, number);
	return request->if_match == NULL || list_has(request->if_match, tag, true, false);
}

bool
precondition_is_known(const struct api_request *request, uint32_t number, bool exists)
{
	char tag[API_ETAG_SIZE];

	precondition_tag(tag, number);
	return request->if_none_match != NULL &&
	       list_has(request->if_none_match, tag, exists, true);
}
