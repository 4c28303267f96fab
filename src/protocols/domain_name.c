/* SPDX-License-Identifier: BSD-3-Clause */
#include "protocols/domain_name.h"

#include <stddef.h>
#include <string.h>

unsigned
domain_name_encode(uint8_t *to, const char *name)
{
	size_t total = strlen(name);
	const char *label = name;
	unsigned at = 0;

	if (total == 0 || total > DOMAIN_NAME_LENGTH)
		return 0;
	for (;;) {
		size_t length = strcspn(label, ".");

		if (length == 0 || length > 63)
			return 0;
		to[at++] = (uint8_t)length;
		memcpy(to + at, label, length);
		at += (unsigned)length;
		label += length;
		/* a dot may end the name, too */
		if (*label == '\0' || *++label == '\0')
			break;
	}
	to[at++] = 0;
	return at;
}
