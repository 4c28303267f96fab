/* SPDX-License-Identifier: BSD-3-Clause */
#include "cli/query.h"

#include "cli/client.h"
#include "cli/output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void
query_add(char **path, const char *name, const char *value)
{
	char *encoded = client_encode(value);
	char *longer = output_format(
		"%s%c%s=%s", *path, strchr(*path, '?') == NULL ? '?' : '&', name, encoded);

	free(encoded);
	free(*path);
	*path = longer;
}

bool
query_parse(const char *text, uint64_t least, uint64_t most, uint64_t *number)
{
	char *end;

	errno = 0;
	if (*text < '0' || *text > '9')
		return false;
	*number = strtoull(text, &end, 10);
	return errno == 0 && *end == '\0' && *number >= least && *number <= most;
}

bool
query_number(char **path, const struct arguments *arguments, const char *name, uint64_t least,
	uint64_t most)
{
	const char *text = arguments_value(arguments, name);
	uint64_t number;

	if (text == NULL)
		return true;
	if (!query_parse(text, least, most, &number)) {
		output_error("--%s takes a number from %llu to %llu, not '%s'", name,
			(unsigned long long)least, (unsigned long long)most, text);
		return false;
	}
	query_add(path, name, text);
	return true;
}

bool
query_filter(char **path, const char *const *words, unsigned count)
{
	char *filter = output_memory(strdup("")), *longer;
	bool good = true;

	for (unsigned i = 0; i < count && good; i++) {
		good = strchr(words[i], '=') != NULL;
		if (!good)
			output_error(
				"'%s' is no condition; conditions look like ip=10.0.0.1", words[i]);
		longer = output_format("%s%s%s", filter, i > 0 ? " " : "", words[i]);
		free(filter);
		filter = longer;
	}
	if (good && *filter != '\0')
		query_add(path, "filter", filter);
	free(filter);
	return good;
}
