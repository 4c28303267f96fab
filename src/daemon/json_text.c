/* SPDX-License-Identifier: BSD-3-Clause */
#include "daemon/json_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

json_t *
json_text(const char *text)
{
	json_t *string = json_string(text);
	char *copy;

	if (string != NULL)
		return string;
	copy = strdup(text);
	for (char *at = copy; at != NULL && *at != '\0'; at++)
		if (!isascii((unsigned char)*at))
			*at = '?';
	string = copy != NULL ? json_string(copy) : NULL;
	free(copy);
	return string;
}
