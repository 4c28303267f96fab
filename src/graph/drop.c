/* SPDX-License-Identifier: BSD-3-Clause */
#include "graph/drop.h"

#include <stddef.h>

static const char *const names[] = {
#define DROP_NAME(constant, name, text) [constant] = name,
	DROP_REASONS(DROP_NAME)
#undef DROP_NAME
};

static const char *const texts[] = {
#define DROP_TEXT(constant, name, text) [constant] = text,
	DROP_REASONS(DROP_TEXT)
#undef DROP_TEXT
};

const char *
drop_name(enum drop_reason reason)
{
	return (unsigned)reason < DROP_REASON_COUNT ? names[reason] : NULL;
}

const char *
drop_text(enum drop_reason reason)
{
	return (unsigned)reason < DROP_REASON_COUNT ? texts[reason] : NULL;
}
